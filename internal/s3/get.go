package s3

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/blob"
	"github.com/penstock-cd/penstock/internal/db"
)

// HeadObject describes the version of an object with the given id, or its
// current version for "". With ErrNoSuchKey and ErrDeleteMarker the Object
// returned is the delete marker, if there is one.
func (s *Store) HeadObject(ctx context.Context, bucket, key, versionID string) (Object, error) {
	o, err := s.lookUp(ctx, bucket, key, versionID, nil)
	if err != nil {
		return o, fmt.Errorf("look up object %s/%s: %w", bucket, key, err)
	}
	return o, nil
}

// GetObject is HeadObject with the content, which the caller closes. The reader
// keeps giving the same content when the object is replaced or deleted; of an
// object of many parts, for an hour.
func (s *Store) GetObject(ctx context.Context, bucket, key, versionID string) (Object, blob.Reader, error) {
	var last string
	for {
		var at stored
		o, err := s.lookUp(ctx, bucket, key, versionID, &at)
		if err != nil {
			return o, nil, fmt.Errorf("get object %s/%s: %w", bucket, key, err)
		}
		r, err := s.open(ctx, o, at)
		if errors.Is(err, blob.ErrNotExist) && o.contentKey != last {
			last = o.contentKey // replaced between the two steps: look again
			continue
		}
		if err != nil {
			return Object{}, nil, fmt.Errorf("get object %s/%s: %w", bucket, key, err)
		}
		return o, r, nil
	}
}

// lookUp finds an object and, if at is not nil, its content.
func (s *Store) lookUp(ctx context.Context, bucket, key, versionID string, at *stored) (Object, error) {
	if err := CheckKey(key); err != nil {
		return Object{}, err
	}
	var o Object
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if o, err = find(tx, bucket, key, versionID); err == nil && at != nil {
			*at, err = locate(tx, o)
		}
		return err
	})
	return o, err
}

func find(tx *db.Tx, bucket, key, versionID string) (Object, error) {
	if _, err := selectBucket(tx, bucket); err != nil {
		return Object{}, err
	}
	if versionID == "" {
		o, err := selectLatest(tx, bucket, key)
		if errors.Is(err, db.ErrNoRows) || err == nil && o.DeleteMarker {
			return o, ErrNoSuchKey
		}
		return o, err
	}
	if !validVersionID(versionID) {
		return Object{}, ErrNoSuchVersion
	}
	o, err := selectVersion(tx, bucket, key, versionID)
	switch {
	case errors.Is(err, db.ErrNoRows):
		return Object{}, ErrNoSuchVersion
	case err == nil && o.DeleteMarker:
		return o, ErrDeleteMarker
	}
	return o, err
}
