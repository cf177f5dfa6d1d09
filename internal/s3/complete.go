package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/penstock-cd/penstock/internal/db"
)

// Completed is a part as the one who completes an upload names it.
type Completed struct {
	Number int
	// ETag is that of the part, without quotes.
	ETag string
	// Checksum is compared with the part's, if it has a Value.
	Checksum Checksum
}

// CompleteUpload makes an object of parts of an upload, in the order given,
// which must be that of their numbers; other parts go. Of opts it takes the
// conditions, the Size of the whole and its Checksum, which are compared.
// Repeating it gives the same object, as long as that is there.
func (s *Store) CompleteUpload(ctx context.Context, bucket, key, id string, list []Completed, opts PutOptions) (Object, error) {
	opts.reason = "CompleteMultipartUpload"
	var o Object
	var orphans []string
	err := checkOrder(list)
	if err == nil {
		err = s.write(ctx, func(tx *db.Tx) (err error) {
			o, orphans, err = s.completeUpload(ctx, tx, bucket, key, id, list, opts)
			return err
		})
	}
	if err != nil {
		return Object{}, fmt.Errorf("complete upload %s of %s/%s: %w", id, bucket, key, s.bucketGone(ctx, bucket, err))
	}
	s.drop(ctx, orphans...)
	return o, nil
}

func checkOrder(list []Completed) error {
	last := 0
	for _, c := range list {
		if c.Number <= last {
			return ErrInvalidPartOrder
		}
		last = c.Number
	}
	if last == 0 || last > MaxParts {
		return ErrInvalidPart
	}
	return nil
}

func (s *Store) completeUpload(ctx context.Context, tx *db.Tx, bucket, key, id string, list []Completed, opts PutOptions) (Object, []string, error) {
	u, err := findAnyUpload(tx, bucket, key, id, s.db.Dialect().LockSuffix)
	if err != nil {
		return Object{}, nil, err
	}
	if u.versionID != "" {
		o, err := selectVersion(tx, bucket, key, u.versionID)
		if errors.Is(err, db.ErrNoRows) || err == nil && o.contentKey != partsPrefix+id {
			err = ErrNoSuchUpload
		}
		return o, nil, err
	}
	there, err := selectParts(tx, id, 0, MaxParts)
	if err != nil {
		return Object{}, nil, err
	}
	chosen, rest, err := s.choose(there, list, u)
	if err != nil {
		return Object{}, nil, err
	}
	o, err := assemble(u, chosen, opts)
	if err != nil {
		return Object{}, nil, err
	}
	replaced, err := s.commitPut(ctx, tx, &o, nil, opts)
	if err != nil {
		return Object{}, nil, err
	}
	orphans := []string{replaced}
	for _, p := range rest {
		orphans = append(orphans, p.blobKey)
		if err := deletePart(tx, id, p.Number); err != nil {
			return Object{}, nil, err
		}
	}
	return o, orphans, updateUpload(tx, id, o.VersionID)
}

// choose finds the parts that are named, and the others.
func (s *Store) choose(there []Part, list []Completed, u Upload) (chosen, rest []Part, err error) {
	for _, c := range list {
		for len(there) > 0 && there[0].Number < c.Number {
			rest, there = append(rest, there[0]), there[1:]
		}
		if len(there) == 0 || there[0].Number != c.Number || there[0].ETag != c.ETag {
			return nil, nil, fmt.Errorf("%w: number %d", ErrInvalidPart, c.Number)
		}
		p := there[0]
		there = there[1:]
		if v := c.Checksum.Value; v != "" && c.Checksum.Algorithm == u.Algorithm && v != p.Checksum.Value {
			return nil, nil, fmt.Errorf("%w: the %s of number %d differs", ErrInvalidPart, u.Algorithm, c.Number)
		}
		chosen = append(chosen, p)
	}
	for i, p := range chosen {
		if p.Size < s.minPart && i < len(chosen)-1 {
			return nil, nil, fmt.Errorf("%w: number %d has %d bytes", ErrPartTooSmall, p.Number, p.Size)
		}
	}
	return chosen, append(rest, there...), nil
}

// assemble describes the object that parts make.
func assemble(u Upload, parts []Part, opts PutOptions) (Object, error) {
	o := Object{
		Bucket: u.Bucket, Key: u.Key, Headers: u.Headers,
		contentKey: partsPrefix + u.ID, Checksum: Checksum{Algorithm: u.Algorithm},
	}
	digests := md5.New()
	for _, p := range parts {
		sum, err := hex.DecodeString(p.ETag)
		if err != nil {
			return Object{}, fmt.Errorf("the ETag of part %d is damaged: %w", p.Number, err)
		}
		digests.Write(sum)
		o.Size += p.Size
	}
	o.ETag = fmt.Sprintf("%x-%d", digests.Sum(nil), len(parts))
	if opts.Size != nil && *opts.Size != o.Size {
		return Object{}, fmt.Errorf("%w: %d bytes in place of %d", ErrSize, o.Size, *opts.Size)
	}
	if u.Algorithm == "" {
		return o, nil
	}
	var err error
	if o.Checksum.Value, err = checksumOf(u, parts); err != nil {
		return Object{}, err
	}
	// Some clients leave the count of the parts out.
	given, _, _ := strings.Cut(opts.Checksum.Value, "-")
	have, _, _ := strings.Cut(o.Checksum.Value, "-")
	if given != "" && (opts.Checksum.Algorithm != u.Algorithm || given != have) {
		return Object{}, fmt.Errorf("%w: the %s of the object is %s, not %s", ErrBadDigest, u.Algorithm, o.Checksum.Value, opts.Checksum.Value)
	}
	return o, nil
}

// checksumOf makes the checksum of an object of those of its parts: the checksum
// of them all in a row, or, where the mathematics allow it, that of the whole.
func checksumOf(u Upload, parts []Part) (string, error) {
	all, err := Checksum{Algorithm: u.Algorithm}.newHash()
	if err != nil {
		return "", err
	}
	var whole []byte
	for i, p := range parts {
		sum, err := base64.StdEncoding.DecodeString(p.Checksum.Value)
		if err != nil || len(sum) != all.Size() {
			return "", fmt.Errorf("the checksum of part %d is damaged: %q", p.Number, p.Checksum.Value)
		}
		switch {
		case u.Kind == composite:
			all.Write(sum)
		case i == 0:
			whole = sum
		default:
			whole = joinCRC(u.Algorithm, whole, sum, p.Size)
		}
	}
	if u.Kind == composite {
		return fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(all.Sum(nil)), len(parts)), nil
	}
	return base64.StdEncoding.EncodeToString(whole), nil
}
