package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/s3"
)

// artifacts keeps artifacts in the buckets of this server, but for those that the
// configuration places elsewhere.
type artifacts struct {
	store  *s3.Store
	owner  s3.Owner
	stores *artifactStores
	// spool is a folder for content on its way.
	spool string
	// key is what artifacts are encrypted with, if it is not the default.
	key string
}

var _ provider.KeyedArtifacts = artifacts{}

// WithKey implements provider.KeyedArtifacts.
func (a artifacts) WithKey(id string) provider.Artifacts {
	a.key = id
	return a
}

// Open implements provider.Artifacts.
func (a artifacts) Open(ctx context.Context, l pipeline.ArtifactLocation) (provider.Artifact, error) {
	elsewhere, err := a.stores.of(ctx, l.Bucket)
	if err != nil {
		return nil, fmt.Errorf("opening artifact %s in %s/%s: %w", l.Name, l.Bucket, l.Key, err)
	}
	if elsewhere != nil {
		return a.fetch(ctx, elsewhere, l)
	}
	_, content, err := a.store.GetObject(ctx, l.Bucket, l.Key, "")
	if errors.Is(err, s3.ErrNoSuchBucket) || errors.Is(err, s3.ErrNoSuchKey) {
		return nil, fmt.Errorf("artifact %s in %s/%s: %w", l.Name, l.Bucket, l.Key, provider.ErrNoArtifact)
	}
	if err != nil {
		return nil, fmt.Errorf("opening artifact %s in %s/%s: %w", l.Name, l.Bucket, l.Key, err)
	}
	return content, nil
}

// Put implements provider.Artifacts. An artifact bucket of this server that does
// not exist is made when it is first needed (docs/differences.md); one elsewhere
// never is.
func (a artifacts) Put(ctx context.Context, l pipeline.ArtifactLocation, content io.Reader) error {
	elsewhere, err := a.stores.of(ctx, l.Bucket)
	if err != nil {
		return fmt.Errorf("keeping artifact %s in %s/%s: %w", l.Name, l.Bucket, l.Key, err)
	}
	if elsewhere != nil {
		return a.send(ctx, elsewhere, l, content)
	}
	if err := a.makeBucket(ctx, l.Bucket); err != nil {
		return err
	}
	opts := s3.PutOptions{Headers: s3.Headers{ContentType: artifactType}}
	if a.key != "" {
		opts.Headers.SSE = s3.SSE{Algorithm: "aws:kms", KMSKeyID: a.key}
	}
	if _, err = a.store.PutObject(ctx, l.Bucket, l.Key, content, opts); err != nil {
		return fmt.Errorf("keeping artifact %s in %s/%s: %w", l.Name, l.Bucket, l.Key, err)
	}
	return nil
}

// artifactType is the content type of artifacts (observed.md 14).
const artifactType = "binary/octet-stream"

// prepare makes the bucket ready for artifacts that somebody else writes: see
// dispatch.Config.PrepareBucket.
func (a artifacts) prepare(ctx context.Context, bucket string) error {
	elsewhere, err := a.stores.of(ctx, bucket)
	if err != nil || elsewhere != nil {
		return err
	}
	return a.makeBucket(ctx, bucket)
}

// makeBucket makes a bucket of this server unless it is there.
func (a artifacts) makeBucket(ctx context.Context, bucket string) error {
	_, err := a.store.HeadBucket(ctx, bucket)
	if errors.Is(err, s3.ErrNoSuchBucket) {
		err = a.store.CreateBucket(ctx, a.owner, bucket)
	}
	switch {
	case errors.Is(err, s3.ErrBucketExists), errors.Is(err, s3.ErrBucketOwned):
		return nil // somebody was quicker
	case errors.Is(err, s3.ErrInvalidBucketName):
		return fmt.Errorf("making artifact bucket %s: %w", bucket, &provider.ObjectError{
			Code: "InvalidBucketName", Status: http.StatusBadRequest, Message: "The specified bucket is not valid.",
		})
	case err != nil:
		return fmt.Errorf("making artifact bucket %s: %w", bucket, err)
	}
	return nil
}
