package s3

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestSDKNotImplemented proves that what is not here is refused by its name,
// and does nothing.
func TestSDKNotImplemented(t *testing.T) {
	t.Parallel()
	forwardedToo(t, testSDKNotImplemented)
}

func testSDKNotImplemented(t *testing.T, f *face) {
	f.sdkPut("k", "kept")
	b, k, c, ctx := aws.String(bucket), aws.String("k"), f.client, t.Context()
	calls := map[string]func() error{
		"PutBucketTagging": func() error {
			_, err := c.PutBucketTagging(ctx, &sdk.PutBucketTaggingInput{Bucket: b, Tagging: &types.Tagging{TagSet: []types.Tag{{Key: k, Value: k}}}})
			return err
		},
		"GetObjectAcl": func() error { _, err := c.GetObjectAcl(ctx, &sdk.GetObjectAclInput{Bucket: b, Key: k}); return err },
		"GetBucketAcl": func() error { _, err := c.GetBucketAcl(ctx, &sdk.GetBucketAclInput{Bucket: b}); return err },
		"PutObjectAcl": func() error {
			_, err := c.PutObjectAcl(ctx, &sdk.PutObjectAclInput{Bucket: b, Key: k, ACL: types.ObjectCannedACLPrivate})
			return err
		},
		"GetObjectAttributes": func() error {
			_, err := c.GetObjectAttributes(ctx, &sdk.GetObjectAttributesInput{Bucket: b, Key: k, ObjectAttributes: []types.ObjectAttributes{"ETag"}})
			return err
		},
		"GetBucketPolicy": func() error { _, err := c.GetBucketPolicy(ctx, &sdk.GetBucketPolicyInput{Bucket: b}); return err },
		"PutBucketEncryption": func() error {
			_, err := c.PutBucketEncryption(ctx, &sdk.PutBucketEncryptionInput{Bucket: b, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{}}})
			return err
		},
		"x-amz-storage-class: GLACIER": func() error {
			_, err := c.PutObject(ctx, &sdk.PutObjectInput{Bucket: b, Key: k, StorageClass: "GLACIER"})
			return err
		},
	}
	for name, call := range calls {
		err := call()
		f.wantCode(err, http.StatusNotImplemented, "NotImplemented")
		if err == nil || !strings.HasSuffix(err.Error(), ": "+name) {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
	f.wantContent("k", "", "kept")
	f.wantBlobs(1)
}

// TestSDKRefusals sends what must not get in.
func TestSDKRefusals(t *testing.T) {
	t.Parallel()
	both(t, func(f *face) {
		ctx, b, k := f.t.Context(), aws.String(bucket), aws.String("k")
		f.sdkPut("k", "kept content")
		overwrite := func(c *sdk.Client) error {
			_, err := c.PutObject(ctx, &sdk.PutObjectInput{Bucket: b, Key: k, Body: strings.NewReader("other content")})
			return err
		}
		f.wantCode(overwrite(f.as("AKIAUNKNOWN", secretKey, "us-east-1")), http.StatusForbidden, "InvalidAccessKeyId")
		f.wantCode(overwrite(f.as(accessKey, "wrong", "us-east-1")), http.StatusForbidden, "SignatureDoesNotMatch")
		f.tamper = func(r *http.Request) {
			body, err := io.ReadAll(r.Body)
			f.must(err)
			r.Body = io.NopCloser(strings.NewReader(strings.Replace(string(body), "other", "OTHER", 1)))
		}
		code := "XAmzContentSHA256Mismatch"
		if strings.HasPrefix(f.url, "https") {
			code = "BadDigest" // only the checksum behind the content protects it
		}
		f.wantCode(overwrite(f.client), http.StatusBadRequest, code)
		f.tamper = func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/"+bucket+"/elsewhere", "" }
		f.wantCode(overwrite(f.client), http.StatusForbidden, "SignatureDoesNotMatch")
		f.tamper = func(r *http.Request) { r.Header.Del("Authorization") }
		f.wantCode(overwrite(f.client), http.StatusForbidden, "AccessDenied")
		f.tamper = nil
		f.wantContent("k", "", "kept content")
		f.wantContent("elsewhere", "", ErrNoSuchKey.Error())
		f.wantBlobs(1)
	})
}

// TestSDKPresigned follows URLs that need no header.
func TestSDKPresigned(t *testing.T) {
	t.Parallel()
	forwardedToo(t, testSDKPresigned)
}

func testSDKPresigned(t *testing.T, f *face) {
	f.sdkPut("a b/ü", "content")
	presign := sdk.NewPresignClient(f.client)
	get, err := presign.PresignGetObject(t.Context(), &sdk.GetObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("a b/ü"), ResponseContentType: aws.String("text/plain"),
	})
	f.must(err)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, get.URL, nil)
	r.RequestURI = ""
	answer := f.do(r)
	if body := bodyOf(answer); answer.StatusCode != http.StatusOK || body != "content" || answer.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("%d %q %v", answer.StatusCode, body, answer.Header)
	}
	r.URL.RawQuery += "0"
	f.wantError(f.do(r), http.StatusForbidden, "SignatureDoesNotMatch")
}
