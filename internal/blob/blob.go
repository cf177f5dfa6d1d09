// Package blob keeps content: artifacts, object versions, finished logs. A
// blob is a sequence of bytes under a key; it is written once, whole, and is
// never visible in part.
//
// Keys are minted by the packages that own the content (a random or counted
// name under a prefix of their own, such as "s3/4f/4f1c…"). User input never
// becomes a key, so a blob never has a hostile file name. Which blob belongs to
// what is said by the owner's rows in the database: the owner writes the blob
// first and commits the row that names it second, so a crash in between leaves
// a blob that nobody names. Such orphans are harmless; their owner finds them
// with Walk and deletes them.
//
// Dir is the implementation on a local or shared directory.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Store keeps blobs. All methods may be called at once from any number of
// goroutines.
type Store interface {
	// Put reads r to its end and stores the content under key, replacing any
	// blob of that key at one instant. When it returns nil the blob is durable.
	// After an error from r, or a cancelled ctx, nothing has changed. After any
	// other error the blob is absent, old, or whole, never partial.
	Put(ctx context.Context, key string, r io.Reader) (Info, error)
	// Open returns the blob for reading, or ErrNotExist. The reader keeps seeing
	// the same content when the key is replaced or deleted meanwhile.
	Open(ctx context.Context, key string) (Reader, error)
	// Delete removes the blob. It is no error if there is none.
	Delete(ctx context.Context, key string) error
	// Walk calls fn for every blob, in no promised order, and stops at its first
	// error, which it returns. Blobs put or deleted meanwhile may be seen or not.
	// The hash of the Info is empty.
	Walk(ctx context.Context, fn func(Info) error) error
}

// Info describes a blob.
type Info struct {
	Key string
	// Size is in bytes.
	Size int64
	// MD5 is lower-case hexadecimal, computed while Put streamed the content; Walk
	// leaves it empty.
	MD5 string
	// Modified is when the content was written, by the clock of the machine or
	// file server that keeps it.
	Modified time.Time
}

// Reader reads one blob. ReadAt may be called at once from many goroutines.
type Reader interface {
	io.Reader
	io.ReaderAt
	io.Seeker
	io.Closer
	// Size is the length of the content in bytes.
	Size() int64
}

var (
	// ErrNotExist is returned by Open for a key that has no blob.
	ErrNotExist = errors.New("blob does not exist")
	// ErrInvalidKey is returned for a key outside the permitted form.
	ErrInvalidKey = errors.New("invalid blob key")
	// ErrFull is returned by Put when the disk or the quota is used up.
	ErrFull = errors.New("no space left for content")
	// ErrReadOnly is returned when the store cannot be written to.
	ErrReadOnly = errors.New("content directory is read-only")
)

const (
	maxKey     = 512
	maxSegment = 200
)

// CheckKey returns ErrInvalidKey unless key is made of segments of
// [A-Za-z0-9_.-] joined by single slashes, none of them empty or beginning with
// a dot, at most 512 bytes in all and 200 in a segment.
func CheckKey(key string) error {
	if key == "" || len(key) > maxKey {
		return fmt.Errorf("%w: length %d is not within 1 to %d", ErrInvalidKey, len(key), maxKey)
	}
	for segment := range strings.SplitSeq(key, "/") {
		if err := checkSegment(segment); err != nil {
			return fmt.Errorf("%w %q: %s", ErrInvalidKey, key, err)
		}
	}
	return nil
}

func checkSegment(segment string) error {
	switch {
	case segment == "":
		return errors.New("empty segment")
	case len(segment) > maxSegment:
		return errors.New("segment too long")
	case segment[0] == '.':
		// Dot names are ours: temporary files, and "." and ".." never.
		return errors.New("segment begins with a dot")
	}
	for i := range len(segment) {
		c := segment[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '_', c == '.', c == '-':
		default:
			return fmt.Errorf("character %q", c)
		}
	}
	return nil
}
