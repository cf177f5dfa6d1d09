package awsjson_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/awsjson"
)

// TestErrors: what an operation may answer, and what becomes an InternalFailure.
func TestErrors(t *testing.T) {
	t.Parallel()
	secret := errors.New("the database said something private")
	tests := []struct {
		name   string
		err    error
		status int
		want   string
		logged string
	}{
		{"declared", &pipelineNotFound{"no p"}, 400, `{"__type":"PipelineNotFoundException","message":"no p"}`, ""},
		{"declared, wrapped", fmt.Errorf("loading: %w", &pipelineNotFound{"no <p>"}), 400, `{"__type":"PipelineNotFoundException","message":"no <p>"}`, ""},
		{"declared, without a text", &pipelineNotFound{}, 400, `{"__type":"PipelineNotFoundException"}`, ""},
		{"declared, by name", &api.Error{Code: "ConflictException", Message: "again"}, 400, `{"__type":"ConflictException","message":"again"}`, ""},
		{"common", &api.Error{Code: "AccessDeniedException", Message: "no"}, 400, `{"__type":"AccessDeniedException","message":"no"}`, ""},
		{"common, without a text", &api.Error{Code: "ThrottlingException"}, 400, `{"__type":"ThrottlingException"}`, ""},
		{"common, with a status", &api.Error{Code: "ServiceUnavailableException", Status: 503}, 503, `{"__type":"ServiceUnavailableException"}`, ""},
		{"unknown operation", api.ErrUnknownOperation(), 400, `{"__type":"UnknownOperationException"}`, ""},
		{"validation", &api.ValidationError{Violations: []api.Violation{{Path: "a", Constraint: "b"}}}, 400,
			`{"__type":"ValidationException","message":"1 validation error detected: Value at 'a' failed to satisfy constraint: b"}`, ""},
		{"undeclared", &api.Error{Code: "StageNotFoundException", Message: "private"}, 500, `{"__type":"InternalFailure"}`, "StageNotFoundException: private"},
		{"any error", secret, 500, `{"__type":"InternalFailure"}`, "the database said something private"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, log := start(t, operation("Fail", func(context.Context, api.Caller, *echoInput) (*echoInput, error) { return nil, tt.err }))
			response, body := send(t, server, request(t, server, "CodePipeline_20150709.Fail", "{}"))
			if response.StatusCode != tt.status || body != tt.want {
				t.Errorf("answered %d %s\nwant %d %s", response.StatusCode, body, tt.status, tt.want)
			}
			checkHeader(t, response, amzJSON, body)
			if tt.logged == "" {
				if got := log.String(); got != "" {
					t.Errorf("logged %s", got)
				}
				return
			}
			for _, part := range []string{tt.logged, "request_id=" + response.Header.Get("x-amzn-RequestId"), "target=CodePipeline_20150709.Fail"} {
				if !strings.Contains(log.String(), part) {
					t.Errorf("%q is missing from the log %q", part, log.String())
				}
			}
		})
	}
}

// TestPanic: the client is told nothing, the log everything, and the next
// request is served.
func TestPanic(t *testing.T) {
	t.Parallel()
	server, log := start(t, operation("Panic", func(context.Context, api.Caller, *echoInput) (*echoInput, error) { panic("impossible") }))
	for range 2 {
		response, body := send(t, server, request(t, server, "CodePipeline_20150709.Panic", "{}"))
		if response.StatusCode != 500 || body != `{"__type":"InternalFailure"}` {
			t.Errorf("answered %d %s", response.StatusCode, body)
		}
		for _, part := range []string{"impossible", "request_id=" + response.Header.Get("x-amzn-RequestId"), "operation=Panic", "handler_test.go"} {
			if !strings.Contains(log.String(), part) {
				t.Errorf("%q is missing from the log", part)
			}
		}
	}
	if response, _ := send(t, server, request(t, server, echoTarget, "{}")); response.StatusCode != 200 {
		t.Errorf("the next request is answered %d", response.StatusCode)
	}
}

// TestCaller: an operation gets who called, and the id its request is answered
// with.
func TestCaller(t *testing.T) {
	t.Parallel()
	callers := make(chan api.Caller, 1)
	server, _ := start(t, operation("Who", func(_ context.Context, caller api.Caller, in *echoInput) (*echoInput, error) {
		callers <- caller
		return in, nil
	}))
	response, _ := send(t, server, request(t, server, "CodePipeline_20150709.Who", "{}"))
	want := api.Caller{Account: "123456789012", Region: "us-east-1", ARN: "arn:aws:iam::123456789012:root", AccessKeyID: "AKIDTEST",
		RequestID: response.Header.Get("x-amzn-RequestId")}
	if got := <-callers; got != want {
		t.Errorf("the caller is %+v, want %+v", got, want)
	}
}

// TestUnencodableOutput: an output that JSON has no form for is our failure.
func TestUnencodableOutput(t *testing.T) {
	t.Parallel()
	server, log := start(t, operation("Nan", func(context.Context, api.Caller, *echoInput) (*echoInput, error) {
		return &echoInput{Ratio: new(math.NaN())}, nil
	}))
	response, body := send(t, server, request(t, server, "CodePipeline_20150709.Nan", "{}"))
	if response.StatusCode != 500 || body != `{"__type":"InternalFailure"}` || !strings.Contains(log.String(), "NaN") {
		t.Errorf("answered %d %s, logged %s", response.StatusCode, body, log)
	}
}

// TestNilOutput: a nil pointer is an empty answer as well.
func TestNilOutput(t *testing.T) {
	t.Parallel()
	server, _ := start(t, operation("Nil", func(context.Context, api.Caller, *echoInput) (*echoInput, error) { return nil, nil }))
	response, body := send(t, server, request(t, server, "CodePipeline_20150709.Nil", "{}"))
	if response.StatusCode != 200 || body != "" || response.ContentLength != 0 {
		t.Errorf("answered %d %q", response.StatusCode, body)
	}
}

// TestSeveralServices: services are told apart by everything before the last
// dot of the target, and each is called with its own signing name.
func TestSeveralServices(t *testing.T) {
	t.Parallel()
	auth := authenticator(func(_ *http.Request, _ []byte, service string) (api.Caller, error) {
		return api.Caller{ARN: service}, nil
	})
	named := func(prefix, signing, version string) api.Service {
		return api.Service{TargetPrefix: prefix, SigningName: signing, JSONVersion: version, Operations: api.OperationTable(
			operation("List", func(_ context.Context, caller api.Caller, _ *echoInput) (*echoInput, error) {
				return &echoInput{Name: &caller.ARN}, nil
			}))}
	}
	handler := awsjson.NewHandler(auth, slog.New(slog.DiscardHandler),
		named("com.amazonaws.codeconnections.CodeConnections_20231201", "codeconnections", "1.0"), named("CodeBuild_20161006", "codebuild", "1.1"))
	for target, want := range map[string][2]string{
		"com.amazonaws.codeconnections.CodeConnections_20231201.List": {"application/x-amz-json-1.0", `{"name":"codeconnections"}`},
		"CodeBuild_20161006.List":                                     {"application/x-amz-json-1.1", `{"name":"codebuild"}`},
	} {
		r, err := http.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", amzJSON)
		r.Header.Set("X-Amz-Target", target)
		w := newRecorder()
		handler.ServeHTTP(w, r)
		if got := [2]string{w.header.Get("Content-Type"), w.body.String()}; got != want {
			t.Errorf("%s: answered %q", target, got)
		}
	}
}

// authenticator is an Authenticator made of a function.
type authenticator func(*http.Request, []byte, string) (api.Caller, error)

func (f authenticator) Authenticate(r *http.Request, body []byte, service string) (api.Caller, error) {
	return f(r, body, service)
}

// TestFailingAuthenticator: an authenticator that cannot answer fails the
// request and lets nobody in.
func TestFailingAuthenticator(t *testing.T) {
	t.Parallel()
	auth := authenticator(func(*http.Request, []byte, string) (api.Caller, error) { return api.Caller{}, io.ErrClosedPipe })
	handler := awsjson.NewHandler(auth, slog.New(slog.DiscardHandler), testService())
	r, err := http.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", amzJSON)
	r.Header.Set("X-Amz-Target", echoTarget)
	w := newRecorder()
	handler.ServeHTTP(w, r)
	if w.status != 500 || w.body.String() != `{"__type":"InternalFailure"}` {
		t.Errorf("answered %d %s", w.status, w.body.String())
	}
}

// TestTrouble: what ails the server is told to clients, in words, and logged.
func TestTrouble(t *testing.T) {
	t.Parallel()
	log := &journal{}
	handler := awsjson.NewHandler(authenticator(func(*http.Request, []byte, string) (api.Caller, error) { return api.Caller{}, nil }),
		slog.New(slog.NewTextHandler(log, nil)), testService(
			operation("Full", func(context.Context, api.Caller, *echoInput) (*echoInput, error) {
				return nil, fmt.Errorf("writing /secret/path: %w", io.ErrShortWrite)
			}),
			operation("Broken", func(context.Context, api.Caller, *echoInput) (*echoInput, error) { return nil, io.ErrClosedPipe })))
	handler.Trouble = func(err error) string {
		if errors.Is(err, io.ErrShortWrite) {
			return "The disk is full."
		}
		return ""
	}
	for operation, want := range map[string]string{
		"Full": `503 {"__type":"ServiceUnavailableException","message":"The disk is full."}`, "Broken": `500 {"__type":"InternalFailure"}`,
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
		r.Header.Set("Content-Type", amzJSON)
		r.Header.Set("X-Amz-Target", "CodePipeline_20150709."+operation)
		w := newRecorder()
		handler.ServeHTTP(w, r)
		if got := fmt.Sprint(w.status, " ", w.body.String()); got != want {
			t.Errorf("%s: answered %s, want %s", operation, got, want)
		}
	}
	if !strings.Contains(log.String(), "/secret/path") {
		t.Errorf("logged %s", log)
	}
}

// BenchmarkEcho is one authenticated operation over HTTP on loopback.
func BenchmarkEcho(b *testing.B) {
	server, _ := start(b)
	client := newClient(server)
	client.HTTP.Transport.(*http.Transport).MaxIdleConnsPerHost = 100
	in := &echoInput{Name: new("my-pipeline"), Map: map[string]string{"clientRequestToken": "105ed8cb-54e3-4e53-89bf-dcb324d08949"}}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			var out echoInput
			if err := client.Call(b.Context(), "Echo", in, &out); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
