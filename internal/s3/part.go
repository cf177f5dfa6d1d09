package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
)

// Part is one part of a multipart upload.
type Part struct {
	// Number is from 1 to MaxParts; the object has the parts in this order.
	Number int
	Size   int64
	// ETag is the MD5 of the content in lower-case hexadecimal, without quotes.
	ETag string
	// Checksum is of the upload's algorithm, if it has one.
	Checksum Checksum
	Modified time.Time

	blobKey string
}

// ErrChecksumKind says that a part comes with another checksum than its upload
// was begun for.
var ErrChecksumKind = errors.New("checksum is not of the algorithm that the upload was begun with")

// UploadPart reads r to its end and makes it a part of an upload, in place of
// the part of that number, if there is one. Of opts it takes what says something
// of the content. When it returns nil the part is durable. Repeating it changes
// nothing.
func (s *Store) UploadPart(ctx context.Context, bucket, key, id string, number int, r io.Reader, opts PutOptions) (Part, Upload, error) {
	p, u, err := s.uploadPart(ctx, bucket, key, id, number, r, opts)
	if err != nil {
		return Part{}, u, fmt.Errorf("upload part %d of %s/%s: %w", number, bucket, key, err)
	}
	return p, u, nil
}

func (s *Store) uploadPart(ctx context.Context, bucket, key, id string, number int, r io.Reader, opts PutOptions) (Part, Upload, error) {
	var u Upload
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		u, err = findUpload(tx, bucket, key, id, "")
		return err
	})
	if err != nil {
		return Part{}, u, err
	}
	switch given := opts.Checksum.Algorithm; {
	case given == "":
		opts.Checksum.Algorithm = u.Algorithm // computed for the object's
	case u.Algorithm != "" && given != u.Algorithm:
		return Part{}, u, ErrChecksumKind
	}
	body, err := newContent(r, opts)
	if err != nil {
		return Part{}, u, err
	}
	k, err := s.keepBlob(ctx, body)
	if err != nil {
		return Part{}, u, err
	}
	p := Part{Number: number, Size: k.size, ETag: k.md5, Checksum: body.computed(), blobKey: k.key}
	var replaced string
	err = s.write(ctx, func(tx *db.Tx) (err error) {
		if err := k.fresh(s.now()); err != nil {
			return err
		}
		replaced, err = s.commitPart(tx, u, &p)
		return err
	})
	if err != nil {
		return Part{}, u, s.undo(ctx, k, bucket, err)
	}
	s.drop(ctx, replaced)
	return p, u, nil
}

// commitPart puts a part into its upload and returns the content that it takes
// the place of. The lock on the upload makes parts, the end of the upload and
// its abortion come one after the other.
func (s *Store) commitPart(tx *db.Tx, u Upload, p *Part) (replaced string, err error) {
	if _, err := findUpload(tx, u.Bucket, u.Key, u.ID, s.db.Dialect().LockSuffix); err != nil {
		return "", err
	}
	now, err := tx.Now()
	if err != nil {
		return "", err
	}
	p.Modified = time.UnixMilli(now).UTC()
	old, err := selectParts(tx, u.ID, p.Number-1, 1)
	if err != nil {
		return "", err
	}
	if len(old) == 1 && old[0].Number == p.Number {
		replaced = old[0].blobKey
		if err := deletePart(tx, u.ID, p.Number); err != nil {
			return "", err
		}
	}
	return replaced, insertPart(tx, u.ID, *p)
}

// ListParts returns an upload and its parts with numbers above after, at most
// limit.
func (s *Store) ListParts(ctx context.Context, bucket, key, id string, after, limit int) (Upload, []Part, error) {
	var u Upload
	var list []Part
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if u, err = findUpload(tx, bucket, key, id, ""); err == nil {
			list, err = selectParts(tx, id, after, limit)
		}
		return err
	})
	if err != nil {
		return Upload{}, nil, fmt.Errorf("list parts of %s/%s: %w", bucket, key, err)
	}
	for i := range list {
		list[i].Checksum.Algorithm = u.Algorithm
	}
	return u, list, nil
}
