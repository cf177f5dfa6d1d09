package db_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// lockChild opens the database, says so and holds it until its input ends.
func lockChild() error {
	d, err := db.Open(context.Background(), db.Config{URL: os.Getenv("PENSTOCK_TEST_URL")})
	if err != nil {
		return err
	}
	fmt.Println("open")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	return d.Close()
}

func wantLocked(t *testing.T, url string) {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{URL: url})
	if err == nil {
		_ = d.Close()
		t.Fatal("a directory in use was opened again")
	}
	dir := strings.TrimPrefix(url, "sqlite:")
	if !strings.Contains(err.Error(), "another penstock uses this directory") || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %q, want one that names the directory and the reason", err)
	}
}

func TestDirectoryIsLocked(t *testing.T) {
	t.Parallel()
	url := dbtest.SQLiteURL(t)
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), "PENSTOCK_TEST_CHILD=lock", "PENSTOCK_TEST_URL="+url)
	child.Stderr = os.Stderr
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "open\n" {
		t.Fatal(line, err)
	}
	wantLocked(t, url)
	_ = stdin.Close()
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	d := dbtest.Open(t, url, nil) // free again
	wantLocked(t, url)            // also for the same process
	_ = d.Close()
}

func TestSQLiteSettings(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	want := map[string]string{
		"journal_mode": "wal",
		"synchronous":  "2", // FULL
		"foreign_keys": "1",
		"busy_timeout": "10000",
	}
	read := func(got map[string]string) func(tx *db.Tx) error {
		return func(tx *db.Tx) error {
			for name := range want {
				var value string
				if err := tx.QueryRow("pragma " + name).Scan(&value); err != nil {
					return err
				}
				got[name] = value
			}
			return nil
		}
	}
	writer, reader := map[string]string{}, map[string]string{}
	if err := errors.Join(d.Write(t.Context(), read(writer)), d.Read(t.Context(), read(reader))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, writer); diff != "" {
		t.Errorf("writer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, reader); diff != "" {
		t.Errorf("readers (-want +got):\n%s", diff)
	}
}

func TestSQLiteFilesArePrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "with space, #, ? and %41", "data")
	d := dbtest.Open(t, "sqlite:"+dir, nil)
	migrate(t, d)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
		names = append(names, e.Name())
	}
	want := []string{"penstock.db", "penstock.db-shm", "penstock.db-wal", "penstock.lock"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// A database that may not grow: the unit that needs room fails, reads and small
// writes go on.
func TestQuotaFull(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	migrate(t, d)
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow("pragma max_page_count = 30").Scan(new(int64))
	}); err != nil {
		t.Fatal(err)
	}
	big := func(tx *db.Tx) error {
		_, err := tx.Exec("insert into item (id, body) values ('big', $1)", strings.Repeat("x", 1<<20))
		return err
	}
	if err := d.Write(t.Context(), big); !errors.Is(err, db.ErrFull) {
		t.Errorf("error %v, want ErrFull", err)
	}
	if err := d.Write(t.Context(), insert("small", 1)); err != nil {
		t.Error(err)
	}
	wantIDs(t, d, "small")
}

func TestOpenUnusableDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	notSQLite := filepath.Join(dir, "other")
	if err := os.Mkdir(notSQLite, 0o700); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("this is no database\n", 500)
	if err := os.WriteFile(filepath.Join(notSQLite, "penstock.db"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:                         "not a directory",
		filepath.Join(file, "below"): "not a directory",
		notSQLite:                    "not a database",
	} {
		for range 2 { // the lock is given back
			d, err := db.Open(t.Context(), db.Config{URL: "sqlite:" + path})
			if err == nil {
				_ = d.Close()
				t.Fatalf("%s opened", path)
			}
			if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %q, want %q and the path", err, want)
			}
		}
	}
}

// More readers and writers than connections and places in a group.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		if err := d.Write(t.Context(), insert("sum", 0)); err != nil {
			t.Fatal(err)
		}
		const submitters, each = 40, 10
		var group sync.WaitGroup
		errs := make(chan error, 2*submitters)
		for range submitters {
			group.Go(func() {
				for range each {
					errs <- d.Write(t.Context(), func(tx *db.Tx) error {
						var n int64
						if err := tx.QueryRow("select n from item where id = 'sum'" + d.Dialect().LockSuffix).Scan(&n); err != nil {
							return err
						}
						_, err := tx.Exec("update item set n = $1 where id = 'sum'", n+1)
						return err
					})
					errs <- d.Read(t.Context(), func(tx *db.Tx) error {
						return tx.QueryRow("select n from item where id = $1", "sum").Scan(new(int64))
					})
				}
			})
		}
		go func() { group.Wait(); close(errs) }()
		for err := range errs {
			if err != nil {
				t.Error(err)
			}
		}
		var n int64
		if err := d.Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow("select n from item where id = 'sum'").Scan(&n)
		}); err != nil || n != submitters*each {
			t.Errorf("sum %d, %v; want %d", n, err, submitters*each)
		}
	})
}
