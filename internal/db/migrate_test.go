package db_test

import (
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// schema makes a schema of files by name.
func schema(name string, files map[string]string) db.Schema {
	m := fstest.MapFS{}
	for file, text := range files {
		m[file] = &fstest.MapFile{Data: []byte(text)}
	}
	return db.Schema{Name: name, Files: m}
}

func TestMigrateForward(t *testing.T) {
	t.Parallel()
	dbtest.EachURL(t, func(t *testing.T, url string) {
		files := map[string]string{
			"00001_a.sql": "-- +goose Up\ncreate table a (id text_key primary key);\ninsert into a values ('one');\n",
		}
		d := dbtest.Open(t, url, nil)
		for range 2 { // again: nothing to do
			if err := d.Migrate(t.Context(), schema("one", files), itemSchema()); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		// The next release adds a column.
		newer := maps.Clone(files)
		newer["00002_b.sql"] = "-- +goose Up\nalter table a add column b bigint not null default 5;\n"
		d = dbtest.Open(t, url, nil)
		if err := d.Migrate(t.Context(), schema("one", newer)); err != nil {
			t.Fatal(err)
		}
		// A node of the release before still starts.
		if err := d.Migrate(t.Context(), schema("one", files)); err != nil {
			t.Fatalf("older release on newer tables: %v", err)
		}
		var b int64
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow("select b from a where id = $1", "one").Scan(&b)
		})
		if err != nil || b != 5 {
			t.Errorf("b = %d, %v; want 5", b, err)
		}
	})
}

func TestMigrateErrors(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const up = "-- +goose Up\n"
		tests := []struct {
			schema db.Schema
			want   string
		}{
			{schema("Bad-Name", map[string]string{"00001_a.sql": up + "select 1;"}), `"Bad-Name" is no name`},
			{schema("empty", nil), "no migrations"},
			{schema("down", map[string]string{"00001_a.sql": up + "select 1;\n-- +goose Down\nselect 1;"}), "forward only"},
			{schema("wrong", map[string]string{"00001_a.sql": up + "create table w (id text_key);\ncreate tabel x;"}), "00001_a.sql"},
		}
		for _, test := range tests {
			err := d.Migrate(t.Context(), test.schema)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: error %v, want %q", test.schema.Name, err, test.want)
			}
		}
		// The failed one left nothing behind, and can be repeated when it is right.
		right := schema("wrong", map[string]string{"00001_a.sql": up + "create table w (id text_key);"})
		if err := d.Migrate(t.Context(), right); err != nil {
			t.Fatal(err)
		}
	})
}

// Several nodes start at once.
func TestMigrateTogether(t *testing.T) {
	t.Parallel()
	url := dbtest.PostgresURL(t)
	var group sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		d := dbtest.Open(t, url, nil)
		group.Go(func() { errs[i] = d.Migrate(t.Context(), itemSchema()) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// A node that migrates keeps the others waiting.
func TestMigrateWaitsForOthers(t *testing.T) {
	t.Parallel()
	url := dbtest.PostgresURL(t)
	d := dbtest.Open(t, url, nil)
	other := connect(t, url)
	const lock = 0x70656e73746f636b
	if _, err := other.Exec(t.Context(), "select pg_advisory_lock($1)", int64(lock)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- d.Migrate(t.Context(), itemSchema()) }()
	for waiting := false; !waiting; {
		select {
		case err := <-done:
			t.Fatalf("migrated (%v) while another node held the lock", err)
		default:
		}
		const query = "select exists (select 1 from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database()))"
		if err := other.QueryRow(t.Context(), query).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := other.Exec(t.Context(), "select pg_advisory_unlock($1)", int64(lock)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantIDs(t, d)
}

// Migrating while others write: the writers wait.
func TestMigrateWhileWriting(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		var group sync.WaitGroup
		var writeErr, migrateErr error
		group.Go(func() {
			for range 50 {
				if err := d.Write(t.Context(), func(tx *db.Tx) error {
					_, err := tx.Exec("insert into item (id) values ($1) on conflict (id) do update set n = item.n + 1", "a")
					return err
				}); err != nil {
					writeErr = err
				}
			}
		})
		group.Go(func() {
			migrateErr = d.Migrate(t.Context(), schema("more", map[string]string{
				"00001_a.sql": "-- +goose Up\ncreate table more (id text_key primary key);",
				"00002_b.sql": "-- +goose Up\nalter table item add column extra text;",
			}))
		})
		group.Wait()
		if writeErr != nil || migrateErr != nil {
			t.Errorf("writing: %v; migrating: %v", writeErr, migrateErr)
		}
	})
}

// text_key compares as bytes whatever the database's own order is.
func TestTextKeyComparesAsBytes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		want := []string{"-x", "A", "B", "Z", "_", "a", "aB", "a_", "ab", "b", "é"}
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			for _, id := range []string{"ab", "é", "B", "a", "_", "aB", "Z", "a_", "b", "-x", "A"} {
				if err := insert(id, 1)(tx); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wantIDs(t, d, want...)
		var after int64
		err = d.Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow("select count(*) from item where id > $1", "Z").Scan(&after)
		})
		if err != nil || after != 7 {
			t.Errorf("%d keys after Z, %v; want 7", after, err)
		}
	})
}

func TestMigrationText(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		// Only the whole word is replaced.
		err := d.Migrate(t.Context(), schema("words", map[string]string{
			"00001_a.sql": "-- +goose Up\ncreate table words (my_text_key text_key, text_keys text_key not null, primary key (my_text_key, text_keys));",
		}))
		if err != nil {
			t.Fatal(err)
		}
		err = d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec("insert into words (my_text_key, text_keys) values ($1, $2)", "a", "b")
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}
