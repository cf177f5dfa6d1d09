package sigv4_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// TestVector is a request of the AWS CLI whose signature was recomputed
// independently.
func TestVector(t *testing.T) {
	t.Parallel()
	const body = `{"name": "p1", "variables": [{"name": "A", "value": "B"}], "clientRequestToken": "105ed8cb-54e3-4e53-89bf-dcb324d08949"}`
	const authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/us-east-1/codepipeline/aws4_request, " +
		"SignedHeaders=content-type;host;x-amz-date;x-amz-target, " +
		"Signature=363ed879153f7f1ceccb4f726c4c7cec152235b4332d44d61f30abd47f0eb2bf"
	r := newRequest(t, body)
	r.Header.Set("X-Amz-Target", "CodePipeline_20150709.StartPipelineExecution")

	sigv4.Sign(r, sigv4.Hash([]byte(body)), sigv4.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, "us-east-1", "codepipeline", testTime)
	if got := r.Header.Get("Authorization"); got != authorization {
		t.Errorf("signed with\n%s\nwant\n%s", got, authorization)
	}

	r = received(t, r)
	s, err := sigv4.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(r, "59f2ff11096cbb92b9de958090a9c477969a1227bb7fbed234f16a1c15f1bf4b", "secret", testTime); err != nil {
		t.Errorf("the vector is refused: %v", err)
	}
	if err := s.Verify(r, "59f2ff11096cbb92b9de958090a9c477969a1227bb7fbed234f16a1c15f1bf4b", "secreT", testTime); err == nil {
		t.Error("another secret is accepted")
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const mismatch = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	replace := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			h := r.Header.Get("Authorization")
			if !strings.Contains(h, old) {
				panic("no " + old + " in " + h)
			}
			r.Header.Set("Authorization", strings.Replace(h, old, new, 1))
		}
	}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	tests := []struct {
		name   string
		change func(*http.Request)
		now    time.Time
		code   string
		reason sigv4.Reason
		want   string
	}{
		{name: "no signature", change: func(r *http.Request) { r.Header.Del("Authorization") },
			code: "MissingAuthenticationTokenException", reason: sigv4.Missing, want: "Missing Authentication Token"},
		{name: "another scheme", change: set("Authorization", "Bearer abc"),
			code: "MissingAuthenticationTokenException", reason: sigv4.Missing, want: "Missing Authentication Token"},
		{name: "another algorithm", change: replace("AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 "),
			code: "IncompleteSignatureException", reason: sigv4.Incomplete, want: "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'"},
		{name: "two headers", change: func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) },
			code: "IncompleteSignatureException", reason: sigv4.Incomplete, want: "must not be repeated"},
		{name: "header and query", change: func(r *http.Request) { r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256" },
			code: "InvalidSignatureException", reason: sigv4.Ambiguous,
			want: "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."},
		{name: "nothing but the algorithm", change: func(r *http.Request) {
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256")
			r.Header.Del("X-Amz-Date")
		}, code: "IncompleteSignatureException", reason: sigv4.Incomplete,
			want: "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. " +
				"Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. " +
				"Authorization=AWS4-HMAC-SHA256"},
		{name: "not key=value", change: set("Authorization", "AWS4-HMAC-SHA256 Credential"),
			code: "IncompleteSignatureException", reason: sigv4.Incomplete,
			want: "'Credential' not a valid key=value pair (missing equal-sign) in Authorization header: 'AWS4-HMAC-SHA256 Credential'."},
		{name: "short credential", change: replace("/us-east-1/", "/"),
			code: "IncompleteSignatureException", reason: sigv4.Incomplete, want: "Credential must have exactly 5 slash-delimited elements"},
		{name: "bad date", change: set("X-Amz-Date", "2026-11-22"),
			code: "IncompleteSignatureException", reason: sigv4.Incomplete, want: "Date must be in ISO-8601 'basic format'. Got '2026-11-22'."},
		{name: "no host signed", change: replace(";host;", ";"),
			code: "InvalidSignatureException", reason: sigv4.Unsigned, want: "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."},
		{name: "no target signed", change: replace(";x-amz-target", ""),
			code: "InvalidSignatureException", reason: sigv4.Unsigned, want: "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization."},
		{name: "added token", change: set("X-Amz-Security-Token", "token"),
			code: "InvalidSignatureException", reason: sigv4.Unsigned, want: "'X-Amz-Security-Token' must be a 'SignedHeader' in the AWS Authorization."},
		{name: "upper-case header name", change: replace(";host;", ";Host;"),
			code: "IncompleteSignatureException", reason: sigv4.Incomplete, want: "SignedHeaders must be lower-case header names"},
		{name: "endless list of headers", change: replace(";host;", strings.Repeat(";host", 200)+";"),
			code: "IncompleteSignatureException", reason: sigv4.Incomplete, want: "SignedHeaders names too many headers"},
		{name: "scope of another day", change: replace("/20261122/", "/20261121/"),
			code: "InvalidSignatureException", reason: sigv4.Scope,
			want: "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP"},
		{name: "scope of another service", change: replace("/codepipeline/", "/codebuild/"),
			code: "InvalidSignatureException", reason: sigv4.Scope, want: "Credential should be scoped to correct service: 'codepipeline'"},
		{name: "bad terminator", change: replace("/aws4_request", "/aws5_request"),
			code: "InvalidSignatureException", reason: sigv4.Scope, want: "Credential should be scoped with a valid terminator: 'aws4_request'"},
		{name: "no region", change: replace("/us-east-1/", "//"),
			code: "InvalidSignatureException", reason: sigv4.Scope, want: "Credential should be scoped to a valid Region, not ''"},
		{name: "another region", change: replace("/us-east-1/", "/eu-west-1/"), code: "InvalidSignatureException", reason: sigv4.Mismatch, want: mismatch},
		{name: "another target", change: set("X-Amz-Target", "CodePipeline_20150709.DeletePipeline"), code: "InvalidSignatureException", reason: sigv4.Mismatch, want: mismatch},
		{name: "another host", change: func(r *http.Request) { r.Host = "example.org" }, code: "InvalidSignatureException", reason: sigv4.Mismatch, want: mismatch},
		{name: "another path", change: func(r *http.Request) { r.URL.Path = "/x" }, code: "InvalidSignatureException", reason: sigv4.Mismatch, want: mismatch},
		{name: "another query", change: func(r *http.Request) { r.URL.RawQuery = "a=b" }, code: "InvalidSignatureException", reason: sigv4.Mismatch, want: mismatch},
		{name: "unreadable query", change: func(r *http.Request) { r.URL.RawQuery = "a=%zz" }, code: "InvalidSignatureException", reason: sigv4.Mismatch, want: mismatch},
		{name: "no hexadecimal", change: replace("Signature=", "Signature=x"), code: "InvalidSignatureException", reason: sigv4.Mismatch, want: mismatch},
		{name: "wrong payload hash", change: set("X-Amz-Content-Sha256", sigv4.EmptyHash), code: "InvalidSignatureException", reason: sigv4.Mismatch, want: mismatch},
		{name: "unsigned payload", change: set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"),
			code: "InvalidSignatureException", reason: sigv4.Payload, want: "'UNSIGNED-PAYLOAD' is not supported by this service"},
		{name: "streaming payload", change: set("X-Amz-Content-Sha256", sigv4.StreamingSigned),
			code: "InvalidSignatureException", reason: sigv4.Payload, want: "is not supported by this service"},
		{name: "too old", now: testTime.Add(5*time.Minute + time.Second), code: "InvalidSignatureException", reason: sigv4.Expired,
			want: "Signature expired: 20261122T123438Z is now earlier than 20261122T123439Z (20261122T123939Z - 5 min.)"},
		{name: "in the future", now: testTime.Add(-5*time.Minute - time.Second), code: "InvalidSignatureException", reason: sigv4.NotYetCurrent,
			want: "Signature not yet current: 20261122T123438Z is still later than 20261122T123437Z (20261122T122937Z + 5 min.)"},
		{name: "just old enough", now: testTime.Add(5 * time.Minute)},
		{name: "just young enough", now: testTime.Add(-5 * time.Minute)},
		{name: "untouched"},
	}
	const body = `{"name":"p"}`
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRequest(t, body)
			sigv4.Sign(r, sigv4.Hash([]byte(body)), testCredentials, "us-east-1", "codepipeline", testTime)
			r = received(t, r)
			if tt.change != nil {
				tt.change(r)
			}
			now := tt.now
			if now.IsZero() {
				now = testTime
			}
			err := verify(r, body, "codepipeline", now)
			if tt.code == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			e, ok := errors.AsType[*sigv4.Error](err)
			if !ok {
				t.Fatalf("accepted, or refused without a reason: %v", err)
			}
			if e.Code != tt.code || e.Reason != tt.reason || !strings.Contains(e.Message, tt.want) {
				t.Errorf("refused with\n%d %s: %s\nwant\n%d %s: %s", e.Reason, e.Code, e.Message, tt.reason, tt.code, tt.want)
			}
		})
	}
}

// TestDateHeader: a Date header stands in for X-Amz-Date.
func TestDateHeader(t *testing.T) {
	t.Parallel()
	r := newRequest(t, "{}")
	sigv4.Sign(r, sigv4.Hash([]byte("{}")), testCredentials, "us-east-1", "codepipeline", testTime)
	r.Header.Del("X-Amz-Date")
	r.Header.Set("Date", testTime.Format(http.TimeFormat))
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "x-amz-date;", "", 1))
	s, err := sigv4.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Time.Equal(testTime) {
		t.Errorf("signed at %v, want %v", s.Time, testTime)
	}
}

// TestKeyCache: a cached key is used for its own secret only, also after a flood
// of requests for other scopes.
func TestKeyCache(t *testing.T) {
	t.Parallel()
	var keys sigv4.KeyCache
	attempt := func(region, signedWith, secret string) error {
		r := newRequest(t, "{}")
		sigv4.Sign(r, sigv4.Hash([]byte("{}")), sigv4.Credentials{AccessKeyID: testKeyID, SecretAccessKey: signedWith}, region, "codepipeline", testTime)
		s, err := sigv4.Parse(r)
		if err != nil {
			return err
		}
		return keys.Verify(s, r, sigv4.Hash([]byte("{}")), secret, testTime)
	}
	for range 2 {
		if err := attempt("us-east-1", "one", "one"); err != nil {
			t.Fatalf("refused: %v", err)
		}
		if err := attempt("us-east-1", "one", "two"); err == nil {
			t.Fatal("the key of a replaced secret is accepted")
		}
		for n := range 1100 {
			if err := attempt("r"+string(rune('a'+n%26))+string(rune('a'+n/26%26))+string(rune('a'+n/676)), "one", "one"); err != nil {
				t.Fatalf("refused: %v", err)
			}
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	r, err := http.NewRequest(http.MethodPost, "http://127.0.0.1:18555/", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "CodePipeline_20150709.StartPipelineExecution")
	sigv4.Sign(r, sigv4.EmptyHash, testCredentials, "us-east-1", "codepipeline", testTime)
	var keys sigv4.KeyCache
	b.ReportAllocs()
	for b.Loop() {
		s, err := sigv4.Parse(r)
		if err != nil {
			b.Fatal(err)
		}
		if err := keys.Verify(s, r, sigv4.EmptyHash, testSecret, testTime); err != nil {
			b.Fatal(err)
		}
	}
}
