package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
)

// PutOptions says what goes with the content. The zero value is a plain put.
type PutOptions struct {
	Headers
	// Size is the announced length in bytes; nil when it is not known.
	Size *int64
	// ContentMD5 is the announced MD5 in hexadecimal; "" when it is not known.
	ContentMD5 string
	// Checksum names the checksum to keep. A Value is compared with the content;
	// without one it is computed.
	Checksum Checksum
	// IfNoneMatch refuses the put with ErrPreconditionFailed when the object
	// exists.
	IfNoneMatch bool
	// IfMatch refuses the put unless the object exists (ErrNoSuchKey) and has
	// this ETag (ErrPreconditionFailed). "" for no condition.
	IfMatch string

	// reason is the S3 operation, "" for PutObject.
	reason string
	// admit, if set, may refuse the put to the bucket that it finds. It is asked
	// again in the transaction that makes the version visible.
	admit func(Bucket) error
}

// PutObject reads r to its end and makes it the current version of the object.
// When it returns nil the version is durable and visible; after an error it is
// not, but for db.ErrUnknownOutcome, which leaves that open. Repeating a put
// makes one version more in a bucket with versioning, and the same object in one
// without.
func (s *Store) PutObject(ctx context.Context, bucket, key string, r io.Reader, opts PutOptions) (Object, error) {
	o, err := s.putObject(ctx, bucket, key, r, opts)
	if err != nil {
		return Object{}, fmt.Errorf("put object %s/%s: %w", bucket, key, err)
	}
	return o, nil
}

func (s *Store) putObject(ctx context.Context, bucket, key string, r io.Reader, opts PutOptions) (Object, error) {
	if err := errors.Join(CheckKey(key), opts.Headers.check()); err != nil {
		return Object{}, err
	}
	body, err := newContent(r, opts)
	if err != nil {
		return Object{}, err
	}
	// What is bound to be refused is refused before gigabytes of it are read.
	early := func() error {
		return s.db.Read(ctx, func(tx *db.Tx) error {
			_, _, err := s.beforePut(tx, bucket, key, opts)
			return err
		})
	}
	if opts.Size != nil && *opts.Size > int64(s.maxRow) {
		if err := early(); err != nil {
			return Object{}, err
		}
		early = nil
	}
	k, err := s.keep(ctx, body, early)
	if err != nil {
		return Object{}, err
	}
	o := Object{
		Bucket: bucket, Key: key, Size: k.size, ETag: k.md5,
		Checksum: body.computed(), Headers: opts.Headers, contentKey: k.key,
	}
	o.Headers.ContentType = cmp.Or(o.Headers.ContentType, defaultType)
	var replaced string
	err = s.write(ctx, func(tx *db.Tx) error {
		if err := k.fresh(s.now()); err != nil {
			return err
		}
		var err error
		replaced, err = s.commitPut(ctx, tx, &o, k.row, opts)
		return err
	})
	if err != nil {
		return Object{}, s.undo(ctx, k, bucket, err)
	}
	s.drop(ctx, replaced)
	return o, nil
}

// undo drops content whose commit failed, unless nobody knows whether it did.
func (s *Store) undo(ctx context.Context, k kept, bucket string, err error) error {
	if !errors.Is(err, db.ErrUnknownOutcome) {
		s.drop(ctx, k.key)
	}
	return s.bucketGone(ctx, bucket, err)
}

// bucketGone makes ErrNoSuchBucket of an error that came because the bucket was
// deleted meanwhile: the databases have words of their own for a row that lost
// the one it refers to.
func (s *Store) bucketGone(ctx context.Context, bucket string, err error) error {
	if errors.Is(err, db.ErrUnknownOutcome) || ctx.Err() != nil {
		return err
	}
	if _, again := s.HeadBucket(ctx, bucket); errors.Is(again, ErrNoSuchBucket) {
		return ErrNoSuchBucket
	}
	return err
}

// beforePut loads what a put meets and judges its conditions. Of the object it has
// what selectTop has.
func (s *Store) beforePut(tx *db.Tx, bucket, key string, opts PutOptions) (Bucket, Object, error) {
	b, current, err := selectTop(tx, bucket, key)
	if err == nil && opts.admit != nil {
		err = opts.admit(b)
	}
	if err != nil {
		return Bucket{}, Object{}, err
	}
	exists := current.VersionID != "" && !current.DeleteMarker
	switch {
	case opts.IfNoneMatch && exists:
		return Bucket{}, Object{}, ErrPreconditionFailed
	case opts.IfMatch == "":
	case !exists:
		return Bucket{}, Object{}, ErrNoSuchKey
	case opts.IfMatch != current.ETag:
		return Bucket{}, Object{}, ErrPreconditionFailed
	}
	return b, current, nil
}

// commitPut makes o the current version and completes it. row is the content
// that goes into the row, if it does. It returns the content that lost its owner.
func (s *Store) commitPut(ctx context.Context, tx *db.Tx, o *Object, row []byte, opts PutOptions) (replaced string, err error) {
	if err := lockKey(tx, o.Bucket, o.Key); err != nil {
		return "", err
	}
	b, current, err := s.beforePut(tx, o.Bucket, o.Key, opts)
	if err != nil {
		return "", err
	}
	replaced, err = s.addVersion(tx, b, current, o, row)
	if err != nil {
		return "", err
	}
	ev := ObjectCreated{Bucket: b, Object: *o, Reason: cmp.Or(opts.reason, "PutObject")}
	for _, created := range s.created {
		if err := created(ctx, tx, ev); err != nil {
			return "", err
		}
	}
	return replaced, nil
}

// addVersion gives o an id, a sequence and a time, and puts it on top of current,
// the zero value for none, of a key that is locked. Without versioning it takes the
// place of the version "null", whose content it returns.
func (s *Store) addVersion(tx *db.Tx, b Bucket, current Object, o *Object, row []byte) (replaced string, err error) {
	now, err := tx.Now()
	if err != nil {
		return "", err
	}
	o.Modified = time.UnixMilli(now).UTC()
	// The clock keeps the sequence growing when all earlier versions are gone.
	o.Sequence = max(now, current.Sequence+1)
	o.VersionID = newVersionID(o.Sequence)
	if b.Versioning != VersioningEnabled {
		o.VersionID = nullVersion
		if replaced, err = takeNullVersion(tx, current, o.Bucket, o.Key); err != nil {
			return "", err
		}
	}
	return replaced, insertVersion(tx, *o, row)
}

// takeNullVersion removes the version "null" of a key that is locked, if there is
// one, and returns its content.
func takeNullVersion(tx *db.Tx, current Object, bucket, key string) (orphan string, err error) {
	switch current.VersionID {
	case "":
		return "", nil
	case nullVersion:
		return forget(tx, current)
	}
	old, err := selectVersion(tx, bucket, key, nullVersion)
	if errors.Is(err, db.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return forget(tx, old)
}
