package server_test

import (
	"encoding/xml"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/penstock-cd/penstock/internal/sigv4/sigv4test"
)

// TestRoutesS3: what looks like S3 is refused in the words of S3, also when its
// signature cannot be read, or is not there; what the server has of its own is not
// S3's.
func TestRoutesS3(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.bucket("vault")
	const (
		presigned = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20261122%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261122T123438Z&X-Amz-SignedHeaders=host&X-Amz-Signature=00"
		week      = "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"
		v2        = "AWSAccessKeyId=AKIA&Signature=AAAA&Expires="
		old       = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
		// own is an answer that is not S3's.
		own = ""
	)
	tests := []struct {
		method, path string
		header       []string
		status       int
		code         string
		message      string
	}{
		{"GET", "/vault/key", nil, 403, "AccessDenied", "Access Denied"},
		{"PUT", "/vault/key", nil, 403, "AccessDenied", "Access Denied"},
		{"DELETE", "/vault/key", nil, 403, "AccessDenied", "Access Denied"},
		{"GET", "/vault", nil, 403, "AccessDenied", "Access Denied"},
		{"GET", "/missing/key", nil, 403, "AccessDenied", "Access Denied"},
		{"GET", "/vault/../healthz", nil, 403, "AccessDenied", "Access Denied"},
		{"GET", "/healthz/key", nil, 403, "AccessDenied", "Access Denied"},
		{"POST", "/vault?delete", nil, 403, "AccessDenied", "Access Denied"},
		{"POST", "/vault/key?uploads", nil, 403, "AccessDenied", "Access Denied"},
		{"POST", "/vault/key?uploadId=x", nil, 403, "AccessDenied", "Access Denied"},
		{"POST", "/vault", []string{"Content-Type", "multipart/form-data; boundary=x"}, 501, "NotImplemented", ""},
		{"POST", "/vault?delete", []string{"Content-Type", "multipart/form-data; boundary=x"}, 403, "AccessDenied", "Access Denied"},
		{"GET", "/", []string{"Amz-Sdk-Invocation-Id", "x"}, 403, "AccessDenied", "Access Denied"},
		{"GET", "/vault/key?" + presigned + "&X-Amz-Expires=604801", nil, 400, "AuthorizationQueryParametersError", week},
		{"GET", "/?" + presigned + "&X-Amz-Expires=604801", nil, 400, "AuthorizationQueryParametersError", week},
		{"GET", "/vault/key?" + presigned, nil, 400, "AuthorizationQueryParametersError", ""},
		{"GET", "/vault/key?X-Amz-Algorithm=AWS4-HMAC-SHA256", nil, 400, "AuthorizationQueryParametersError", ""},
		{"GET", "/vault/key?" + presigned + "&X-Amz-Expires=5", []string{"Authorization", "AWS4-HMAC-SHA256 Credential=x"}, 400, "InvalidArgument", ""},
		{"GET", "/vault/key", []string{"Authorization", "AWS4-HMAC-SHA256 Credential=x"}, 400, "AuthorizationHeaderMalformed", ""},
		{"GET", "/vault/key", []string{"Authorization", "AWS4-HMAC-SHA256"}, 400, "AuthorizationHeaderMalformed", ""},
		{"GET", "/vault/key", []string{"Authorization", "AWS4-ECDSA-P256-SHA256 Credential=x"}, 400, "AuthorizationHeaderMalformed", ""},
		{"POST", "/", []string{"Authorization", "AWS4-HMAC-SHA256 Credential=AKIA/20261122/us-east-1/s3/aws4_request"}, 400, "AuthorizationHeaderMalformed", ""},
		{"GET", "/vault/key", []string{"Authorization", "AWS AKIA:AAAA"}, 400, "InvalidRequest", old},
		{"GET", "/", []string{"Authorization", "AWS AKIA:AAAA"}, 400, "InvalidRequest", old},
		{"GET", "/vault/key", []string{"Authorization", "Bearer x"}, 400, "InvalidArgument", "Unsupported Authorization Type"},
		{"GET", "/vault/key?" + v2 + "1", nil, 403, "InvalidAccessKeyId", ""},
		{"GET", "/?" + v2 + "x", nil, 403, "AccessDenied", "Invalid date (should be seconds since epoch): x"},

		{"GET", "/", nil, 403, own, "Unable to determine service/operation name"},
		{"GET", "/", []string{"Accept", "text/html"}, 403, own, "Unable to determine service/operation name"},
		{"HEAD", "/", nil, 403, own, ""},
		{"GET", "/healthz", nil, 200, own, "ok"},
		{"GET", "/readyz", nil, 200, own, "ok"},
		{"PUT", "/readyz", nil, 403, own, "AccessDeniedException"},
		{"POST", "/trigger", nil, 404, own, "webhook"},
		{"GET", "/trigger", nil, 404, own, "webhook"},
		{"POST", "/", []string{"Content-Type", "application/x-www-form-urlencoded"}, 403, own, "AccessDeniedException"},
		{"POST", "/", []string{"Content-Type", "application/x-amz-json-1.1"}, 400, own, "UnknownOperationException"},
		{"POST", "/vault/key", nil, 403, own, "AccessDeniedException"},
		{"GET", "/vault/key", []string{"Authorization", "AWS4-HMAC-SHA256 Credential=AKIA/20261122/us-east-1/codecommit/aws4_request"}, 403, own, "AccessDeniedException"},
		{"GET", "/vault/key", []string{"X-Amz-Target", "CodePipeline_20150709.GetPipeline"}, 403, own, "AccessDeniedException"},
	}
	for _, tt := range tests {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, b.Endpoint()+tt.path, nil)
		b.must(err)
		for i := 0; i < len(tt.header); i += 2 {
			r.Header.Set(tt.header[i], tt.header[i+1])
		}
		response, answer := send(t, r)
		var told struct {
			XMLName       xml.Name `xml:"Error"`
			Code, Message string
		}
		_ = xml.Unmarshal(answer, &told) // others' answers are no such document
		text := told.Message
		if tt.code == own {
			text = string(answer)
		}
		if response.StatusCode != tt.status || told.Code != tt.code || !strings.Contains(text, tt.message) {
			t.Errorf("%s %s %v: %s %.300s, want %d %s", tt.method, tt.path, tt.header, response.Status, answer, tt.status, tt.code)
		}
	}
}

// TestPresignedBoto3 follows URLs that boto3 presigns as it comes.
func TestPresignedBoto3(t *testing.T) {
	t.Parallel()
	sigv4test.Boto3(t)
	b := newBed(t)
	script, err := filepath.Abs("testdata/presigned.py")
	b.must(err)
	follow := func(env []string, args ...string) {
		t.Helper()
		cmd := b.toolCommand(t.TempDir(), append(env, "AWS_DEFAULT_REGION=us-east-1"), "python3", append([]string{script}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	follow(nil, "all", region)
	home, err := b.Buckets().HeadBucket(t.Context(), "another")
	if err != nil || home.Owner.Region != region {
		t.Errorf("the bucket made by a URL, which names no region: %+v, %v", home, err)
	}
	benchTool(b)
	b.bucket("store")
	b.create((&workerBed{bed: b}).pipelineOf("demo"))
	job := b.toolJob()
	key := job.Data.ArtifactCredentials
	follow([]string{"AWS_ACCESS_KEY_ID=" + *key.AccessKeyId, "AWS_SECRET_ACCESS_KEY=" + *key.SecretAccessKey, "AWS_SESSION_TOKEN=" + *key.SessionToken},
		"job", *job.Data.InputArtifacts[0].Location.S3Location.ObjectKey, *job.Data.OutputArtifacts[0].Location.S3Location.ObjectKey)
}

// TestPresignedCLI follows URLs of the AWS CLI as it comes, and lets it say why it
// is refused.
func TestPresignedCLI(t *testing.T) {
	t.Parallel()
	c := newCLI(newBed(t))
	c.bucket("shelf")
	c.put("shelf", "a b/ü", "content")
	follow := func(args ...string) (int, string) {
		t.Helper()
		cmd := c.toolCommand(c.dir, []string{"AWS_DEFAULT_REGION=us-east-1"}, "aws", append([]string{"s3", "presign", "--expires-in"}, args...)...)
		url, err := cmd.Output()
		c.must(err)
		answer, err := http.Get(strings.TrimSpace(string(url)))
		c.must(err)
		defer answer.Body.Close()
		content, err := io.ReadAll(answer.Body)
		c.must(err)
		return answer.StatusCode, string(content)
	}
	if status, content := follow("60", "s3://shelf/a b/ü"); status != http.StatusOK || content != "content" {
		t.Errorf("%d %s", status, content)
	}
	if status, content := follow("60", "s3://shelf/missing"); status != http.StatusNotFound || !strings.Contains(content, "<Code>NoSuchKey</Code>") {
		t.Errorf("%d %s", status, content)
	}
	stranger := c.principal("stranger")
	reader := c.principal("reader")
	reader.allow(statementFor("s3:GetObject", "arn:aws:s3:::shelf/*"))
	for member, want := range map[*member]int{stranger: http.StatusForbidden, reader: http.StatusOK} {
		cmd := c.toolCommand(c.dir, []string{"AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID=" + member.key.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + member.key.SecretAccessKey},
			"aws", "s3", "presign", "s3://shelf/a b/ü")
		url, err := cmd.Output()
		c.must(err)
		answer, err := http.Get(strings.TrimSpace(string(url)))
		c.must(err)
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: %s", member.name, answer.Status)
		}
	}
	for _, args := range [][]string{{"s3", "ls"}, {"s3", "ls", "s3://shelf"}, {"s3", "rm", "s3://shelf/a b/ü"}, {"s3api", "create-multipart-upload", "--bucket", "shelf", "--key", "k"}} {
		if out, err := c.tool(c.dir, "aws", append(args, "--no-sign-request")...); err == nil || !strings.Contains(out, "(AccessDenied)") || !strings.Contains(out, "Access Denied") {
			t.Errorf("aws %v: %v %s", args, err, out)
		}
	}
}

// TestJobPutsWithACL: workers put their outputs with the canned ACL that AWS wants
// of them where the bucket is another account's; of inputs they change nothing.
func TestJobPutsWithACL(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	benchTool(b)
	b.bucket("store")
	b.create((&workerBed{bed: b}).pipelineOf("demo"))
	job := b.toolJob()
	client := b.clientOf(job)
	in, out := job.Data.InputArtifacts[0].Location.S3Location, job.Data.OutputArtifacts[0].Location.S3Location
	put := func(key string) error {
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: out.BucketName, Key: &key, Body: strings.NewReader("made"), ACL: s3types.ObjectCannedACLBucketOwnerFullControl,
		})
		return err
	}
	b.must(put(*out.ObjectKey))
	wantAPIError(t, "an input", put(*in.ObjectKey), "AccessDenied", "s3:PutObject on resource")
	wantAPIError(t, "another key", put("demo/other"), "AccessDenied", "s3:PutObject on resource")
	upload, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{
		Bucket: out.BucketName, Key: out.ObjectKey, ACL: s3types.ObjectCannedACLBucketOwnerFullControl,
	})
	b.must(err)
	_, err = client.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: out.BucketName, Key: out.ObjectKey, UploadId: upload.UploadId})
	b.must(err)
	_, err = client.PutObjectAcl(t.Context(), &s3.PutObjectAclInput{Bucket: out.BucketName, Key: out.ObjectKey, ACL: s3types.ObjectCannedACLPublicRead})
	wantAPIError(t, "the operation", err, "NotImplemented", "PutObjectAcl")
	_, err = client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: out.BucketName, Key: out.ObjectKey, Tagging: aws.String("a=b")})
	wantAPIError(t, "tags", err, "AccessDenied", "s3:PutObjectTagging on resource")
}
