package s3

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// listed is a page, or all pages together, in comparable form.
type listed struct{ Keys, Prefixes []string }

// expect lists by the definition: sort, fold, cut.
func expect(keys []string, opts ListOptions) listed {
	var l listed
	sorted := slices.Sorted(slices.Values(keys))
	for _, key := range sorted {
		rest, ok := strings.CutPrefix(key, opts.Prefix)
		if !ok || key <= opts.StartAfter {
			continue
		}
		head, _, found := strings.Cut(rest, opts.Delimiter)
		if opts.Delimiter == "" || !found {
			l.Keys = append(l.Keys, key)
			continue
		}
		common := opts.Prefix + head + opts.Delimiter
		if !slices.Contains(l.Prefixes, common) {
			l.Prefixes = append(l.Prefixes, common)
		}
	}
	return l
}

// all follows the pages to the last.
func (f *fixture) all(opts ListOptions) listed {
	f.t.Helper()
	var l listed
	for pages := 0; ; pages++ {
		page, err := f.ListObjects(f.t.Context(), bucket, opts)
		f.must(err)
		n := len(page.Objects) + len(page.CommonPrefixes)
		if opts.MaxKeys > 0 && n > opts.MaxKeys || page.Next != "" && n == 0 || pages > 1000 {
			f.t.Fatalf("page %d of %+v has %d entries, next %q", pages, opts, n, page.Next)
		}
		for _, o := range page.Objects {
			l.Keys = append(l.Keys, o.Key)
		}
		l.Prefixes = append(l.Prefixes, page.CommonPrefixes...)
		if page.Next == "" {
			return l
		}
		opts.Token = page.Next
	}
}

// strangeKeys are keys that a file system, a URL, a collation or a page border
// might stumble over.
func strangeKeys() []string {
	return []string{
		"a", "A", "B", "b", "a/", "a//b", "a/b", "a/b/c", "a/../b", "a/./b", "/lead", "//", "..", ".", "../../etc/passwd",
		"ä", "Ä", "a\u0308", "z", "ÿ", "日本語/ファイル.zip", "日本語/x", "emoji/😀", "emoji/😁", "\U0010FFFF", "\U0010FFFF/x",
		"\uD7FF", "\uD7FF/1", "\uE000", "\uFFFD", "a+b", "a b", "a%20b", "a%2Fb", "a?b#c", "a&b=c", `a\b`, "a\x01", "a\x01b",
		"a\n", "a\x7f", "quote'", `double"`, "<xml>&amp;", "_", "%", "a_c", "aXc", "-", "0", "10", "9",
		strings.Repeat("k", 1024), strings.Repeat("ü", 512), strings.Repeat("\U0010FFFF", 256),
	}
}

func TestListAgainstDefinition(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		keys := strangeKeys()
		for _, key := range keys {
			f.put(key, key)
		}
		rng := rand.New(rand.NewPCG(1, 2))
		cases := []ListOptions{
			{}, {MaxKeys: 1}, {MaxKeys: 2, Delimiter: "/"}, {Delimiter: "/"}, {Prefix: "a"}, {Prefix: "a/", Delimiter: "/"},
			{Prefix: "\uD7FF"}, {Prefix: "\U0010FFFF"}, {Prefix: strings.Repeat("\U0010FFFF", 256)}, {Prefix: "日本語/", MaxKeys: 1},
			{StartAfter: "a"}, {StartAfter: "\U0010FFFF/x"}, {Prefix: "a", StartAfter: "0"}, {Prefix: "0", StartAfter: "zz"},
			{Prefix: "nothing"}, {Prefix: strings.Repeat("k", 2000)}, {Delimiter: "語"}, {Delimiter: "//"},
		}
		pick := func(options ...string) string { return options[rng.IntN(len(options))] }
		for range 60 {
			key := keys[rng.IntN(len(keys))]
			runes := []rune(key)
			cases = append(cases, ListOptions{
				Prefix:     string(runes[:rng.IntN(min(len(runes), 4)+1)]),
				Delimiter:  pick("", "/", "b", "%", "\U0010FFFF"),
				StartAfter: pick("", "", keys[rng.IntN(len(keys))]),
				MaxKeys:    rng.IntN(6),
			})
		}
		for _, opts := range cases {
			if diff := cmp.Diff(expect(keys, opts), f.all(opts)); diff != "" {
				f.t.Errorf("%+v: %s", opts, diff)
			}
		}
		for _, key := range keys {
			f.wantContent(key, "", key)
		}
	})
}

func TestListSeesCurrentObjectsOnly(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		f.versioned()
		f.put("a", "1")
		o := f.put("a", "22")
		f.put("gone", "x")
		f.delete("gone", "")
		f.must(f.CreateBucket(f.t.Context(), Owner{Account: account, Region: "us-east-1"}, "other"))
		_, err := f.PutObject(f.t.Context(), "other", "b", strings.NewReader(""), PutOptions{})
		f.must(err)
		page, err := f.ListObjects(f.t.Context(), bucket, ListOptions{})
		f.must(err)
		if len(page.Objects) != 1 || page.Objects[0].VersionID != o.VersionID || page.Objects[0].Size != 2 || page.Next != "" {
			f.t.Errorf("page %+v", page)
		}
	})
}

// TestListManyVersions lists keys that have a hundred versions among others that
// have one, and delete markers between them, in pages of every size.
func TestListManyVersions(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		f.maxRow = 100
		f.versioned()
		var keys []string
		content := map[string]string{}
		for n := range 60 {
			key := fmt.Sprintf("%02d", n)
			versions := 1
			if n%20 >= 10 {
				versions = 30
			}
			for v := range versions {
				f.put(key, fmt.Sprint(v))
			}
			if n%3 == 0 {
				f.delete(key, "")
				continue
			}
			keys, content[key] = append(keys, key), fmt.Sprint(versions-1)
		}
		for _, max := range []int{1, 2, 7, 40, 1000} {
			if diff := cmp.Diff(keys, f.all(ListOptions{MaxKeys: max}).Keys); diff != "" {
				f.t.Errorf("pages of %d: %s", max, diff)
			}
		}
		page, err := f.ListObjects(f.t.Context(), bucket, ListOptions{})
		f.must(err)
		for _, o := range page.Objects {
			f.wantContent(o.Key, o.VersionID, content[o.Key])
		}
	})
}

func TestListPages(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		var keys []string
		for n := range 1050 {
			keys = append(keys, fmt.Sprintf("%s/%04d", []string{"many", "some"}[n/1000], n))
		}
		f.putMany(keys)
		page, err := f.ListObjects(f.t.Context(), bucket, ListOptions{MaxKeys: 5000})
		f.must(err)
		if len(page.Objects) != MaxKeys || page.Next == "" {
			f.t.Errorf("first page: %d, next %q", len(page.Objects), page.Next)
		}
		if diff := cmp.Diff(keys, f.all(ListOptions{}).Keys); diff != "" {
			f.t.Error(diff)
		}
		if diff := cmp.Diff([]string{"many/", "some/"}, f.all(ListOptions{Delimiter: "/", MaxKeys: 1}).Prefixes); diff != "" {
			f.t.Error(diff)
		}
		// A token is good for its own list only.
		for _, opts := range []ListOptions{
			{Token: page.Next, Prefix: "many"}, {Token: page.Next, Delimiter: "/"}, {Token: "x"}, {Token: "AAAA"}, {Token: page.Next[:8]},
		} {
			_, err := f.ListObjects(f.t.Context(), bucket, opts)
			f.wants(err, ErrInvalidToken)
		}
		for _, opts := range []ListOptions{{Prefix: "\xff"}, {Delimiter: "\x00"}, {StartAfter: "\xc3"}} {
			_, err := f.ListObjects(f.t.Context(), bucket, opts)
			f.wants(err, ErrInvalidKey)
		}
	})
}

func FuzzPrefixEnd(f *testing.F) {
	for _, key := range strangeKeys() {
		f.Add(key, "x")
	}
	f.Fuzz(func(t *testing.T, prefix, other string) {
		if CheckKey(prefix) != nil || CheckKey(other) != nil {
			t.Skip("no object has such a key")
		}
		end := prefixEnd(prefix)
		if !utf8.ValidString(end) {
			t.Fatalf("%q is no UTF-8", end)
		}
		if prefix >= end || prefix+other >= end && len(prefix)+len(other) <= maxObjectKey {
			t.Errorf("the end of %q is %q", prefix, end)
		}
		if other > prefix && other < end && !strings.HasPrefix(other, prefix) {
			t.Errorf("%q is within %q and %q", other, prefix, end)
		}
	})
}
