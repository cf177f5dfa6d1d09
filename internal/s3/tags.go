package s3

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/penstock-cd/penstock/internal/db"
)

// Tag is one tag of an object.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// The bounds of tags, in characters.
const (
	maxTags     = 10
	maxTagKey   = 128
	maxTagValue = 256
)

// checkTags returns ErrInvalidTag unless there are at most ten tags of different
// keys, none longer than S3 takes.
func checkTags(tags []Tag) error {
	if len(tags) > maxTags {
		return fmt.Errorf("%w: an object has at most %d", ErrInvalidTag, maxTags)
	}
	seen := map[string]bool{}
	for _, t := range tags {
		switch {
		case seen[t.Key]:
			return fmt.Errorf("%w: two have the same key", ErrInvalidTag)
		case t.Key == "", utf8.RuneCountInString(t.Key) > maxTagKey, !tagText(t.Key):
			return fmt.Errorf("%w: a key is empty, too long or has other characters than a tag may have", ErrInvalidTag)
		case utf8.RuneCountInString(t.Value) > maxTagValue, !tagText(t.Value):
			return fmt.Errorf("%w: a value is too long or has other characters than a tag may have", ErrInvalidTag)
		}
		seen[t.Key] = true
	}
	return nil
}

// tagText says whether a text has the characters that a tag may have.
func tagText(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsSpace(r) && !strings.ContainsRune("_.:/=+-@", r) || unicode.IsControl(r)
	})
}

// parseTags reads the tags of a header, which has the form of a query.
func parseTags(header string) ([]Tag, error) {
	values, err := url.ParseQuery(header)
	if err != nil {
		return nil, fmt.Errorf("%w: x-amz-tagging must have the form of the query of a URL", ErrInvalidTag)
	}
	var tags []Tag
	for key, list := range values {
		for _, value := range list {
			tags = append(tags, Tag{Key: key, Value: value})
		}
	}
	sortTags(tags)
	return tags, checkTags(tags)
}

func sortTags(tags []Tag) {
	slices.SortFunc(tags, func(a, b Tag) int { return strings.Compare(a.Key, b.Key) })
}

// PutObjectTagging gives a version, the current one for "", the tags in place of
// those it has. It returns the version.
func (s *Store) PutObjectTagging(ctx context.Context, bucket, key, versionID string, tags []Tag) (Object, error) {
	var o Object
	err := checkTags(tags)
	if err == nil {
		tags = slices.Clone(tags)
		sortTags(tags)
		err = s.write(ctx, func(tx *db.Tx) (err error) {
			if err := lockKey(tx, bucket, key); err != nil {
				return err // others may be tagging it
			}
			if o, err = find(tx, bucket, key, versionID); err != nil {
				return err
			}
			o.Headers.Tags = tags
			return updateDetails(tx, o)
		})
	}
	if err != nil {
		return Object{}, fmt.Errorf("tag object %s/%s: %w", bucket, key, err)
	}
	return o, nil
}
