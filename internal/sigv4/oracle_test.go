package sigv4_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"pgregory.net/rapid"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// generated is a random request, signed by nobody yet.
type generated struct {
	request *http.Request
	body    string
	service string
	region  string
}

// drawRequest makes requests such as clients send, and stranger ones.
func drawRequest(t *rapid.T) generated {
	text := rapid.StringOf(rapid.RuneFrom([]rune("abzAZ09-._~ !*'();:@&=+$,/?#[]%\"<>\\^`{|}é€😀")))
	service := rapid.SampledFrom([]string{"codepipeline", "codebuild", "s3"}).Draw(t, "service")
	segment := rapid.StringOfN(rapid.RuneFrom([]rune("abzAZ09-._~ !*'();:@&=+$,é€%")), 1, 8, -1).
		Filter(func(s string) bool { return s != "." && s != ".." })
	path := "/" + strings.Join(rapid.SliceOfN(segment, 0, 4).Draw(t, "path"), "/")
	query := url.Values{}
	for range rapid.IntRange(0, 4).Draw(t, "parameters") {
		query.Add(text.Draw(t, "name"), text.Draw(t, "value"))
	}
	body := rapid.String().Draw(t, "body")
	u := &url.URL{Scheme: "http", Host: rapid.SampledFrom([]string{"127.0.0.1:18555", "localhost", "s3.example.org:443"}).Draw(t, "host"), Path: path}
	u.RawPath = escapePath(path)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	r, err := http.NewRequest(rapid.SampledFrom([]string{"GET", "PUT", "POST", "DELETE"}).Draw(t, "method"), u.String(), bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatalf("making a request: %v", err)
	}
	value := rapid.StringOf(rapid.RuneFrom([]rune("abc  ,;=/\"é")))
	for n := range rapid.IntRange(0, 4).Draw(t, "headers") {
		name := rapid.SampledFrom([]string{"X-Amz-Target", "Content-Type", "X-Amz-Meta-Some", "Amz-Sdk-Request", "X-Custom"}).Draw(t, "header")
		r.Header.Add(name, fmt.Sprint(n)+value.Draw(t, "header value")+"x")
	}
	return generated{r, body, service, rapid.SampledFrom([]string{"us-east-1", "nowhere-9"}).Draw(t, "region")}
}

// escapePath encodes a path the way SDKs do.
func escapePath(path string) string {
	var out strings.Builder
	for _, b := range []byte(path) {
		if b == '/' || strings.IndexByte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~", b) >= 0 {
			out.WriteByte(b)
		} else {
			fmt.Fprintf(&out, "%%%02X", b)
		}
	}
	return out.String()
}

// TestSDKSignature: what the AWS SDK signs is verified, in whatever way it
// signs, and nothing of it may be changed.
func TestSDKSignature(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := drawRequest(t)
		r := g.request
		credentials := aws.Credentials{AccessKeyID: testKeyID, SecretAccessKey: testSecret}
		if rapid.Bool().Draw(t, "temporary") {
			credentials.SessionToken = "some/token+="
		}
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = g.service == "s3" })
		hash := sigv4.Hash([]byte(g.body))
		presign := rapid.Bool().Draw(t, "presign")
		if presign {
			query := "X-Amz-Expires=60"
			if r.URL.RawQuery != "" {
				query = r.URL.RawQuery + "&" + query
			}
			r.URL.RawQuery = query
			signed, header, err := signer.PresignHTTP(t.Context(), credentials, r, hash, g.service, g.region, testTime)
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(signed)
			if err != nil {
				t.Fatal(err)
			}
			r.URL = u
			r.Header = header
		} else if err := signer.SignHTTP(t.Context(), credentials, r, hash, g.service, g.region, testTime); err != nil {
			t.Fatal(err)
		}
		r = received(t, r)
		s, err := sigv4.Parse(r)
		if err != nil {
			t.Fatalf("cannot be parsed: %v", err)
		}
		if s.SessionToken != credentials.SessionToken || s.Region != g.region || s.AccessKeyID != testKeyID || s.Presigned != presign {
			t.Fatalf("parsed as %+v", s)
		}
		if err := s.Verify(r, hash, testSecret, testTime.Add(30*time.Second)); err != nil {
			t.Fatalf("refused: %v", err)
		}
		tamper(t, s, r, hash)
	})
}

// tamper changes one thing and expects a refusal.
func tamper(t *rapid.T, s *sigv4.Signature, r *http.Request, hash string) {
	secret, now := testSecret, testTime
	what := rapid.SampledFrom([]string{"method", "host", "path", "query", "body", "secret", "region", "header", "time"}).Draw(t, "tamper")
	switch what {
	case "method":
		r.Method = "PATCH"
	case "host":
		r.Host += "x"
	case "path":
		r.URL.Path, r.URL.RawPath = r.URL.Path+"x", ""
	case "query":
		r.URL.RawQuery += "&z"
	case "body":
		hash = sigv4.Hash([]byte("another body" + hash))
	case "secret":
		secret += "x"
	case "region":
		s.Region += "x"
	case "header":
		r.Header.Add("X-Amz-Target", "x")
	case "time":
		s.Time = s.Time.Add(time.Second)
	}
	if err := s.Verify(r, hash, secret, now); err == nil {
		t.Fatalf("accepted with another %s", what)
	}
}

// TestOwnSignature: Sign and the SDK agree wherever they sign the same headers,
// and Verify accepts Sign.
func TestOwnSignature(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := drawRequest(t)
		hash := sigv4.Hash([]byte(g.body))
		credentials := testCredentials
		if rapid.Bool().Draw(t, "temporary") {
			credentials.SessionToken = "some/token+="
		}
		sigv4.Sign(g.request, hash, credentials, g.region, g.service, testTime)
		r := received(t, g.request)
		s, err := sigv4.Parse(r)
		if err != nil {
			t.Fatalf("cannot be parsed: %v", err)
		}
		if err := s.CheckScope(g.service); err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(r, hash, testSecret, testTime); err != nil {
			t.Fatalf("refused: %v", err)
		}
		tamper(t, s, r, hash)
	})
}

// TestPresignedExpiry: a presigned request is valid from five minutes before it
// was signed until X-Amz-Expires after.
func TestPresignedExpiry(t *testing.T) {
	t.Parallel()
	presigned := func(expires string) *http.Request {
		r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:18555/bucket/key?X-Amz-Expires="+expires, nil)
		if err != nil {
			t.Fatal(err)
		}
		signed, _, err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).PresignHTTP(t.Context(),
			aws.Credentials{AccessKeyID: testKeyID, SecretAccessKey: testSecret}, r, sigv4.UnsignedPayload, "s3", "us-east-1", testTime)
		if err != nil {
			t.Fatal(err)
		}
		if r, err = http.NewRequest(http.MethodGet, signed, nil); err != nil {
			t.Fatal(err)
		}
		return received(t, r)
	}
	tests := []struct {
		expires string
		after   time.Duration
		want    sigv4.Reason
	}{
		{"3600", 0, 0},
		{"3600", time.Hour, 0},
		{"3600", time.Hour + time.Second, sigv4.PresignExpired},
		{"3600", -15 * time.Minute, 0},
		{"3600", -16 * time.Minute, sigv4.NotYetCurrent},
		{"604800", 7 * 24 * time.Hour, 0},
		{"604801", 0, sigv4.Incomplete},
		{"0", 0, sigv4.Incomplete},
		{"-5", 0, sigv4.Incomplete},
		{"soon", 0, sigv4.Incomplete},
		{"9999999999999999999999", 0, sigv4.Incomplete},
	}
	for _, tt := range tests {
		r := presigned(tt.expires)
		s, err := sigv4.Parse(r)
		if err == nil {
			err = s.Verify(r, sigv4.UnsignedPayload, testSecret, testTime.Add(tt.after))
		}
		if tt.want == 0 {
			if err != nil {
				t.Errorf("expires %s, after %v: refused: %v", tt.expires, tt.after, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("expires %s, after %v: accepted", tt.expires, tt.after)
		} else if got := reasonOf(t, err); got != tt.want {
			t.Errorf("expires %s, after %v: reason %d (%v), want %d", tt.expires, tt.after, got, err, tt.want)
		}
	}
}

// TestPathAlternatives: clients that do not normalise paths, or that send and
// sign characters as they are.
func TestPathAlternatives(t *testing.T) {
	t.Parallel()
	tests := []struct{ path, service string }{
		{"/prefix//x", "codepipeline"}, {"/a/./b/", "codepipeline"}, {"/a/../b", "codepipeline"},
		{"/b/a+b=c@d", "s3"}, {"/b/it's(1)!*", "s3"}, {"/b//c", "s3"},
	}
	for _, tt := range tests {
		r, err := http.NewRequest(http.MethodPut, "http://127.0.0.1:18555"+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = tt.service == "s3" })
		if err := signer.SignHTTP(t.Context(), aws.Credentials{AccessKeyID: testKeyID, SecretAccessKey: testSecret}, r, sigv4.EmptyHash, tt.service, "us-east-1", testTime); err != nil {
			t.Fatal(err)
		}
		if err := verify(received(t, r), "", tt.service, testTime); err != nil {
			t.Errorf("%s, as the SDK signs it: %v", tt.path, err)
		}
		sigv4.Sign(r, sigv4.EmptyHash, testCredentials, "us-east-1", tt.service, testTime)
		if err := verify(received(t, r), "", tt.service, testTime); err != nil {
			t.Errorf("%s, in canonical form: %v", tt.path, err)
		}
	}
}

// TestRepeatedParameter: of a repeated parameter it would be unclear which one
// counts.
func TestRepeatedParameter(t *testing.T) {
	t.Parallel()
	const query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261122%2Fus-east-1%2Fs3%2Faws4_request" +
		"&X-Amz-Date=20261122T123438Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00"
	for extra, want := range map[string]bool{"": true, "&versionId=1&versionId=2": true, "&X-Amz-Expires=604800": false, "&X-Amz-Signature=01": false} {
		r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1/b/k?"+query+extra, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sigv4.Parse(r); (err == nil) != want {
			t.Errorf("with %q: %v", extra, err)
		}
	}
}
