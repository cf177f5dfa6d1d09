package sigv4_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// FuzzParse: whatever a request carries, parsing and verifying it ends in an
// answer, and nothing that was not signed with the secret is accepted.
func FuzzParse(f *testing.F) {
	valid := newRequest(f, "{}")
	sigv4.Sign(valid, sigv4.Hash([]byte("{}")), sigv4.Credentials{AccessKeyID: testKeyID, SecretAccessKey: "not the secret"}, "us-east-1", "codepipeline", testTime)
	authorization := valid.Header.Get("Authorization")
	f.Add(authorization, "20261122T123438Z", "/", "", "codepipeline", "")
	f.Add(strings.ReplaceAll(authorization, ", ", ","), "Sun, 22 Nov 2026 12:34:38 GMT", "/a//b/../c", "a=b&a=%zz", "s3", "UNSIGNED-PAYLOAD")
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request,SignedHeaders=;;,Signature=", "", "/%", "", "", "")
	f.Add("AWS4-HMAC-SHA256 =,=,=", "0", "", ";", "", "")
	f.Add("", "", "/b/k", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261122%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261122T123438Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00", "s3", "")
	f.Add("", "", "/b/k", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-SignedHeaders=host%0Ax-a", "s3", "")
	f.Add("AWS4-HMAC-SHA256", "", "/", "X-Amz-Algorithm=", "s3", "")
	f.Fuzz(func(t *testing.T, authorization, date, path, query, service, hash string) {
		r := &http.Request{Method: http.MethodPost, Host: "127.0.0.1", URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}, Body: http.NoBody}
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		r.Header.Set("X-Amz-Date", date)
		if hash != "" {
			r.Header.Set("X-Amz-Content-Sha256", hash)
		}
		s, err := sigv4.Parse(r)
		if err != nil {
			return
		}
		for _, name := range s.SignedHeaders {
			if strings.ContainsAny(name, "\n:") {
				t.Fatalf("signed header %q", name)
			}
		}
		// The service's name does not keep Verify from being asked.
		if s.CheckScope(service) == nil && s.Verify(r, sigv4.EmptyHash, testSecret, s.Time) == nil {
			t.Fatal("accepted without the secret")
		}
	})
}

// FuzzBody: no framing of a signed body makes reading it hang or panic, and
// nothing but the content that was signed is accepted.
func FuzzBody(f *testing.F) {
	for _, kind := range []string{sigv4.StreamingSigned, sigv4.StreamingSignedTrailer} {
		u := upload{kind: kind, chunks: []string{"one", "two"}}
		if kind == sigv4.StreamingSignedTrailer {
			u.checksum = "crc32"
		}
		_, pieces := u.build(f)
		f.Add(strings.Join(pieces, ""))
	}
	f.Add("0\r\n\r\n")
	f.Add("ffffffffffffffff;chunk-signature=\r\n")
	f.Fuzz(func(t *testing.T, body string) {
		for _, u := range []upload{{sigv4.StreamingSigned, []string{"one", "two"}, ""}, {sigv4.StreamingSignedTrailer, []string{"one", "two"}, "crc32"}} {
			r, _ := u.build(t)
			if got, err := read(r, strings.NewReader(body)); err == nil && got != "onetwo" {
				t.Fatalf("accepted %q", got)
			}
		}
	})
}
