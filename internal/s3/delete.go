package s3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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
	var deleted Deleted
	var orphan string
	err := s.write(ctx, func(tx *db.Tx) error {
		b, err := selectBucket(tx, bucket)
		if err == nil {
			deleted, orphan, err = s.deleteIn(tx, b, key, versionID)
		}
		return err
	})
	if err != nil {
		return Deleted{}, err
	}
	s.drop(ctx, orphan)
	return deleted, nil
}

// deleteIn is DeleteObject within a transaction. It returns the content that
// lost its owner.
func (s *Store) deleteIn(tx *db.Tx, b Bucket, key, versionID string) (deleted Deleted, orphan string, err error) {
	if err := CheckKey(key); err != nil {
		return Deleted{}, "", err
	}
	if err := lockKey(tx, b.Name, key); err != nil {
		return Deleted{}, "", err
	}
	switch {
	case versionID != "":
		return removeVersion(tx, b.Name, key, versionID)
	case b.Versioning == VersioningNever:
		_, orphan, err = removeVersion(tx, b.Name, key, nullVersion)
		return Deleted{}, orphan, err
	}
	return s.addMarker(tx, b, key)
}

// ObjectID names an object, or with a VersionID one version of it.
type ObjectID struct{ Key, VersionID string }

// DeleteResult tells what became of one object of DeleteObjects.
type DeleteResult struct {
	ObjectID
	Deleted
	Err error
}

// deleteBatch is how many objects one transaction deletes: enough to share the
// commit, few enough not to hold up others.
const deleteBatch = 100

// DeleteObjects is DeleteObject for many, a batch of which goes in one
// transaction. It returns a result for each, in the order given.
func (s *Store) DeleteObjects(ctx context.Context, bucket string, list []ObjectID) []DeleteResult {
	results := make([]DeleteResult, len(list))
	order := make([]int, len(list))
	for i, id := range list {
		results[i].ObjectID, order[i] = id, i
	}
	// All who lock many keys do it in their order.
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(list[a].Key, list[b].Key) })
	for batch := range slices.Chunk(order, deleteBatch) {
		if err := s.deleteMany(ctx, bucket, results, batch); err != nil {
			for _, i := range batch {
				results[i].Err = fmt.Errorf("delete object %s/%s: %w", bucket, list[i].Key, err)
			}
		}
	}
	return results
}

// deleteMany deletes the objects of results that batch numbers. What is wrong
// with one of them fails that one alone.
func (s *Store) deleteMany(ctx context.Context, bucket string, results []DeleteResult, batch []int) error {
	var orphans []string
	err := s.write(ctx, func(tx *db.Tx) error {
		orphans = orphans[:0]
		b, err := selectBucket(tx, bucket)
		if err != nil {
			return err
		}
		for _, i := range batch {
			r := &results[i]
			var orphan string
			r.Deleted, orphan, r.Err = s.deleteIn(tx, b, r.Key, r.ObjectID.VersionID)
			if r.Err != nil && !errors.Is(r.Err, ErrNoSuchVersion) && !errors.Is(r.Err, ErrInvalidKey) && !errors.Is(r.Err, ErrKeyTooLong) {
				return r.Err
			}
			orphans = append(orphans, orphan)
		}
		return nil
	})
	if err == nil {
		s.drop(ctx, orphans...)
	}
	return err
}

// addMarker puts a delete marker on top of the key's versions.
func (s *Store) addMarker(tx *db.Tx, b Bucket, key string) (Deleted, string, error) {
	current, err := selectLatest(tx, b.Name, key)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return Deleted{}, "", err
	}
	marker := Object{Bucket: b.Name, Key: key, DeleteMarker: true}
	orphan, err := s.addVersion(tx, b, current, &marker, nil)
	return Deleted{VersionID: marker.VersionID, DeleteMarker: true}, orphan, err
}

// removeVersion removes one version of a key that is locked for good; the one
// below takes its place.
func removeVersion(tx *db.Tx, bucket, key, versionID string) (Deleted, string, error) {
	deleted := Deleted{VersionID: versionID}
	if !validVersionID(versionID) {
		return Deleted{}, "", ErrNoSuchVersion
	}
	o, err := selectVersion(tx, bucket, key, versionID)
	if errors.Is(err, db.ErrNoRows) {
		return deleted, "", nil
	}
	if err != nil {
		return Deleted{}, "", err
	}
	deleted.DeleteMarker = o.DeleteMarker
	orphan, err := forget(tx, o)
	return deleted, orphan, err
}
