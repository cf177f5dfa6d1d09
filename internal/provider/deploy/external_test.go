package deploy

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/blob"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/s3"
)

// The SDK's client deploys to an S3 over HTTP: our own face of it.
func TestExternalS3(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d := dbtest.SQLite(t)
	must(t, d.Migrate(ctx, s3.Schema()))
	blobs, err := blob.OpenDir(t.TempDir())
	must(t, err)
	t.Cleanup(func() { _ = blobs.Close() })
	store := s3.New(d, blobs, slog.New(slog.DiscardHandler))
	must(t, store.CreateBucket(ctx, s3.Owner{Account: "111122223333", Region: "eu-west-1"}, "out-bucket"))
	must(t, store.PutBucketVersioning(ctx, "out-bucket", s3.VersioningEnabled))
	let := s3.AuthenticatorFunc(func(r *http.Request) (api.Caller, io.Reader, error) {
		return api.Caller{Account: "111122223333"}, r.Body, nil
	})
	server := httptest.NewServer(s3.NewHandler(store, let, func(api.Caller, string, string) error { return nil }, slog.New(slog.DiscardHandler)))
	t.Cleanup(server.Close)
	objects, err := provider.NewExternalS3(ctx, provider.ExternalS3Config{
		Endpoint: server.URL, Region: "eu-west-1", PathStyle: true, AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret",
	})
	must(t, err)
	choose := func(provider.Attempt) (provider.Objects, error) { return objects, nil }

	a := attempt(t, zipOf(t, entry{name: "sub/a b+ü.html", content: "<p>"}), "Extract", "true", "BucketName", "out-bucket",
		"ObjectKey", "site", "CacheControl", "no-cache", "CannedACL", "public-read", "KMSEncryptionKeyARN", "key-1")
	got, err := NewS3(choose).Start(ctx, a)
	must(t, err)
	if d := cmp.Diff(succeeded("out-bucket/site"), got); d != "" {
		t.Fatal(d)
	}
	o, err := store.HeadObject(ctx, "out-bucket", "site/sub/a b+ü.html", "")
	must(t, err)
	want := s3.Headers{ContentType: "text/html", CacheControl: "no-cache", ACL: "public-read", SSE: s3.SSE{Algorithm: "aws:kms", KMSKeyID: "key-1"}}
	if d := cmp.Diff(want, o.Headers); d != "" {
		t.Error(d)
	}
	if versioned, err := objects.Versioned(ctx, "out-bucket"); err != nil || !versioned {
		t.Errorf("Versioned = %v, %v", versioned, err)
	}
	read, body, err := objects.Get(ctx, "out-bucket", "site/sub/a b+ü.html", o.VersionID)
	must(t, err)
	defer body.Close()
	if text, err := io.ReadAll(body); err != nil || string(text) != "<p>" || read.ETag != o.ETag || read.VersionID != o.VersionID || read.Size != 3 {
		t.Errorf("%q %+v, %v", text, read, err)
	}
	for code, call := range map[string]func() error{
		"NoSuchBucket": func() error { _, err := objects.Versioned(ctx, "no-bucket"); return err },
		"NoSuchKey":    func() error { _, _, err := objects.Get(ctx, "out-bucket", "none", ""); return err },
	} {
		err := call()
		if said, ok := errors.AsType[*provider.ObjectError](err); !ok || said.Code != code || said.Status != 404 || said.RequestID == "" {
			t.Errorf("%s: %v", code, err)
		}
	}
}
