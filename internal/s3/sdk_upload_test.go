package s3

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// TestSDKUpload goes through a multipart upload call by call, with what the
// answers say.
func TestSDKUpload(t *testing.T) {
	t.Parallel()
	content := pattern(MinPart + 100)
	both(t, func(f *face) {
		ctx, b, k, c := f.t.Context(), aws.String(bucket), aws.String("a b/ü"), f.client
		created, err := c.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{
			Bucket: b, Key: k, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c, ChecksumType: types.ChecksumTypeFullObject,
			ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: aws.String("alias/k"),
			ContentType: aws.String("application/zip"), Metadata: map[string]string{"m": "v"}, Tagging: aws.String("t=u"),
		})
		f.must(err)
		if created.ChecksumType != types.ChecksumTypeFullObject || created.ServerSideEncryption != types.ServerSideEncryptionAwsKms {
			f.t.Errorf("created %+v", created)
		}
		var parts []types.CompletedPart
		for n, body := range [][]byte{content[:MinPart], content[MinPart:]} {
			p, err := c.UploadPart(ctx, &sdk.UploadPartInput{Bucket: b, Key: k, UploadId: created.UploadId, PartNumber: aws.Int32(int32(n + 1)),
				Body: bytes.NewReader(body), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c})
			f.must(err)
			if p.ChecksumCRC32C == nil || aws.ToString(p.SSEKMSKeyId) != "alias/k" {
				f.t.Errorf("part %+v", p)
			}
			parts = append(parts, types.CompletedPart{ETag: p.ETag, PartNumber: aws.Int32(int32(n + 1)), ChecksumCRC32C: p.ChecksumCRC32C})
		}
		uploads, err := c.ListMultipartUploads(ctx, &sdk.ListMultipartUploadsInput{Bucket: b})
		f.must(err)
		if len(uploads.Uploads) != 1 || *uploads.Uploads[0].Key != *k || time.Since(*uploads.Uploads[0].Initiated).Abs() > time.Hour {
			f.t.Errorf("uploads %+v", uploads.Uploads)
		}
		pages := sdk.NewListPartsPaginator(c, &sdk.ListPartsInput{Bucket: b, Key: k, UploadId: created.UploadId, MaxParts: aws.Int32(1)})
		for n := range parts {
			page, err := pages.NextPage(ctx)
			f.must(err)
			if len(page.Parts) != 1 || *page.Parts[0].ETag != *parts[n].ETag || *page.Parts[0].ChecksumCRC32C != *parts[n].ChecksumCRC32C {
				f.t.Errorf("page %d: %+v", n, page)
			}
		}
		if pages.HasMorePages() {
			f.t.Error("a third page of two parts")
		}
		for _, wrong := range []*sdk.CompleteMultipartUploadInput{
			{IfMatch: aws.String("x")}, {ChecksumCRC32C: aws.String("AAAAAA==")}, {MpuObjectSize: aws.Int64(5)},
		} {
			wrong.Bucket, wrong.Key, wrong.UploadId, wrong.MultipartUpload = b, k, created.UploadId, &types.CompletedMultipartUpload{Parts: parts}
			if _, err := c.CompleteMultipartUpload(ctx, wrong); err == nil {
				f.t.Errorf("completed %+v", wrong)
			}
		}
		for range 2 { // as a client does whose connection broke
			done, err := c.CompleteMultipartUpload(ctx, &sdk.CompleteMultipartUploadInput{Bucket: b, Key: k, UploadId: created.UploadId,
				IfNoneMatch: aws.String("*"), MpuObjectSize: aws.Int64(int64(len(content))), MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
			f.must(err)
			if !strings.HasSuffix(*done.ETag, `-2"`) || done.ChecksumCRC32C == nil || !strings.HasPrefix(*done.Location, f.place+"/artifacts/a%20b/") {
				f.t.Errorf("completed %+v", done)
			}
		}
		head, err := c.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: b, Key: k, PartNumber: aws.Int32(2), ChecksumMode: types.ChecksumModeEnabled})
		f.must(err)
		if *head.ContentLength != 100 || *head.PartsCount != 2 || *head.ContentType != "application/zip" || head.Metadata["m"] != "v" {
			f.t.Errorf("head of part 2: %+v", head)
		}
		if got := f.sdkGet(*k); got != string(content) { // the SDK compares the checksum
			f.t.Errorf("content of %d bytes", len(got))
		}
		across, err := c.GetObject(ctx, &sdk.GetObjectInput{Bucket: b, Key: k, Range: aws.String("bytes=5242870-5242889")})
		f.must(err)
		if got, err := io.ReadAll(across.Body); err != nil || !bytes.Equal(got, content[MinPart-10:MinPart+10]) {
			f.t.Errorf("range over the border: %x, %v", got, err)
		}
	})
}

func TestSDKCopy(t *testing.T) {
	t.Parallel()
	both(t, func(f *face) {
		ctx, b, c := f.t.Context(), aws.String(bucket), f.client
		f.versioned()
		f.must(f.CreateBucket(ctx, Owner{Account: account, Region: "us-east-1"}, "other"))
		first, err := c.PutObject(ctx, &sdk.PutObjectInput{Bucket: b, Key: aws.String("a b/ü+"), Body: strings.NewReader("one"), ContentType: aws.String("text/x"),
			Metadata: map[string]string{"m": "v"}, Tagging: aws.String("t=u"), ChecksumAlgorithm: types.ChecksumAlgorithmSha1, ACL: types.ObjectCannedACLPublicRead})
		f.must(err)
		f.sdkPut("a b/ü+", "two")
		from := aws.String("artifacts/a%20b/%C3%BC%2B?versionId=" + *first.VersionId)
		made, err := c.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: aws.String("other"), Key: aws.String("copy"), CopySource: from})
		f.must(err)
		if *made.CopySourceVersionId != *first.VersionId || *made.CopyObjectResult.ETag != *first.ETag || made.CopyObjectResult.ChecksumSHA1 == nil {
			f.t.Errorf("copied %+v %+v", made, made.CopyObjectResult)
		}
		o, err := f.Store.HeadObject(ctx, "other", "copy", "")
		f.must(err)
		want := Headers{ContentType: "text/x", Metadata: map[string]string{"m": "v"}, Tags: []Tag{{"t", "u"}}}
		if diff := cmp.Diff(want, o.Headers); diff != "" {
			f.t.Error(diff)
		}
		_, err = c.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: b, Key: aws.String("a b/ü+"), CopySource: aws.String("artifacts/a%20b/%C3%BC%2B"),
			MetadataDirective: types.MetadataDirectiveReplace, TaggingDirective: types.TaggingDirectiveReplace, ContentType: aws.String("text/y"),
			CopySourceIfNoneMatch: first.ETag, CopySourceIfModifiedSince: aws.Time(time.Now().Add(-time.Hour))})
		f.must(err)
		o, err = f.Store.HeadObject(ctx, bucket, "a b/ü+", "")
		f.must(err)
		if o.Headers.ContentType != "text/y" || len(o.Headers.Metadata)+len(o.Headers.Tags) != 0 {
			f.t.Errorf("copied onto itself: %+v", o.Headers)
		}
		f.wantContent("a b/ü+", "", "two")
		marker := f.delete("a b/ü+", "")
		_, err = c.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: b, Key: aws.String("x"), CopySource: aws.String("artifacts/a%20b/%C3%BC%2B?versionId=" + marker.VersionID)})
		f.wantCode(err, http.StatusBadRequest, "InvalidRequest")
		f.must(f.CreateBucket(ctx, Owner{Account: "210987654321", Region: "us-east-1"}, "theirs"))
		_, err = c.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: b, Key: aws.String("x"), CopySource: aws.String("theirs/k")})
		f.wantCode(err, http.StatusForbidden, "AccessDenied")
	})
}

func TestSDKDeleteMany(t *testing.T) {
	t.Parallel()
	both(t, func(f *face) {
		ctx, b, c := f.t.Context(), aws.String(bucket), f.client
		f.versioned()
		v := f.put("a & <b>", "x")
		f.put("c", "x")
		out, err := c.DeleteObjects(ctx, &sdk.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
			{Key: aws.String("a & <b>"), VersionId: aws.String(v.VersionID)}, {Key: aws.String("c")},
			{Key: aws.String("never")}, {Key: aws.String("c"), VersionId: aws.String("malformed")},
		}}})
		f.must(err)
		if len(out.Deleted) != 3 || len(out.Errors) != 1 || *out.Errors[0].Code != "InvalidArgument" {
			f.t.Errorf("deleted %+v, errors %+v", out.Deleted, out.Errors)
		}
		if d := out.Deleted[0]; *d.Key != "a & <b>" || *d.VersionId != v.VersionID || d.DeleteMarkerVersionId != nil {
			f.t.Errorf("version deleted: %+v", d)
		}
		if d := out.Deleted[1]; *d.Key != "c" || d.VersionId != nil || !aws.ToBool(d.DeleteMarker) || d.DeleteMarkerVersionId == nil {
			f.t.Errorf("deleted: %+v", d)
		}
		quiet, err := c.DeleteObjects(ctx, &sdk.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Quiet: aws.Bool(true), Objects: []types.ObjectIdentifier{{Key: aws.String("c")}}}})
		f.must(err)
		if len(quiet.Deleted)+len(quiet.Errors) != 0 {
			f.t.Errorf("quiet: %+v", quiet)
		}
		var versions, markers int
		pages := sdk.NewListObjectVersionsPaginator(c, &sdk.ListObjectVersionsInput{Bucket: b, MaxKeys: aws.Int32(1), EncodingType: types.EncodingTypeUrl})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			f.must(err)
			versions, markers = versions+len(page.Versions), markers+len(page.DeleteMarkers)
		}
		if versions != 1 || markers != 3 {
			f.t.Errorf("%d versions, %d delete markers", versions, markers)
		}
	})
}

// TestSDKPresignedPut uploads with URLs, which say more than who signed.
func TestSDKPresignedPut(t *testing.T) {
	t.Parallel()
	both(t, func(f *face) {
		ctx := f.t.Context()
		presign := sdk.NewPresignClient(f.client, sdk.WithPresignExpires(time.Minute))
		signed, err := presign.PresignPutObject(ctx, &sdk.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"),
			ContentType: aws.String("text/x"), Metadata: map[string]string{"m": "v"}, ChecksumSHA1: aws.String("Vd3rr9uzhJgTkjiK/mLv+mmw9eg=")})
		f.must(err)
		send := func(body string) *http.Response {
			r, err := http.NewRequestWithContext(ctx, signed.Method, signed.URL, strings.NewReader(body))
			f.must(err)
			for name, values := range signed.SignedHeader {
				r.Header[name] = values
			}
			return f.do(r)
		}
		f.wantError(send("other"), http.StatusBadRequest, "BadDigest")
		f.wantContent("k", "", ErrNoSuchKey.Error())
		late := signed.URL
		signed.URL = strings.Replace(signed.URL, "X-Amz-Expires=60", "X-Amz-Expires=6000", 1)
		f.wantError(send("by url"), http.StatusForbidden, "SignatureDoesNotMatch")
		signed.URL = late
		if answer := send("by url"); answer.StatusCode != http.StatusOK {
			f.t.Fatalf("%d %s", answer.StatusCode, bodyOf(answer))
		}
		o, err := f.Store.HeadObject(ctx, bucket, "k", "")
		f.must(err)
		if o.Headers.ContentType != "text/x" || o.Headers.Metadata["m"] != "v" || o.Checksum.Algorithm != "SHA1" {
			f.t.Errorf("object %+v", o)
		}
	})
}

// TestSDKExpired follows a URL after its time.
func TestSDKExpired(t *testing.T) {
	t.Parallel()
	forwardedToo(t, testSDKExpired)
}

func testSDKExpired(t *testing.T, f *face) {
	f.put("k", "content")
	signer := v4.NewSigner()
	for age, want := range map[time.Duration]int{30 * time.Second: http.StatusOK, 90 * time.Second: http.StatusForbidden} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+"/"+bucket+"/k?X-Amz-Expires=60", nil)
		f.must(err)
		url, _, err := signer.PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, r,
			sigv4.UnsignedPayload, "s3", "us-east-1", time.Now().Add(-age), func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		f.must(err)
		r, err = http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		f.must(err)
		answer := f.do(r)
		if answer.StatusCode != want {
			t.Errorf("%v after signing: %d, want %d: %s", age, answer.StatusCode, want, bodyOf(answer))
		}
		if want != http.StatusOK && !strings.Contains(bodyOf(answer), "Request has expired") {
			t.Errorf("the answer does not say that the time is over")
		}
	}
}

// TestSDKSecondKey has a key that is for some objects only.
func TestSDKSecondKey(t *testing.T) {
	t.Parallel()
	both(t, func(f *face) {
		ctx, b := f.t.Context(), aws.String(bucket)
		f.put("secret", "hidden")
		c := f.as(team.AccessKeyID, team.SecretAccessKey, "us-east-1")
		put := func(key string) error {
			_, err := c.PutObject(ctx, &sdk.PutObjectInput{Bucket: b, Key: aws.String(key), Body: strings.NewReader("x")})
			return err
		}
		f.must(put("team/a"))
		denied := func(what string, err error) {
			f.t.Helper()
			f.wantCode(err, http.StatusForbidden, "AccessDenied")
			if err == nil || !strings.Contains(err.Error(), what) {
				f.t.Errorf("%s is not named: %v", what, err)
			}
		}
		denied("s3:PutObject on resource: arn:aws:s3:::artifacts/team", put("team"))
		_, err := c.GetObject(ctx, &sdk.GetObjectInput{Bucket: b, Key: aws.String("secret")})
		denied("s3:GetObject", err)
		_, err = c.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: b, Key: aws.String("team/b"), CopySource: aws.String("artifacts/secret")})
		denied("s3:GetObject on resource: arn:aws:s3:::artifacts/secret", err)
		upload, err := c.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{Bucket: b, Key: aws.String("team/b")})
		f.must(err)
		_, err = c.UploadPartCopy(ctx, &sdk.UploadPartCopyInput{Bucket: b, Key: aws.String("team/b"), UploadId: upload.UploadId, PartNumber: aws.Int32(1), CopySource: aws.String("artifacts/secret")})
		denied("s3:GetObject", err)
		_, err = c.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: b})
		denied("s3:ListBucket", err)
		_, err = c.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: b, Key: aws.String("team/a")})
		denied("explicit deny", err)
		out, err := c.DeleteObjects(ctx, &sdk.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("team/a")}, {Key: aws.String("secret")}}}})
		f.must(err)
		if len(out.Errors) != 2 || *out.Errors[0].Code != "AccessDenied" {
			f.t.Errorf("deleted %+v, errors %+v", out.Deleted, out.Errors)
		}
		f.wantContent("team/a", "", "x")
		f.wantContent("secret", "", "hidden")
	})
}

// TestSDKConditions writes under conditions, each of which one of two meets.
func TestSDKConditions(t *testing.T) {
	t.Parallel()
	both(t, func(f *face) {
		put := func(in sdk.PutObjectInput) error {
			in.Bucket, in.Key, in.Body = aws.String(bucket), aws.String("k"), strings.NewReader("x")
			_, err := f.client.PutObject(f.t.Context(), &in)
			return err
		}
		f.must(put(sdk.PutObjectInput{IfNoneMatch: aws.String("*")}))
		f.wantCode(put(sdk.PutObjectInput{IfNoneMatch: aws.String("*")}), http.StatusPreconditionFailed, "PreconditionFailed")
		f.wantCode(put(sdk.PutObjectInput{IfMatch: aws.String(`"other"`)}), http.StatusPreconditionFailed, "PreconditionFailed")
		o, err := f.Store.HeadObject(f.t.Context(), bucket, "k", "")
		f.must(err)
		f.must(put(sdk.PutObjectInput{IfMatch: aws.String(quote(o.ETag))}))
	})
}
