package sigv4_test

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

const (
	testKeyID  = "AKIDEXAMPLE"
	testSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

var testTime = time.Date(2026, 11, 22, 12, 34, 38, 0, time.UTC)

var testCredentials = sigv4.Credentials{AccessKeyID: testKeyID, SecretAccessKey: testSecret}

// fataler is a *testing.T, *testing.F or *rapid.T.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// received returns a request as a server gets it: written to the wire and read
// back, with net/http's liberties taken.
func received(t fataler, r *http.Request) *http.Request {
	t.Helper()
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatalf("writing the request: %v", err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatalf("reading the request: %v", err)
	}
	return got
}

// newRequest is a request of a JSON client.
func newRequest(t fataler, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://127.0.0.1:18555/", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatalf("making a request: %v", err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "CodePipeline_20150709.GetPipeline")
	return r
}

// verify does what a server does.
func verify(r *http.Request, body, service string, now time.Time) error {
	s, err := sigv4.Parse(r)
	if err != nil {
		return err
	}
	if err := s.CheckScope(service); err != nil {
		return err
	}
	return s.Verify(r, sigv4.Hash([]byte(body)), testSecret, now)
}

func reasonOf(t *testing.T, err error) sigv4.Reason {
	t.Helper()
	e, ok := errors.AsType[*sigv4.Error](err)
	if !ok {
		t.Fatalf("error is %v, not a *sigv4.Error", err)
	}
	return e.Reason
}
