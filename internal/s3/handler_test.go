package s3

import (
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/blob"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

func TestRangesAndConditions(t *testing.T) {
	t.Parallel()
	forwardedToo(t, testRangesAndConditions)
}

func testRangesAndConditions(t *testing.T, f *face) {
	f.put("k", "0123456789")
	f.put("empty", "")
	o, err := f.Store.HeadObject(t.Context(), bucket, "k", "")
	f.must(err)
	etag := quote(o.ETag)
	stamp := func(d time.Duration) string { return o.Modified.Add(d).Format(http.TimeFormat) }
	tests := []struct {
		header       []string
		status       int
		body         string
		contentRange string
	}{
		{nil, 200, "0123456789", ""},
		{[]string{"Range", "bytes=0-0"}, 206, "0", "bytes 0-0/10"},
		{[]string{"Range", "bytes=2-5"}, 206, "2345", "bytes 2-5/10"},
		{[]string{"Range", "bytes=7-"}, 206, "789", "bytes 7-9/10"},
		{[]string{"Range", "bytes=-3"}, 206, "789", "bytes 7-9/10"},
		{[]string{"Range", "bytes=-99999999999999999999"}, 206, "0123456789", "bytes 0-9/10"},
		{[]string{"Range", "bytes=5-99999999999999999999"}, 206, "56789", "bytes 5-9/10"},
		{[]string{"Range", "bytes=5-4"}, 200, "0123456789", ""},
		{[]string{"Range", "bytes=0-1,3-4"}, 501, "NotImplemented", ""},
		{[]string{"Range", "lines=1-2"}, 200, "0123456789", ""},
		{[]string{"Range", "bytes=-"}, 200, "0123456789", ""},
		{[]string{"Range", "bytes=+1-2"}, 200, "0123456789", ""},
		{[]string{"Range", "bytes=10-"}, 416, "InvalidRange", ""},
		{[]string{"Range", "bytes=99999999999999999999-"}, 416, "InvalidRange", ""},
		{[]string{"Range", "bytes=-0"}, 416, "InvalidRange", ""},
		{[]string{"Range", "bytes=1-2", "If-Range", etag}, 206, "12", "bytes 1-2/10"},
		{[]string{"Range", "bytes=1-2", "If-Range", `"other"`}, 200, "0123456789", ""},
		{[]string{"If-Match", etag}, 200, "0123456789", ""},
		{[]string{"If-Match", o.ETag}, 200, "0123456789", ""},
		{[]string{"If-Match", `"other", ` + etag}, 200, "0123456789", ""},
		{[]string{"If-Match", "*"}, 200, "0123456789", ""},
		{[]string{"If-Match", `"other"`}, 412, "PreconditionFailed", ""},
		{[]string{"If-None-Match", etag}, 304, "", ""},
		{[]string{"If-None-Match", `W/` + etag}, 304, "", ""},
		{[]string{"If-None-Match", `"other"`}, 200, "0123456789", ""},
		{[]string{"If-Modified-Since", stamp(0)}, 304, "", ""},
		{[]string{"If-Modified-Since", stamp(-time.Minute)}, 200, "0123456789", ""},
		{[]string{"If-Modified-Since", "yesterday"}, 200, "0123456789", ""},
		{[]string{"If-Unmodified-Since", stamp(0)}, 200, "0123456789", ""},
		{[]string{"If-Unmodified-Since", stamp(-time.Minute)}, 412, "PreconditionFailed", ""},
		{[]string{"If-Match", etag, "If-Unmodified-Since", stamp(-time.Minute)}, 200, "0123456789", ""},
		{[]string{"If-None-Match", `"other"`, "If-Modified-Since", stamp(0)}, 200, "0123456789", ""},
		{[]string{"If-None-Match", etag, "Range", "bytes=1-2"}, 304, "", ""},
	}
	for _, tc := range tests {
		for _, method := range []string{"GET", "HEAD"} {
			answer := f.raw(method, "/"+bucket+"/k", "", tc.header...)
			body := bodyOf(answer)
			if answer.StatusCode != tc.status || answer.Header.Get("Content-Range") != tc.contentRange {
				t.Errorf("%s %v: %d %q", method, tc.header, answer.StatusCode, answer.Header.Get("Content-Range"))
			}
			if method == "HEAD" {
				if body != "" || tc.status < 300 && answer.ContentLength != int64(len(tc.body)) {
					t.Errorf("HEAD %v: %q, length %d", tc.header, body, answer.ContentLength)
				}
				continue
			}
			if tc.status < 300 && body != tc.body || tc.status > 304 && !strings.Contains(body, "<Code>"+tc.body+"</Code>") {
				t.Errorf("%v: %s", tc.header, body)
			}
			if tc.status == 304 && (answer.Header.Get("Etag") != etag || answer.Header.Get("Last-Modified") == "") {
				t.Errorf("%v: headers of 304: %v", tc.header, answer.Header)
			}
		}
	}
	if answer := f.raw("GET", "/"+bucket+"/empty", "", "Range", "bytes=0-"); answer.StatusCode != 416 {
		t.Errorf("range of an empty object: %d", answer.StatusCode)
	}
	doc := f.wantError(f.raw("GET", "/"+bucket+"/k", "", "Range", "bytes=11-"), 416, "InvalidRange")
	if doc.ActualObjectSize != "10" {
		t.Errorf("%+v", doc)
	}
}

// TestErrorDocument pins the exact form of one error.
func TestErrorDocument(t *testing.T) {
	t.Parallel()
	forwardedToo(t, testErrorDocument)
}

func testErrorDocument(t *testing.T, f *face) {
	answer := f.raw("GET", "/"+bucket+"/no%20such%3Ckey", "")
	want := `<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>no such&lt;key</Key><Resource>/artifacts/no such&lt;key</Resource><RequestId>` +
		answer.Header.Get("X-Amz-Request-Id") + `</RequestId></Error>`
	if diff := cmp.Diff(want, bodyOf(answer)); diff != "" {
		t.Error(diff)
	}
	h := answer.Header
	if h.Get("Content-Type") != "application/xml" || h.Get("Content-Security-Policy") != "sandbox" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", h)
	}
	if answer := f.raw("GET", "/"+bucket+"?location", ""); bodyOf(answer) != xml.Header+`<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>` {
		t.Error("location document")
	}
	f.versioned()
	answer = f.raw("GET", "/"+bucket+"?versioning", "")
	if body := bodyOf(answer); body != xml.Header+`<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>` {
		t.Error(body)
	}
}

// plain is a handler without signatures.
func plain(f *fixture, caller api.Caller, authorize Authorizer) *Handler {
	auth := AuthenticatorFunc(func(r *http.Request) (api.Caller, io.Reader, error) { return caller, r.Body, nil })
	return NewHandler(f.Store, auth, authorize, slog.New(slog.DiscardHandler))
}

// TestAuthorize shows which permission each operation asks for.
func TestAuthorize(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]*otherS3{"here": nil, "forwarded": newOtherS3(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testAuthorize(t, other)
		})
	}
}

func testAuthorize(t *testing.T, other *otherS3) {
	f := newFixture(t, dbtest.SQLite(t))
	f.put("a/ü", "kept")
	var asked []string
	deny := false
	h := plain(f, api.Caller{Account: account, Region: "us-east-1"}, func(caller api.Caller, action, resource string) error {
		if caller.Account != account || caller.RequestID == "" {
			t.Errorf("caller %+v", caller)
		}
		asked = append(asked, action+" "+resource)
		if deny {
			return &api.Error{Code: "AccessDeniedException", Message: "User: x is not authorized to perform: " + action}
		}
		return nil
	})
	if other != nil {
		h.Forward(other.keeps(account, ""))
	}
	object := "arn:aws:s3:::artifacts/a/ü"
	tests := []struct {
		method, target string
		want           []string
	}{
		{"GET", "/", []string{"s3:ListAllMyBuckets *"}},
		{"PUT", "/fresh", []string{"s3:CreateBucket arn:aws:s3:::fresh"}},
		{"HEAD", "/artifacts", []string{"s3:ListBucket arn:aws:s3:::artifacts"}},
		{"GET", "/artifacts/?location", []string{"s3:GetBucketLocation arn:aws:s3:::artifacts"}},
		{"GET", "/artifacts?versioning", []string{"s3:GetBucketVersioning arn:aws:s3:::artifacts"}},
		{"PUT", "/artifacts?versioning", []string{"s3:PutBucketVersioning arn:aws:s3:::artifacts"}},
		{"GET", "/artifacts?list-type=2", []string{"s3:ListBucket arn:aws:s3:::artifacts"}},
		{"GET", "/artifacts/a/%C3%BC", []string{"s3:GetObject " + object}},
		{"HEAD", "/artifacts/a/%C3%BC?versionId=null", []string{"s3:GetObjectVersion " + object}},
		{"PUT", "/artifacts/a/%C3%BC", []string{"s3:PutObject " + object}},
		{"PUT", "/artifacts/a/%C3%BC acl", []string{"s3:PutObject " + object, "s3:PutObjectAcl " + object}},
		{"DELETE", "/artifacts/a/%C3%BC?versionId=null", []string{"s3:DeleteObjectVersion " + object}},
		{"DELETE", "/artifacts/a/%C3%BC", []string{"s3:DeleteObject " + object}},
		{"PUT", "/artifacts/a/%C3%BC copy", []string{"s3:PutObject " + object, "s3:GetObject arn:aws:s3:::other/x y"}},
		{"PUT", "/artifacts/a/%C3%BC?uploadId=x&partNumber=1 copy", []string{"s3:PutObject " + object, "s3:GetObject arn:aws:s3:::other/x y"}},
		{"POST", "/artifacts?delete", []string{"s3:DeleteObject arn:aws:s3:::artifacts/a", "s3:DeleteObjectVersion arn:aws:s3:::artifacts/b"}},
		{"GET", "/artifacts/a/%C3%BC?tagging", []string{"s3:GetObjectTagging " + object}},
		{"GET", "/artifacts/a/%C3%BC?tagging&versionId=null", []string{"s3:GetObjectVersionTagging " + object}},
		{"PUT", "/artifacts/a/%C3%BC?tagging", []string{"s3:PutObjectTagging " + object}},
		{"DELETE", "/artifacts/a/%C3%BC?tagging", []string{"s3:DeleteObjectTagging " + object}},
		{"POST", "/artifacts/a/%C3%BC?uploads", []string{"s3:PutObject " + object}},
		{"PUT", "/artifacts/a/%C3%BC?uploadId=x&partNumber=1", []string{"s3:PutObject " + object}},
		{"POST", "/artifacts/a/%C3%BC?uploadId=x", []string{"s3:PutObject " + object}},
		{"GET", "/artifacts/a/%C3%BC?uploadId=x", []string{"s3:ListMultipartUploadParts " + object}},
		{"DELETE", "/artifacts/a/%C3%BC?uploadId=x", []string{"s3:AbortMultipartUpload " + object}},
		{"GET", "/artifacts?uploads", []string{"s3:ListBucketMultipartUploads arn:aws:s3:::artifacts"}},
		{"GET", "/artifacts?versions", []string{"s3:ListBucketVersions arn:aws:s3:::artifacts"}},
		{"GET", "/artifacts", []string{"s3:ListBucket arn:aws:s3:::artifacts"}},
		{"DELETE", "/fresh", []string{"s3:DeleteBucket arn:aws:s3:::fresh"}},
	}
	for _, denied := range []bool{true, false} {
		deny = denied
		for _, tc := range tests {
			target, acl := strings.CutSuffix(tc.target, " acl")
			target, copying := strings.CutSuffix(target, " copy")
			several, body := strings.HasSuffix(target, "?delete"), ""
			if several { // asks for each of the keys, and tells of each
				body = "<Delete><Object><Key>a</Key></Object><Object><Key>b</Key><VersionId>null</VersionId></Object></Delete>"
			}
			r := httptest.NewRequestWithContext(t.Context(), tc.method, target, strings.NewReader(body))
			if copying {
				r.Header.Set("X-Amz-Copy-Source", "other/x%20y")
			}
			if acl {
				r.Header.Set("X-Amz-Acl", "private")
			}
			asked = nil
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			want := tc.want
			if deny && !several {
				want = want[:1]
			}
			if diff := cmp.Diff(want, asked); diff != "" {
				t.Errorf("%s %s: %s", tc.method, tc.target, diff)
			}
			if deny && (w.Code != http.StatusForbidden && !several || tc.method != "HEAD" && !strings.Contains(w.Body.String(), "<Code>AccessDenied</Code>")) {
				t.Errorf("denied %s %s: %d %s", tc.method, tc.target, w.Code, w.Body)
			}
		}
		if deny {
			f.wantContent("a/ü", "", "kept")
		}
		if other != nil && deny != (len(other.calls()) == 0) {
			t.Errorf("denied: %v, and the other S3 is asked %v", deny, other.calls())
		}
	}
}

// TestForeignBucket shows that the owner's account alone opens a bucket.
func TestForeignBucket(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]*otherS3{"here": nil, "forwarded": newOtherS3(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testForeignBucket(t, other)
		})
	}
}

func testForeignBucket(t *testing.T, other *otherS3) {
	f := newFixture(t, dbtest.SQLite(t))
	f.put("k", "kept")
	h := plain(f, api.Caller{Account: "210987654321", Region: "us-east-1"}, func(api.Caller, string, string) error { return nil })
	if other != nil {
		h.Forward(other.keeps(account, ""))
	}
	for _, target := range []string{
		"GET /artifacts?list-type=2", "GET /artifacts/k", "HEAD /artifacts/k", "PUT /artifacts/k", "DELETE /artifacts/k",
		"PUT /artifacts/k?uploadId=x&partNumber=1", "POST /artifacts/k?uploads", "POST /artifacts/k?uploadId=x", "GET /artifacts/k?tagging",
		"POST /artifacts?delete", "GET /artifacts?versions", "GET /artifacts?uploads", "GET /artifacts", "DELETE /artifacts",
		"HEAD /artifacts", "GET /artifacts?versioning", "PUT /artifacts?versioning", "GET /artifacts?location",
	} {
		method, path, _ := strings.Cut(target, " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader("x")))
		refusal := http.StatusForbidden
		if other != nil && target == "DELETE /artifacts" {
			refusal = http.StatusNotImplemented
		}
		if w.Code != refusal {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	f.wantContent("k", "", "kept")
	if other != nil && len(other.calls()) > 0 {
		t.Errorf("the other S3 is asked %v", other.calls())
	}
}

// TestBodyErrors shows how errors of the content and of the disk are told.
func TestBodyErrors(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dbtest.SQLite(t))
	tests := map[string]struct {
		err    error
		status int
		code   string
	}{
		"signature":    {&api.Error{Code: "SignatureDoesNotMatch", Message: "chunk 3"}, 403, "SignatureDoesNotMatch"},
		"own status":   {&api.Error{Code: "Teapot", Status: 418}, 418, "Teapot"},
		"broken off":   {io.ErrUnexpectedEOF, 400, "IncompleteBody"},
		"limit":        {&http.MaxBytesError{Limit: 1}, 400, "EntityTooLarge"},
		"disk full":    {blob.ErrFull, 507, "InsufficientStorage"},
		"read-only":    {blob.ErrReadOnly, 503, "ServiceUnavailable"},
		"anything":     {errors.New("secret detail"), 500, "InternalError"},
		"end too soon": {io.EOF, 400, "IncompleteBody"},
	}
	for name, tc := range tests {
		auth := AuthenticatorFunc(func(*http.Request) (api.Caller, io.Reader, error) {
			return api.Caller{Account: account}, io.MultiReader(strings.NewReader("part"), errorReader{tc.err}), nil
		})
		h := NewHandler(f.Store, auth, func(api.Caller, string, string) error { return nil }, slog.New(slog.DiscardHandler))
		r := httptest.NewRequestWithContext(t.Context(), "PUT", "/artifacts/k", strings.NewReader("part and rest"))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tc.status || !strings.Contains(w.Body.String(), "<Code>"+tc.code+"</Code>") || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), "PUT", "/artifacts/k", struct{ io.Reader }{strings.NewReader("x")})
	w := httptest.NewRecorder()
	plain(f, api.Caller{Account: account}, func(api.Caller, string, string) error { return nil }).ServeHTTP(w, r)
	if w.Code != http.StatusLengthRequired {
		t.Errorf("no length: %d %s", w.Code, w.Body)
	}
	f.wantBlobs(0)
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

// TestLostContent has the disk lose a blob, or a part of it: an error, never an
// empty or short object.
func TestLostContent(t *testing.T) {
	t.Parallel()
	f := newFace(t, false)
	o := f.put("k", "content")
	f.must(f.blobs.Delete(t.Context(), o.contentKey))
	f.wantError(f.raw("GET", "/"+bucket+"/k", ""), 500, "InternalError")

	o = f.put("short", strings.Repeat("x", 1<<20))
	f.must(os.Truncate(filepath.Join(f.dir, o.contentKey), 1000))
	f.wantError(f.raw("GET", "/"+bucket+"/short", ""), 500, "InternalError")
}
