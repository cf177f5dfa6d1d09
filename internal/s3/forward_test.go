package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// otherS3 is an S3 elsewhere of which a test sees every request.
type otherS3 struct {
	t      *testing.T
	server *httptest.Server
	// answer takes the place of an empty 200.
	answer http.HandlerFunc

	mu   sync.Mutex
	seen []*http.Request
	got  []string // the contents that arrived whole
}

func newOtherS3(t *testing.T) *otherS3 {
	t.Helper()
	o := &otherS3{t: t}
	o.server = httptest.NewServer(o)
	t.Cleanup(o.server.Close)
	return o
}

// ServeHTTP implements http.Handler.
func (o *otherS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.seen = append(o.seen, r)
	o.mu.Unlock()
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	o.mu.Lock()
	o.got = append(o.got, string(content))
	o.mu.Unlock()
	if o.answer != nil {
		o.answer(w, r)
	}
}

func (o *otherS3) calls() (list []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.seen {
		list = append(list, r.Method+" "+r.URL.RequestURI())
	}
	return list
}

// whole are the contents that arrived, but for empty ones.
func (o *otherS3) whole() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(o.got), func(s string) bool { return s == "" })
}

// keeps places every bucket there, under another name if one is given.
func (o *otherS3) keeps(account, renamed string) OutsideFunc {
	return func(_ context.Context, name string) (*Outside, error) {
		if renamed != "" {
			name = renamed
		}
		at, err := url.Parse(o.server.URL + "/" + name)
		return &Outside{
			Account: account, Bucket: name, URL: at, Region: "eu-west-1", Store: "other",
			Credentials: func(context.Context) (sigv4.Credentials, error) {
				return sigv4.Credentials{AccessKeyID: "AKIAOUTSIDEOUTSIDE", SecretAccessKey: "outside", SessionToken: "outside-token"}, nil
			},
		}, err
	}
}

// newForwardingTo is a face whose buckets are all at the other S3.
func newForwardingTo(t *testing.T, o *otherS3, renamed string) *face {
	t.Helper()
	f := newFace(t, false)
	f.server.Config.Handler.(*Handler).Forward(o.keeps(account, renamed))
	return f
}

// TestForwardKeepsSecrets: what goes along is what the operation has, signed by
// this server; nothing of the caller's signature, and nothing that could make
// another operation of it.
func TestForwardKeepsSecrets(t *testing.T) {
	t.Parallel()
	o := newOtherS3(t)
	f := newForwardingTo(t, o, "renamed")
	f.raw("PUT", "/"+bucket+"/a%20b/%C3%BC?x-id=PutObject&unheard-of=1", "content",
		"X-Amz-Meta-Team", "blue", "X-Amz-Unheard-Of", "1", "Cookie", "c=1", "Content-Type", "text/plain",
		"X-Amz-Server-Side-Encryption", "aws:kms", "Forwarded", "for=me")
	f.raw("GET", "/"+bucket+"/k?partNumber=2&versionId=v+1&versionId=v2&acl2=1&X-Amz-Expires=5", "", "Range", "bytes=0-1", "X-Amz-Acl", "private",
		"X-Amz-Copy-Source", "x/y", "X-Amz-Expected-Bucket-Owner", account)
	f.raw("DELETE", "/"+bucket+"/k?uploadId=u&tagging&versionId=v", "")
	want := []string{
		"PUT /renamed/a%20b/%C3%BC", "GET /renamed/k?partNumber=2&versionId=v%201", "DELETE /renamed/k?uploadId=u",
	}
	if diff := cmp.Diff(want, o.calls()); diff != "" {
		t.Error(diff)
	}
	headers := [][]string{
		{"Content-Type", "X-Amz-Meta-Team", "X-Amz-Server-Side-Encryption", "Content-Length"}, {"Range"}, {},
	}
	for n, r := range o.seen {
		var names []string
		for name, values := range r.Header {
			names = append(names, name)
			for _, value := range values {
				if strings.Contains(value, accessKey) {
					t.Errorf("the caller's key goes along: %s: %s", name, value)
				}
			}
		}
		slices.Sort(names)
		want := append(headers[n], "Authorization", "User-Agent", "Via", "X-Amz-Content-Sha256", "X-Amz-Date", "X-Amz-Security-Token")
		slices.Sort(want)
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%s: %s", r.URL, diff)
		}
		signature, err := sigv4.Parse(r)
		if err != nil || signature.AccessKeyID != "AKIAOUTSIDEOUTSIDE" || signature.SessionToken != "outside-token" || signature.Region != "eu-west-1" {
			t.Errorf("signed %+v, %v", signature, err)
		}
	}
	if hash := o.seen[0].Header.Get("X-Amz-Content-Sha256"); hash != sigv4.Hash([]byte("content")) {
		t.Errorf("the hash of the content is %s", hash)
	}
}

// TestForwardAddress: buckets in paths and in host names, with what needs escaping.
func TestForwardAddress(t *testing.T) {
	t.Parallel()
	f := newFace(t, false)
	h := f.server.Config.Handler.(*Handler)
	h.Forward(forwardTo(f.url))
	for place, want := range map[string][2]string{
		"https://s3.example.com/b":      {"https://s3.example.com/b", "https://s3.example.com/b//a/../%C3%BC%20%2B%2525"},
		"https://s3.example.com/base/b": {"https://s3.example.com/base/b", "https://s3.example.com/base/b//a/../%C3%BC%20%2B%2525"},
		"https://b.s3.example.com":      {"https://b.s3.example.com/", "https://b.s3.example.com//a/../%C3%BC%20%2B%2525"},
		"https://b.s3.example.com/":     {"https://b.s3.example.com/", "https://b.s3.example.com//a/../%C3%BC%20%2B%2525"},
	} {
		at, err := url.Parse(place)
		f.must(err)
		c := &call{h: h, r: httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)}
		for n, key := range []string{"", "/a/../ü +%25"} {
			if got := c.requestTo(&Outside{URL: at}, "GET", key, nil); got.URL.String() != want[n] || got.Host != at.Host {
				t.Errorf("%s, key %q: %s at %s, want %s", place, key, got.URL, got.Host, want[n])
			}
		}
	}
}

// TestForwardDots: nothing that stands between leads a key into another bucket.
func TestForwardDots(t *testing.T) {
	t.Parallel()
	o := newOtherS3(t)
	f := newForwardingTo(t, o, "")
	for _, key := range []string{"..", "a/../b", "./a", "a/."} {
		f.wantError(f.raw("GET", "/"+bucket+"/"+key, ""), http.StatusBadRequest, "InvalidURI")
		f.wantError(f.raw("PUT", "/"+bucket+"/k", "", "X-Amz-Copy-Source", bucket+"/"+key), http.StatusBadRequest, "InvalidURI")
	}
	if calls := o.calls(); len(calls) > 0 {
		t.Errorf("asked for %v", calls)
	}
	f.raw("GET", "/"+bucket+"/a/...", "")
	if calls := o.calls(); len(calls) != 1 {
		t.Errorf("asked for %v", calls)
	}
	if err := plainPath(&Outside{URL: &url.URL{Host: "b.s3.example.com", Path: "/"}}, "a/../b"); err != nil {
		t.Errorf("a bucket in a host name: %v", err)
	}
}

// TestForwardUnsure: what the other S3 does not say is not taken for a no.
func TestForwardUnsure(t *testing.T) {
	t.Parallel()
	for status, want := range map[int][2]int{200: {409, 200}, 403: {409, 200}, 404: {200, 200}, 400: {503, 200}, 503: {503, 503}} {
		o := newOtherS3(t)
		o.answer = func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPut {
				w.WriteHeader(status)
			}
			if r.Method == http.MethodGet && status == http.StatusOK {
				_, _ = io.WriteString(w, "<Tagging/>")
			}
		}
		f := newFace(t, false)
		elsewhere := o.keeps(account, "")
		f.server.Config.Handler.(*Handler).Forward(func(ctx context.Context, name string) (*Outside, error) {
			to, err := elsewhere(ctx, name)
			to.Others = true
			return to, err
		})
		if answer := f.raw("PUT", "/new-bucket", ""); answer.StatusCode != want[0] {
			t.Errorf("a bucket, when %d is said there: %s", status, answer.Status)
		}
		if answer := f.raw("PUT", "/away/k", "", "X-Amz-Copy-Source", "away/a"); answer.StatusCode != want[1] {
			t.Errorf("a copy, when %d is said of its tags: %s", status, answer.Status)
		}
	}
}

// TestForwardRefusals: what the other S3 says of this server's key, and of places,
// is this server's trouble.
func TestForwardRefusals(t *testing.T) {
	t.Parallel()
	document := func(code string) string {
		return "<Error><Code>" + code + "</Code><Message>m</Message><AWSAccessKeyId>AKIAOUTSIDEOUTSIDE</AWSAccessKeyId><RequestId>there</RequestId></Error>"
	}
	for _, tc := range []struct {
		status int
		code   string
		want   int
		says   string
	}{
		{403, "InvalidAccessKeyId", 500, "InternalError"},
		{403, "SignatureDoesNotMatch", 500, "InternalError"},
		{400, "AuthorizationHeaderMalformed", 500, "InternalError"},
		{307, "TemporaryRedirect", 500, "InternalError"},
		{301, "PermanentRedirect", 500, "InternalError"},
		{403, "AccessDenied", 403, "AccessDenied"},
		{404, "NoSuchBucket", 404, "NoSuchBucket"},
		{503, "SlowDown", 503, "SlowDown"},
	} {
		t.Run(fmt.Sprint(tc.status, " ", tc.code), func(t *testing.T) {
			t.Parallel()
			o := newOtherS3(t)
			o.answer = func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "http://elsewhere.example.com/secret")
				w.Header().Set("Server", "Other")
				w.Header().Set("X-Amz-Request-Id", "there")
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, document(tc.code))
			}
			answer := newForwardingTo(t, o, "").raw("GET", "/"+bucket+"/k", "")
			body := bodyOf(answer)
			if answer.StatusCode != tc.want || !strings.Contains(body, "<Code>"+tc.says+"</Code>") || len(o.calls()) != 1 {
				t.Errorf("%s, %s after %v", answer.Status, body, o.calls())
			}
			if answer.Header.Get("Location")+answer.Header.Get("Server") != "" || tc.want == 500 && (strings.Contains(body, "AKIA") || !strings.Contains(body, bucket)) {
				t.Errorf("%v %s", answer.Header, body)
			}
		})
	}
}

// TestForwardOutage: nobody there, an answer that breaks off, a server that
// forwards to itself.
func TestForwardOutage(t *testing.T) {
	t.Parallel()
	o := newOtherS3(t)
	f := newForwardingTo(t, o, "")
	o.answer = func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "<List")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", f.url+"/"+bucket, nil)
	f.must(err)
	f.sign(r)
	answer, err := f.server.Client().Do(r)
	f.must(err)
	if text, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("an answer that broke off is whole: %s %s", answer.Status, text)
	}
	_ = answer.Body.Close()
	o.server.Close()
	f.wantError(f.raw("PUT", "/"+bucket+"/k", "content"), http.StatusServiceUnavailable, "ServiceUnavailable")
	if answer := f.raw("HEAD", "/"+bucket+"/k", ""); answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("HEAD: %s", answer.Status)
	}
	loop := newFace(t, false)
	loop.server.Config.Handler.(*Handler).Forward(func(_ context.Context, name string) (*Outside, error) {
		at, err := url.Parse(loop.url + "/" + name)
		return &Outside{Account: account, Bucket: name, URL: at, Region: "us-east-1", Credentials: func(context.Context) (sigv4.Credentials, error) {
			return sigv4.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, nil
		}}, err
	})
	loop.wantError(loop.raw("GET", "/"+bucket+"/k", ""), http.StatusLoopDetected, "InternalError")
}

// TestForwardProves: content that is not what was signed never arrives whole.
func TestForwardProves(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 1000, 300_000} {
		o := newOtherS3(t)
		f := newForwardingTo(t, o, "")
		content := string(pattern(size))
		r, err := http.NewRequestWithContext(t.Context(), "PUT", f.url+"/"+bucket+"/k", strings.NewReader(content))
		f.must(err)
		r.Header.Set("X-Amz-Content-Sha256", sigv4.Hash([]byte(content)))
		f.sign(r)
		r.Body = io.NopCloser(strings.NewReader("x" + content[1:]))
		f.wantError(f.do(r), http.StatusBadRequest, "XAmzContentSHA256Mismatch")
		if got := o.whole(); len(got) > 0 {
			t.Errorf("%d bytes arrived", len(got[0]))
		}
		f.raw("PUT", "/"+bucket+"/k", content)
		if got := o.whole(); len(got) != 1 || got[0] != content {
			t.Errorf("of %d bytes %d contents arrived", size, len(got))
		}
	}
	o := newOtherS3(t)
	f := newForwardingTo(t, o, "")
	f.wantError(f.raw("PUT", "/"+bucket+"/k", "", "Content-Md5", "AAAAAAAAAAAAAAAAAAAAAA=="), http.StatusBadRequest, "BadDigest")
	if calls := o.calls(); len(calls) > 0 {
		t.Errorf("empty content with the wrong sum: %v", calls)
	}
}

// TestForwardCopies: a copy stays within one S3, and takes tags along only for
// those who may read and write them.
func TestForwardCopies(t *testing.T) {
	t.Parallel()
	o := newOtherS3(t)
	f := newFace(t, false)
	f.put("team/here", "content")
	elsewhere := o.keeps(account, "there")
	f.server.Config.Handler.(*Handler).Forward(func(ctx context.Context, name string) (*Outside, error) {
		to, err := elsewhere(ctx, name)
		switch name {
		case "outside", "second":
		case "third":
			to.Store = "another"
		default:
			return nil, nil
		}
		return to, err
	})
	for source, target := range map[string]string{bucket + "/team/here": "/outside/k", "outside/k": "/" + bucket + "/k", "third/k": "/outside/k"} {
		answer := f.raw("PUT", target, "", "X-Amz-Copy-Source", source)
		if doc := f.wantError(answer, http.StatusNotImplemented, "NotImplemented"); !strings.Contains(doc.Message, "different S3s") {
			t.Errorf("%s to %s: %s", source, target, doc.Message)
		}
	}
	if calls := o.calls(); len(calls) > 0 {
		t.Errorf("asked for %v", calls)
	}
	tags := ""
	o.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, `<Tagging xmlns="`+xmlNamespace+`"><TagSet>`+tags+`</TagSet></Tagging>`)
		}
	}
	f.raw("PUT", "/outside/k", "", "X-Amz-Copy-Source", "second/a%20%C3%BC%2B?versionId=v1")
	if diff := cmp.Diff([]string{"GET /there/a%20%C3%BC%2B?tagging=&versionId=v1", "PUT /there/k"}, o.calls()); diff != "" {
		t.Error(diff)
	}
	if got := o.seen[1].Header.Get("X-Amz-Copy-Source"); got != "there/a%20%C3%BC%2B?versionId=v1" {
		t.Errorf("copied from %s", got)
	}
	tags = "<Tag><Key>a</Key><Value>b</Value></Tag>"
	var asked []string
	h := plain(f.fixture, api.Caller{Account: account}, func(_ api.Caller, action, _ string) error {
		if asked = append(asked, action); strings.HasSuffix(action, "Tagging") {
			return accessDenied()
		}
		return nil
	})
	h.Forward(elsewhere)
	before := len(o.calls())
	for directive, want := range map[string]int{"COPY": http.StatusForbidden, "REPLACE": http.StatusOK} {
		r := httptest.NewRequestWithContext(t.Context(), "PUT", "/outside/k", nil)
		r.Header.Set("X-Amz-Copy-Source", "second/k")
		r.Header.Set("X-Amz-Tagging-Directive", directive)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != want {
			t.Errorf("tags, %s: %d %s, asked for %v", directive, w.Code, w.Body, asked)
		}
	}
	if n := len(o.calls()) - before; n != 2 { // the tags, and the copy without
		t.Errorf("asked for %v", o.calls()[before:])
	}
}

// TestProven reads content in every way.
func TestProven(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 2, 100, trailedChunk, 3*trailedChunk + 5} {
		content := pattern(size)
		if err := iotest.TestReader(&proven{src: strings.NewReader(string(content)), left: int64(size)}, content); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		wrong := errors.New("wrong")
		bad := &proven{src: io.MultiReader(strings.NewReader(string(content)), errorReader{wrong}), left: int64(size)}
		if got, err := io.ReadAll(bad); !errors.Is(err, wrong) || len(got) != size-1 {
			t.Errorf("%d of %d bytes, %v", len(got), size, err)
		}
		for _, length := range []int{size - 1, size + 1} {
			if _, err := io.ReadAll(&proven{src: strings.NewReader(string(content)), left: int64(length)}); length > 0 && !errors.Is(err, ErrSize) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d bytes announced as %d: %v", size, length, err)
			}
		}
	}
	for _, size := range []int{0, 1, trailedChunk, trailedChunk + 1} {
		chunks, err := newTrailed(&proven{src: strings.NewReader(string(pattern(size))), left: int64(size)}, int64(size), "x-amz-checksum-crc32")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(iotest.HalfReader(chunks))
		if err != nil || int64(len(text)) != chunks.size() {
			t.Errorf("%d bytes framed for %d, announced as %d: %v", len(text), size, chunks.size(), err)
		}
	}
}
