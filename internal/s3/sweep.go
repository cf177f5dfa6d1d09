package s3

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/blob"
	"github.com/penstock-cd/penstock/internal/db"
)

// uploadTime is how long an upload may take before it is aborted, and how long
// the end of one is remembered.
const uploadTime = 7 * 24 * time.Hour

// sweepBatch is how many rows one transaction of a sweep removes at most.
const sweepBatch = 100

// Sweep removes what nobody will ask for again, and returns how many blobs that
// were: blobs of this package that no row names and that are older than grace;
// the parts of objects that went longer ago than grace, which readers of these
// objects may have been reading since; uploads that were begun a week ago.
//
// A put refuses to commit content that is older than half an hour, so with a
// grace of an hour no sweep removes what is about to be committed, as long as the
// clocks of server and file server are less than half an hour apart. It may run
// at any time and on any number of nodes at once.
func (s *Store) Sweep(ctx context.Context, grace time.Duration) (int, error) {
	uploads, err := s.sweepUploads(ctx, uploadTime)
	if err != nil {
		return uploads, fmt.Errorf("sweep old uploads: %w", err)
	}
	parts, err := s.sweepGone(ctx, grace)
	if err != nil {
		return uploads + parts, fmt.Errorf("sweep parts of objects that went: %w", err)
	}
	orphans, err := s.sweepOrphans(ctx, grace)
	if err != nil {
		err = fmt.Errorf("sweep blobs without owner: %w", err)
	}
	return uploads + parts + orphans, err
}

func (s *Store) sweepOrphans(ctx context.Context, grace time.Duration) (removed int, err error) {
	oldest := time.Now().Add(-grace)
	err = s.blobs.Walk(ctx, func(info blob.Info) error {
		if !strings.HasPrefix(info.Key, blobPrefix) || info.Modified.After(oldest) {
			return nil
		}
		var used bool
		err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
			used, err = blobInUse(tx, info.Key)
			return err
		})
		if err != nil || used {
			return err
		}
		if err := s.blobs.Delete(ctx, info.Key); err != nil {
			return err
		}
		removed++
		return nil
	})
	return removed, err
}

// sweepGone removes the parts of objects that went.
func (s *Store) sweepGone(ctx context.Context, grace time.Duration) (removed int, err error) {
	for {
		var gone []string
		err := s.write(ctx, func(tx *db.Tx) error {
			now, err := tx.Now()
			if err == nil {
				gone, err = deleteGone(tx, now-grace.Milliseconds(), sweepBatch)
			}
			return err
		})
		if err != nil || len(gone) == 0 {
			return removed, err
		}
		s.drop(ctx, gone...)
		removed += len(gone)
	}
}

// sweepUploads aborts uploads begun before a time, and forgets completed ones.
func (s *Store) sweepUploads(ctx context.Context, age time.Duration) (removed int, err error) {
	for {
		var ids []string
		err := s.db.Read(ctx, func(tx *db.Tx) error {
			now, err := tx.Now()
			if err == nil {
				ids, err = selectUploadIDs(tx, "", now-age.Milliseconds(), sweepBatch)
			}
			return err
		})
		if err != nil || len(ids) == 0 {
			return removed, err
		}
		for _, id := range ids {
			n, err := s.endUpload(ctx, id)
			if err != nil {
				return removed, err
			}
			removed += n
		}
	}
}

// endUpload removes an upload; parts that an object was made of stay.
func (s *Store) endUpload(ctx context.Context, id string) (removed int, err error) {
	var orphans []string
	err = s.write(ctx, func(tx *db.Tx) (err error) {
		orphans, err = s.endUploadIn(tx, id)
		return err
	})
	if err == nil {
		s.drop(ctx, orphans...)
	}
	return len(orphans), err
}

func (s *Store) endUploadIn(tx *db.Tx, id string) (orphans []string, err error) {
	u, err := selectUpload(tx, id, s.db.Dialect().LockSuffix)
	switch {
	case errors.Is(err, db.ErrNoRows):
		return nil, nil // another node was faster
	case err != nil:
		return nil, err
	case u.versionID != "":
		return nil, deleteUpload(tx, id)
	}
	return removeUpload(tx, id)
}

// endUploads removes all uploads of a bucket, in the transaction that deletes it.
func (s *Store) endUploads(tx *db.Tx, bucket string) (orphans []string, err error) {
	for {
		ids, err := selectUploadIDs(tx, bucket, math.MaxInt64, sweepBatch)
		if err != nil || len(ids) == 0 {
			return orphans, err
		}
		for _, id := range ids {
			keys, err := s.endUploadIn(tx, id)
			if err != nil {
				return nil, err
			}
			orphans = append(orphans, keys...)
		}
	}
}
