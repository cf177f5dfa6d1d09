package s3

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/penstock-cd/penstock/internal/blob"
	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

const (
	bucket  = "artifacts"
	account = "123456789012"
)

// fixture is a store over a real database and a real directory.
type fixture struct {
	*Store
	t     *testing.T
	blobs *blob.Dir
	dir   string // of the blobs
}

func newFixture(t *testing.T, d *db.DB) *fixture {
	t.Helper()
	if err := d.Migrate(t.Context(), Schema()); err != nil {
		t.Fatal(err)
	}
	f := openFixture(t, d, t.TempDir())
	f.maxRow = -1 // every content is a blob, which tests can count
	f.must(f.CreateBucket(t.Context(), Owner{Account: account, Region: "us-east-1"}, bucket))
	return f
}

// openFixture is a fixture over what is there already.
func openFixture(t *testing.T, d *db.DB, dir string) *fixture {
	t.Helper()
	blobs, err := blob.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = blobs.Close() })
	return &fixture{t: t, blobs: blobs, dir: dir, Store: New(d, blobs, slog.New(slog.NewTextHandler(t.Output(), nil)))}
}

// each runs fn on SQLite and PostgreSQL with a bucket made.
func each(t *testing.T, fn func(f *fixture)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { fn(newFixture(t, d)) })
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) wants(err, want error) {
	f.t.Helper()
	if !errors.Is(err, want) {
		f.t.Errorf("error %v, want %v", err, want)
	}
}

func (f *fixture) versioned() {
	f.t.Helper()
	f.must(f.PutBucketVersioning(f.t.Context(), bucket, VersioningEnabled))
}

func (f *fixture) put(key, content string) Object {
	f.t.Helper()
	o, err := f.PutObject(f.t.Context(), bucket, key, strings.NewReader(content), PutOptions{})
	f.must(err)
	return o
}

// putMany puts empty objects, many at once.
func (f *fixture) putMany(keys []string) {
	f.t.Helper()
	var g errgroup.Group
	g.SetLimit(16)
	for _, key := range keys {
		g.Go(func() error {
			_, err := f.PutObject(f.t.Context(), bucket, key, strings.NewReader(""), PutOptions{})
			return err
		})
	}
	f.must(g.Wait())
}

// get returns the content, or the text of the error's class.
func (f *fixture) get(key, versionID string) string {
	f.t.Helper()
	_, r, err := f.GetObject(f.t.Context(), bucket, key, versionID)
	for _, class := range []error{ErrNoSuchBucket, ErrNoSuchKey, ErrNoSuchVersion, ErrDeleteMarker} {
		if errors.Is(err, class) {
			return class.Error()
		}
	}
	f.must(err)
	defer r.Close()
	content, err := io.ReadAll(r)
	f.must(err)
	return string(content)
}

func (f *fixture) wantContent(key, versionID, want string) {
	f.t.Helper()
	if got := f.get(key, versionID); got != want {
		f.t.Errorf("%s version %q: %q, want %q", key, versionID, got, want)
	}
}

func (f *fixture) delete(key, versionID string) Deleted {
	f.t.Helper()
	d, err := f.DeleteObject(f.t.Context(), bucket, key, versionID)
	f.must(err)
	return d
}

func (f *fixture) countBlobs() int {
	f.t.Helper()
	n := 0
	f.must(f.blobs.Walk(f.t.Context(), func(blob.Info) error { n++; return nil }))
	return n
}

func (f *fixture) wantBlobs(want int) {
	f.t.Helper()
	if n := f.countBlobs(); n != want {
		f.t.Errorf("%d blobs, want %d", n, want)
	}
}
