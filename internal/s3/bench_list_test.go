package s3

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// BenchmarkList lists a page of a thousand keys: of one version each, and of many.
// With many versions of few keys, a list must not read them all.
func BenchmarkList(b *testing.B) {
	for name, open := range map[string]func(testing.TB) *db.DB{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		for _, shape := range []struct{ keys, versions int }{{1000, 1}, {1000, 10}, {10, 1000}} {
			b.Run(fmt.Sprintf("%s/%dx%d", name, shape.keys, shape.versions), func(b *testing.B) {
				s := benchStoreOn(b, open(b))
				if err := s.PutBucketVersioning(b.Context(), bucket, VersioningEnabled); err != nil {
					b.Fatal(err)
				}
				for n := range shape.keys * shape.versions {
					key := fmt.Sprintf("builds/%05d/source.zip", n%shape.keys)
					if _, err := s.PutObject(b.Context(), bucket, key, bytes.NewReader(make([]byte, 2000)), PutOptions{}); err != nil {
						b.Fatal(err)
					}
				}
				// As autovacuum does some time after: PostgreSQL plans by statistics.
				if err := s.db.Write(b.Context(), func(tx *db.Tx) error {
					_, err := tx.Exec("analyze s3_versions")
					return err
				}); err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					page, err := s.ListObjects(b.Context(), bucket, ListOptions{})
					if err != nil || len(page.Objects) != shape.keys {
						b.Fatal(len(page.Objects), err)
					}
				}
			})
		}
	}
}

// BenchmarkGoneVersion deletes versions that are gone, as whoever repeats a delete
// does, of a key that has many.
func BenchmarkGoneVersion(b *testing.B) {
	for name, open := range map[string]func(testing.TB) *db.DB{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		b.Run(name, func(b *testing.B) {
			s := benchStoreOn(b, open(b))
			if err := s.PutBucketVersioning(b.Context(), bucket, VersioningEnabled); err != nil {
				b.Fatal(err)
			}
			for range 5000 {
				if _, err := s.PutObject(b.Context(), bucket, "k", bytes.NewReader(make([]byte, 1000)), PutOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			gone := newVersionID(1)
			for b.Loop() {
				if _, err := s.DeleteObject(b.Context(), bucket, "k", gone); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
