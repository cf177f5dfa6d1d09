package s3

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/db"
)

// Deleted tells what DeleteObject did.
type Deleted struct {
	// VersionID is the version that was removed, or that of the delete marker
	// that was added; "" in a bucket without versioning.
	VersionID string
	// DeleteMarker says that a delete marker was added, or removed.
	DeleteMarker bool
}

// DeleteObject removes one version for good, or, for the version id "", the
// current object: in a bucket with versioning by a delete marker on top, else
// for good. It is no error if there is nothing to delete. Repeating it without a
// version id adds one delete marker more, which changes nothing for readers.
func (s *Store) DeleteObject(ctx context.Context, bucket, key, versionID string) (Deleted, error) {
	deleted, err := s.deleteObject(ctx, bucket, key, versionID)
	if err != nil {
		return Deleted{}, fmt.Errorf("delete object %s/%s: %w", bucket, key, err)
	}
	return deleted, nil
}

func (s *Store) deleteObject(ctx context.Context, bucket, key, versionID string) (Deleted, error) {
	if err := CheckKey(key); err != nil {
		return Deleted{}, err
	}
	var deleted Deleted
	var orphan string
	err := s.write(ctx, func(tx *db.Tx) error {
		deleted, orphan = Deleted{}, ""
		b, err := selectBucket(tx, bucket)
		if err != nil {
			return err
		}
		switch {
		case versionID != "":
			deleted, orphan, err = s.removeVersion(tx, bucket, key, versionID)
		case b.Versioning == VersioningNever:
			_, orphan, err = s.removeVersion(tx, bucket, key, nullVersion)
		default:
			deleted, orphan, err = s.addMarker(tx, b, key)
		}
		return err
	})
	if err != nil {
		return Deleted{}, err
	}
	s.drop(ctx, orphan)
	return deleted, nil
}

// addMarker puts a delete marker on top of the key's versions.
func (s *Store) addMarker(tx *db.Tx, b Bucket, key string) (Deleted, string, error) {
	current, err := selectLatest(tx, b.Name, key, s.db.Dialect().LockSuffix)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return Deleted{}, "", err
	}
	marker := Object{Bucket: b.Name, Key: key, DeleteMarker: true}
	orphan, err := s.addVersion(tx, b, current, &marker)
	return Deleted{VersionID: marker.VersionID, DeleteMarker: true}, orphan, err
}

// removeVersion removes one version for good; the one below takes its place.
func (s *Store) removeVersion(tx *db.Tx, bucket, key, versionID string) (Deleted, string, error) {
	deleted := Deleted{VersionID: versionID}
	if !validVersionID(versionID) {
		return Deleted{}, "", ErrNoSuchVersion
	}
	o, err := selectVersion(tx, bucket, key, versionID, s.db.Dialect().LockSuffix)
	if errors.Is(err, db.ErrNoRows) {
		return deleted, "", nil
	}
	if err != nil {
		return Deleted{}, "", err
	}
	deleted.DeleteMarker = o.DeleteMarker
	if err := deleteVersion(tx, o); err != nil || !o.Latest {
		return deleted, o.blobKey, err
	}
	previous, err := selectPrevious(tx, bucket, key)
	if errors.Is(err, db.ErrNoRows) {
		return deleted, o.blobKey, nil
	}
	if err == nil {
		err = updateLatest(tx, bucket, key, previous.VersionID, true)
	}
	return deleted, o.blobKey, err
}
