package server

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/s3"
)

// artifacts keeps artifacts in the buckets of this server.
type artifacts struct {
	store *s3.Store
	owner s3.Owner
}

var _ provider.Artifacts = artifacts{}

// Open implements provider.Artifacts.
func (a artifacts) Open(ctx context.Context, l pipeline.ArtifactLocation) (provider.Artifact, error) {
	_, content, err := a.store.GetObject(ctx, l.Bucket, l.Key, "")
	if errors.Is(err, s3.ErrNoSuchBucket) || errors.Is(err, s3.ErrNoSuchKey) {
		return nil, fmt.Errorf("artifact %s in %s/%s: %w", l.Name, l.Bucket, l.Key, provider.ErrNoArtifact)
	}
	if err != nil {
		return nil, fmt.Errorf("opening artifact %s in %s/%s: %w", l.Name, l.Bucket, l.Key, err)
	}
	return content, nil
}

// Put implements provider.Artifacts. An artifact bucket that does not exist is
// made when it is first needed: it is this server's own store
// (docs/differences.md).
func (a artifacts) Put(ctx context.Context, l pipeline.ArtifactLocation, content io.Reader) error {
	if _, err := a.store.HeadBucket(ctx, l.Bucket); errors.Is(err, s3.ErrNoSuchBucket) {
		err := a.store.CreateBucket(ctx, a.owner, l.Bucket)
		if err != nil && !errors.Is(err, s3.ErrBucketExists) && !errors.Is(err, s3.ErrBucketOwned) {
			return fmt.Errorf("making artifact bucket %s: %w", l.Bucket, err)
		}
	}
	_, err := a.store.PutObject(ctx, l.Bucket, l.Key, content, s3.PutOptions{Headers: s3.Headers{ContentType: "binary/octet-stream"}})
	if err != nil {
		return fmt.Errorf("keeping artifact %s in %s/%s: %w", l.Name, l.Bucket, l.Key, err)
	}
	return nil
}
