package iam_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

func mustURL(t testing.TB) *url.URL {
	t.Helper()
	u, err := url.Parse("http://127.0.0.1/")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// received is what a server saw of one request.
type received struct {
	caller   api.Caller
	payload  string
	encoding string
	content  string
	err      error
}

// server authenticates what it is sent and remembers it.
func server(t *testing.T, secure bool) (*httptest.Server, chan received) {
	t.Helper()
	s, err := iam.Open(iam.Config{Account: account, RootAccessKeyID: root.AccessKeyID, RootSecretAccessKey: root.SecretAccessKey})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan received, 10)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := received{payload: r.Header.Get("X-Amz-Content-Sha256"), encoding: r.Header.Get("Content-Encoding")}
		var body io.Reader
		if got.caller, body, got.err = s.AuthenticateStream(r, "s3"); got.err == nil {
			var content []byte
			content, got.err = io.ReadAll(body)
			got.content = string(content)
		}
		seen <- got
		if got.err != nil {
			w.WriteHeader(http.StatusForbidden)
		}
	})
	start := httptest.NewServer
	if secure {
		start = httptest.NewTLSServer
	}
	srv := start(handler)
	t.Cleanup(srv.Close)
	return srv, seen
}

func client(srv *httptest.Server) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint:     aws.String(srv.URL),
		Region:           "eu-central-1",
		UsePathStyle:     true,
		HTTPClient:       srv.Client(),
		Credentials:      credentials.NewStaticCredentialsProvider(root.AccessKeyID, root.SecretAccessKey, ""),
		RetryMaxAttempts: 1,
		// As config.LoadDefaultConfig sets it.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
	})
}

// TestS3Client: uploads of the real client in the ways it makes them.
func TestS3Client(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789", 30_000)
	for _, secure := range []bool{false, true} {
		srv, seen := server(t, secure)
		c := client(srv)
		for _, algorithm := range []types.ChecksumAlgorithm{"", types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme, types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256} {
			for _, content := range []string{"", "small", large} {
				input := &s3.PutObjectInput{
					Bucket: aws.String("bucket"), Key: aws.String("a key/with +%é=&?.zip"), Body: strings.NewReader(content),
					ChecksumAlgorithm: algorithm, Metadata: map[string]string{"revision": "a  b"}, ContentType: aws.String("application/zip"),
				}
				if _, err := c.PutObject(t.Context(), input); err != nil {
					t.Errorf("TLS %v, checksum %q, %d bytes: %v", secure, algorithm, len(content), err)
				}
				got := <-seen
				if got.err != nil || got.content != content || got.caller.ARN != "arn:aws:iam::123456789012:root" || got.caller.Region != "eu-central-1" {
					t.Errorf("TLS %v, checksum %q, %d bytes: received %d bytes (%s) from %v, %v",
						secure, algorithm, len(content), len(got.content), got.payload, got.caller, got.err)
				}
				if secure && content == large && got.payload != sigv4.StreamingUnsignedTrailer {
					t.Errorf("the client sent %s: this test no longer tests trailers", got.payload)
				}
			}
		}
	}
}

// TestPresigned: URLs that the real client signs.
func TestPresigned(t *testing.T) {
	t.Parallel()
	srv, seen := server(t, false)
	presigner := s3.NewPresignClient(client(srv))
	get, err := presigner.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("a b+c")})
	if err != nil {
		t.Fatal(err)
	}
	put, err := presigner.PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("k"), Metadata: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	send := func(method, url string, header http.Header, body string) received {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range header {
			if name != "Host" && name != "Content-Length" {
				r.Header[name] = values
			}
		}
		response, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return <-seen
	}
	if got := send(get.Method, get.URL, get.SignedHeader, ""); got.err != nil {
		t.Errorf("GET: %v", got.err)
	}
	if got := send(put.Method, put.URL, put.SignedHeader, ""); got.err != nil {
		t.Errorf("PUT: %v", got.err)
	}
	if got := send(http.MethodDelete, get.URL, get.SignedHeader, ""); code(got.err) != "SignatureDoesNotMatch" {
		t.Errorf("DELETE with a URL for GET: %v", got.err)
	}
	if got := send(get.Method, get.URL+"&versionId=1", get.SignedHeader, ""); code(got.err) != "SignatureDoesNotMatch" {
		t.Errorf("GET with another parameter: %v", got.err)
	}
}

func code(err error) string {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return e.Code
	}
	return ""
}

// TestStreamRefusals: the names of S3 for what is refused.
func TestStreamRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		sign   func(r *http.Request)
		body   string
		code   string
		status int
	}{
		{"nothing wrong", nil, "content", "", 0},
		{"no signature", func(r *http.Request) { r.Header.Del("Authorization") }, "content", "AccessDenied", 403},
		{"another scheme", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, "content", "InvalidArgument", 400},
		{"cut off", func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x") }, "content", "AuthorizationHeaderMalformed", 400},
		{"cut off in the query", func(r *http.Request) {
			r.Header.Del("Authorization")
			r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256"
		}, "content", "AuthorizationQueryParametersError", 400},
		{"twice", func(r *http.Request) { r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256" }, "content", "InvalidArgument", 400},
		{"another service", func(r *http.Request) {
			sigv4.Sign(r, sigv4.Hash([]byte("content")), root, "us-east-1", "codepipeline", now)
		}, "content", "AuthorizationHeaderMalformed", 400},
		{"unknown key", func(r *http.Request) {
			sigv4.Sign(r, sigv4.Hash([]byte("content")), sigv4.Credentials{AccessKeyID: "AKIDOTHER", SecretAccessKey: "x"}, "us-east-1", "s3", now)
		}, "content", "InvalidAccessKeyId", 403},
		{"token", func(r *http.Request) {
			sigv4.Sign(r, sigv4.Hash([]byte("content")), sigv4.Credentials{AccessKeyID: root.AccessKeyID, SecretAccessKey: root.SecretAccessKey, SessionToken: "t"}, "us-east-1", "s3", now)
		}, "content", "InvalidToken", 400},
		{"wrong secret", func(r *http.Request) {
			sigv4.Sign(r, sigv4.Hash([]byte("content")), sigv4.Credentials{AccessKeyID: root.AccessKeyID, SecretAccessKey: "x"}, "us-east-1", "s3", now)
		}, "content", "SignatureDoesNotMatch", 403},
		{"skewed", func(r *http.Request) {
			sigv4.Sign(r, sigv4.Hash([]byte("content")), root, "us-east-1", "s3", now.Add(-16*time.Minute))
		}, "content", "RequestTimeTooSkewed", 403},
		{"unsigned header", func(r *http.Request) { r.Header.Set("X-Amz-Acl", "private") }, "content", "AccessDenied", 403},
		{"no payload hash", func(r *http.Request) { r.Header.Del("X-Amz-Content-Sha256") }, "content", "InvalidRequest", 400},
		{"bad payload hash", func(r *http.Request) { sigv4.Sign(r, "abc", root, "us-east-1", "s3", now) }, "content", "InvalidArgument", 400},
		{"asymmetric", func(r *http.Request) {
			sigv4.Sign(r, "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", root, "us-east-1", "s3", now)
		}, "content", "NotImplemented", 501},
		{"no decoded length", func(r *http.Request) { sigv4.Sign(r, sigv4.StreamingSigned, root, "us-east-1", "s3", now) }, "content", "MissingContentLength", 411},
		{"wrong content", nil, "other content", "XAmzContentSHA256Mismatch", 400},
		{"wrong chunk", func(r *http.Request) {
			r.Header.Set("X-Amz-Decoded-Content-Length", "7")
			sigv4.Sign(r, sigv4.StreamingSigned, root, "us-east-1", "s3", now)
		}, "7;chunk-signature=00\r\ncontent\r\n", "SignatureDoesNotMatch", 403},
		{"wrong checksum", func(r *http.Request) {
			r.Header.Set("X-Amz-Checksum-Crc32", "AAAAAA==")
			sigv4.Sign(r, sigv4.UnsignedPayload, root, "us-east-1", "s3", now)
		}, "content", "BadDigest", 400},
	}
	s := open(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequest(http.MethodPut, "http://127.0.0.1/bucket/key", bytes.NewReader([]byte(tt.body)))
			if err != nil {
				t.Fatal(err)
			}
			sigv4.Sign(r, sigv4.Hash([]byte("content")), root, "us-east-1", "s3", now)
			if tt.sign != nil {
				tt.sign(r)
			}
			_, body, err := s.AuthenticateStream(r, "s3")
			if err == nil {
				_, err = io.Copy(io.Discard, body)
			}
			if tt.code == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			e, ok := errors.AsType[*api.Error](err)
			if !ok {
				t.Fatalf("accepted, or %v", err)
			}
			if e.Code != tt.code || e.Status != tt.status || e.Message == "" {
				t.Errorf("refused with %d %v, want %d %s", e.Status, e, tt.status, tt.code)
			}
		})
	}
}

// TestPresignedExpired: an expired URL says so.
func TestPresignedExpired(t *testing.T) {
	t.Parallel()
	r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDROOT%2F20261122%2Fus-east-1%2Fs3%2Faws4_request"+
		"&X-Amz-Date=20261122T120000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := open(t).AuthenticateStream(r, "s3"); err == nil || err.Error() != "AccessDenied: Request has expired" {
		t.Errorf("answered %v", err)
	}
}
