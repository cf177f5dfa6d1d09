package awsjson_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/penstock-cd/penstock/internal/awsjson"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

const (
	echoTarget = "CodePipeline_20150709.Echo"
	amzJSON    = "application/x-amz-json-1.1"
	noService  = "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be authorized</Message>\n</AccessDeniedException>\n"
)

// TestFrontEnd has the rows of the front-end errors, each with a request that
// is signed and right but for what the row says.
func TestFrontEnd(t *testing.T) {
	t.Parallel()
	server, _ := start(t)
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	unsigned := func(r *http.Request) { r.Header.Del("Authorization") }
	const mismatch = `{"__type":"InvalidSignatureException","message":"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}`
	tests := []struct {
		name    string
		target  string
		body    string
		change  func(*http.Request)
		status  int
		media   string
		want    string
		contain bool
	}{
		{name: "right", target: echoTarget, body: `{"name":"<p&q>"}`, status: 200, media: amzJSON, want: `{"name":"<p&q>"}`},
		{name: "other version", target: echoTarget, body: `{"name":"p"}`, change: func(r *http.Request) {
			r.Header.Set("Content-Type", "Application/X-Amz-Json-1.0; charset=utf-8")
			sigv4.Sign(r, sigv4.Hash([]byte(`{"name":"p"}`)), credentials, "us-east-1", "codepipeline", time.Now())
		}, status: 200, media: amzJSON, want: `{"name":"p"}`},
		{name: "no output", target: "CodePipeline_20150709.Silent", body: `{}`, status: 200, media: amzJSON},
		{name: "no target", target: "", body: `{}`, status: 400, media: amzJSON, want: `{"__type":"UnknownOperationException"}`},
		{name: "unknown operation", target: "CodePipeline_20150709.Nope", body: `{}`, status: 400, media: amzJSON, want: `{"__type":"UnknownOperationException"}`},
		{name: "unknown service", target: "CodePipeline_20150708.Echo", body: `{}`, status: 400, media: amzJSON, want: `{"__type":"UnknownOperationException"}`},
		{name: "unknown operation before bad JSON and no signature", target: "CodePipeline_20150709.Nope", body: `{`, change: unsigned, status: 400, media: amzJSON, want: `{"__type":"UnknownOperationException"}`},
		{name: "empty body", target: echoTarget, body: "", status: 400, media: amzJSON, want: `{"__type":"SerializationException"}`},
		{name: "bad JSON", target: echoTarget, body: `{"name":}`, status: 400, media: amzJSON, want: `{"__type":"SerializationException"}`},
		{name: "bad JSON before no signature", target: echoTarget, body: `{"name"`, change: unsigned, status: 400, media: amzJSON, want: `{"__type":"SerializationException"}`},
		{name: "trailing garbage", target: echoTarget, body: `{"name":"p"}}`, status: 400, media: amzJSON, want: `{"__type":"SerializationException"}`},
		{name: "two values", target: echoTarget, body: `{} {}`, status: 400, media: amzJSON, want: `{"__type":"SerializationException"}`},
		{name: "bad UTF-8", target: echoTarget, body: "{\"name\":\"\xff\"}", status: 400, media: amzJSON, want: `{"__type":"SerializationException"}`},
		{name: "too deep", target: echoTarget, body: strings.Repeat(`{"x":`, 10_000) + "1" + strings.Repeat("}", 10_000), status: 400, media: amzJSON, want: `{"__type":"SerializationException"}`},
		{name: "plain JSON, bad", target: echoTarget, body: `{`, change: set("Content-Type", "application/json"), status: 400, media: "application/json",
			want: `{"Output":{"__type":"com.amazon.coral.service#SerializationException"},"Version":"1.0"}`},
		{name: "plain JSON, good", target: echoTarget, body: `{}`, change: set("Content-Type", "application/json"), status: 404, media: "application/json",
			want: `{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}`},
		{name: "plain JSON, no target", target: "", body: `{}`, change: set("Content-Type", "application/json"), status: 404, media: "application/json",
			want: `{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}`},
		{name: "form", target: echoTarget, body: `{}`, change: set("Content-Type", "application/x-www-form-urlencoded"), status: 404, media: "text/xml", want: "<UnknownOperationException/>\n"},
		{name: "no content type", target: echoTarget, body: `{}`, change: func(r *http.Request) { r.Header.Del("Content-Type") }, status: 404, media: "text/xml", want: "<UnknownOperationException/>\n"},
		{name: "form without target", target: "", body: `Action=x`, change: set("Content-Type", "application/x-www-form-urlencoded"), status: 403, media: "text/xml", want: noService},
		{name: "GET", target: echoTarget, body: ``, change: func(r *http.Request) { r.Method = "GET" }, status: 403, media: "text/xml", want: noService},
		{name: "PUT", target: echoTarget, body: `{}`, change: func(r *http.Request) { r.Method = "PUT" }, status: 403, media: "text/xml", want: noService},
		{name: "no Authorization", target: echoTarget, body: `{}`, change: unsigned, status: 400, media: amzJSON,
			want: `{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}`},
		{name: "no Authorization before wrong types", target: echoTarget, body: `{"name":1}`, change: unsigned, status: 400, media: amzJSON,
			want: `{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}`},
		{name: "header and query", target: echoTarget, body: `{}`, change: func(r *http.Request) { r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256" }, status: 400, media: amzJSON,
			want: `{"__type":"InvalidSignatureException","message":"Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."}`},
		{name: "malformed Authorization", target: echoTarget, body: `{}`, change: set("Authorization", "AWS4-HMAC-SHA256 Credential=a/20261122/r/codepipeline/aws4_request"), status: 400, media: amzJSON,
			want: `{"__type":"IncompleteSignatureException","message":"Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization=AWS4-HMAC-SHA256 Credential=a/20261122/r/codepipeline/aws4_request"}`},
		{name: "bad signature", target: echoTarget, body: `{}`, change: func(r *http.Request) { r.Header.Set("X-Amz-Target", "CodePipeline_20150709.Silent") }, status: 400, media: amzJSON, want: mismatch},
		{name: "bad signature before wrong types", target: "CodePipeline_20150709.Silent", body: `{"name":1}`, change: set("X-Amz-Target", echoTarget), status: 400, media: amzJSON, want: mismatch},
		{name: "clock skew", target: echoTarget, body: `{}`, change: func(r *http.Request) {
			sigv4.Sign(r, sigv4.Hash([]byte(`{}`)), credentials, "us-east-1", "codepipeline", time.Now().Add(-time.Hour))
		}, status: 400, media: amzJSON, want: `{"__type":"InvalidSignatureException","message":"Signature expired: `, contain: true},
		{name: "wrong types", target: echoTarget, body: `{"name":1}`, status: 400, media: amzJSON,
			want: `{"__type":"SerializationException","Message":"class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an String"}`},
		{name: "wrong types before constraints", target: echoTarget, body: `{"name":"invalid","flag":1}`, status: 400, media: amzJSON,
			want: `{"__type":"SerializationException","Message":"class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an Boolean"}`},
		{name: "constraints", target: echoTarget, body: `{"name":"invalid"}`, status: 400, media: amzJSON,
			want: `{"__type":"ValidationException","message":"1 validation error detected: Value at 'name' failed to satisfy constraint: Member must not be invalid"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := request(t, server, tt.target, tt.body)
			if tt.change != nil {
				tt.change(r)
			}
			response, body := send(t, server, r)
			if response.StatusCode != tt.status || (body != tt.want && !(tt.contain && strings.Contains(body, tt.want))) {
				t.Errorf("answered %d %s\nwant %d %s", response.StatusCode, body, tt.status, tt.want)
			}
			checkHeader(t, response, tt.media, body)
		})
	}
}

// checkHeader wants the headers that clients rely on.
func checkHeader(t *testing.T, response *http.Response, media, body string) {
	t.Helper()
	h := response.Header
	if got := h.Get("Content-Type"); got != media {
		t.Errorf("content type %q, want %q", got, media)
	}
	if id, err := uuid.Parse(h.Get("x-amzn-RequestId")); err != nil || id.Version() != 4 {
		t.Errorf("request id %q", h.Get("x-amzn-RequestId"))
	}
	if response.ContentLength != int64(len(body)) {
		t.Errorf("content length %d for %d bytes", response.ContentLength, len(body))
	}
	if _, err := http.ParseTime(h.Get("Date")); err != nil {
		t.Errorf("date %q", h.Get("Date"))
	}
	if name, _, ok := strings.Cut(strings.TrimPrefix(body, `{"__type":"`), `"`); ok && strings.HasPrefix(body, `{"__type"`) && h.Get("X-Amzn-ErrorType") != name {
		t.Errorf("error type %q for %s", h.Get("X-Amzn-ErrorType"), body)
	}
}

// endless is a body that never ends, and counts what was taken of it.
type endless struct{ taken int64 }

func (e *endless) Read(p []byte) (int, error) {
	clear(p)
	e.taken += int64(len(p))
	return len(p), nil
}

// TestBodyLimit: 413 and an empty body for one byte too many, with and without
// a stated length, and the client gets to read it.
func TestBodyLimit(t *testing.T) {
	t.Parallel()
	server, _ := start(t)
	fits := `{"name":"` + strings.Repeat("a", awsjson.DefaultMaxBody-11) + `"}`
	tests := []struct {
		name   string
		body   string
		stated bool
		status int
	}{
		{"the limit", fits, true, 200},
		{"the limit, unstated", fits, false, 200},
		{"one more", fits + " ", true, 413},
		{"one more, unstated", fits + " ", false, 413},
		{"10 MiB", strings.Repeat("a", 10<<20), true, 413},
		{"10 MiB, unstated", strings.Repeat("a", 10<<20), false, 413},
	}
	for _, tt := range tests {
		r := request(t, server, echoTarget, tt.body)
		if !tt.stated {
			r.ContentLength = -1
			r.Body = io.NopCloser(strings.NewReader(tt.body))
		}
		response, body := send(t, server, r)
		if response.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d", tt.name, response.StatusCode, tt.status)
		}
		if tt.status == 413 && body != "" {
			t.Errorf("%s: body %.100q", tt.name, body)
		}
	}
}

// TestEndlessBody: a body without end is given up, without a signature too.
func TestEndlessBody(t *testing.T) {
	t.Parallel()
	handler := awsjson.NewHandler(&signatures{}, slog.New(slog.DiscardHandler), testService())
	handler.MaxBody = 1 << 10
	body := &endless{}
	r, err := http.NewRequest(http.MethodPost, "/", body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = -1
	r.Header.Set("Content-Type", amzJSON)
	r.Header.Set("X-Amz-Target", echoTarget)
	w := newRecorder()
	handler.ServeHTTP(w, r)
	if w.status != http.StatusRequestEntityTooLarge || w.body.Len() != 0 {
		t.Errorf("answered %d %q", w.status, w.body.String())
	}
	if body.taken > 64<<10 {
		t.Errorf("read %d bytes of the body", body.taken)
	}
}

// TestExpectedBody: a client that asks before it sends too much is refused
// before it sends.
func TestExpectedBody(t *testing.T) {
	t.Parallel()
	handler := awsjson.NewHandler(&signatures{}, slog.New(slog.DiscardHandler), testService())
	body := &endless{}
	r, err := http.NewRequest(http.MethodPost, "/", body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = 10 << 20
	r.Header.Set("Expect", "100-continue")
	r.Header.Set("Content-Type", amzJSON)
	r.Header.Set("X-Amz-Target", echoTarget)
	w := newRecorder()
	handler.ServeHTTP(w, r)
	if w.status != http.StatusRequestEntityTooLarge || body.taken != 0 {
		t.Errorf("answered %d after %d bytes of the body", w.status, body.taken)
	}
}

// recorder is a small http.ResponseWriter.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newRecorder() *recorder                          { return &recorder{header: http.Header{}} }
func (w *recorder) Header() http.Header               { return w.header }
func (w *recorder) WriteHeader(status int)            { w.status = status }
func (w *recorder) Write(p []byte) (int, error)       { return w.body.Write(p) }
func (w *recorder) WriteString(s string) (int, error) { return w.body.WriteString(s) }
