package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/s3"
)

// expiryBatch is of how many executions artifacts are deleted together.
const expiryBatch = 50

// expiryTries is how long it is tried to delete what an execution has left, every
// hour: a bucket elsewhere may never permit it.
const expiryTries = 30 * 24 * time.Hour

// expire deletes the logs and artifacts of executions whose history was pruned, by
// this process or by one that died since. What cannot be deleted now is tried again
// the next time; deleting again what is gone does nothing.
func (s *Server) expire(ctx context.Context) {
	store := artifacts{store: s.buckets, owner: s.owner(), stores: s.stores}
	for after := ""; ctx.Err() == nil; {
		batch, err := s.dispatch.Leftovers(ctx, after, expiryBatch)
		if err != nil {
			s.log.Error("looking for expired logs and artifacts", "error", err)
			return
		}
		if len(batch) == 0 {
			return
		}
		after = batch[len(batch)-1].Execution
		if err := s.dispatch.ForgetLeftovers(ctx, s.deleteExpired(ctx, store, batch)); err != nil {
			s.log.Error("deleting expired logs and artifacts", "error", err)
			return
		}
	}
}

// deleteExpired deletes what executions have left and returns those of which
// nothing is.
func (s *Server) deleteExpired(ctx context.Context, store artifacts, batch []dispatch.Leftovers) (done []string) {
	var all []pipeline.ArtifactLocation
	for _, x := range batch {
		all = append(all, x.Artifacts...)
	}
	left := store.Delete(ctx, all)
	giveUp := time.Now().Add(-expiryTries).UnixMilli()
	for _, x := range batch {
		clean := true
		for _, stream := range x.Attempts {
			if err := s.logs.Delete(ctx, stream); err != nil {
				s.log.Warn("deleting an expired log", "execution", x.Execution, "stream", stream, "error", err)
				clean = false
			}
		}
		for _, at := range x.Artifacts {
			if err := left[at]; err != nil {
				s.log.Warn("deleting an expired artifact", "execution", x.Execution, "bucket", at.Bucket, "key", at.Key, "error", err)
				clean = false
			}
		}
		if clean || x.At < giveUp {
			done = append(done, x.Execution)
		}
	}
	return done
}

// Delete removes artifacts for good, with every version of theirs, here and where
// the configuration places them. It returns why of those that may still be there.
// One that is not there is no error, nor is a bucket; a bucket that becomes empty
// stays.
func (a artifacts) Delete(ctx context.Context, list []pipeline.ArtifactLocation) map[pipeline.ArtifactLocation]error {
	left := map[pipeline.ArtifactLocation]error{}
	byBucket := map[string][]pipeline.ArtifactLocation{}
	for _, at := range list {
		byBucket[at.Bucket] = append(byBucket[at.Bucket], at)
	}
	for bucket, list := range byBucket {
		elsewhere, err := a.stores.of(ctx, bucket)
		if err == nil && elsewhere == nil {
			a.deleteFrom(ctx, bucket, list, left)
			continue
		}
		for _, at := range list {
			if err == nil {
				left[at] = elsewhere.Delete(ctx, elsewhere.bucket, at.Key)
			} else {
				left[at] = err
			}
		}
	}
	return left
}

// deleteFrom is Delete for one bucket of this server.
func (a artifacts) deleteFrom(ctx context.Context, bucket string, list []pipeline.ArtifactLocation, left map[pipeline.ArtifactLocation]error) {
	var ids []s3.ObjectID
	of := map[string]pipeline.ArtifactLocation{}
	for _, at := range list {
		of[at.Key] = at
		versions, err := a.versions(ctx, bucket, at.Key)
		if errors.Is(err, s3.ErrNoSuchBucket) {
			return
		}
		if err != nil {
			left[at] = err
			continue
		}
		ids = append(ids, versions...)
	}
	for _, result := range a.store.DeleteObjects(ctx, bucket, ids) {
		if err := result.Err; err != nil && !errors.Is(err, s3.ErrNoSuchBucket) && !errors.Is(err, s3.ErrNoSuchVersion) {
			left[of[result.Key]] = err
		}
	}
}

// versions lists the versions and delete markers of one object.
func (a artifacts) versions(ctx context.Context, bucket, key string) (ids []s3.ObjectID, err error) {
	opts := s3.MarkerOptions{Prefix: key}
	for {
		page, err := a.store.ListVersions(ctx, bucket, opts)
		if err != nil {
			return nil, fmt.Errorf("listing the versions of artifact %s/%s: %w", bucket, key, err)
		}
		for _, o := range page.Entries {
			if o.Key != key {
				return ids, nil // keys are in order: a longer one begins alike
			}
			ids = append(ids, s3.ObjectID{Key: key, VersionID: o.VersionID})
		}
		if !page.More {
			return ids, nil
		}
		opts.KeyMarker, opts.IDMarker = page.NextKey, page.NextID
	}
}
