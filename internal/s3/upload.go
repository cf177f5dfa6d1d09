package s3

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
)

// Upload is a multipart upload that is under way.
type Upload struct {
	ID     string
	Bucket string
	Key    string
	// Headers go to the object.
	Headers Headers
	// Algorithm is the checksum that the object gets, "" for none, and Kind what
	// that is of: "COMPOSITE", the checksums of the parts, or "FULL_OBJECT".
	Algorithm string
	Kind      string
	Created   time.Time

	versionID string // of the object, once completed
}

// CreateUpload begins a multipart upload. Repeating it makes one upload more.
func (s *Store) CreateUpload(ctx context.Context, bucket, key string, h Headers, algorithm, kind string) (Upload, error) {
	u := Upload{Bucket: bucket, Key: key, Headers: h, Algorithm: algorithm, Kind: kind}
	u.Headers.ContentType = cmp.Or(h.ContentType, defaultType)
	err := errors.Join(CheckKey(key), h.check())
	if err == nil {
		err = u.checkKind()
	}
	if err == nil {
		err = s.write(ctx, func(tx *db.Tx) error {
			if _, err := selectBucket(tx, bucket); err != nil {
				return err
			}
			now, err := tx.Now()
			if err != nil {
				return err
			}
			u.Created = time.UnixMilli(now).UTC()
			u.ID = newUploadID(now)
			return insertUpload(tx, u)
		})
		if err != nil {
			err = s.bucketGone(ctx, bucket, err)
		}
	}
	if err != nil {
		return Upload{}, fmt.Errorf("begin upload of %s/%s: %w", bucket, key, err)
	}
	return u, nil
}

// checkKind fills in the usual kind of the algorithm, and refuses a kind that
// the algorithm cannot have.
func (u *Upload) checkKind() error {
	usual, other := composite, ""
	switch u.Algorithm {
	case "":
		usual = ""
	case "CRC32", "CRC32C":
		other = fullObject
	case "CRC64NVME":
		usual = fullObject
	case "SHA1", "SHA256":
	default:
		return fmt.Errorf("%w %q in an upload", ErrUnsupportedChecksum, u.Algorithm)
	}
	u.Kind = cmp.Or(u.Kind, usual)
	if u.Kind != usual && u.Kind != other {
		return fmt.Errorf("%w: %s of kind %s", ErrUnsupportedChecksum, cmp.Or(u.Algorithm, "none"), u.Kind)
	}
	return nil
}

// newUploadID mints an id that sorts by time.
func newUploadID(now int64) string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return fmt.Sprintf("%012x", now) + hex.EncodeToString(id)
}

// validUploadID says whether id has the form of an upload's id.
func validUploadID(id string) bool {
	return len(id) == 44 && strings.Trim(id, "0123456789abcdef") == ""
}

// findUpload returns an upload that is under way, or ErrNoSuchUpload. lock is ""
// or the dialect's LockSuffix.
func findUpload(tx *db.Tx, bucket, key, id, lock string) (Upload, error) {
	u, err := findAnyUpload(tx, bucket, key, id, lock)
	if err == nil && u.versionID != "" {
		err = ErrNoSuchUpload
	}
	return u, err
}

// findAnyUpload is findUpload for completed ones too.
func findAnyUpload(tx *db.Tx, bucket, key, id, lock string) (Upload, error) {
	if _, err := selectBucket(tx, bucket); err != nil {
		return Upload{}, err
	}
	if !validUploadID(id) {
		return Upload{}, ErrNoSuchUpload
	}
	u, err := selectUpload(tx, id, lock)
	if errors.Is(err, db.ErrNoRows) || err == nil && (u.Bucket != bucket || u.Key != key) {
		err = ErrNoSuchUpload
	}
	return u, err
}

// AbortUpload ends an upload and removes its parts. Repeating it gives
// ErrNoSuchUpload.
func (s *Store) AbortUpload(ctx context.Context, bucket, key, id string) error {
	var orphans []string
	err := s.write(ctx, func(tx *db.Tx) (err error) {
		if _, err = findUpload(tx, bucket, key, id, s.db.Dialect().LockSuffix); err != nil {
			return err
		}
		orphans, err = removeUpload(tx, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("abort upload %s of %s/%s: %w", id, bucket, key, err)
	}
	s.drop(ctx, orphans...)
	return nil
}

// removeUpload removes an upload, whose row is locked, and its parts.
func removeUpload(tx *db.Tx, id string) (orphans []string, err error) {
	parts, err := selectParts(tx, id, 0, MaxParts)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		orphans = append(orphans, p.blobKey)
	}
	if err := deleteParts(tx, id); err != nil {
		return nil, err
	}
	return orphans, deleteUpload(tx, id)
}
