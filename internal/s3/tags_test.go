package s3

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTags(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		f.versioned()
		o, err := f.PutObject(ctx, bucket, "k", strings.NewReader("one"), PutOptions{Headers: Headers{Tags: []Tag{{"a", "1"}}}})
		f.must(err)
		second := f.put("k", "two")
		want := map[string][]Tag{o.VersionID: {{"a", "1"}}, second.VersionID: nil}
		check := func() {
			f.t.Helper()
			for id, tags := range want {
				o, err := f.HeadObject(ctx, bucket, "k", id)
				f.must(err)
				if diff := cmp.Diff(tags, o.Headers.Tags); diff != "" {
					f.t.Error(diff)
				}
			}
		}
		check()
		for _, version := range []string{"", o.VersionID} {
			tagged, err := f.PutObjectTagging(ctx, bucket, "k", version, []Tag{{"z", version[:min(3, len(version))]}, {"b", "ü ok"}})
			f.must(err)
			want[tagged.VersionID] = []Tag{{"b", "ü ok"}, {"z", version[:min(3, len(version))]}}
			check()
		}
		f.wantContent("k", "", "two")
		if _, err := f.PutObjectTagging(ctx, bucket, "k", "", nil); err != nil {
			f.t.Error(err)
		}
		want[second.VersionID] = nil
		check()
		f.delete("k", "")
		_, err = f.PutObjectTagging(ctx, bucket, "k", "", nil)
		f.wants(err, ErrNoSuchKey)
		var many []Tag
		for n := range maxTags + 1 {
			many = append(many, Tag{Key: fmt.Sprint(n)})
		}
		for _, tags := range [][]Tag{many, {{"", "v"}}, {{"a", "1"}, {"a", "2"}}, {{"a", "!"}}, {{strings.Repeat("k", 129), ""}}, {{"k", strings.Repeat("v", 257)}}, {{"a\n", ""}}} {
			_, err := f.PutObjectTagging(ctx, bucket, "k", o.VersionID, tags)
			f.wants(err, ErrInvalidTag)
			_, err = f.PutObject(ctx, bucket, "k", strings.NewReader(""), PutOptions{Headers: Headers{Tags: tags}})
			f.wants(err, ErrInvalidTag)
		}
		check()
	})
}

func FuzzTags(f *testing.F) {
	for _, header := range []string{"", "a=b", "a=b&c=d", "a=b&a=c", "a", "a=%zz", "a=%ff", "k=v%20w&l=", "=", "&&", "a;b=c"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		tags, err := parseTags(header)
		if err != nil {
			if !errors.Is(err, ErrInvalidTag) {
				t.Error(err)
			}
			return
		}
		again := url.Values{}
		for _, tag := range tags {
			again.Set(tag.Key, tag.Value)
		}
		back, err := parseTags(again.Encode())
		if diff := cmp.Diff(tags, back); err != nil || diff != "" {
			t.Errorf("%q: %v %s", header, err, diff)
		}
	})
}
