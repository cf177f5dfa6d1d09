package s3

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/penstock-cd/penstock/internal/db"
)

func TestBuckets(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		b, err := f.HeadBucket(ctx, bucket)
		f.must(err)
		want := Bucket{Name: bucket, Owner: Owner{Account: account, Region: "us-east-1"}, Created: b.Created}
		if diff := cmp.Diff(want, b); diff != "" || time.Since(b.Created).Abs() > time.Hour {
			f.t.Error(diff, b.Created)
		}
		f.wants(f.CreateBucket(ctx, Owner{Account: account, Region: "eu-west-1"}, bucket), ErrBucketOwned)
		f.wants(f.CreateBucket(ctx, Owner{Account: "210987654321", Region: "us-east-1"}, bucket), ErrBucketExists)
		f.wants(f.CreateBucket(ctx, Owner{Account: account}, "No_Good"), ErrInvalidBucketName)
		for _, name := range []string{"zoo", "b.b", "a-a"} {
			f.must(f.CreateBucket(ctx, Owner{Account: account, Region: "eu-west-1"}, name))
		}
		f.must(f.CreateBucket(ctx, Owner{Account: "210987654321", Region: "eu-west-1"}, "theirs"))
		var names []string
		for after := ""; ; after = names[len(names)-1] {
			list, err := f.ListBuckets(ctx, account, after, 3)
			f.must(err)
			for _, b := range list {
				names = append(names, b.Name)
			}
			if len(list) < 3 {
				break
			}
		}
		if diff := cmp.Diff([]string{"a-a", "artifacts", "b.b", "zoo"}, names); diff != "" {
			f.t.Error(diff)
		}
		for _, name := range []string{"missing", "\x00", "\xff"} {
			_, err := f.HeadBucket(ctx, name)
			f.wants(err, ErrNoSuchBucket)
			f.wants(f.PutBucketVersioning(ctx, name, VersioningEnabled), ErrNoSuchBucket)
			_, err = f.PutObject(ctx, name, "k", strings.NewReader(""), PutOptions{})
			f.wants(err, ErrNoSuchBucket)
			_, err = f.HeadObject(ctx, name, "k", "")
			f.wants(err, ErrNoSuchBucket)
			_, err = f.DeleteObject(ctx, name, "k", "")
			f.wants(err, ErrNoSuchBucket)
			_, err = f.ListObjects(ctx, name, ListOptions{})
			f.wants(err, ErrNoSuchBucket)
		}
		f.wantBlobs(0)
		if err := f.PutBucketVersioning(ctx, bucket, "Maybe"); err == nil {
			f.t.Error("an unknown versioning state is taken")
		}
		for _, v := range []Versioning{VersioningEnabled, VersioningSuspended} {
			f.must(f.PutBucketVersioning(ctx, bucket, v))
			got, err := f.GetBucketVersioning(ctx, bucket)
			f.must(err)
			if got != v {
				f.t.Errorf("versioning %q, want %q", got, v)
			}
		}
	})
}

func TestCheckBucketName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"abc", "my.bucket-1", "1a2", strings.Repeat("a", 63), "10.0.0"} {
		if err := CheckBucketName(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", "ab", strings.Repeat("a", 64), "Abc", "a_b", "-ab", "ab-", ".ab", "ab.", "a..b", "10.0.0.1", "a/b", "äöü", "a b"} {
		if err := CheckBucketName(name); !errors.Is(err, ErrInvalidBucketName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestPutKeepsEverything(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		headers := Headers{
			ContentType: "application/zip", CacheControl: "public, max-age=0", ContentDisposition: `attachment; filename="x"`,
			ContentEncoding: "gzip", ContentLanguage: "de", Expires: "Thu, 01 Dec 1994 16:00:00 GMT", ACL: "bucket-owner-full-control",
			Metadata: map[string]string{"codepipeline-artifact-revision-summary": "Grüße", "empty": ""},
			SSE:      SSE{Algorithm: "aws:kms", KMSKeyID: "alias/x", Context: "e30=", BucketKey: true},
		}
		o, err := f.PutObject(f.t.Context(), bucket, "a/b.zip", strings.NewReader("123456789"),
			PutOptions{Headers: headers, Size: new(int64(9)), Checksum: Checksum{Algorithm: "CRC64NVME", Value: "rosUhgp5mIg="}})
		f.must(err)
		want := Object{
			Bucket: bucket, Key: "a/b.zip", VersionID: "null", Sequence: o.Sequence, Size: 9,
			ETag: "25f9e794323b453885f5181f1b624d0b", Checksum: Checksum{Algorithm: "CRC64NVME", Value: "rosUhgp5mIg="},
			Headers: headers, Modified: o.Modified,
		}
		head, err := f.HeadObject(f.t.Context(), bucket, "a/b.zip", "")
		f.must(err)
		for _, got := range []Object{o, head} {
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Object{})); diff != "" {
				f.t.Error(diff)
			}
		}
		if time.Since(o.Modified).Abs() > time.Hour || o.Sequence <= 0 {
			f.t.Errorf("modified %v, sequence %d", o.Modified, o.Sequence)
		}
		if o := f.put("plain", ""); o.Headers.ContentType != "binary/octet-stream" || o.ETag != "d41d8cd98f00b204e9800998ecf8427e" {
			f.t.Errorf("plain object: %+v", o)
		}
	})
}

func TestPutRefuses(t *testing.T) {
	t.Parallel()
	broken := errors.New("signature of the last chunk is wrong")
	tests := map[string]struct {
		key  string
		body io.Reader
		opts PutOptions
		want error
	}{
		"empty key":            {key: "", want: ErrInvalidKey},
		"long key":             {key: strings.Repeat("k", 1025), want: ErrKeyTooLong},
		"key is no UTF-8":      {key: "a\xff", want: ErrInvalidKey},
		"key with NUL":         {key: "a\x00", want: ErrInvalidKey},
		"much metadata":        {key: "k", opts: PutOptions{Headers: Headers{Metadata: map[string]string{"a": strings.Repeat("x", 2048)}}}, want: ErrMetadataTooLarge},
		"metadata is no UTF-8": {key: "k", opts: PutOptions{Headers: Headers{Metadata: map[string]string{"a": "\xff"}}}, want: ErrInvalidHeader},
		"header with newline":  {key: "k", opts: PutOptions{Headers: Headers{CacheControl: "a\nb"}}, want: ErrInvalidHeader},
		"body fails":           {key: "k", body: io.MultiReader(strings.NewReader("new"), iotest.ErrReader(broken)), want: broken},
		"body is short":        {key: "k", opts: PutOptions{Size: new(int64(4))}, want: ErrSize},
		"body is long":         {key: "k", opts: PutOptions{Size: new(int64(0))}, want: ErrSize},
		"wrong MD5":            {key: "k", opts: PutOptions{ContentMD5: strings.Repeat("0", 32)}, want: ErrBadDigest},
		"no MD5":               {key: "k", opts: PutOptions{ContentMD5: "x"}, want: ErrBadDigest},
		"wrong checksum":       {key: "k", opts: PutOptions{Checksum: Checksum{Algorithm: "CRC32", Value: "AAAAAA=="}}, want: ErrBadDigest},
		"unknown checksum":     {key: "k", opts: PutOptions{Checksum: Checksum{Algorithm: "CRC31"}}, want: ErrUnsupportedChecksum},
		"must not exist":       {key: "k", opts: PutOptions{IfNoneMatch: true}, want: ErrPreconditionFailed},
		"must be another":      {key: "k", opts: PutOptions{IfMatch: "d41d8cd98f00b204e9800998ecf8427e"}, want: ErrPreconditionFailed},
		"must exist":           {key: "other", opts: PutOptions{IfMatch: "d41d8cd98f00b204e9800998ecf8427e"}, want: ErrNoSuchKey},
	}
	each(t, func(f *fixture) {
		old := f.put("k", "old")
		for name, tc := range tests {
			body := tc.body
			if body == nil {
				body = strings.NewReader("new")
			}
			_, err := f.PutObject(f.t.Context(), bucket, tc.key, body, tc.opts)
			if !errors.Is(err, tc.want) {
				f.t.Errorf("%s: error %v, want %v", name, err, tc.want)
			}
			f.wantContent("k", "", "old")
		}
		f.wantBlobs(1)
		o, err := f.PutObject(f.t.Context(), bucket, "k", strings.NewReader("new"), PutOptions{
			IfMatch: old.ETag, Size: new(int64(3)), ContentMD5: "22af645d1859cb5ca6da0c484f1f37ea",
			Checksum: Checksum{Algorithm: "SHA256"},
		})
		f.must(err)
		if o.Checksum.Value != "EVB8bBpRAGFvAm+psW0MbbrqKgT52Of3z4nh8CGlj/8=" && len(o.Checksum.Value) != 44 {
			f.t.Errorf("computed checksum %q", o.Checksum.Value)
		}
		f.wantContent("k", "", "new")
		_, err = f.PutObject(f.t.Context(), bucket, "fresh", strings.NewReader("x"), PutOptions{IfNoneMatch: true})
		f.must(err)
	})
}

func TestUnversioned(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		first := f.put("k", "one")
		_, held, err := f.GetObject(f.t.Context(), bucket, "k", "")
		f.must(err)
		defer held.Close()
		second := f.put("k", "two")
		if second.Sequence <= first.Sequence || second.VersionID != "null" {
			f.t.Errorf("sequence %d after %d, version %s", second.Sequence, first.Sequence, second.VersionID)
		}
		f.wantContent("k", "", "two")
		f.wantContent("k", "null", "two")
		f.wantContent("k", strings.Repeat("v", 32), ErrNoSuchVersion.Error())
		f.wantContent("k", "../etc", ErrNoSuchVersion.Error())
		f.wantBlobs(1) // the overwritten content is gone, but for who reads it
		if content, err := io.ReadAll(held); err != nil || string(content) != "one" {
			f.t.Errorf("a reader of the replaced object: %q, %v", content, err)
		}
		for range 2 {
			if d := f.delete("k", ""); d != (Deleted{}) {
				f.t.Errorf("deleted %+v", d)
			}
		}
		f.wantContent("k", "", ErrNoSuchKey.Error())
		f.wantBlobs(0)
		if again := f.put("k", "three"); again.Sequence < second.Sequence {
			f.t.Errorf("sequence %d after %d", again.Sequence, second.Sequence)
		}
	})
}

func TestVersioned(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		f.put("k", "before")
		f.versioned()
		v1, v2 := f.put("k", "one"), f.put("k", "two")
		for _, o := range []Object{v1, v2} {
			if !validVersionID(o.VersionID) || o.VersionID == "null" {
				f.t.Errorf("version id %q", o.VersionID)
			}
		}
		f.wantContent("k", "", "two")
		f.wantContent("k", v1.VersionID, "one")
		f.wantContent("k", "null", "before")
		f.wantBlobs(3)

		marker := f.delete("k", "")
		if !marker.DeleteMarker || !validVersionID(marker.VersionID) {
			f.t.Errorf("deleted %+v", marker)
		}
		f.wantContent("k", "", ErrNoSuchKey.Error())
		f.wantContent("k", marker.VersionID, ErrDeleteMarker.Error())
		f.wantContent("k", v2.VersionID, "two")
		o, err := f.HeadObject(f.t.Context(), bucket, "k", "")
		f.wants(err, ErrNoSuchKey)
		if !o.DeleteMarker || o.VersionID != marker.VersionID {
			f.t.Errorf("no sight of the delete marker: %+v", o)
		}
		if _, err := f.PutObject(f.t.Context(), bucket, "k2", strings.NewReader(""), PutOptions{IfNoneMatch: true}); err != nil {
			f.t.Error(err)
		}
		f.delete("k2", "")
		if _, err := f.PutObject(f.t.Context(), bucket, "k2", strings.NewReader(""), PutOptions{IfNoneMatch: true}); err != nil {
			f.t.Errorf("a deleted object counts as existing: %v", err)
		}

		// Taking versions away brings back the ones below.
		if d := f.delete("k", marker.VersionID); d != marker {
			f.t.Errorf("deleted %+v, want %+v", d, marker)
		}
		f.wantContent("k", "", "two")
		f.delete("k", v1.VersionID)
		f.wantContent("k", "", "two")
		f.delete("k", v2.VersionID)
		f.wantContent("k", "", "before")
		f.delete("k", v2.VersionID) // again
		f.delete("k", "null")
		f.wantContent("k", "", ErrNoSuchKey.Error())
		_, err = f.DeleteObject(f.t.Context(), bucket, "k", "no version id")
		f.wants(err, ErrNoSuchVersion)
	})
}

func TestSuspended(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		f.versioned()
		v1 := f.put("k", "one")
		f.must(f.PutBucketVersioning(f.t.Context(), bucket, VersioningSuspended))
		f.put("k", "null one")
		f.put("k", "null two")
		f.wantContent("k", "", "null two")
		f.wantContent("k", v1.VersionID, "one")
		f.wantBlobs(2)
		if d := f.delete("k", ""); d != (Deleted{VersionID: "null", DeleteMarker: true}) {
			f.t.Errorf("deleted %+v", d)
		}
		f.wantContent("k", "", ErrNoSuchKey.Error())
		f.wantBlobs(1)
		f.delete("k", "null")
		f.wantContent("k", "", "one")
	})
}

func TestOnCreated(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		refuse := errors.New("no room for the event")
		var events []ObjectCreated
		f.OnCreated(func(_ context.Context, tx *db.Tx, ev ObjectCreated) error {
			o, err := selectLatest(tx, ev.Object.Bucket, ev.Object.Key)
			if err != nil || o.VersionID != ev.Object.VersionID {
				f.t.Errorf("inside the transaction: %+v, %v", o, err)
			}
			if ev.Object.Key == "refused" {
				return refuse
			}
			tx.OnCommit(func() { events = append(events, ev) })
			return nil
		})
		f.versioned()
		o := f.put("k", "content")
		_, err := f.PutObject(f.t.Context(), bucket, "refused", strings.NewReader("x"), PutOptions{})
		f.wants(err, refuse)
		f.wantContent("refused", "", ErrNoSuchKey.Error())
		f.wantBlobs(1)
		f.delete("k", "") // makes no event
		if len(events) != 1 || events[0].Object.VersionID != o.VersionID || events[0].Reason != "PutObject" ||
			events[0].Bucket.Owner.Account != account || events[0].Object.Size != 7 {
			f.t.Errorf("events %+v", events)
		}
	})
}
