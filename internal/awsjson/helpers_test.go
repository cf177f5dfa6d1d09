package awsjson_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/awsjson"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

var credentials = sigv4.Credentials{AccessKeyID: "AKIDTEST", SecretAccessKey: "test-secret"}

// signatures authenticates with the one key pair of these tests.
type signatures struct{ keys sigv4.KeyCache }

func (a *signatures) Authenticate(r *http.Request, body []byte, service string) (api.Caller, error) {
	s, err := sigv4.Parse(r)
	if err == nil {
		err = s.CheckScope(service)
	}
	if err == nil {
		err = a.keys.Verify(s, r, sigv4.Hash(body), credentials.SecretAccessKey, time.Now())
	}
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return api.Caller{}, &api.Error{Code: e.Code, Message: e.Message}
	}
	return api.Caller{Account: "123456789012", Region: s.Region, ARN: "arn:aws:iam::123456789012:root", AccessKeyID: s.AccessKeyID}, err
}

// echoInput has a member of every kind the models have.
type echoInput struct {
	Name      *string            `json:"name,omitempty"`
	Flag      *bool              `json:"flag,omitempty"`
	Count     *int32             `json:"count,omitempty"`
	Size      *int64             `json:"size,omitempty"`
	Ratio     *float64           `json:"ratio,omitempty"`
	When      *api.Timestamp     `json:"when,omitempty"`
	Mode      mode               `json:"mode,omitempty"`
	List      []string           `json:"list,omitempty"`
	Structs   []echoInput        `json:"structs,omitempty"`
	Map       map[string]string  `json:"map,omitempty"`
	Counts    map[mode]*int32    `json:"counts,omitempty"`
	Inner     *echoInput         `json:"inner,omitempty"`
	NextToken *string            `json:"NextToken,omitempty"`
	Blob      []byte             `json:"blob,omitempty"`
	Document  any                `json:"document,omitempty"`
	Times     []api.Timestamp    `json:"times,omitempty"`
	Ratios    map[string]float64 `json:"ratios,omitempty"`
}

type mode string

// Validate refuses the one name that breaks a constraint.
func (in *echoInput) Validate() error {
	if in.Name != nil && *in.Name == "invalid" {
		return &api.ValidationError{Violations: []api.Violation{{Path: "name", Constraint: "Member must not be invalid"}}}
	}
	return nil
}

type pipelineNotFound struct{ text string }

func (e *pipelineNotFound) Error() string        { return "no such pipeline" }
func (e *pipelineNotFound) ErrorCode() string    { return "PipelineNotFoundException" }
func (e *pipelineNotFound) ErrorMessage() string { return e.text }

// operation makes a one-operation service of a function.
func operation(name string, call func(context.Context, api.Caller, *echoInput) (*echoInput, error)) api.Operation {
	return api.NewOperation(name, call, "PipelineNotFoundException", "ConflictException")
}

// echo answers its input.
func echo(_ context.Context, _ api.Caller, in *echoInput) (*echoInput, error) { return in, nil }

func testService(operations ...api.Operation) api.Service {
	operations = append(operations, operation("Echo", echo),
		api.NewSilentOperation("Silent", func(context.Context, api.Caller, *echoInput) error { return nil }))
	return api.Service{TargetPrefix: "CodePipeline_20150709", SigningName: "codepipeline", JSONVersion: "1.1", Operations: api.OperationTable(operations...)}
}

// journal is a log that tests can read.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// start serves operations on loopback.
func start(t testing.TB, operations ...api.Operation) (*httptest.Server, *journal) {
	t.Helper()
	log := &journal{}
	handler := awsjson.NewHandler(&signatures{}, slog.New(slog.NewTextHandler(log, nil)), testService(operations...))
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server, log
}

// newClient is a client of the test service.
func newClient(server *httptest.Server) *awsjson.Client {
	return &awsjson.Client{Endpoint: server.URL, Region: "us-east-1", Service: "codepipeline",
		TargetPrefix: "CodePipeline_20150709", Credentials: credentials, HTTP: server.Client()}
}

// request is a signed request for an operation.
func request(t testing.TB, server *httptest.Server, target, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", target)
	sigv4.Sign(r, sigv4.Hash([]byte(body)), credentials, "us-east-1", "codepipeline", time.Now())
	return r
}

// send returns the answer and its body.
func send(t testing.TB, server *httptest.Server, r *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}
