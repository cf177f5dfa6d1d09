package server

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/s3"
	"github.com/penstock-cd/penstock/internal/trigger"
)

// sourceChanged records a new version of what may be the source of a pipeline: an
// object of a bucket with versions, as no source reads from another.
func sourceChanged(_ context.Context, tx *db.Tx, ev s3.ObjectCreated) error {
	if ev.Bucket.Versioning != s3.VersioningEnabled {
		return nil
	}
	return trigger.RecordChange(tx, trigger.Change{
		Account: ev.Bucket.Owner.Account, Bucket: ev.Object.Bucket, Key: ev.Object.Key,
		VersionID: ev.Object.VersionID, Sequence: ev.Object.Sequence,
	})
}

// polledS3 is an S3 elsewhere as polls see it.
type polledS3 struct{ *provider.ExternalS3 }

// Newest implements trigger.Versions.
func (p polledS3) Newest(ctx context.Context, bucket, key string) (string, error) {
	version, err := p.ExternalS3.Newest(ctx, bucket, key)
	if refusal, ok := errors.AsType[*provider.ObjectError](err); ok && refusal.Denied() {
		return "", &trigger.PollFailure{Code: provider.CodePermissionError, Message: fmt.Sprintf(
			"The service role or action role does not have the permissions required to access the Amazon S3 bucket named %s. Update the permissions, and then try again. Error: %v", bucket, refusal)}
	}
	return version, err
}

// polledHere is this server's own S3 as polls see it. Nil, if another provider
// than the server's own fetches what S3 sources say: nothing here tells of that.
func (s *Server) polledHere() trigger.Versions {
	other := func(p provider.Provider) bool {
		id := p.Type().ID
		return id.Category == pipeline.CategorySource && id.Owner == pipeline.OwnerAWS && id.Provider == "S3"
	}
	if s.versions != nil || slices.ContainsFunc(s.opts.Providers, other) {
		return nil
	}
	return ownVersions{s.buckets}
}

// ownVersions tells of the objects of this server.
type ownVersions struct{ store *s3.Store }

// Newest implements trigger.Versions.
func (o ownVersions) Newest(ctx context.Context, bucket, key string) (string, error) {
	b, err := o.store.HeadBucket(ctx, bucket)
	if err == nil && b.Versioning != s3.VersioningEnabled {
		return "", &trigger.PollFailure{Code: provider.CodeConfigurationError, Message: fmt.Sprintf(
			"Amazon S3 versioning is not enabled for the bucket %s. Enable versioning on the bucket, and then try again.", bucket)}
	}
	object, err := o.store.HeadObject(ctx, bucket, key, "")
	switch {
	case errors.Is(err, s3.ErrNoSuchBucket), errors.Is(err, s3.ErrNoSuchKey):
		return "", nil
	case err != nil:
		return "", err
	}
	return object.VersionID, nil
}
