package s3

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
)

// both runs fn with a server over HTTP, where the SDK signs the content, and
// over HTTPS, where it sends aws-chunked content with a checksum behind it; and
// with servers of both kinds that forward to another.
func both(t *testing.T, fn func(f *face)) {
	t.Helper()
	direct(t, fn)
	for name, tls := range map[string]bool{"http": false, "https": true} {
		t.Run("forwarded "+name, func(t *testing.T) {
			t.Parallel()
			fn(newForwarding(t, tls))
		})
	}
}

// forwardedToo runs fn with a face that keeps the bucket, in either database, and
// with one that passes on what is asked of it.
func forwardedToo(t *testing.T, fn func(t *testing.T, f *face)) {
	t.Helper()
	for name, open := range map[string]func(*testing.T, bool) *face{
		"here": newFace, "postgres": newFacePostgres, "forwarded": newForwarding,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn(t, open(t, false))
		})
	}
}

// direct is both for a face that passes nothing on: over SQLite, and over HTTP
// over PostgreSQL.
func direct(t *testing.T, fn func(f *face)) {
	t.Helper()
	for name, tls := range map[string]bool{"http": false, "https": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn(newFace(t, tls))
		})
	}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(newFacePostgres(t, false))
	})
}

func TestSDKBuckets(t *testing.T) {
	t.Parallel()
	direct(t, func(f *face) {
		ctx := f.t.Context()
		name := aws.String("second")
		for range 2 { // us-east-1 forgives the second
			out, err := f.client.CreateBucket(ctx, &sdk.CreateBucketInput{Bucket: name})
			f.must(err)
			if aws.ToString(out.Location) != "/second" {
				f.t.Errorf("location %q", aws.ToString(out.Location))
			}
		}
		_, err := f.client.CreateBucket(ctx, &sdk.CreateBucketInput{Bucket: aws.String("in-ireland"),
			CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "EU"}})
		f.must(err)
		ireland := f.as(accessKey, secretKey, "eu-west-1")
		_, err = ireland.CreateBucket(ctx, &sdk.CreateBucketInput{Bucket: aws.String("in-ireland"),
			CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}})
		f.wantCode(err, http.StatusConflict, "BucketAlreadyOwnedByYou")
		_, err = ireland.CreateBucket(ctx, &sdk.CreateBucketInput{Bucket: aws.String("third")})
		f.wantCode(err, http.StatusBadRequest, "IllegalLocationConstraintException")
		f.must(f.CreateBucket(ctx, Owner{Account: "210987654321", Region: "us-east-1"}, "theirs"))
		_, err = f.client.CreateBucket(ctx, &sdk.CreateBucketInput{Bucket: aws.String("theirs")})
		f.wantCode(err, http.StatusConflict, "BucketAlreadyExists")
		_, err = f.client.CreateBucket(ctx, &sdk.CreateBucketInput{Bucket: aws.String("Bad_Name")})
		f.wantCode(err, http.StatusBadRequest, "InvalidBucketName")

		for name, want := range map[string]string{"second": "", "in-ireland": "eu-west-1"} {
			location, err := f.client.GetBucketLocation(ctx, &sdk.GetBucketLocationInput{Bucket: aws.String(name)})
			f.must(err)
			head, err := f.client.HeadBucket(ctx, &sdk.HeadBucketInput{Bucket: aws.String(name)})
			f.must(err)
			region := aws.ToString(head.BucketRegion)
			if string(location.LocationConstraint) != want || want != "" && region != want {
				f.t.Errorf("%s: location %q, region %q", name, location.LocationConstraint, region)
			}
		}
		_, err = f.client.HeadBucket(ctx, &sdk.HeadBucketInput{Bucket: aws.String("missing")})
		f.wantCode(err, http.StatusNotFound, "NotFound")
		_, err = f.client.GetBucketLocation(ctx, &sdk.GetBucketLocationInput{Bucket: aws.String("missing")})
		f.wantCode(err, http.StatusNotFound, "NoSuchBucket")
		_, err = f.client.HeadBucket(ctx, &sdk.HeadBucketInput{Bucket: aws.String("theirs")})
		f.wantCode(err, http.StatusForbidden, "Forbidden")
		_, err = f.client.HeadBucket(ctx, &sdk.HeadBucketInput{Bucket: name, ExpectedBucketOwner: aws.String("210987654321")})
		f.wantCode(err, http.StatusForbidden, "Forbidden")
	})
}

func TestSDKListBuckets(t *testing.T) {
	t.Parallel()
	f := newFace(t, false)
	want := []string{bucket}
	for n := range 6 {
		region := []string{"us-east-1", "eu-west-1"}[n%2]
		name := fmt.Sprintf("b-%d", n)
		want = append(want, name)
		f.must(f.CreateBucket(t.Context(), Owner{Account: account, Region: region}, name))
	}
	f.must(f.CreateBucket(t.Context(), Owner{Account: "210987654321", Region: "us-east-1"}, "b-theirs"))
	list := func(in *sdk.ListBucketsInput) []string {
		var names []string
		pages := sdk.NewListBucketsPaginator(f.client, in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			f.must(err)
			if page.Owner == nil || len(aws.ToString(page.Owner.ID)) != 64 {
				t.Errorf("owner %v", page.Owner)
			}
			for _, b := range page.Buckets {
				names = append(names, aws.ToString(b.Name))
				if time.Since(*b.CreationDate).Abs() > time.Hour {
					t.Errorf("created %v", b.CreationDate)
				}
			}
		}
		return names
	}
	if diff := cmp.Diff(want, list(&sdk.ListBucketsInput{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, list(&sdk.ListBucketsInput{MaxBuckets: aws.Int32(2)})); diff != "" {
		t.Error(diff)
	}
	got := list(&sdk.ListBucketsInput{Prefix: aws.String("b-"), BucketRegion: aws.String("eu-west-1")})
	if diff := cmp.Diff([]string{"b-1", "b-3", "b-5"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSDKObjects(t *testing.T) {
	t.Parallel()
	both(t, func(f *face) {
		ctx := f.t.Context()
		content := strings.Repeat("0123456789", 20_000)
		put, err := f.client.PutObject(ctx, &sdk.PutObjectInput{
			Bucket: aws.String(bucket), Key: aws.String("site/index.html"), Body: strings.NewReader(content),
			ContentType: aws.String("text/html"), CacheControl: aws.String("no-cache"), ContentLanguage: aws.String("de"),
			ContentDisposition: aws.String("inline"), ContentEncoding: aws.String("identity"), ACL: types.ObjectCannedACLPublicRead,
			Metadata:             map[string]string{"Revision-Summary": "first one"},
			ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: aws.String("alias/artifacts"), BucketKeyEnabled: aws.Bool(true),
		})
		f.must(err)
		sum := md5.Sum([]byte(content))
		etag := quote(hex.EncodeToString(sum[:]))
		if aws.ToString(put.ETag) != etag || aws.ToString(put.ChecksumCRC32) == "" || put.VersionId != nil ||
			put.ServerSideEncryption != types.ServerSideEncryptionAwsKms || aws.ToString(put.SSEKMSKeyId) != "alias/artifacts" {
			f.t.Errorf("put: %+v", put)
		}
		head, err := f.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("site/index.html"), ChecksumMode: types.ChecksumModeEnabled})
		f.must(err)
		got, err := f.client.GetObject(ctx, &sdk.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("site/index.html")})
		f.must(err)
		read, err := io.ReadAll(got.Body)
		f.must(err)
		if string(read) != content {
			f.t.Errorf("content of %d bytes", len(read))
		}
		type seen struct {
			Type, Cache, Language, Disposition, Encoding, ETag, Sum, Key string
			Length                                                       int64
			Metadata                                                     map[string]string
		}
		want := seen{"text/html", "no-cache", "de", "inline", "identity", etag, aws.ToString(put.ChecksumCRC32), "alias/artifacts", int64(len(content)),
			map[string]string{"revision-summary": "first one"}}
		fromHead := seen{*head.ContentType, *head.CacheControl, *head.ContentLanguage, *head.ContentDisposition, *head.ContentEncoding,
			*head.ETag, *head.ChecksumCRC32, *head.SSEKMSKeyId, *head.ContentLength, head.Metadata}
		fromGet := seen{*got.ContentType, *got.CacheControl, *got.ContentLanguage, *got.ContentDisposition, *got.ContentEncoding,
			*got.ETag, *got.ChecksumCRC32, *got.SSEKMSKeyId, *got.ContentLength, got.Metadata}
		for _, s := range []seen{fromHead, fromGet} {
			if diff := cmp.Diff(want, s); diff != "" {
				f.t.Error(diff)
			}
		}
		if time.Since(*got.LastModified).Abs() > time.Hour || aws.ToString(got.AcceptRanges) != "bytes" {
			f.t.Errorf("modified %v, accept ranges %v", got.LastModified, got.AcceptRanges)
		}
		_, err = f.client.GetObject(ctx, &sdk.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("missing")})
		f.wantCode(err, http.StatusNotFound, "NoSuchKey")
		_, err = f.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("missing")})
		f.wantCode(err, http.StatusNotFound, "NotFound")
		for range 2 {
			_, err = f.client.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("site/index.html")})
			f.must(err)
		}
		f.wantContent("site/index.html", "", ErrNoSuchKey.Error())
	})
}

func TestSDKChecksums(t *testing.T) {
	t.Parallel()
	both(t, func(f *face) {
		for _, algorithm := range []types.ChecksumAlgorithm{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"} {
			_, err := f.client.PutObject(f.t.Context(), &sdk.PutObjectInput{
				Bucket: aws.String(bucket), Key: aws.String(string(algorithm)), Body: strings.NewReader("content of " + string(algorithm)),
				ChecksumAlgorithm: algorithm,
			})
			f.must(err)
			if got := f.sdkGet(string(algorithm)); got != "content of "+string(algorithm) {
				f.t.Errorf("%s: %q", algorithm, got)
			}
			o, err := f.Store.HeadObject(f.t.Context(), bucket, string(algorithm), "")
			f.must(err)
			if o.Checksum.Algorithm != string(algorithm) || o.Checksum.Value == "" {
				f.t.Errorf("%s: kept %+v", algorithm, o.Checksum)
			}
			_, err = f.client.PutObject(f.t.Context(), &sdk.PutObjectInput{
				Bucket: aws.String(bucket), Key: aws.String("wrong"), Body: strings.NewReader("x"),
				ChecksumSHA256: aws.String("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
			})
			f.wantCode(err, http.StatusBadRequest, "BadDigest")
		}
		_, err := f.client.HeadObject(f.t.Context(), &sdk.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("wrong")})
		f.wantCode(err, http.StatusNotFound, "NotFound")
	})
}

func TestSDKVersions(t *testing.T) {
	t.Parallel()
	both(t, func(f *face) {
		ctx := f.t.Context()
		state := func() types.BucketVersioningStatus {
			out, err := f.client.GetBucketVersioning(ctx, &sdk.GetBucketVersioningInput{Bucket: aws.String(bucket)})
			f.must(err)
			return out.Status
		}
		if s := state(); s != "" {
			f.t.Errorf("versioning %q", s)
		}
		_, err := f.client.PutBucketVersioning(ctx, &sdk.PutBucketVersioningInput{Bucket: aws.String(bucket),
			VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
		f.must(err)
		if s := state(); s != types.BucketVersioningStatusEnabled {
			f.t.Errorf("versioning %q", s)
		}
		v1, v2 := f.sdkPut("k", "one"), f.sdkPut("k", "two")
		get := func(id *string) (string, error) {
			out, err := f.client.GetObject(ctx, &sdk.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), VersionId: id})
			if err != nil {
				return "", err
			}
			defer out.Body.Close()
			content, err := io.ReadAll(out.Body)
			return aws.ToString(out.VersionId) + " " + string(content), err
		}
		for id, want := range map[*string]string{nil: *v2.VersionId + " two", v1.VersionId: *v1.VersionId + " one", v2.VersionId: *v2.VersionId + " two"} {
			if got, err := get(id); err != nil || got != want {
				f.t.Errorf("version %v: %q, %v, want %q", aws.ToString(id), got, err, want)
			}
		}
		_, err = get(aws.String(strings.Repeat("x", 32)))
		f.wantCode(err, http.StatusNotFound, "NoSuchVersion")
		_, err = get(aws.String("malformed"))
		f.wantCode(err, http.StatusBadRequest, "InvalidArgument")
		deleted, err := f.client.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
		f.must(err)
		if !aws.ToBool(deleted.DeleteMarker) || deleted.VersionId == nil {
			f.t.Errorf("deleted %+v", deleted)
		}
		_, err = get(nil)
		f.wantCode(err, http.StatusNotFound, "NoSuchKey")
		_, err = get(deleted.VersionId)
		f.wantCode(err, http.StatusMethodNotAllowed, "MethodNotAllowed")
		_, err = f.client.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), VersionId: deleted.VersionId})
		f.must(err)
		if got, err := get(nil); err != nil || got != *v2.VersionId+" two" {
			f.t.Errorf("after removing the marker: %q, %v", got, err)
		}
	})
}

func TestSDKList(t *testing.T) {
	t.Parallel()
	f := newFace(t, false)
	want := make([]string, 0, 1005)
	for n := range cap(want) {
		want = append(want, fmt.Sprintf("many/%04d", n))
	}
	f.putMany(want)
	list := func(in sdk.ListObjectsV2Input) (keys, prefixes []string, pages int) {
		in.Bucket = aws.String(bucket)
		p := sdk.NewListObjectsV2Paginator(f.client, &in)
		for ; p.HasMorePages(); pages++ {
			page, err := p.NextPage(t.Context())
			f.must(err)
			if int(*page.KeyCount) != len(page.Contents)+len(page.CommonPrefixes) || *page.IsTruncated != (page.NextContinuationToken != nil) {
				t.Errorf("key count %d, truncated %v", *page.KeyCount, *page.IsTruncated)
			}
			for _, o := range page.Contents {
				keys = append(keys, *o.Key)
			}
			for _, c := range page.CommonPrefixes {
				prefixes = append(prefixes, *c.Prefix)
			}
		}
		return keys, prefixes, pages
	}
	keys, _, pages := list(sdk.ListObjectsV2Input{})
	if diff := cmp.Diff(want, keys); diff != "" || pages != 2 {
		t.Error(pages, diff)
	}
	keys, _, pages = list(sdk.ListObjectsV2Input{MaxKeys: aws.Int32(100), StartAfter: aws.String("many/0499"), EncodingType: types.EncodingTypeUrl})
	if diff := cmp.Diff(want[500:], keys); diff != "" || pages != 6 {
		t.Error(pages, diff)
	}
	none, err := f.client.ListObjectsV2(t.Context(), &sdk.ListObjectsV2Input{Bucket: aws.String(bucket), MaxKeys: aws.Int32(0)})
	f.must(err)
	if len(none.Contents) != 0 || *none.IsTruncated || *none.MaxKeys != 0 {
		t.Errorf("no keys asked for: %+v", none)
	}
	f.put("some/x", "")
	f.put("top", "123")
	keys, prefixes, _ := list(sdk.ListObjectsV2Input{Delimiter: aws.String("/")})
	if diff := cmp.Diff([][]string{{"top"}, {"many/", "some/"}}, [][]string{keys, prefixes}); diff != "" {
		t.Error(diff)
	}
	page, err := f.client.ListObjectsV2(t.Context(), &sdk.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String("top"), FetchOwner: aws.Bool(true)})
	f.must(err)
	o := page.Contents[0]
	if *o.Size != 3 || *o.ETag != `"202cb962ac59075b964b07152d234b70"` || o.StorageClass != "STANDARD" || o.Owner == nil || time.Since(*o.LastModified).Abs() > time.Hour {
		t.Errorf("object %+v", o)
	}
}

// TestSDKStrangeKeys has every key travel through path, query and XML.
func TestSDKStrangeKeys(t *testing.T) {
	t.Parallel()
	both(t, func(f *face) {
		var want []string
		for _, key := range strangeKeys() {
			if strings.ContainsFunc(key, func(r rune) bool { return r < ' ' && r != '\n' }) {
				continue // XML cannot say it
			}
			dots := func(segment string) bool { return segment == "." || segment == ".." }
			if f.place != f.url && slices.ContainsFunc(strings.Split(key, "/"), dots) {
				continue // it is not passed on: TestForwardDots
			}
			want = append(want, key)
			f.sdkPut(key, "content of "+key)
			if got := f.sdkGet(key); got != "content of "+key {
				f.t.Errorf("%q: %q", key, got)
			}
			f.wantContent(key, "", "content of "+key)
		}
		slices.Sort(want)
		page, err := f.client.ListObjectsV2(f.t.Context(), &sdk.ListObjectsV2Input{Bucket: aws.String(bucket)})
		f.must(err)
		var got []string
		for _, o := range page.Contents {
			got = append(got, *o.Key)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			f.t.Error(diff)
		}
	})
}
