package s3

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestUnknownSubresources has operations that S3 may have and this handler has not:
// none is taken for the plain one, which might make, list, replace or delete.
func TestUnknownSubresources(t *testing.T) {
	t.Parallel()
	f := newFace(t, false)
	f.put("k", "kept")
	object := "/" + bucket + "/k"
	f.must(f.CreateBucket(t.Context(), Owner{Account: account, Region: "us-east-1"}, "empty"))
	for _, tc := range []struct{ method, path string }{
		{"PUT", "/new-bucket?abac"}, {"PUT", "/new-bucket?metadataInventoryTable"}, {"GET", "/" + bucket + "?abac"},
		{"DELETE", "/empty?newthing"}, {"DELETE", "/empty?newthing="}, {"PUT", object + "?newthing"},
		{"DELETE", object + "?newthing"}, {"GET", object + "?newthing"}, {"GET", "/?newthing"},
		{"GET", "/" + bucket + "?x-id=ListNewThings"}, {"DELETE", object + "?x-id=DeleteNewThing"},
	} {
		f.wantError(f.raw(tc.method, tc.path, ""), http.StatusNotImplemented, "NotImplemented")
	}
	f.wantContent("k", "", "kept")
	if _, err := f.HeadBucket(t.Context(), "empty"); err != nil {
		t.Error(err)
	}
	_, err := f.HeadBucket(t.Context(), "new-bucket")
	f.wants(err, ErrNoSuchBucket)
	// What clients send in vain is no subresource, nor is what has a value.
	for _, query := range []string{"?prefix=&delimiter=&marker=", "?list-type=2&prefix=&start-after=&fetch-owner=", "?nothing=1", "?x-id=ListObjects"} {
		if answer := f.raw("GET", "/"+bucket+query, ""); answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", query, answer.Status)
		}
	}
}

// TestBucketInHost has clients that put the bucket into the host name, as SDKs do by
// default: what is left of the path means something else.
func TestBucketInHost(t *testing.T) {
	t.Parallel()
	f := newFace(t, false)
	f.put("k", "kept")
	f.must(f.CreateBucket(t.Context(), Owner{Account: account, Region: "us-east-1"}, "empty"))
	address := strings.TrimPrefix(f.url, "http://")
	_, port, err := net.SplitHostPort(address)
	f.must(err)
	for _, host := range []string{"localhost", "penstock.example.com"} {
		client := sdk.New(sdk.Options{
			Region: "us-east-1", BaseEndpoint: aws.String("http://" + host + ":" + port),
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, nil
			}),
			HTTPClient: &http.Client{Transport: &http.Transport{
				DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
					return (&net.Dialer{}).DialContext(ctx, network, address)
				},
			}},
			RetryMaxAttempts: 1,
		})
		b := aws.String(bucket)
		_, err = client.PutObject(t.Context(), &sdk.PutObjectInput{Bucket: b, Key: aws.String("new-bucket")})
		f.wantCode(err, http.StatusBadRequest, "InvalidRequest")
		_, err = client.GetObject(t.Context(), &sdk.GetObjectInput{Bucket: b, Key: aws.String("empty")})
		f.wantCode(err, http.StatusBadRequest, "InvalidRequest")
		_, err = client.DeleteObject(t.Context(), &sdk.DeleteObjectInput{Bucket: b, Key: aws.String("empty")})
		f.wantCode(err, http.StatusBadRequest, "InvalidRequest")
		if host == "localhost" {
			_, err = client.ListObjectsV2(t.Context(), &sdk.ListObjectsV2Input{Bucket: b})
			f.wantCode(err, http.StatusBadRequest, "InvalidRequest")
		}
	}
	_, err = f.HeadBucket(t.Context(), "empty")
	f.must(err)
	_, err = f.HeadBucket(t.Context(), "new-bucket")
	f.wants(err, ErrNoSuchBucket)
}
