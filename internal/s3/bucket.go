package s3

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
)

// Owner is whose bucket it is and where it says it is.
type Owner struct {
	// Account is the twelve-digit account.
	Account string
	// Region is the bucket's region, such as "eu-west-1".
	Region string
}

// Versioning is the versioning state of a bucket.
type Versioning string

// The versioning states. A bucket that had versioning once never returns to
// VersioningNever.
const (
	VersioningNever     Versioning = ""
	VersioningEnabled   Versioning = "Enabled"
	VersioningSuspended Versioning = "Suspended"
)

// Bucket describes a bucket.
type Bucket struct {
	Name       string
	Owner      Owner
	Versioning Versioning
	Created    time.Time
}

// CheckBucketName returns ErrInvalidBucketName unless name has 3 to 63 lower-case
// letters, digits, dots and hyphens, begins and ends with a letter or digit, has
// no two dots in a row and is not formed like an IP address.
func CheckBucketName(name string) error {
	if len(name) < 3 || len(name) > 63 {
		return fmt.Errorf("%w %q: it must have 3 to 63 characters", ErrInvalidBucketName, name)
	}
	for i := range len(name) {
		c := name[i]
		alphanumeric := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		inner := (c == '-' || c == '.') && i > 0 && i < len(name)-1
		if !alphanumeric && !inner {
			return fmt.Errorf("%w %q: character %q", ErrInvalidBucketName, name, c)
		}
	}
	if strings.Contains(name, "..") {
		return fmt.Errorf("%w %q: two dots in a row", ErrInvalidBucketName, name)
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return fmt.Errorf("%w %q: formed like an IP address", ErrInvalidBucketName, name)
	}
	return nil
}

// CreateBucket makes a bucket. A name that is taken gives ErrBucketOwned when
// owner's account has it, whatever its region, else ErrBucketExists.
func (s *Store) CreateBucket(ctx context.Context, owner Owner, name string) error {
	if err := CheckBucketName(name); err != nil {
		return err
	}
	err := s.write(ctx, func(tx *db.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		made, err := insertBucket(tx, name, owner, now)
		if err != nil || made {
			return err
		}
		existing, err := selectBucket(tx, name)
		if errors.Is(err, ErrNoSuchBucket) {
			return errRetry // it went while we looked
		}
		if err != nil {
			return err
		}
		if existing.Owner.Account == owner.Account {
			return ErrBucketOwned
		}
		return ErrBucketExists
	})
	if err != nil {
		return fmt.Errorf("create bucket %s: %w", name, err)
	}
	return nil
}

// DeleteBucket removes a bucket and its uploads. It gives ErrBucketNotEmpty while
// there are versions or delete markers.
func (s *Store) DeleteBucket(ctx context.Context, name string) error {
	var orphans []string
	err := s.write(ctx, func(tx *db.Tx) error {
		// Who puts an object at the same time waits for the lock, or is waited for.
		if err := lockBucket(tx, name, s.db.Dialect().LockSuffix); err != nil {
			return err
		}
		used, err := bucketUsed(tx, name)
		if err != nil {
			return err
		}
		if used {
			return ErrBucketNotEmpty
		}
		if orphans, err = s.endUploads(tx, name); err != nil {
			return err
		}
		return deleteBucket(tx, name)
	})
	if err != nil {
		return fmt.Errorf("delete bucket %s: %w", name, err)
	}
	s.drop(ctx, orphans...)
	return nil
}

// HeadBucket returns the bucket, or ErrNoSuchBucket.
func (s *Store) HeadBucket(ctx context.Context, name string) (Bucket, error) {
	var b Bucket
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		b, err = selectBucket(tx, name)
		return err
	})
	if err != nil {
		return Bucket{}, fmt.Errorf("look up bucket %s: %w", name, err)
	}
	return b, nil
}

// ListBuckets returns the buckets of an account in the order of their names:
// those after the name after, at most max.
func (s *Store) ListBuckets(ctx context.Context, account, after string, max int) ([]Bucket, error) {
	var list []Bucket
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		list, err = selectBuckets(tx, account, after, max)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list buckets of account %s: %w", account, err)
	}
	return list, nil
}

// GetBucketVersioning returns the versioning state of a bucket.
func (s *Store) GetBucketVersioning(ctx context.Context, name string) (Versioning, error) {
	b, err := s.HeadBucket(ctx, name)
	return b.Versioning, err
}

// PutBucketVersioning enables or suspends versioning. Suspending keeps the
// versions there are; new ones go under the id "null".
func (s *Store) PutBucketVersioning(ctx context.Context, name string, v Versioning) error {
	if v != VersioningEnabled && v != VersioningSuspended {
		return fmt.Errorf("set versioning of bucket %s: no such state %q", name, v)
	}
	err := s.write(ctx, func(tx *db.Tx) error {
		return updateVersioning(tx, name, v)
	})
	if err != nil {
		return fmt.Errorf("set versioning of bucket %s: %w", name, err)
	}
	return nil
}
