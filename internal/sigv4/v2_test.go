package sigv4_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// v2Secret is that of the examples of S3's developer guide (API version
// 2006-03-01), "Signing and Authenticating REST Requests".
const v2Secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

// verifyS3 does what a server does with a presigned URL.
func verifyS3(r *http.Request, secret string, now time.Time) (*sigv4.Signature, error) {
	s, err := sigv4.ParseS3(r)
	if err != nil {
		return nil, err
	}
	if err := s.CheckScope("s3"); err != nil {
		return nil, err
	}
	return s, s.Verify(r, sigv4.UnsignedPayload, secret, now)
}

// v2Request is a presigned request; header are pairs of names and values.
func v2Request(t fataler, method, target string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, "http://127.0.0.1:18555"+target, nil)
	if err != nil {
		t.Fatalf("making a request: %v", err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// signV2 signs as an old client does: what it means to sign is stated, not read
// from a request.
func signV2(secret, method, md5, media, expires string, amz []string, resource string) string {
	h := hmac.New(sha1.New, []byte(secret))
	text := method + "\n" + md5 + "\n" + media + "\n" + expires + "\n"
	for _, line := range amz {
		text += line + "\n"
	}
	h.Write([]byte(text + resource))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// TestV2Example is the one of "Query String Request Authentication Alternative":
// the bucket johnsmith, here in the path.
func TestV2Example(t *testing.T) {
	t.Parallel()
	const target = "/johnsmith/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620"
	r := received(t, v2Request(t, http.MethodGet, target))
	s, err := verifyS3(r, v2Secret, time.Unix(1175139620, 0))
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	if s.AccessKeyID != "AKIAIOSFODNN7EXAMPLE" || !s.Presigned || s.Service != "s3" || s.SessionToken != "" || s.PayloadHash != "" {
		t.Errorf("parsed as %+v", s)
	}
	if _, err := verifyS3(r, v2Secret, time.Unix(1175139621, 0)); err == nil || reasonOf(t, err) != sigv4.PresignExpired {
		t.Errorf("a second later: %v", err)
	}
	if err := verify(r, "", "codepipeline", time.Unix(1175139620, 0)); err == nil || reasonOf(t, err) != sigv4.Missing {
		t.Errorf("for a JSON service: %v", err)
	}
	if err := s.CheckScope("codepipeline"); err == nil {
		t.Error("the signature is good for CodePipeline")
	}
}

// TestV2HeaderExamples: the examples for the Authorization header have the same
// text to sign but for its date; their own signatures show that signV2, by which
// the others here are made, signs like S3.
func TestV2HeaderExamples(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"bWq2s1WEIj+Ydj0vQ697zp+IXMU=": signV2(v2Secret, "GET", "", "", "Tue, 27 Mar 2007 19:36:42 +0000", nil, "/johnsmith/photos/puppy.jpg"),
		"MyyxeRY7whkBe+bq8fHCL/2kKUg=": signV2(v2Secret, "PUT", "", "image/jpeg", "Tue, 27 Mar 2007 21:15:45 +0000", nil, "/johnsmith/photos/puppy.jpg"),
		"c2WLPFtWHVgbEmeEG93a4cG37dM=": signV2(v2Secret, "GET", "", "", "Tue, 27 Mar 2007 19:44:46 +0000", nil, "/johnsmith/?acl"),
		"ilyl83RwaSoYIEdixDQcA4OnAnc=": signV2(v2Secret, "PUT", "4gJE4saaMU4BqNR0kLY+lw==", "application/x-download", "Tue, 27 Mar 2007 21:06:08 +0000",
			[]string{"x-amz-acl:public-read", "x-amz-meta-checksumalgorithm:crc32", "x-amz-meta-filechecksum:0x02661779",
				"x-amz-meta-reviewedby:joe@johnsmith.net,jane@johnsmith.net"}, "/static.johnsmith.net/db-backup.dat.gz"),
	} {
		if got != want {
			t.Errorf("signed %s, want %s", got, want)
		}
	}
}

// TestV2Paths: botocore signs a bucket as "/bucket/" and sends "/bucket".
func TestV2Paths(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sent, signed string
		want         bool
	}{
		{"/bucket", "/bucket/", true}, {"/bucket", "/bucket", true}, {"/bucket/", "/bucket/", true}, {"", "/", true}, {"/", "/", true},
		{"/bucket/", "/bucket", false}, {"/bucket/k", "/bucket/k/", false}, {"/bucket/k/", "/bucket/k", false},
		{"/bucket//k", "/bucket/k", false}, {"/bucket/a/../k", "/bucket/k", false}, {"/", "//", false},
		{"/bucket/a%2fb", "/bucket/a%2fb", true}, {"/bucket/a%2fb", "/bucket/a/b", false}, {"/bucket/it's(1)!*", "/bucket/it's(1)!*", true},
	} {
		signature := signV2(testSecret, "GET", "", "", "1795350900", nil, tt.signed)
		r := received(t, v2Request(t, http.MethodGet, tt.sent+"?AWSAccessKeyId=A&Expires=1795350900&Signature="+url.QueryEscape(signature)))
		if _, err := verifyS3(r, testSecret, testTime); (err == nil) != tt.want {
			t.Errorf("%s, signed as %s: %v", tt.sent, tt.signed, err)
		}
	}
}

// v2Upload is the upload of the examples, as a presigned URL: it has everything
// that is signed.
func v2Upload(t fataler) *http.Request {
	const expires = "1795350900"
	signature := signV2(testSecret, "PUT", "4gJE4saaMU4BqNR0kLY+lw==", "application/x-download", expires,
		[]string{"x-amz-acl:public-read", "x-amz-meta-reviewedby:joe,jane", "x-amz-security-token:t/o+k="},
		"/bucket/a%20b/%C3%BC+~?partNumber=1&response-content-type=text/a b&uploadId=u/1")
	return v2Request(t, http.MethodPut, "/bucket/a%20b/%C3%BC+~?uploadId=u%2F1&partNumber=1&response-content-type=text%2Fa%20b&AWSAccessKeyId=AKIDEXAMPLE&Signature="+
		url.QueryEscape(signature)+"&x-amz-security-token=t%2Fo%2Bk%3D&x-amz-acl=public-read&Expires="+expires,
		"Content-Type", "application/x-download", "Content-MD5", "4gJE4saaMU4BqNR0kLY+lw==",
		"X-Amz-Meta-ReviewedBy", "joe", "X-Amz-Meta-ReviewedBy", " jane ")
}

// replaced changes the query of a request.
func replaced(old, new string) func(*http.Request) {
	return func(r *http.Request) {
		if !strings.Contains(r.URL.RawQuery, old) {
			panic("no " + old + " in " + r.URL.RawQuery)
		}
		r.URL.RawQuery = strings.Replace(r.URL.RawQuery, old, new, 1)
	}
}

func added(query string) func(*http.Request) {
	return func(r *http.Request) { r.URL.RawQuery += "&" + query }
}

func header(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[name] = values }
}

func TestV2Tampered(t *testing.T) {
	t.Parallel()
	type test struct {
		name   string
		change func(*http.Request)
		want   sigv4.Reason
	}
	tests := []test{
		{"untouched", func(*http.Request) {}, 0},
		{"a parameter that says nothing", added("x-id=PutObject"), 0},
		{"the token in a header too", header("X-Amz-Security-Token", "t/o+k="), 0},
		{"method", func(r *http.Request) { r.Method = http.MethodGet }, sigv4.Mismatch},
		{"path", func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/bucket/other", "" }, sigv4.Mismatch},
		{"path, encoded otherwise", func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/bucket/a b/ü+~", "/bucket/a%20b/%C3%BC%2B~" }, sigv4.Mismatch},
		{"bucket", func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/bucke/ta b/ü+~", "" }, sigv4.Mismatch},
		{"media type", header("Content-Type", "text/html"), sigv4.Mismatch},
		{"no media type", header("Content-Type"), sigv4.Mismatch},
		{"MD5", header("Content-Md5", "4gJE4saaMU4BqNR0kLY+lx=="), sigv4.Mismatch},
		{"metadata", header("X-Amz-Meta-Reviewedby", "joe"), sigv4.Mismatch},
		{"more metadata", header("X-Amz-Meta-More", "x"), sigv4.Mismatch},
		{"the source of a copy", header("X-Amz-Copy-Source", "/bucket/secret"), sigv4.Mismatch},
		{"the source of a copy in the query", added("X-AMZ-copy-source=/bucket/secret"), sigv4.Mismatch},
		{"another ACL in the header", header("X-Amz-Acl", "private"), sigv4.Mismatch},
		{"another ACL", replaced("x-amz-acl=public-read", "x-amz-acl=private"), sigv4.Mismatch},
		{"no ACL", replaced("&x-amz-acl=public-read", ""), sigv4.Mismatch},
		{"ACL twice", added("X-Amz-Acl=private"), sigv4.MalformedV2},
		{"another part", replaced("partNumber=1", "partNumber=2"), sigv4.Mismatch},
		{"part twice", added("partNumber=2"), sigv4.MalformedV2},
		{"no part", replaced("&partNumber=1", ""), sigv4.Mismatch},
		{"upload", replaced("uploadId=u%2F1", "uploadId=u%2F2"), sigv4.Mismatch},
		{"parameters in one", replaced("uploadId=u%2F1&partNumber=1&response-content-type=text%2Fa%20b", "partNumber=1%26response-content-type=text%2Fa%20b%26uploadId=u%2F1"), sigv4.MalformedV2},
		{"no value in place of an empty one", replaced("partNumber=1", "partNumber"), sigv4.Mismatch},
		{"later end", replaced("Expires=1795350900", "Expires=1795350901"), sigv4.Mismatch},
		{"end twice", added("Expires=1795350901"), sigv4.MalformedV2},
		{"end with a sign", replaced("Expires=1795350900", "Expires=%2B1795350900"), sigv4.MalformedV2},
		{"no number", replaced("Expires=1795350900", "Expires=soon"), sigv4.MalformedV2},
		{"no end", replaced("Expires=1795350900", "Expires="), sigv4.MalformedV2},
		{"end beyond all numbers", replaced("Expires=1795350900", "Expires=99999999999999999999"), sigv4.MalformedV2},
		{"the last second of all", replaced("Expires=1795350900", "Expires=9223372036854775807"), sigv4.Mismatch},
		{"the first second of all", replaced("Expires=1795350900", "Expires=0"), sigv4.PresignExpired},
		{"no signature", replaced("Signature=", "Signatur="), sigv4.MalformedV2},
		{"another signature", replaced("Signature=", "Signature=A"), sigv4.Mismatch},
		{"signature twice", added("Signature=A"), sigv4.MalformedV2},
		{"key twice", added("AWSAccessKeyId=A"), sigv4.MalformedV2},
		{"token", replaced("t%2Fo%2Bk%3D", "t%2Fo%2Bk%3E"), sigv4.Mismatch},
		{"no token", replaced("&x-amz-security-token=t%2Fo%2Bk%3D", ""), sigv4.Mismatch},
		{"another token in the header", header("X-Amz-Security-Token", "other"), sigv4.Mismatch},
		{"a header of two lines", added("x-amz-b=a%0Ax-amz-c:d"), sigv4.MalformedV2},
		{"a name of two lines", added("x-amz-b:a%0Ax-amz-c=d"), sigv4.MalformedV2},
		{"unreadable query", added("a=%zz"), sigv4.MalformedV2},
		{"semicolon", added("a;versionId=1"), sigv4.MalformedV2},
		{"also in the header", header("Authorization", "AWS4-HMAC-SHA256 Credential=x"), sigv4.Ambiguous},
		{"also of version 4", added("X-Amz-Algorithm=AWS4-HMAC-SHA256"), sigv4.Ambiguous},
		{"half of version 4", added("X-Amz-Signature=00"), sigv4.Mismatch},
		{"signed chunks", header("X-Amz-Content-Sha256", sigv4.StreamingSigned), sigv4.MalformedV2},
	}
	for _, name := range []string{"acl", "lifecycle", "location", "logging", "notification", "policy", "requestPayment", "torrent", "uploads",
		"versionId", "versioning", "versions", "website", "delete", "tagging", "cors", "restore", "response-cache-control", "response-content-disposition",
		"response-content-encoding", "response-content-language", "response-expires"} {
		tests = append(tests, test{name, added(name), sigv4.Mismatch}, test{name + " with a value", added(name + "=x"), sigv4.Mismatch})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := received(t, v2Upload(t))
			tt.change(r)
			s, err := verifyS3(r, testSecret, testTime)
			if tt.want == 0 {
				if err != nil || s.SessionToken != "t/o+k=" {
					t.Errorf("%+v, %v", s, err)
				}
				return
			}
			if err == nil || reasonOf(t, err) != tt.want {
				t.Errorf("answered %v, want reason %d", err, tt.want)
			}
		})
	}
	if _, err := verifyS3(received(t, v2Upload(t)), testSecret+"x", testTime); err == nil {
		t.Error("accepted with another secret")
	}
}

// TestV2Property: what a client signs is accepted however the query is ordered,
// and with any change of a signed part it is not.
func TestV2Property(t *testing.T) {
	t.Parallel()
	text := rapid.StringOfN(rapid.RuneFrom([]rune("abzAZ09-._~ !*'();:@&=+$,/?#[]%\"é😀")), 1, 8, -1)
	counting := []string{"acl", "delete", "location", "partNumber", "restore", "tagging", "uploadId", "uploads", "versionId", "versions",
		"response-content-disposition", "response-expires"}
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.SampledFrom(counting), 0, 3, rapid.ID).Draw(t, "parameters")
		slices.Sort(names)
		var query, resource, amz, sent []string
		for _, name := range names {
			value := text.Draw(t, name)
			query, resource = append(query, name+"="+url.QueryEscape(value)), append(resource, name+"="+value)
		}
		for i, name := range []string{"x-amz-acl", "x-amz-meta-a", "x-amz-security-token"} {
			value := strings.TrimSpace(text.Draw(t, name)) + "x"
			if !rapid.Bool().Draw(t, "with "+name) {
				continue
			}
			amz = append(amz, name+":"+value)
			if i == 1 {
				sent = []string{name, value}
			} else {
				query = append(query, name+"="+url.QueryEscape(value))
			}
		}
		path := "/bucket" + escapePath("/"+text.Draw(t, "key"))
		expires := strconv.FormatInt(testTime.Unix()+rapid.Int64Range(0, 1<<40).Draw(t, "ends"), 10)
		method := rapid.SampledFrom([]string{"GET", "PUT", "HEAD", "DELETE", "POST"}).Draw(t, "method")
		signed := path
		if len(resource) > 0 {
			signed += "?" + strings.Join(resource, "&")
		}
		query = append(query, "prefix=unsigned", "AWSAccessKeyId=AKIDEXAMPLE", "Expires="+expires,
			"Signature="+url.QueryEscape(signV2(testSecret, method, "", "", expires, amz, signed)))
		query = rapid.Permutation(query).Draw(t, "query")
		request := func(method, path string, query []string) *http.Request {
			return received(t, v2Request(t, method, path+"?"+strings.Join(query, "&"), sent...))
		}
		if _, err := verifyS3(request(method, path, query), testSecret, testTime); err != nil {
			t.Fatalf("refused: %v", err)
		}
		change := slices.Clone(query)
		at := rapid.IntRange(0, len(change)-1).Draw(t, "changed")
		name, _, _ := strings.Cut(change[at], "=")
		what := rapid.SampledFrom([]string{"method", "path", "value", "cut", "add", "copy"}).Draw(t, "change")
		if name == "prefix" || name == "AWSAccessKeyId" && what == "value" {
			return // the one is not signed, the other is another's secret
		}
		switch what {
		case "method":
			method = "PATCH"
		case "path":
			path += "x"
		case "value":
			change[at] += "0"
		case "cut":
			change = slices.Delete(change, at, at+1)
		case "add":
			change = append(change, rapid.SampledFrom([]string{"x-amz-copy-source=a", "website", "cors=", "X-Amz-Meta-New=b"}).Draw(t, "new"))
		case "copy":
			change = append(change, change[at])
		}
		if _, err := verifyS3(request(method, path, change), testSecret, testTime); err == nil {
			t.Fatalf("accepted %s %s?%s in place of %s", method, path, strings.Join(change, "&"), strings.Join(query, "&"))
		} else if _, ok := errors.AsType[*sigv4.Error](err); !ok {
			t.Fatalf("no reason: %v", err)
		}
	})
}

// FuzzParseV2: whatever the query of a request carries ends in an answer, and
// nothing that was not signed with the secret is accepted.
func FuzzParseV2(f *testing.F) {
	f.Add("/b/k", "AWSAccessKeyId=A&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1795350900", "")
	f.Add("/b/k", "AWSAccessKeyId=A&Signature=AA==&Expires=9223372036854775807&x-amz-b=%0A&versionId=a%26acl", "text/plain")
	f.Add("", "AWSAccessKeyId&Signature&Expires&&=&x-amz-", "\x00")
	f.Fuzz(func(t *testing.T, path, query, media string) {
		r := &http.Request{Method: http.MethodGet, Host: "127.0.0.1", URL: &url.URL{Path: path, RawQuery: query},
			Header: http.Header{"Content-Type": {media}}, Body: http.NoBody}
		if !sigv4.HasV2(r) {
			return
		}
		s, err := sigv4.ParseS3(r)
		if err != nil {
			if _, ok := errors.AsType[*sigv4.Error](err); !ok {
				t.Fatal(fmt.Errorf("no reason: %w", err))
			}
			return
		}
		if s.Verify(r, sigv4.UnsignedPayload, testSecret, testTime) == nil {
			t.Fatal("accepted without the secret")
		}
	})
}
