package s3

import (
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/blob"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// fuzzed is a handler over a store with an object and an upload.
func fuzzed(f *testing.F) (*Store, *Handler, Upload) {
	f.Helper()
	d := dbtest.SQLite(f)
	blobs, err := blob.OpenDir(f.TempDir())
	if err == nil {
		f.Cleanup(func() { _ = blobs.Close() })
		err = d.Migrate(f.Context(), Schema())
	}
	s := New(d, blobs, slog.New(slog.DiscardHandler))
	var u Upload
	if err == nil {
		err = s.CreateBucket(f.Context(), Owner{Account: account, Region: "us-east-1"}, bucket)
	}
	if err == nil {
		_, err = s.PutObject(f.Context(), bucket, "k", strings.NewReader("content"), PutOptions{})
	}
	if err == nil {
		u, err = s.CreateUpload(f.Context(), bucket, "k", Headers{}, "CRC32", "")
	}
	if err == nil {
		_, _, err = s.UploadPart(f.Context(), bucket, "k", u.ID, 1, strings.NewReader("part"), PutOptions{})
	}
	if err != nil {
		f.Fatal(err)
	}
	auth := AuthenticatorFunc(func(r *http.Request) (api.Caller, io.Reader, error) {
		return api.Caller{Account: account, Region: "us-east-1"}, r.Body, nil
	})
	return s, NewHandler(s, auth, func(api.Caller, string, string) error { return nil }, slog.New(slog.DiscardHandler)), u
}

// FuzzDocument sends documents to all that read one: the answer is an error of
// the client's, or a document, and the object is what it was.
func FuzzDocument(f *testing.F) {
	s, h, u := fuzzed(f)
	targets := []string{
		"POST /artifacts/k?uploadId=" + u.ID, "POST /artifacts?delete", "PUT /artifacts/k?tagging", "PUT /artifacts?versioning", "PUT /fuzzed-bucket",
	}
	for _, body := range []string{
		"", " ", "<", "<a>", "<Delete><Object><Key>x</Key><VersionId>null</VersionId></Object><Quiet>true</Quiet></Delete>",
		"<Delete><Quiet>maybe</Quiet></Delete>", `<?xml version="1.0" encoding="latin1"?><Delete/>`, "<!DOCTYPE a [<!ENTITY b \"c\">]><Delete><Object><Key>&b;</Key></Object></Delete>",
		"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;x&quot;</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></CompleteMultipartUpload>",
		"<CompleteMultipartUpload><Part><PartNumber>99999999999999999999</PartNumber></Part></CompleteMultipartUpload>",
		"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>", "<Tagging xmlns=\"x\"><TagSet/></Tagging>",
		"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
		"<CreateBucketConfiguration><LocationConstraint>EU</LocationConstraint></CreateBucketConfiguration>",
	} {
		for n := range targets {
			f.Add(n, body)
		}
	}
	f.Fuzz(func(t *testing.T, choice int, body string) {
		n := int(uint(choice) % uint(len(targets)))
		method, target, _ := strings.Cut(targets[n], " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body)))
		if w.Code >= 500 && w.Code != http.StatusNotImplemented {
			t.Errorf("%s %q: %d %s", targets[n], body, w.Code, w.Body)
		}
		if w.Body.Len() > 0 && xml.Unmarshal(w.Body.Bytes(), &struct{ XMLName xml.Name }{}) != nil {
			t.Errorf("the answer is not XML: %s", w.Body)
		}
		if n == 0 { // what is deleted depends on the document; an upload ends whole
			if _, r, err := s.GetObject(t.Context(), bucket, "k", ""); err == nil {
				content, err := io.ReadAll(r)
				if text := string(content); err != nil || text != "content" && text != "part" {
					t.Errorf("content %q, %v", text, err)
				}
				_ = r.Close()
			}
		}
	})
}

// FuzzKey has a key and a range go the whole way: path, store, copy source and
// list.
func FuzzKey(f *testing.F) {
	_, h, _ := fuzzed(f)
	for n, key := range strangeKeys() {
		f.Add(key, []string{"bytes=0-1", "bytes=-1", "bytes=1-", "bytes=5-2", "bytes=0-1,2-3", "", "bytes=" + strings.Repeat("9", 30) + "-"}[n%7])
	}
	f.Add("a\xff", "bytes=--1")
	f.Add("\x00", "lines=1-2")
	do := func(t *testing.T, method, target, body string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
		for n := 0; n < len(header); n += 2 {
			r.Header[header[n]] = []string{header[n+1]}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	f.Fuzz(func(t *testing.T, key, part string) {
		if key == "" || len(key) > 1100 {
			t.Skip("a path without a key names the bucket; far too long keys show nothing that 1,025 bytes do not")
		}
		escaped := url.PathEscape(key)
		path := "/" + bucket + "/" + escaped
		w := do(t, "PUT", path, key)
		if valid := CheckKey(key) == nil; (w.Code == http.StatusOK) != valid {
			t.Fatalf("put %q: %d %s", key, w.Code, w.Body)
		} else if !valid {
			return
		}
		if w := do(t, "GET", path, ""); w.Body.String() != key {
			t.Errorf("got %q, want %q", w.Body, key)
		}
		w = do(t, "GET", path, "", "Range", part)
		if w.Code == http.StatusPartialContent && !strings.Contains(key, w.Body.String()) || w.Code >= 500 && w.Code != http.StatusNotImplemented {
			t.Errorf("range %q of %q: %d %q", part, key, w.Code, w.Body)
		}
		if w := do(t, "PUT", "/"+bucket+"/copy", "", "X-Amz-Copy-Source", bucket+"/"+escaped); key != "copy" && w.Code != http.StatusOK {
			t.Errorf("copy of %q: %d %s", key, w.Code, w.Body)
		}
		if w := do(t, "GET", "/"+bucket+"/copy", ""); w.Body.String() != key {
			t.Errorf("the copy is %q, want %q", w.Body, key)
		}
		w = do(t, "GET", "/"+bucket+"?encoding-type=url&prefix="+url.QueryEscape(key), "")
		if !strings.Contains(w.Body.String(), "<Key>"+urlEncode(key)+"</Key>") {
			t.Errorf("%q is not listed: %s", key, w.Body)
		}
		if w := do(t, "DELETE", path, ""); w.Code != http.StatusNoContent {
			t.Errorf("delete %q: %d %s", key, w.Code, w.Body)
		}
	})
}

func FuzzRequest(f *testing.F) {
	for _, target := range []string{
		"/", "//", "/b", "/b/", "/b/k", "/b//k", "/b/../k", "/b%2Fx/k", "/b/%2e%2e/%2F", "/b/k?versionId=", "/b?list-type=2&prefix=%ff",
		"/b?uploads", "/b/k?uploadId=1&partNumber=2", "/b/k?a=%zz", "/b?delete&acl", "/b/%F0%9F%98%80", "/?x-id=ListBuckets", "/b/k;a?b;c",
	} {
		for _, method := range []string{"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"} {
			f.Add(method, target, "bytes=0-1")
		}
	}
	f.Fuzz(func(t *testing.T, method, target, value string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Skip("net/http refuses such a request line itself")
		}
		bucket, key, err := splitPath(u)
		if err == nil && strings.HasPrefix(u.Path, "/") && u.Path != "/"+bucket && u.Path != "/"+bucket+"/"+key {
			t.Errorf("%q is split into %q and %q", u.Path, bucket, key)
		}
		query, _ := url.ParseQuery(u.RawQuery)
		header := http.Header{"Range": {value}, "If-Match": {value}, "If-None-Match": {value}, "If-Modified-Since": {value}}
		name := operationOf(method, bucket, key, query, header)
		if name != "" && !utf8.ValidString(name) || strings.ContainsAny(name, "!?&=") {
			t.Errorf("operation %q", name)
		}
		if key == "" && strings.HasSuffix(name, "Object") && name != "PostObject" {
			t.Errorf("%s %q: operation %q has no key", method, target, name)
		}
		conditions(header, Object{ETag: "x"})
		if part, ok, err := parseRange(value, 10); ok && err == nil && (part.start < 0 || part.length < 1 || part.start+part.length > 10) {
			t.Errorf("range %q: %+v", value, part)
		}
		metadata(http.Header{"X-Amz-Meta-" + value: {value}})
		contentEncoding(http.Header{"Content-Encoding": {value}})
		if decoded, err := url.QueryUnescape(urlEncode(key)); err != nil || decoded != key {
			t.Errorf("%q encodes to %q", key, urlEncode(key))
		}
	})
}

// FuzzCopySource: a source that is written as the SDKs write it is the one that is
// meant; whatever else the header holds ends in an error of the client's.
func FuzzCopySource(f *testing.F) {
	_, h, _ := fuzzed(f)
	for _, text := range []string{"artifacts/k", "/artifacts/k?versionId=null", "artifacts%2Fk", "artifacts", "/", "", "?", "a/%zz", "a/b?versionId=%", "arn:aws:s3:::a/b"} {
		f.Add(text, "artifacts", "k", "null")
	}
	f.Add("", "b", "a b+?%2F/../ü", "x&y=z")
	f.Fuzz(func(t *testing.T, text, from, key, version string) {
		put := func(text string) (*call, *httptest.ResponseRecorder) {
			r := httptest.NewRequestWithContext(t.Context(), "PUT", "/artifacts/copy", nil)
			r.Header["X-Amz-Copy-Source"] = []string{text}
			w := httptest.NewRecorder()
			return &call{h: h, w: w, r: r}, w
		}
		c, w := put(text)
		h.ServeHTTP(w, c.r)
		if w.Code >= 500 && w.Code != http.StatusNotImplemented {
			t.Errorf("%q: %d %s", text, w.Code, w.Body)
		}
		if got, err := c.copySource(); err == nil && (got.bucket == "" || strings.Contains(got.bucket, "/") || CheckKey(got.key) != nil) {
			t.Errorf("%q: %+v", text, got)
		}
		if from == "" || strings.Contains(from, "/") || CheckKey(key) != nil {
			return
		}
		want := source{from, key, version}
		c, _ = put(url.PathEscape(from) + "/" + url.PathEscape(key) + "?versionId=" + url.QueryEscape(version))
		if got, err := c.copySource(); err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	})
}

// FuzzRange compares with the definition: the positions of the bytes that are asked
// for, one after the other.
func FuzzRange(f *testing.F) {
	for n, header := range []string{"bytes=0-", "bytes=-3", "bytes=3-3", "bytes=5-2", "bytes=-0", "bytes=9-", "bytes=0-99", "bytes=", "bytes=--1", "bytes=+1-2"} {
		f.Add(header, uint8(n), uint16(n), uint16(2*n))
	}
	f.Fuzz(func(t *testing.T, header string, size uint8, first, last uint16) {
		if part, ok, err := parseRange(header, int64(size)); ok && (err != nil || part.start < 0 || part.length < 1 || part.start+part.length > int64(size)) {
			t.Errorf("%q of %d: %+v, %v", header, size, part, err)
		}
		for _, test := range []struct {
			header string
			wanted func(at int) bool
		}{
			{fmt.Sprintf("bytes=%d-%d", first, last), func(at int) bool { return first <= last && at >= int(first) && at <= int(last) }},
			{fmt.Sprintf("bytes=%d-", first), func(at int) bool { return at >= int(first) }},
			{fmt.Sprintf("bytes=-%d", last), func(at int) bool { return at >= int(size)-int(last) }},
		} {
			part, ok, _ := parseRange(test.header, int64(size))
			for at := range int(size) {
				inside := ok && int64(at) >= part.start && int64(at) < part.start+part.length
				if inside != test.wanted(at) {
					t.Fatalf("%q of %d: %+v, which is wrong at %d", test.header, size, part, at)
				}
			}
		}
	})
}
