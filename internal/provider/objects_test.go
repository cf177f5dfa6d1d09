package provider

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
)

// partServer is the multipart side of an S3: it takes parts and joins them.
type partServer struct {
	mu     sync.Mutex
	calls  []string
	parts  map[string]string
	refuse string // a call that is answered with 403
}

func (s *partServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	call := r.Method
	if q.Has("uploads") {
		call = "create"
	} else if q.Has("partNumber") {
		call = "part" + q.Get("partNumber")
	} else if r.Method == http.MethodPost {
		call = "complete"
	}
	s.calls = append(s.calls, call)
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("x-amz-request-id", "REQ")
	w.Header().Set("x-amz-id-2", "HOST")
	if call == s.refuse {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`)
		return
	}
	switch {
	case call == "create":
		fmt.Fprint(w, `<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>`)
	case call == "complete":
		fmt.Fprint(w, `<CompleteMultipartUploadResult><ETag>"etag-2"</ETag></CompleteMultipartUploadResult>`)
	case call == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	default:
		s.parts[call] = string(body)
		w.Header().Set("ETag", `"`+call+`"`)
	}
}

func newPartClient(t *testing.T, s *partServer) *ExternalS3 {
	t.Helper()
	s.parts = map[string]string{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c, err := NewExternalS3(t.Context(), ExternalS3Config{Endpoint: server.URL, Region: "eu-west-1", PathStyle: true, AccessKeyID: "k", SecretAccessKey: "s"})
	if err != nil {
		t.Fatal(err)
	}
	c.partSize = 4
	return c
}

func TestPutInParts(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]map[string]string{
		"":           {"part1": ""},
		"0123":       {"part1": "0123"},
		"0123456789": {"part1": "0123", "part2": "4567", "part3": "89"},
	} {
		s := &partServer{}
		o, err := newPartClient(t, s).Put(t.Context(), "b", "k", strings.NewReader(content), ObjectOptions{Multipart: true})
		if err != nil || o.ETag != "etag-2" {
			t.Fatalf("%q: %+v, %v", content, o, err)
		}
		if d := cmp.Diff(want, s.parts); d != "" {
			t.Error(d)
		}
		if first, last := s.calls[0], s.calls[len(s.calls)-1]; first != "create" || last != "complete" {
			t.Errorf("calls %v", s.calls)
		}
	}
}

func TestPutInPartsRefused(t *testing.T) {
	t.Parallel()
	for refuse, want := range map[string][]string{
		"create":   {"create"},
		"part2":    {"create", "part1", "part2", "DELETE"},
		"complete": {"create", "part1", "part2", "complete", "DELETE"},
	} {
		s := &partServer{refuse: refuse}
		_, err := newPartClient(t, s).Put(t.Context(), "b", "k", strings.NewReader("01234"), ObjectOptions{Multipart: true})
		said, ok := errors.AsType[*ObjectError](err)
		if !ok || !said.Denied() {
			t.Fatalf("%s: %v", refuse, err)
		}
		if got := said.Error(); got != "Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied; Request ID: REQ; S3 Extended Request ID: HOST; Proxy: null)" {
			t.Errorf("%s", got)
		}
		if d := cmp.Diff(want, s.calls); d != "" {
			t.Errorf("%s: %s", refuse, d)
		}
	}
}

// No answer of S3 is no refusal.
func TestExternalS3Unreachable(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	c, err := NewExternalS3(t.Context(), ExternalS3Config{Endpoint: server.URL, Region: "eu-west-1", PathStyle: true, AccessKeyID: "k", SecretAccessKey: "s"})
	if err != nil {
		t.Fatal(err)
	}
	c.client = s3.New(c.client.Options(), func(o *s3.Options) { o.Retryer = aws.NopRetryer{} }) // no pauses
	_, err = c.Versioned(t.Context(), "b")
	if _, ok := errors.AsType[*ObjectError](err); err == nil || ok {
		t.Errorf("Versioned = %v", err)
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	w := &window{content: strings.NewReader("abcdefgh"), start: 2, size: 4}
	if err := iotest.TestReader(w, []byte("cdef")); err != nil {
		t.Error(err)
	}
}
