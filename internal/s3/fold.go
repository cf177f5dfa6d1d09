package s3

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// fold collects one page of a list in the order of keys, in which keys that have
// a delimiter behind the prefix become one common prefix.
type fold struct {
	prefix, delimiter string
	max               int

	from   string // the least key that may come next
	until  string // the first key past the prefix
	count  int    // of what the page holds, common prefixes included
	common []string
}

// start checks what a client asks for, other texts with it, and begins with the
// prefix.
func (f *fold) start(others ...string) error {
	for _, text := range append(others, f.prefix, f.delimiter) {
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return fmt.Errorf("%w: %q in a list", ErrInvalidKey, text)
		}
	}
	f.from, f.until = f.prefix, prefixEnd(f.prefix)
	return nil
}

// folded reads batches until the page is full, which makes more true, or the
// keys end. take adds an entry to the page and moves on behind it. Each batch
// begins behind what was folded into a common prefix, so that a prefix with a
// million keys costs one batch.
func folded[T any](f *fold, key func(T) string, take func(T), fetch func(limit int) ([]T, error)) (more bool, err error) {
	for {
		batch, err := fetch(f.max + 1)
		if err != nil {
			return false, err
		}
		for _, entry := range batch {
			if key(entry) < f.from {
				continue // folded into a common prefix that an earlier key gave
			}
			if f.count == f.max {
				return true, nil
			}
			f.count++
			if common, ok := f.commonPrefix(key(entry)); ok {
				f.common = append(f.common, common)
				f.from = prefixEnd(common)
				continue
			}
			take(entry)
		}
		if len(batch) <= f.max {
			return false, nil
		}
	}
}

// commonPrefix returns what a key with the prefix folds into, if it does.
func (f *fold) commonPrefix(key string) (string, bool) {
	if f.delimiter == "" {
		return "", false
	}
	head, _, found := strings.Cut(key[len(f.prefix):], f.delimiter)
	return f.prefix + head + f.delimiter, found
}

// behind moves on behind a key, or a common prefix, that an earlier page ended
// with.
func (f *fold) behind(marker string) {
	next := keyAfter(marker)
	if strings.HasPrefix(marker, f.prefix) {
		if common, ok := f.commonPrefix(marker); ok && common == marker {
			next = prefixEnd(common)
		}
	}
	f.from = max(f.from, next)
}

// endOfKeys is greater than every key, being longer than any and made of the
// last character.
func endOfKeys() string { return strings.Repeat(string(utf8.MaxRune), maxObjectKey/utf8.UTFMax+1) }

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
