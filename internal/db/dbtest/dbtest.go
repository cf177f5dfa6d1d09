// Package dbtest gives tests real databases: a fresh SQLite database in a
// temporary directory, and a fresh PostgreSQL database in a private cluster that
// is started once for each test binary and ends with it.
//
// A test of anything that holds SQL runs on both:
//
//	func TestStore(t *testing.T) {
//		t.Parallel()
//		dbtest.Each(t, func(t *testing.T, d *db.DB) {
//			if err := d.Migrate(t.Context(), mypackage.Schema()); err != nil { ... }
//			...
//		})
//	}
//
// [EachURL] is for tests that open a database several times, as several nodes or
// after a restart; [Faults] for tests that make commits fail.
//
// Without PostgreSQL's binaries on the machine its half is skipped, with the
// reason; if the environment variable PENSTOCK_REQUIRE_POSTGRES is 1 it fails.
package dbtest

import (
	"log/slog"
	"testing"

	"github.com/penstock-cd/penstock/internal/db"
)

// Each runs fn as two parallel subtests, each with an empty database that is
// closed at the end: on SQLite and on PostgreSQL.
func Each(t *testing.T, fn func(t *testing.T, d *db.DB)) {
	t.Helper()
	EachURL(t, func(t *testing.T, url string) { fn(t, Open(t, url, nil)) })
}

// Faults is Each with a value that makes writes fail when the test arms it.
func Faults(t *testing.T, fn func(t *testing.T, d *db.DB, f *db.Faults)) {
	t.Helper()
	EachURL(t, func(t *testing.T, url string) {
		f := &db.Faults{}
		fn(t, Open(t, url, f), f)
	})
}

// EachURL runs fn as two parallel subtests, each with the URL of an empty
// database: on SQLite and on PostgreSQL.
func EachURL(t *testing.T, fn func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, SQLiteURL(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, PostgresURL(t))
	})
}

// SQLite returns an empty SQLite database, closed at the end of the test.
func SQLite(t testing.TB) *db.DB {
	t.Helper()
	return Open(t, SQLiteURL(t), nil)
}

// SQLiteURL returns the URL of an empty SQLite database.
func SQLiteURL(t testing.TB) string {
	t.Helper()
	return "sqlite:" + t.TempDir()
}

// Postgres returns an empty PostgreSQL database, closed and dropped at the end
// of the test.
func Postgres(t testing.TB) *db.DB {
	t.Helper()
	return Open(t, PostgresURL(t), nil)
}

// Open opens a database and closes it at the end of the test; f may be nil.
func Open(t testing.TB, url string, f *db.Faults) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{
		URL:    url,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Faults: f,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("closing the database: %v", err)
		}
	})
	return d
}
