package s3

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/penstock-cd/penstock/internal/db"
)

// MarkerOptions says what to list of what has more than one entry for a key.
type MarkerOptions struct {
	// Prefix leaves out every other key.
	Prefix string
	// Delimiter folds keys into common prefixes, as in ListOptions.
	Delimiter string
	// KeyMarker and IDMarker are the key and id that the page before ended with;
	// without an IDMarker the list begins with the next key.
	KeyMarker string
	IDMarker  string
	// Max bounds entries and common prefixes together; 0 and values above MaxKeys
	// mean MaxKeys.
	Max int
}

// fold begins a page.
func (o MarkerOptions) fold() (fold, error) {
	if o.Max <= 0 || o.Max > MaxKeys {
		o.Max = MaxKeys
	}
	f := fold{prefix: o.Prefix, delimiter: o.Delimiter, max: o.Max}
	return f, f.start(o.KeyMarker, o.IDMarker)
}

// MarkerPage is one page of such a list, in byte order of the keys.
type MarkerPage[T any] struct {
	Entries        []T
	CommonPrefixes []string
	// More says that there is another page, behind NextKey and NextID.
	More    bool
	NextKey string
	NextID  string
}

// end notes where a page ends: with an entry, or with a common prefix behind it.
func (p *MarkerPage[T]) end(more bool, common []string, last func(T) (key, id string)) {
	p.CommonPrefixes, p.More = common, more
	if !more {
		return
	}
	if n := len(p.Entries); n > 0 {
		p.NextKey, p.NextID = last(p.Entries[n-1])
	}
	if n := len(common); n > 0 && common[n-1] > p.NextKey {
		p.NextKey, p.NextID = common[n-1], ""
	}
}

// ListVersions lists the versions and delete markers of a bucket, those of one
// key from the newest.
func (s *Store) ListVersions(ctx context.Context, bucket string, opts MarkerOptions) (MarkerPage[Object], error) {
	var page MarkerPage[Object]
	f, err := opts.fold()
	if err == nil {
		err = s.db.Read(ctx, func(tx *db.Tx) error {
			if _, err := selectBucket(tx, bucket); err != nil {
				return err
			}
			last, err := f.afterVersion(tx, bucket, opts)
			if err != nil {
				return err
			}
			more, err := folded(&f, Object.key, func(o Object) {
				page.Entries = append(page.Entries, o)
				f.from, last = o.Key, o
			}, func(limit int) ([]Object, error) {
				below := int64(math.MaxInt64)
				if f.from == last.Key {
					below = last.Sequence
				}
				return selectVersions(tx, bucket, f.from, below, f.until, limit)
			})
			page.end(more, f.common, func(o Object) (string, string) { return o.Key, o.VersionID })
			return err
		})
	}
	if err != nil {
		return MarkerPage[Object]{}, fmt.Errorf("list versions of %s: %w", bucket, err)
	}
	return page, nil
}

// afterVersion moves on to where a page begins, and returns the version that the
// page before ended with, if it did with one. A version that has gone since
// the page before does not tell any more where it stood: what its key has left
// is listed from the newest again, so that nothing is left out.
func (f *fold) afterVersion(tx *db.Tx, bucket string, opts MarkerOptions) (Object, error) {
	switch {
	case opts.KeyMarker == "":
		return Object{}, nil
	case opts.IDMarker == "" || opts.KeyMarker < f.from:
		f.behind(opts.KeyMarker)
		return Object{}, nil
	}
	f.from = opts.KeyMarker
	o, err := selectVersion(tx, bucket, opts.KeyMarker, opts.IDMarker)
	if errors.Is(err, db.ErrNoRows) {
		return Object{}, nil
	}
	return o, err
}

// ListUploads lists the uploads of a bucket that are under way, those of one key
// from the oldest.
func (s *Store) ListUploads(ctx context.Context, bucket string, opts MarkerOptions) (MarkerPage[Upload], error) {
	var page MarkerPage[Upload]
	f, err := opts.fold()
	if err == nil {
		var last Upload
		switch {
		case opts.KeyMarker == "":
		case opts.IDMarker == "" || opts.KeyMarker < f.from:
			f.behind(opts.KeyMarker)
		default:
			f.from, last = opts.KeyMarker, Upload{Key: opts.KeyMarker, ID: opts.IDMarker}
		}
		err = s.db.Read(ctx, func(tx *db.Tx) error {
			if _, err := selectBucket(tx, bucket); err != nil {
				return err
			}
			more, err := folded(&f, func(u Upload) string { return u.Key }, func(u Upload) {
				page.Entries = append(page.Entries, u)
				f.from, last = u.Key, u
			}, func(limit int) ([]Upload, error) {
				after := ""
				if f.from == last.Key {
					after = last.ID
				}
				return selectUploads(tx, bucket, f.from, after, f.until, limit)
			})
			page.end(more, f.common, func(u Upload) (string, string) { return u.Key, u.ID })
			return err
		})
	}
	if err != nil {
		return MarkerPage[Upload]{}, fmt.Errorf("list uploads of %s: %w", bucket, err)
	}
	return page, nil
}
