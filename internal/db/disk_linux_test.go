package db_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// smallDisk mounts a file system of a few MiB.
func smallDisk(t *testing.T, flags uintptr) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", flags, "size=6m")
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Skipf("mounting a small file system: %v: the machine lets the test mount nothing", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 1; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

func bulky(id string, size int) func(*db.Tx) error {
	return func(tx *db.Tx) error {
		_, err := tx.Exec("insert into item (id, body) values ($1, $2)", id, strings.Repeat("x", size))
		return err
	}
}

// When the disk is full at COMMIT, the outcome is unknown to the caller, but
// nothing is damaged, reads go on, and writes do as soon as there is room.
func TestDiskFullAtCommit(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 0)
	url := "sqlite:" + filepath.Join(dir, "data")
	d := dbtest.Open(t, url, nil)
	migrate(t, d)
	if err := d.Write(t.Context(), insert("before", 1)); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	err := d.Write(t.Context(), bulky("bulky", 300_000))
	if !errors.Is(err, db.ErrUnknownOutcome) || !errors.Is(err, db.ErrFull) {
		t.Errorf("error %v, want ErrUnknownOutcome and ErrFull", err)
	}
	wantIDs(t, d, "before")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := d.Write(t.Context(), bulky("after", 300_000)); err != nil {
		t.Errorf("write when there is room again: %v", err)
	}
	wantIDs(t, d, "after", "before")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, dbtest.Open(t, url, nil), "after", "before")
}

// When the disk is full inside a unit too large for the cache, SQLite may roll
// back the whole group. Nobody may be told that it succeeded.
func TestDiskFullInGroup(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 0)
	inBubbleURL(t, "sqlite:"+filepath.Join(dir, "data"), func(t *testing.T, d *db.DB, _ *db.Faults) {
		fill(t, filepath.Join(dir, "filler"))
		large := func(tx *db.Tx) error {
			for i := range 40 {
				if err := bulky("large"+string(rune('a'+i)), 100_000)(tx); err != nil {
					return err
				}
			}
			return nil
		}
		units := map[string]func(*db.Tx) error{"a": insert("a", 1), "b": large, "c": insert("c", 1)}
		errs := group(t, d, units["a"], units["b"], units["c"])
		if !errors.Is(errs[1], db.ErrFull) {
			t.Errorf("the large unit got %v, want ErrFull", errs[1])
		}
		var want []string
		for i, id := range []string{"a", "b", "c"} {
			if errs[i] == nil {
				want = append(want, id)
			}
		}
		t.Logf("a: %v; c: %v", errs[0], errs[2])
		wantIDs(t, d, want...)
		if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
			t.Fatal(err)
		}
		if err := d.Write(t.Context(), insert("z", 1)); err != nil {
			t.Errorf("write when there is room again: %v", err)
		}
		wantIDs(t, d, append(want, "z")...)
	})
}

func TestOpenReadOnlyDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, syscall.MS_RDONLY)
	_, err := db.Open(t.Context(), db.Config{URL: "sqlite:" + dir})
	if !errors.Is(err, db.ErrReadOnly) || !strings.Contains(err.Error(), "the directory is not writable") {
		t.Errorf("error %v, want ErrReadOnly in words", err)
	}
}

func TestOpenFullDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 0)
	fill(t, filepath.Join(dir, "filler"))
	d, err := db.Open(t.Context(), db.Config{URL: "sqlite:" + dir})
	if err == nil {
		err = errors.Join(d.Migrate(t.Context(), itemSchema()), d.Close())
	}
	if !errors.Is(err, db.ErrFull) {
		t.Errorf("error %v, want ErrFull", err)
	}
}
