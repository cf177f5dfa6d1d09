package iam_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/penstock-cd/penstock/internal/iam"
)

func keyring(t *testing.T, data string) *iam.Keyring {
	t.Helper()
	k, err := iam.OpenKeyring(data)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func seal(t *testing.T, k *iam.Keyring, secret, about string) string {
	t.Helper()
	sealed, err := k.Seal([]byte(secret), about)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func wantOpen(t *testing.T, k *iam.Keyring, sealed, about, want string) {
	t.Helper()
	got, err := k.Open(sealed, about)
	if err != nil || string(got) != want {
		t.Errorf("opening %s gives %q, %v", sealed, got, err)
	}
}

func TestKeyring(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	k := keyring(t, data)
	sealed := seal(t, k, "hunter2", "x")
	if strings.Contains(sealed, "hunter2") {
		t.Errorf("the secret is readable: %s", sealed)
	}
	if again := seal(t, k, "hunter2", "x"); again == sealed {
		t.Error("the same secret is sealed the same way twice")
	}
	wantOpen(t, k, sealed, "x", "hunter2")
	wantOpen(t, k, seal(t, k, "", "empty"), "empty", "")
	wantOpen(t, keyring(t, data), sealed, "x", "hunter2")

	if _, err := k.Open(sealed, "y"); err == nil {
		t.Error("it opens as something else")
	}
	fields := strings.Split(sealed, ".")
	other := strings.Split(seal(t, k, "other", "x"), ".")
	for _, forged := range []string{
		"", "x", sealed + ".", sealed[:len(sealed)-2],
		strings.Join([]string{fields[0], fields[1], other[2], fields[3]}, "."),
		strings.Join([]string{"penstock2", fields[1], fields[2], fields[3]}, "."),
	} {
		if got, err := k.Open(forged, "x"); err == nil {
			t.Errorf("%q opens to %q", forged, got)
		}
	}
	if _, err := keyring(t, t.TempDir()).Open(sealed, "x"); !errors.Is(err, iam.ErrUnknownKey) {
		t.Errorf("another keyring: %v", err)
	}
}

func TestKeyringRotation(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	k, elsewhere := keyring(t, data), keyring(t, data)
	old := seal(t, k, "old", "x")
	if !k.SealedUnderNewest(old) {
		t.Error("the only version is not the newest")
	}
	id, err := k.Rotate()
	if err != nil || !strings.HasPrefix(id, "2-") {
		t.Fatalf("rotation gives %q, %v", id, err)
	}
	if k.SealedUnderNewest(old) {
		t.Error("the first version is still the newest")
	}
	sealed := seal(t, k, "new", "x")
	if !k.SealedUnderNewest(sealed) || !strings.Contains(sealed, id) {
		t.Errorf("%s is not sealed under %s", sealed, id)
	}
	wantOpen(t, k, old, "x", "old")
	// The other process notices the new version when it meets it.
	wantOpen(t, elsewhere, sealed, "x", "new")
	wantOpen(t, elsewhere, old, "x", "old")
}

func TestKeyringOfSeveralProcesses(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	var group sync.WaitGroup
	sealed := make([]string, 8)
	for n := range sealed {
		group.Go(func() {
			k, err := iam.OpenKeyring(data)
			if err == nil {
				_, err = k.Rotate()
			}
			if err == nil {
				sealed[n], err = k.Seal([]byte("secret"), "x")
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	k := keyring(t, data)
	for _, s := range sealed {
		wantOpen(t, k, s, "x", "secret")
	}
}

func TestKeyringFiles(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	keyring(t, data)
	path := filepath.Join(data, iam.KeyringDir, "1.json")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the key file has mode %v", info.Mode())
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := iam.OpenKeyring(data); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a readable key file: %v", err)
	}
	if err := os.WriteFile(path, []byte(`{"id":"1-x","key":"c2hvcnQ="}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := iam.OpenKeyring(data); err == nil || !strings.Contains(err.Error(), "damaged") || strings.Contains(err.Error(), "c2hvcnQ") {
		t.Errorf("a damaged key file: %v", err)
	}
}
