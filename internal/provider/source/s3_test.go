package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// bucket answers as one S3 would, or with an error.
type bucket struct {
	versioned bool
	refuse    error // of Get
	lost      error // of Versioned
	size      int64 // claimed when not 0
	metadata  map[string]string
}

const content = "any bytes\x00"

func (b bucket) Versioned(context.Context, string) (bool, error) { return b.versioned, b.lost }

func (b bucket) Get(_ context.Context, _, key, version string) (provider.Object, io.ReadCloser, error) {
	if b.refuse != nil {
		return provider.Object{}, nil, b.refuse
	}
	if version == "" {
		version = "newest"
	}
	o := provider.Object{VersionID: version, ETag: "etag-of-" + key, Size: int64(len(content)), Metadata: b.metadata}
	if b.size != 0 {
		o.Size = b.size
	}
	return o, io.NopCloser(bytes.NewReader([]byte(content))), nil
}

func (b bucket) Put(context.Context, string, string, io.ReadSeeker, provider.ObjectOptions) (provider.Object, error) {
	return provider.Object{}, errors.New("a source writes nothing")
}

func (b bucket) choose(provider.Attempt) (provider.Objects, error) { return b, nil }

func s3Override(kind pipeline.RevisionType, value string) pipeline.SourceRevisionOverride {
	return pipeline.SourceRevisionOverride{ActionName: "Fetch", RevisionType: kind, RevisionValue: value}
}

func TestS3(t *testing.T) {
	t.Parallel()
	version, key := s3Override(pipeline.RevisionS3ObjectVersionID, "v1"), s3Override(pipeline.RevisionS3ObjectKey, "other.zip")
	for _, tt := range []struct {
		name             string
		overrides        []pipeline.SourceRevisionOverride
		metadata         map[string]string
		wantKey, wantVer string
		wantSummary      string
	}{
		{"newest", nil, nil, "app.zip", "newest", "Amazon S3 version id: newest"},
		{"described", nil, map[string]string{summaryMetadata: "release 7"}, "app.zip", "newest", "release 7"},
		{"version", []pipeline.SourceRevisionOverride{version}, nil, "app.zip", "v1", "Amazon S3 version id: v1"},
		{"key", []pipeline.SourceRevisionOverride{key}, nil, "other.zip", "newest", "Amazon S3 version id: newest"},
		{"both", []pipeline.SourceRevisionOverride{version, key}, nil, "other.zip", "v1", "Amazon S3 version id: v1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store := &artifacts{}
			a := attempt(t, store, map[string]string{"S3Bucket": "in", "S3ObjectKey": "app.zip", "AllowOverrideForS3ObjectKey": "true"}, tt.overrides...)
			got, err := NewS3(bucket{versioned: true, metadata: tt.metadata}.choose).Start(t.Context(), a)
			must(t, err)
			want := provider.Report{
				Status: provider.Succeeded, Percent: 100, Summary: "Amazon S3 version id: " + tt.wantVer, ExternalExecutionID: tt.wantVer,
				OutputVariables: map[string]string{"BucketName": "in", "ObjectKey": tt.wantKey, "VersionId": tt.wantVer, "ETag": "etag-of-" + tt.wantKey},
				Produced:        []string{"Code"},
				Revision:        &pipeline.Revision{ID: tt.wantVer, Summary: tt.wantSummary},
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			if string(store.kept[outputKey]) != content {
				t.Errorf("artifact %q", store.kept[outputKey])
			}
		})
	}
}

func TestS3Failures(t *testing.T) {
	t.Parallel()
	refusal := func(code string, status int) error {
		return &provider.ObjectError{Code: code, Message: "S3 says no", Status: status}
	}
	version := []pipeline.SourceRevisionOverride{s3Override(pipeline.RevisionS3ObjectVersionID, "v1")}
	missing := `Could not access the Amazon S3 object: "in/app.zip". Make sure that the names of the bucket and object are both correct.`
	for _, tt := range []struct {
		name       string
		bucket     bucket
		overrides  []pipeline.SourceRevisionOverride
		code, text string
	}{
		{"not versioned", bucket{}, nil, "ConfigurationError", "versioning is not enabled for the bucket in"},
		{"no object", bucket{versioned: true, refuse: refusal("NoSuchKey", 404)}, nil, "ConfigurationError", missing},
		{"no bucket", bucket{lost: refusal("NoSuchBucket", 404)}, version, "ConfigurationError", missing},
		{"denied", bucket{versioned: true, refuse: refusal("AccessDenied", 403)}, nil, "PermissionError", "S3 says no (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied; "},
		{"nobody to sign", bucket{lost: refusal("NoCredentials", 0)}, nil, "PermissionError", "S3 says no"},
		{"no version", bucket{versioned: true, refuse: refusal("NoSuchVersion", 404)}, version, "RevisionUnavailable", "Version v1 of the Amazon S3 object in/app.zip is not available"},
		{"no version id", bucket{versioned: true, refuse: refusal("InvalidArgument", 400)}, version, "RevisionUnavailable", "Version v1"},
		{"delete marker", bucket{versioned: true, refuse: refusal("MethodNotAllowed", 405)}, version, "RevisionUnavailable", "Version v1"},
		{"key not allowed", bucket{versioned: true}, []pipeline.SourceRevisionOverride{s3Override(pipeline.RevisionS3ObjectKey, "k")}, "ConfigurationError", "AllowOverrideForS3ObjectKey"},
		{"too large", bucket{versioned: true, size: maxS3Artifact + 1}, nil, "JobFailed", "larger than 7 GB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store := &artifacts{}
			a := attempt(t, store, map[string]string{"S3Bucket": "in", "S3ObjectKey": "app.zip"}, tt.overrides...)
			got, err := NewS3(tt.bucket.choose).Start(t.Context(), a)
			wantFailure(t, got, err, tt.code, tt.text)
			if len(store.kept) > 0 {
				t.Error("a failed action left an artifact")
			}
		})
	}
}

// Not knowing is no verdict: the action is asked again.
func TestS3Unknown(t *testing.T) {
	t.Parallel()
	gone, full := errors.New("connection reset"), errors.New("disk full")
	for name, tt := range map[string]struct {
		bucket bucket
		store  *artifacts
		want   error
	}{
		"connection lost": {bucket{versioned: true, refuse: gone}, &artifacts{}, gone},
		"content cut off": {bucket{versioned: true, size: 100}, &artifacts{}, io.ErrUnexpectedEOF},
		"own disk full":   {bucket{versioned: true}, &artifacts{fail: full}, full},
	} {
		got, err := NewS3(tt.bucket.choose).Start(t.Context(), attempt(t, tt.store, map[string]string{"S3Bucket": "in", "S3ObjectKey": "app.zip"}))
		if !errors.Is(err, tt.want) || got.Status != "" || len(tt.store.kept) > 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
