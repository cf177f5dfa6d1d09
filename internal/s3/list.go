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
	from   string // the first key that may come next
	until  string // the first key past the prefix
	page   ListPage
}

// endOfKeys is greater than every key, being longer than any and made of the
// last character.
func endOfKeys() string { return strings.Repeat(string(utf8.MaxRune), maxObjectKey/utf8.UTFMax+1) }

func (l *lister) start() error {
	for _, text := range []string{l.opts.Prefix, l.opts.Delimiter, l.opts.StartAfter} {
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return fmt.Errorf("%w: %q in a list", ErrInvalidKey, text)
		}
	}
	l.from = l.opts.Prefix
	if l.opts.StartAfter != "" {
		l.from = max(l.from, keyAfter(l.opts.StartAfter))
	}
	if l.opts.Token != "" {
		from, err := l.readToken(l.opts.Token)
		if err != nil {
			return err
		}
		l.from = from
	}
	l.until = prefixEnd(l.opts.Prefix)
	return nil
}

// run reads batches until the page is full or the keys end. Each batch begins
// behind what was folded into a common prefix, so that a prefix with a million
// keys costs one batch.
func (l *lister) run(tx *db.Tx) error {
	for {
		batch, err := selectKeys(tx, l.bucket, l.from, l.until, l.opts.MaxKeys+1)
		if err != nil {
			return err
		}
		for _, o := range batch {
			if o.Key < l.from {
				continue // folded into a common prefix that an earlier key gave
			}
			if len(l.page.Objects)+len(l.page.CommonPrefixes) == l.opts.MaxKeys {
				l.page.Next = l.token()
				return nil
			}
			l.add(o)
		}
		if len(batch) <= l.opts.MaxKeys {
			return nil
		}
	}
}

// add appends a key, or what it folds into, and moves on behind it.
func (l *lister) add(o Object) {
	if l.opts.Delimiter != "" {
		head, _, found := strings.Cut(o.Key[len(l.opts.Prefix):], l.opts.Delimiter)
		if found {
			common := l.opts.Prefix + head + l.opts.Delimiter
			l.page.CommonPrefixes = append(l.page.CommonPrefixes, common)
			l.from = prefixEnd(common)
			return
		}
	}
	l.page.Objects = append(l.page.Objects, o)
	l.from = keyAfter(o.Key)
}

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

// keyAfter returns the least key greater than key: no key holds a NUL.
func keyAfter(key string) string { return key + "\x01" }

// prefixEnd returns the least text greater than every key with the prefix. It
// counts in characters, not bytes, so that it stays UTF-8.
func prefixEnd(prefix string) string {
	for prefix != "" {
		last, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		switch last {
		case utf8.MaxRune:
			continue // the character before it is the one to raise
		case 0xD7FF:
			return prefix + "\uE000" // over the surrogates
		}
		return prefix + string(last+1)
	}
	return endOfKeys()
}
