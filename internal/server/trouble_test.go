package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/server"
)

// TestStartRefused starts servers that cannot work: each says why at once, and
// nothing is left listening or locked.
func TestStartRefused(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("no directory"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBed(t)
	tests := []struct {
		name   string
		change func(*server.Config)
		want   string
	}{
		{"data below a file", func(c *server.Config) { c.Data = filepath.Join(file, "data") }, "not a directory"},
		{"data is a file", func(c *server.Config) { c.Data = file }, "not a directory"},
		{"data in use", func(c *server.Config) { c.Data = b.cfg.Data }, b.cfg.Data},
		{"port in use", func(c *server.Config) { c.Listen = strings.TrimPrefix(b.Endpoint(), "http://") }, "address already in use"},
		{"no database there", func(c *server.Config) { c.Database = "postgres://127.0.0.1:1/none?connect_timeout=2" }, "127.0.0.1"},
		{"open to all", func(c *server.Config) { c.Listen = "0.0.0.0:0" }, "can be reached from elsewhere"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := server.Config{Listen: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "data"), Account: account}
			test.change(&cfg)
			s, err := server.Start(t.Context(), cfg, server.Options{})
			if err == nil {
				s.Close(t.Context())
				t.Fatal("the server started")
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "panic") {
				t.Errorf("error %q, want %q in it", err, test.want)
			}
			if cfg.Data == b.cfg.Data || test.name == "data below a file" || test.name == "data is a file" {
				return
			}
			// What stopped it is gone: the same directory serves.
			s, err = server.Start(t.Context(), server.Config{Listen: "127.0.0.1:0", Data: cfg.Data, Account: account}, server.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
