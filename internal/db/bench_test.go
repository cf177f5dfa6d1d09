package db_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// BenchmarkWrite measures small durable transactions: one insert each. The
// PostgreSQL server waits for the disk too. Compare with BenchmarkFsync, the
// floor that the disk sets.
func BenchmarkWrite(b *testing.B) {
	databases := []struct {
		name string
		url  func(testing.TB) string
	}{
		{"sqlite", dbtest.SQLiteURL},
		{"postgres", dbtest.DurablePostgresURL},
	}
	for _, database := range databases {
		for _, submitters := range []int{1, 64} {
			b.Run(database.name+"/submitters="+strconv.Itoa(submitters), func(b *testing.B) {
				d := dbtest.Open(b, database.url(b), nil)
				migrate(b, d)
				benchmarkWrite(b, d, submitters)
			})
		}
	}
}

func benchmarkWrite(b *testing.B, d *db.DB, submitters int) {
	var count atomic.Int64
	done := make(chan error, submitters)
	b.ResetTimer()
	for range submitters {
		go func() {
			for {
				n := count.Add(1)
				if n > int64(b.N) {
					done <- nil
					return
				}
				if err := d.Write(context.Background(), insert(strconv.FormatInt(n, 10), int(n))); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for range submitters {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}

// BenchmarkFsync measures what one durable append to a file costs on the disk of
// the temporary directory.
func BenchmarkFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "file"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	for b.Loop() {
		if _, err := f.Write(page); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "fsyncs/s")
}

// BenchmarkRead measures one indexed lookup in a snapshot of its own.
func BenchmarkRead(b *testing.B) {
	for _, url := range []func(testing.TB) string{dbtest.SQLiteURL, dbtest.PostgresURL} {
		d := dbtest.Open(b, url(b), nil)
		migrate(b, d)
		if err := d.Write(b.Context(), insert("a", 1)); err != nil {
			b.Fatal(err)
		}
		b.Run(d.Dialect().Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var n int64
				err := d.Read(b.Context(), func(tx *db.Tx) error {
					return tx.QueryRow("select n from item where id = $1", "a").Scan(&n)
				})
				if err != nil || n != 1 {
					b.Fatal(n, err)
				}
			}
		})
	}
}
