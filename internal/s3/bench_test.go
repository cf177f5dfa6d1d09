package s3

import (
	"bytes"
	"io"
	"log/slog"
	"strconv"
	"testing"

	"github.com/penstock-cd/penstock/internal/blob"
	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

func benchStore(b *testing.B) *Store {
	b.Helper()
	return benchStoreOn(b, dbtest.SQLite(b))
}

func benchStoreOn(b *testing.B, d *db.DB) *Store {
	b.Helper()
	blobs, err := blob.OpenDir(b.TempDir())
	if err == nil {
		b.Cleanup(func() { _ = blobs.Close() })
		err = d.Migrate(b.Context(), Schema())
	}
	s := New(d, blobs, slog.New(slog.DiscardHandler))
	if err == nil {
		err = s.CreateBucket(b.Context(), Owner{Account: account, Region: "us-east-1"}, bucket)
	}
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkPut is one writer on SQLite with synchronous=FULL.
func BenchmarkPut(b *testing.B) {
	for name, size := range map[string]int{"4KiB": 4 << 10, "64MiB": 64 << 20} {
		b.Run(name, func(b *testing.B) {
			s, content := benchStore(b), make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				_, err := s.PutObject(b.Context(), bucket, strconv.Itoa(n%100), bytes.NewReader(content), PutOptions{})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkGet reads the whole object.
func BenchmarkGet(b *testing.B) {
	for name, size := range map[string]int{"4KiB": 4 << 10, "64MiB": 64 << 20} {
		b.Run(name, func(b *testing.B) {
			s := benchStore(b)
			if _, err := s.PutObject(b.Context(), bucket, "k", bytes.NewReader(make([]byte, size)), PutOptions{}); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			for b.Loop() {
				_, r, err := s.GetObject(b.Context(), bucket, "k", "")
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
				_ = r.Close()
			}
		})
	}
}
