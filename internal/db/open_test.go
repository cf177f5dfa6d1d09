package db_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

func TestCancelled(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.Write(ctx, insert("a", 1)); !errors.Is(err, context.Canceled) {
			t.Errorf("write: %v", err)
		}
		if err := d.Read(ctx, func(*db.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("read: %v", err)
		}
		wantIDs(t, d)
	})
}

func TestClosed(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		for range 2 {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Write(t.Context(), insert("a", 1)); !errors.Is(err, db.ErrClosed) {
			t.Errorf("write: %v", err)
		}
		if err := d.Read(t.Context(), func(*db.Tx) error { return nil }); !errors.Is(err, db.ErrClosed) {
			t.Errorf("read: %v", err)
		}
	})
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ url, want string }{
		{"", "must start with"},
		{"mysql://secret@x", "must start with"},
		{"sqlite:", "names no directory"},
		{"postgres://u:secret@127.0.0.1:1/x?connect_timeout=2", "127.0.0.1"},
		{"postgres://u:secret@127.0.0.1:1/x?pool_max_conns=many", "pool_max_conns"},
	} {
		d, err := db.Open(t.Context(), db.Config{URL: test.url})
		if err == nil {
			_ = d.Close()
			t.Errorf("%q opened", test.url)
			continue
		}
		if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: error %q, want %q and no secret", test.url, err, test.want)
		}
	}
}
