package source

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/blob"
	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/s3"
)

func newStore(t *testing.T, d *db.DB) *s3.Store {
	t.Helper()
	must(t, d.Migrate(t.Context(), s3.Schema()))
	blobs, err := blob.OpenDir(t.TempDir())
	must(t, err)
	t.Cleanup(func() { _ = blobs.Close() })
	return s3.New(d, blobs, slog.New(slog.DiscardHandler))
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	store := newStore(t, dbtest.SQLite(t))
	ctx := t.Context()
	owner := s3.Owner{Account: "111122223333", Region: "eu-west-1"}
	must(t, store.CreateBucket(ctx, owner, "in-bucket"))
	source := NewS3(Embedded(store))
	configuration := map[string]string{"S3Bucket": "in-bucket", "S3ObjectKey": "app.zip"}

	got, err := source.Start(ctx, attempt(t, &artifacts{}, configuration))
	wantFailure(t, got, err, "ConfigurationError", "versioning is not enabled")
	must(t, store.PutBucketVersioning(ctx, "in-bucket", s3.VersioningEnabled))
	got, err = source.Start(ctx, attempt(t, &artifacts{}, configuration))
	wantFailure(t, got, err, "ConfigurationError", `Could not access the Amazon S3 object: "in-bucket/app.zip". Make`)

	first, err := store.PutObject(ctx, "in-bucket", "app.zip", strings.NewReader("one"), s3.PutOptions{Headers: s3.Headers{Metadata: map[string]string{summaryMetadata: "release 1"}}})
	must(t, err)
	second, err := store.PutObject(ctx, "in-bucket", "app.zip", strings.NewReader("two"), s3.PutOptions{})
	must(t, err)
	for _, tt := range []struct {
		overrides []pipeline.SourceRevisionOverride
		want      s3.Object
		content   string
		summary   string
	}{
		{nil, second, "two", "Amazon S3 version id: " + second.VersionID},
		{[]pipeline.SourceRevisionOverride{s3Override(pipeline.RevisionS3ObjectVersionID, first.VersionID)}, first, "one", "release 1"},
	} {
		kept := &artifacts{}
		got, err := source.Start(ctx, attempt(t, kept, configuration, tt.overrides...))
		must(t, err)
		want := map[string]string{"BucketName": "in-bucket", "ObjectKey": "app.zip", "VersionId": tt.want.VersionID, "ETag": tt.want.ETag}
		if d := cmp.Diff(want, got.OutputVariables); d != "" || string(kept.kept[outputKey]) != tt.content || got.Revision.Summary != tt.summary {
			t.Errorf("%s%q %+v", d, kept.kept[outputKey], got.Revision)
		}
	}
	for _, id := range []string{"nonsense", strings.Repeat("A", 32)} {
		got, err := source.Start(ctx, attempt(t, &artifacts{}, configuration, s3Override(pipeline.RevisionS3ObjectVersionID, id)))
		wantFailure(t, got, err, "RevisionUnavailable", id)
	}
	// Another account's bucket is as closed as it is over HTTP.
	stranger := attempt(t, &artifacts{}, configuration)
	stranger.Account = "999988887777"
	got, err = source.Start(ctx, stranger)
	wantFailure(t, got, err, "PermissionError", "Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied; Request ID: null; S3 Extended Request ID: null; Proxy: null)")
}

func TestEmbeddedPut(t *testing.T) {
	t.Parallel()
	store := newStore(t, dbtest.SQLite(t))
	ctx := t.Context()
	must(t, store.CreateBucket(ctx, s3.Owner{Account: "111122223333", Region: "eu-west-1"}, "out-bucket"))
	objects, err := Embedded(store)(provider.Attempt{Account: "111122223333"})
	must(t, err)
	_, err = objects.Put(ctx, "out-bucket", "a/b", strings.NewReader("x"), provider.ObjectOptions{
		ContentType: "text/plain", CacheControl: "no-cache", ACL: "private", KMSKeyID: "key-1", Multipart: true,
	})
	must(t, err)
	o, content, err := store.GetObject(ctx, "out-bucket", "a/b", "")
	must(t, err)
	defer content.Close()
	b, err := io.ReadAll(content)
	must(t, err)
	want := s3.Headers{ContentType: "text/plain", CacheControl: "no-cache", ACL: "private", SSE: s3.SSE{Algorithm: "aws:kms", KMSKeyID: "key-1"}}
	if d := cmp.Diff(want, o.Headers); d != "" || string(b) != "x" {
		t.Errorf("%s%q", d, b)
	}
	// The MD5 of the MD5 of "x", as S3 gives it to an upload of one part.
	if o.ETag != "9affad555af89da9b0bfcd5e45bc93da-1" {
		t.Errorf("the ETag of an upload is %s", o.ETag)
	}
	plain, err := objects.Put(ctx, "out-bucket", "plain", strings.NewReader("x"), provider.ObjectOptions{})
	must(t, err)
	if plain.ETag != "9dd4e461268c8034f5c8564e155c67a6" {
		t.Errorf("the ETag of a put is %s", plain.ETag)
	}
	for _, tt := range []struct{ bucket, key, code string }{
		{"no-bucket", "k", "NoSuchBucket"}, {"out-bucket", strings.Repeat("k", 1025), "KeyTooLongError"}, {"out-bucket", "a\x00", "InvalidURI"},
	} {
		_, err := objects.Put(ctx, tt.bucket, tt.key, strings.NewReader("x"), provider.ObjectOptions{})
		if refusal, ok := errors.AsType[*provider.ObjectError](err); !ok || refusal.Code != tt.code {
			t.Errorf("%s/%s: %v, want %s", tt.bucket, tt.key, err, tt.code)
		}
	}
}
