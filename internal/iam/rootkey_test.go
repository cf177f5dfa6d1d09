package iam_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

const account = "123456789012"

// TestFirstStart: the first start makes a key pair only the owner may read, and
// every later one has the same.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	first, err := iam.Open(iam.Config{Dir: dir, Account: account})
	if err != nil {
		t.Fatal(err)
	}
	root := first.Root()
	if !strings.HasPrefix(root.AccessKeyID, "AKIA") || len(root.AccessKeyID) != 20 || len(root.SecretAccessKey) != 40 {
		t.Errorf("made the key pair %q, %q", root.AccessKeyID, root.SecretAccessKey)
	}
	info, err := os.Stat(filepath.Join(dir, iam.RootKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the root key file has mode %04o", info.Mode().Perm())
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v; want the key file only", entries, err)
	}
	second, err := iam.Open(iam.Config{Dir: dir, Account: account})
	if err != nil {
		t.Fatal(err)
	}
	if second.Root() != root {
		t.Error("the second start has another key pair")
	}
	other, err := iam.Open(iam.Config{Dir: t.TempDir(), Account: account})
	if err != nil {
		t.Fatal(err)
	}
	if other.Root() == root {
		t.Error("two directories have the same key pair")
	}
}

// TestStartsAtOnce: several first starts on one directory agree on one key.
func TestStartsAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	roots := make([]sigv4.Credentials, 8)
	var group sync.WaitGroup
	for n := range roots {
		group.Go(func() {
			s, err := iam.Open(iam.Config{Dir: dir, Account: account})
			if err != nil {
				t.Error(err)
				return
			}
			roots[n] = s.Root()
		})
	}
	group.Wait()
	for _, root := range roots {
		if root != roots[0] || root.AccessKeyID == "" {
			t.Fatalf("key pairs %v", roots)
		}
	}
}

func TestGivenKey(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s, err := iam.Open(iam.Config{Dir: dir, Account: account, RootAccessKeyID: "AKIDGIVEN", RootSecretAccessKey: "given"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Root() != (sigv4.Credentials{AccessKeyID: "AKIDGIVEN", SecretAccessKey: "given"}) {
		t.Errorf("root is %v", s.Root())
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the directory was made")
	}
}

func TestOpenRefusals(t *testing.T) {
	t.Parallel()
	file := func(text string, mode os.FileMode) string {
		dir := t.TempDir()
		path := filepath.Join(dir, iam.RootKeyFile)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	const good = `{"accessKeyId":"AKIDGOOD","secretAccessKey":"good"}`
	tests := []struct {
		name   string
		config iam.Config
		want   string
	}{
		{"no account", iam.Config{Dir: t.TempDir()}, "twelve digits"},
		{"bad account", iam.Config{Dir: t.TempDir(), Account: "12345678901x"}, "twelve digits"},
		{"id only", iam.Config{Account: account, RootAccessKeyID: "AKID"}, "only one is set"},
		{"secret only", iam.Config{Account: account, RootSecretAccessKey: "x"}, "only one is set"},
		{"slash in id", iam.Config{Account: account, RootAccessKeyID: "AK/ID", RootSecretAccessKey: "x"}, "access key id"},
		{"blank in secret", iam.Config{Account: account, RootAccessKeyID: "AKID", RootSecretAccessKey: "x "}, "secret access key"},
		{"readable by others", iam.Config{Account: account, Dir: file(good, 0o644)}, "chmod 600"},
		{"readable by the group", iam.Config{Account: account, Dir: file(good, 0o640)}, "chmod 600"},
		{"cut off", iam.Config{Account: account, Dir: file(good[:20], 0o600)}, "reading the root key file"},
		{"empty", iam.Config{Account: account, Dir: file("{}", 0o600)}, "access key id"},
	}
	for _, tt := range tests {
		_, err := iam.Open(tt.config)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error is %v, want one with %q", tt.name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "good\"") {
			t.Errorf("%s: the error shows the secret: %v", tt.name, err)
		}
	}
	if _, err := iam.Open(iam.Config{Account: account, Dir: file(good, 0o600)}); err != nil {
		t.Errorf("a good file is refused: %v", err)
	}
}
