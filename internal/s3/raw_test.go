package s3

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestRawRefusals(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T, bool) *face{"sqlite": newFace, "postgres": newFacePostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testRawRefusals(t, open(t, false))
		})
	}
}

func testRawRefusals(t *testing.T, f *face) {
	f.put("k", "kept")
	object := "/" + bucket + "/k"
	sum := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	long := strings.Repeat("x", 3000)
	tests := []struct {
		method, path, body string
		header             []string
		status             int
		code               string
	}{
		{"PUT", object, "new", []string{"Content-MD5", sum(16)}, 400, "BadDigest"},
		{"PUT", object, "new", []string{"Content-MD5", "rubbish"}, 400, "InvalidDigest"},
		{"PUT", object, "new", []string{"x-amz-checksum-crc32", sum(4)}, 400, "BadDigest"},
		{"PUT", object, "new", []string{"x-amz-checksum-crc32", sum(5)}, 400, "InvalidRequest"},
		{"PUT", object, "new", []string{"x-amz-checksum-crc31", sum(4)}, 400, "InvalidRequest"},
		{"PUT", object, "new", []string{"x-amz-checksum-crc32", sum(4), "x-amz-checksum-sha1", sum(20)}, 400, "InvalidRequest"},
		{"PUT", object, "new", []string{"x-amz-sdk-checksum-algorithm", "CRC32"}, 400, "InvalidRequest"},
		{"PUT", object, "new", []string{"x-amz-server-side-encryption", "ROT13"}, 400, "InvalidArgument"},
		{"PUT", object, "new", []string{"x-amz-server-side-encryption-aws-kms-key-id", "x"}, 400, "InvalidArgument"},
		{"PUT", object, "new", []string{"x-amz-server-side-encryption-customer-algorithm", "AES256"}, 501, "NotImplemented"},
		{"PUT", object, "new", []string{"x-amz-grant-read", "id=x"}, 501, "NotImplemented"},
		{"PUT", object, "new", []string{"x-amz-acl", "everyone"}, 400, "InvalidArgument"},
		{"PUT", object, "new", []string{"x-amz-meta-a", long}, 400, "MetadataTooLarge"},
		{"PUT", object, "new", []string{"x-amz-meta-a", "\xff"}, 400, "InvalidArgument"},
		{"PUT", object, "new", []string{"If-None-Match", "*"}, 412, "PreconditionFailed"},
		{"PUT", object, "new", []string{"If-None-Match", `"x"`}, 501, "NotImplemented"},
		{"PUT", object, "new", []string{"If-Match", `"x"`}, 412, "PreconditionFailed"},
		{"PUT", object + "2", "new", []string{"If-Match", `"x"`}, 404, "NoSuchKey"},
		{"PUT", "/" + bucket + "/" + strings.Repeat("k", 1025), "new", nil, 400, "KeyTooLongError"},
		{"PUT", "/" + bucket + "/%ff", "new", nil, 400, "InvalidURI"},
		{"PUT", "/" + bucket + "/%00", "new", nil, 400, "InvalidURI"},
		{"PUT", "/missing/k", "new", nil, 404, "NoSuchBucket"},
		{"PUT", "/" + bucket + "%2Fx/k", "new", nil, 404, "NoSuchBucket"},
		{"PUT", "/new-bucket", "<rubbish", nil, 400, "MalformedXML"},
		{"PUT", "/new-bucket", strings.Repeat(" ", maxDocument+1), nil, 400, "MalformedXML"},
		{"PUT", "/new-bucket", "<CreateBucketConfiguration><Bucket/></CreateBucketConfiguration>", nil, 501, "NotImplemented"},
		{"PUT", "/new-bucket", "", []string{"x-amz-acl", "public-read"}, 501, "NotImplemented"},
		{"PUT", "/new-bucket", "", []string{"x-amz-bucket-object-lock-enabled", "true"}, 501, "NotImplemented"},
		{"PUT", "/" + bucket + "?versioning", "", nil, 400, "IllegalVersioningConfigurationException"},
		{"PUT", "/" + bucket + "?versioning", "<VersioningConfiguration><Status>Maybe</Status></VersioningConfiguration>", nil, 400, "IllegalVersioningConfigurationException"},
		{"PUT", "/" + bucket + "?versioning", "<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>", nil, 501, "NotImplemented"},
		{"PUT", "/missing?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>", nil, 404, "NoSuchBucket"},
		{"GET", "/" + bucket + "?list-type=2&max-keys=-1", "", nil, 400, "InvalidArgument"},
		{"GET", "/" + bucket + "?list-type=2&max-keys=x", "", nil, 400, "InvalidArgument"},
		{"GET", "/" + bucket + "?list-type=2&encoding-type=x", "", nil, 400, "InvalidArgument"},
		{"GET", "/" + bucket + "?list-type=2&continuation-token=x", "", nil, 400, "InvalidArgument"},
		{"GET", "/" + bucket + "?list-type=2&continuation-token=", "", nil, 400, "InvalidArgument"},
		{"GET", "/?max-buckets=0", "", nil, 400, "InvalidArgument"},
		{"DELETE", object + "?versionId=", "", nil, 400, "InvalidArgument"},
		{"DELETE", object, "", []string{"If-Match", "x"}, 501, "NotImplemented"},
		{"PUT", object, "new", []string{"x-amz-tagging", "a=%zz"}, 400, "InvalidTag"},
		{"PUT", object + "?tagging", "", nil, 400, "MalformedXML"},
		{"PUT", object + "?tagging", "<Tagging><TagSet><Tag><Key>a!</Key></Tag></TagSet></Tagging>", nil, 400, "InvalidTag"},
		{"GET", object + "2?tagging", "", nil, 404, "NoSuchKey"},
		{"GET", object + "?partNumber=2", "", nil, 416, "InvalidPartNumber"},
		{"GET", object + "?partNumber=0", "", nil, 400, "InvalidArgument"},
		{"GET", object + "?partNumber=1", "", []string{"Range", "bytes=0-1"}, 400, "InvalidRequest"},
		{"PUT", object, "", []string{"x-amz-copy-source", "no-key"}, 400, "InvalidArgument"},
		{"PUT", object, "", []string{"x-amz-copy-source", "/" + bucket + "/%zz"}, 400, "InvalidArgument"},
		{"PUT", object, "", []string{"x-amz-copy-source", "/" + bucket + "/%00"}, 400, "InvalidArgument"},
		{"PUT", object, "", []string{"x-amz-copy-source", bucket + "/missing"}, 404, "NoSuchKey"},
		{"PUT", object, "", []string{"x-amz-copy-source", "missing-bucket/k"}, 404, "NoSuchBucket"},
		{"PUT", object, "", []string{"x-amz-copy-source", bucket + "/k?versionId=x"}, 400, "InvalidArgument"},
		{"PUT", object, "", []string{"x-amz-copy-source", bucket + "/k"}, 400, "InvalidRequest"},
		{"PUT", object, "", []string{"x-amz-copy-source", bucket + "/k", "x-amz-metadata-directive", "MAYBE"}, 400, "InvalidArgument"},
		{"PUT", object + "2", "", []string{"x-amz-copy-source", bucket + "/k", "x-amz-copy-source-if-match", `"x"`}, 412, "PreconditionFailed"},
		{"PUT", object + "2", "", []string{"x-amz-copy-source", bucket + "/k", "x-amz-copy-source-if-none-match", "*"}, 412, "PreconditionFailed"},
		{"PUT", object + "2", "", []string{"x-amz-copy-source", bucket + "/k", "x-amz-checksum-algorithm", "CRC31"}, 400, "InvalidRequest"},
		{"POST", object + "?uploads", "", []string{"x-amz-checksum-algorithm", "CRC31"}, 400, "InvalidRequest"},
		{"POST", object + "?uploads", "", []string{"x-amz-grant-read", "id=x"}, 501, "NotImplemented"},
		{"PUT", object + "?uploadId=x&partNumber=1", "x", nil, 404, "NoSuchUpload"},
		{"PUT", object + "?uploadId=x&partNumber=0", "x", nil, 400, "InvalidArgument"},
		{"PUT", object + "?uploadId=x&partNumber=10001", "x", nil, 400, "InvalidArgument"},
		{"PUT", object + "?uploadId=x", "x", nil, 400, "InvalidArgument"},
		{"PUT", object + "?uploadId=x&partNumber=1", "", []string{"x-amz-copy-source", bucket + "/k", "x-amz-copy-source-range", "bytes=0-4"}, 400, "InvalidArgument"},
		{"PUT", object + "?uploadId=x&partNumber=1", "", []string{"x-amz-copy-source", bucket + "/k", "x-amz-copy-source-range", "bytes=1-"}, 400, "InvalidArgument"},
		{"PUT", object + "?uploadId=x&partNumber=1", "", []string{"x-amz-copy-source", bucket + "/k", "x-amz-copy-source-range", "bytes=1-2"}, 404, "NoSuchUpload"},
		{"POST", object + "?uploadId=x", "", nil, 400, "MalformedXML"},
		{"POST", object + "?uploadId=x", "<CompleteMultipartUpload/>", nil, 400, "MalformedXML"},
		{"POST", object + "?uploadId=x", "<CompleteMultipartUpload><Part><PartNumber>x</PartNumber></Part></CompleteMultipartUpload>", nil, 400, "MalformedXML"},
		{"POST", object + "?uploadId=x", "<CompleteMultipartUpload><Part><PartNumber>2</PartNumber></Part><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>", nil, 400, "InvalidPartOrder"},
		{"POST", object + "?uploadId=x", "<CompleteMultipartUpload><Part><PartNumber>2</PartNumber></Part></CompleteMultipartUpload>", []string{"x-amz-mp-object-size", "x"}, 400, "InvalidArgument"},
		{"POST", object + "?uploadId=x", "<CompleteMultipartUpload><Part><PartNumber>2</PartNumber></Part></CompleteMultipartUpload>", []string{"x-amz-checksum-crc32", "AAAAAA==", "x-amz-checksum-sha1", sum(20)}, 400, "InvalidRequest"},
		{"GET", object + "?uploadId=x", "", nil, 404, "NoSuchUpload"},
		{"GET", object + "?uploadId=x&part-number-marker=x", "", nil, 400, "InvalidArgument"},
		{"DELETE", object + "?uploadId=x", "", nil, 404, "NoSuchUpload"},
		{"POST", "/" + bucket + "?delete", "", nil, 400, "MalformedXML"},
		{"POST", "/" + bucket + "?delete", "<Delete/>", nil, 400, "MalformedXML"},
		{"POST", "/" + bucket + "?delete", "<Delete>" + strings.Repeat("<Object><Key>x</Key></Object>", 1001) + "</Delete>", nil, 400, "MalformedXML"},
		{"POST", "/" + bucket + "?delete", "<Delete><Object><Key>k</Key><ETag>x</ETag></Object></Delete>", nil, 501, "NotImplemented"},
		{"POST", "/missing?delete", "<Delete><Object><Key>k</Key></Object></Delete>", nil, 404, "NoSuchBucket"},
		{"DELETE", "/" + bucket, "", nil, 409, "BucketNotEmpty"},
		{"DELETE", "/missing", "", nil, 404, "NoSuchBucket"},
		{"GET", "/" + bucket + "?versions&max-keys=x", "", nil, 400, "InvalidArgument"},
		{"GET", "/" + bucket + "?versions&version-id-marker=x", "", nil, 400, "InvalidArgument"},
		{"GET", "/" + bucket + "?versions&encoding-type=x", "", nil, 400, "InvalidArgument"},
		{"GET", "/" + bucket + "?versions&prefix=%ff", "", nil, 400, "InvalidURI"},
		{"GET", "/" + bucket + "?uploads&max-uploads=-1", "", nil, 400, "InvalidArgument"},
		{"GET", "/" + bucket + "?max-keys=x", "", nil, 400, "InvalidArgument"},
		{"GET", "/" + bucket + "?marker=%00", "", nil, 400, "InvalidURI"},
		{"GET", object + "?AWSAccessKeyId=x&Signature=y&Expires=1", "", nil, 400, "InvalidArgument"},
		{"POST", "/", "", nil, 405, "MethodNotAllowed"},
		{"PATCH", object, "", nil, 405, "MethodNotAllowed"},
		{"POST", object, "", nil, 405, "MethodNotAllowed"},
		{"PUT", object + "?retention", "", nil, 501, "NotImplemented"},
	}
	for _, tc := range tests {
		f.wantError(f.raw(tc.method, tc.path, tc.body, tc.header...), tc.status, tc.code)
	}
	f.wantContent("k", "", "kept")
	f.wantBlobs(1)
	if _, err := f.Store.HeadBucket(t.Context(), "new-bucket"); !errors.Is(err, ErrNoSuchBucket) {
		t.Errorf("a refused bucket: %v", err)
	}
}

// TestPartOfNothing asks for the first part of an empty object, which has no range
// to name: all of it is the answer.
func TestPartOfNothing(t *testing.T) {
	t.Parallel()
	forwardedToo(t, func(t *testing.T, f *face) {
		f.sdkPut("empty", "")
		f.sdkPut("full", "text")
		for _, method := range []string{"GET", "HEAD"} {
			answer := f.raw(method, "/"+bucket+"/empty?partNumber=1", "")
			if got := answer.Header.Get("Content-Range"); answer.StatusCode != http.StatusOK || got != "" || answer.ContentLength != 0 {
				t.Errorf("%s: %s, range %q, %d bytes", method, answer.Status, got, answer.ContentLength)
			}
			answer = f.raw(method, "/"+bucket+"/full?partNumber=1", "")
			if got := answer.Header.Get("Content-Range"); answer.StatusCode != http.StatusPartialContent || got != "bytes 0-3/4" {
				t.Errorf("%s: %s, range %q", method, answer.Status, got)
			}
		}
		f.wantError(f.raw("GET", "/"+bucket+"/empty?partNumber=2", ""), http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber")
	})
}
