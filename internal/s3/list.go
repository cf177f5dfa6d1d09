package s3

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/penstock-cd/penstock/internal/db"
)

// MaxKeys is the most that one page of a list holds.
const MaxKeys = 1000

// ListOptions says what to list.
type ListOptions struct {
	// Prefix leaves out every other key.
	Prefix string
	// Delimiter, if not "", folds all keys that have it after the prefix into
	// the part up to and including it: a common prefix.
	Delimiter string
	// StartAfter leaves out keys up to and including it.
	StartAfter string
	// Marker leaves out keys up to and including it, and the common prefix that it
	// is.
	Marker string
	// Token continues after the page that gave it; StartAfter is then ignored.
	Token string
	// MaxKeys bounds objects and common prefixes together; 0 and values above
	// MaxKeys mean MaxKeys.
	MaxKeys int
}

// ListPage is one page of a list, in byte order of the keys.
type ListPage struct {
	Objects        []Object
	CommonPrefixes []string
	// Next is the token of the next page, "" on the last.
	Next string
}

// last is the key or common prefix that a page ends with, "" for the last page.
func (p ListPage) last() (key string) {
	if p.Next == "" {
		return ""
	}
	if n := len(p.Objects); n > 0 {
		key = p.Objects[n-1].Key
	}
	if n := len(p.CommonPrefixes); n > 0 {
		key = max(key, p.CommonPrefixes[n-1])
	}
	return key
}

// ListObjects lists the current objects of a bucket.
func (s *Store) ListObjects(ctx context.Context, bucket string, opts ListOptions) (ListPage, error) {
	if opts.MaxKeys <= 0 || opts.MaxKeys > MaxKeys {
		opts.MaxKeys = MaxKeys
	}
	l := lister{bucket: bucket, opts: opts}
	err := l.start()
	if err == nil {
		err = s.db.Read(ctx, func(tx *db.Tx) error {
			if _, err := selectBucket(tx, bucket); err != nil {
				return err
			}
			return l.run(tx)
		})
	}
	if err != nil {
		return ListPage{}, fmt.Errorf("list objects of %s: %w", bucket, err)
	}
	return l.page, nil
}

// lister collects one page.
type lister struct {
	bucket string
	opts   ListOptions
	fold
	page ListPage
}

func (l *lister) start() error {
	l.fold = fold{prefix: l.opts.Prefix, delimiter: l.opts.Delimiter, max: l.opts.MaxKeys}
	if err := l.fold.start(l.opts.StartAfter, l.opts.Marker); err != nil {
		return err
	}
	if l.opts.StartAfter != "" {
		l.from = max(l.from, keyAfter(l.opts.StartAfter))
	}
	if l.opts.Marker != "" {
		l.behind(l.opts.Marker)
	}
	if l.opts.Token != "" {
		from, err := l.readToken(l.opts.Token)
		if err != nil {
			return err
		}
		l.from = from
	}
	return nil
}

func (l *lister) run(tx *db.Tx) error {
	more, err := folded(&l.fold, Object.key, func(o Object) {
		l.page.Objects = append(l.page.Objects, o)
		l.from = keyAfter(o.Key)
	}, func(limit int) ([]Object, error) {
		return selectKeys(tx, l.bucket, l.from, l.until, limit)
	})
	if more {
		l.page.Next = l.token()
	}
	l.page.CommonPrefixes = l.common
	return err
}

// key is what the object is listed under.
func (o Object) key() string { return o.Key }

// token names the place where the next page begins, and the list it belongs to.
func (l *lister) token() string {
	return base64.RawURLEncoding.EncodeToString([]byte(l.binding() + l.from))
}

func (l *lister) readToken(token string) (from string, err error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || !utf8.Valid(text[min(len(text), len(l.binding())):]) {
		return "", ErrInvalidToken
	}
	from, ok := strings.CutPrefix(string(text), l.binding())
	if !ok || from < l.opts.Prefix || strings.ContainsRune(from, 0) {
		return "", ErrInvalidToken
	}
	return from, nil
}

// binding is a digest of what must be the same on all pages of a list.
func (l *lister) binding() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "ListObjectsV2 %q %q %q", l.bucket, l.opts.Prefix, l.opts.Delimiter))
	return string(sum[:9])
}
