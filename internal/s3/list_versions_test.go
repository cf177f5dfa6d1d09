package s3

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// entry is one entry of a list with markers: a key and an id, or a prefix.
type entry struct{ Key, ID string }

// expectEntries lists by the definition: sorted, folded, behind the markers.
func expectEntries(all []entry, opts MarkerOptions) (list []entry, prefixes []string) {
	for _, e := range all {
		rest, ok := strings.CutPrefix(e.Key, opts.Prefix)
		if !ok {
			continue
		}
		head, _, found := strings.Cut(rest, opts.Delimiter)
		if opts.Delimiter == "" || !found {
			list = append(list, e)
			continue
		}
		if common := opts.Prefix + head + opts.Delimiter; !slices.Contains(prefixes, common) {
			prefixes = append(prefixes, common)
		}
	}
	return list, prefixes
}

// follow reads all pages of a list with markers.
func follow[T any](f *fixture, opts MarkerOptions, page func(MarkerOptions) (MarkerPage[T], error), of func(T) entry) (list []entry, prefixes []string) {
	f.t.Helper()
	for pages := 0; ; pages++ {
		p, err := page(opts)
		f.must(err)
		if n := len(p.Entries) + len(p.CommonPrefixes); opts.Max > 0 && n > opts.Max || p.More && n == 0 || pages > 500 {
			f.t.Fatalf("page %d of %+v has %d entries", pages, opts, n)
		}
		for _, e := range p.Entries {
			list = append(list, of(e))
		}
		prefixes = append(prefixes, p.CommonPrefixes...)
		if !p.More {
			return list, prefixes
		}
		opts.KeyMarker, opts.IDMarker = p.NextKey, p.NextID
	}
}

// markerCases are lists of every kind over the keys.
func markerCases(keys []string) []MarkerOptions {
	cases := []MarkerOptions{{}, {Max: 1}, {Max: 1, Delimiter: "/"}, {Delimiter: "/"}, {Prefix: "a/", Delimiter: "/", Max: 2}, {Prefix: "none"}}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 30 {
		runes := []rune(keys[rng.IntN(len(keys))])
		cases = append(cases, MarkerOptions{
			Prefix:    string(runes[:rng.IntN(min(len(runes), 3)+1)]),
			Delimiter: []string{"", "/", "b", "\U0010FFFF"}[rng.IntN(4)], Max: rng.IntN(5),
		})
	}
	return cases
}

func TestListVersions(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		var all []entry
		latest := map[string]bool{} // by id and key
		keys := strangeKeys()
		slices.Sort(keys)
		f.putMany(keys[:len(keys)/2]) // of a time before versioning
		f.versioned()
		for i, key := range keys {
			var of []entry
			if i < len(keys)/2 {
				of = append(of, entry{key, "null"})
			}
			for n := range i % 3 {
				if n == 1 {
					of = append(of, entry{key, f.delete(key, "").VersionID})
				}
				of = append(of, entry{key, f.put(key, "").VersionID})
			}
			slices.Reverse(of) // the newest first
			all = append(all, of...)
			if len(of) > 0 {
				latest[of[0].ID+key] = true
			}
		}
		list := func(opts MarkerOptions) (MarkerPage[Object], error) {
			return f.ListVersions(f.t.Context(), bucket, opts)
		}
		for _, opts := range markerCases(keys) {
			want, wantPrefixes := expectEntries(all, opts)
			got, gotPrefixes := follow(f, opts, list, func(o Object) entry {
				if o.Latest != latest[o.VersionID+o.Key] {
					f.t.Errorf("%+v: %s of %q is the current version: %v", opts, o.VersionID, o.Key, o.Latest)
				}
				return entry{o.Key, o.VersionID}
			})
			if diff := cmp.Diff(want, got) + cmp.Diff(wantPrefixes, gotPrefixes); diff != "" {
				f.t.Errorf("%+v: %s", opts, diff)
			}
		}
		// Deleting page by page comes to an end and leaves nothing.
		for rounds := 0; ; rounds++ {
			page, err := list(MarkerOptions{Max: 7})
			f.must(err)
			if len(page.Entries) == 0 || rounds > 100 {
				break
			}
			var doomed []ObjectID
			for _, o := range page.Entries {
				doomed = append(doomed, ObjectID{o.Key, o.VersionID})
			}
			for _, r := range f.DeleteObjects(f.t.Context(), bucket, doomed) {
				f.must(r.Err)
			}
			// The version that the page ended with is gone: none of its key is left out.
			if _, err := list(MarkerOptions{KeyMarker: page.NextKey, IDMarker: page.NextID}); err != nil {
				f.t.Error(err)
			}
		}
		f.wantBlobs(0)
		f.must(f.DeleteBucket(f.t.Context(), bucket))
	})
}

func TestListUploads(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		var all []entry
		keys := strangeKeys()
		slices.Sort(keys)
		for i, key := range keys {
			var of []entry
			for range 1 + i%3 {
				of = append(of, entry{key, f.begin(key, "", "").ID})
			}
			slices.SortFunc(of, func(a, b entry) int { return strings.Compare(a.ID, b.ID) })
			all = append(all, of...)
		}
		done := f.begin("a", "", "")
		f.complete(done, f.part(done, 1, "x"))
		for _, opts := range markerCases(keys) {
			want, wantPrefixes := expectEntries(all, opts)
			got, gotPrefixes := follow(f, opts, func(opts MarkerOptions) (MarkerPage[Upload], error) {
				return f.ListUploads(f.t.Context(), bucket, opts)
			}, func(u Upload) entry { return entry{u.Key, u.ID} })
			if diff := cmp.Diff(want, got) + cmp.Diff(wantPrefixes, gotPrefixes); diff != "" {
				f.t.Errorf("%+v: %s", opts, diff)
			}
		}
	})
}

// TestListMarker pages as ListObjects of version 1 does: by what the page before
// ended with.
func TestListMarker(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		keys := []string{"a", "a/1", "a/2", "a0", "b/1", "b/2/3", "c"}
		f.putMany(keys)
		for _, opts := range []ListOptions{{}, {Delimiter: "/"}, {Prefix: "a", Delimiter: "/"}, {Prefix: "b/", Delimiter: "/"}} {
			for limit := 1; limit < 4; limit++ {
				opts.MaxKeys, opts.Marker = limit, ""
				var got listed
				for {
					page, err := f.ListObjects(f.t.Context(), bucket, opts)
					f.must(err)
					for _, o := range page.Objects {
						got.Keys = append(got.Keys, o.Key)
					}
					got.Prefixes = append(got.Prefixes, page.CommonPrefixes...)
					if opts.Marker = page.last(); opts.Marker == "" {
						break
					}
				}
				if diff := cmp.Diff(expect(keys, opts), got); diff != "" {
					f.t.Errorf("%+v: %s", opts, diff)
				}
			}
		}
	})
}

func TestDeleteObjects(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		var list []ObjectID
		for n := range 2*deleteBatch + 5 {
			list = append(list, ObjectID{Key: fmt.Sprint("k", n%150)})
		}
		keys := make([]string, 150)
		for n := range keys {
			keys[n] = fmt.Sprint("k", n)
		}
		f.putMany(keys)
		list[3].Key, list[4].VersionID, list[5].Key = "", "not one", strings.Repeat("k", 1025)
		for i, r := range f.DeleteObjects(f.t.Context(), bucket, list) {
			want := map[int]error{3: ErrInvalidKey, 4: ErrNoSuchVersion, 5: ErrKeyTooLong}[i]
			if f.wants(r.Err, want); r.ObjectID != list[i] {
				f.t.Errorf("result %d is of %+v, want %+v", i, r.ObjectID, list[i])
			}
		}
		f.wantBlobs(0) // those of the three refused ones were named again
		for _, r := range f.DeleteObjects(f.t.Context(), "missing", list[:1]) {
			f.wants(r.Err, ErrNoSuchBucket)
		}
	})
}

func TestDeleteBucket(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		f.wants(f.DeleteBucket(ctx, "missing"), ErrNoSuchBucket)
		f.versioned()
		f.put("k", "x")
		f.wants(f.DeleteBucket(ctx, bucket), ErrBucketNotEmpty)
		marker := f.delete("k", "")
		f.wants(f.DeleteBucket(ctx, bucket), ErrBucketNotEmpty)
		for _, r := range f.all(ListOptions{}).Keys {
			f.t.Errorf("listed %s", r)
		}
		page, err := f.ListVersions(ctx, bucket, MarkerOptions{})
		f.must(err)
		for _, o := range page.Entries {
			f.delete(o.Key, o.VersionID)
		}
		f.delete("k", marker.VersionID)
		u := f.begin("k", "", "")
		f.part(u, 1, "under way")
		f.must(f.DeleteBucket(ctx, bucket))
		f.wants(f.DeleteBucket(ctx, bucket), ErrNoSuchBucket)
		f.wantBlobs(0)
		_, _, err = f.UploadPart(ctx, bucket, "k", u.ID, 1, strings.NewReader(""), PutOptions{})
		f.wants(err, ErrNoSuchBucket)
	})
}

// TestDeleteBucketRaces deletes a bucket while objects are put: the puts are
// there with the bucket, or refused with it.
func TestDeleteBucketRaces(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		for round := range 5 {
			name := fmt.Sprint("bucket-", round)
			f.must(f.CreateBucket(f.t.Context(), Owner{Account: account, Region: "us-east-1"}, name))
			puts := make(chan error, 4)
			for n := range cap(puts) {
				go func() {
					_, err := f.PutObject(f.t.Context(), name, fmt.Sprint(n), strings.NewReader("x"), PutOptions{})
					puts <- err
				}()
			}
			gone := f.DeleteBucket(f.t.Context(), name)
			for range cap(puts) {
				err := <-puts
				if gone == nil {
					f.wants(err, ErrNoSuchBucket)
				} else if f.wants(gone, ErrBucketNotEmpty); err != nil {
					f.t.Errorf("put into the bucket that stays: %v", err)
				}
			}
		}
	})
}
