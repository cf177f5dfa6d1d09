package server_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// signed sends a rightly signed request to CodePipeline.
func (b *bed) signed(t testing.TB, operation string, body []byte) (*http.Response, []byte) {
	t.Helper()
	r := newRequest(t, b.Endpoint(), "CodePipeline_20150709."+operation, string(body))
	sigv4.Sign(r, sigv4.Hash(body), b.Root(), region, "codepipeline", time.Now())
	return send(t, r)
}

// TestMalformedBodies sends what is no input; each gets a clear error, and the
// server goes on.
func TestMalformedBodies(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	tests := []struct {
		name, body string
		status     int
		answer     string // a part
	}{
		{"empty", "", 400, `"__type":"SerializationException"`},
		{"blank", "  \n", 400, `"__type":"SerializationException"`},
		{"null", "null", 400, "Exception"},
		{"half", `{"name":"demo`, 400, `"__type":"SerializationException"`},
		{"two", `{"name":"demo"}{"name":"other"}`, 400, `"__type":"SerializationException"`},
		{"text", "hello", 400, `"__type":"SerializationException"`},
		{"binary", "\x00\x01\xff\xfe", 400, `"__type":"SerializationException"`},
		{"no UTF-8", "{\"name\":\"\xff\"}", 400, "Exception"},
		{"NUL in a name", `{"name":"a\u0000b"}`, 400, "Exception"},
		{"half a surrogate pair", `{"name":"\ud800"}`, 400, "Exception"},
		{"deep", `{"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, 400, "Exception"},
		{"deep and cut off", strings.Repeat(`{"x":`, 100_000), 400, "Exception"},
		{"repeated members", `{` + strings.Repeat(`"name":"a",`, 50_000) + `"name":"absent"}`, 400, "PipelineNotFoundException"},
		{"huge number", `{"name":"absent","version":1` + strings.Repeat("0", 1000) + `}`, 400, "PipelineNotFoundException"},
		{"long name", `{"name":"` + strings.Repeat("n", 1<<20) + `"}`, 400, "Member must have length less than or equal to 100"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			response, answer := b.signed(t, "GetPipeline", []byte(test.body))
			if response.StatusCode != test.status || !bytes.Contains(answer, []byte(test.answer)) || len(answer) > 2000 {
				t.Errorf("%s %.300s", response.Status, answer)
			}
		})
	}
	b.create(declare("demo", pulseStage(), reviewStage(nil)))
}

// TestLargeBody: ten MiB are refused without being kept, signed or not, with a
// length told before or not.
func TestLargeBody(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	body := []byte(`{"name":"` + strings.Repeat("x", 10<<20) + `"}`)
	for _, chunked := range []bool{false, true} {
		r := newRequest(t, b.Endpoint(), "CodePipeline_20150709.GetPipeline", "")
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		if chunked {
			r.ContentLength = -1
		}
		sigv4.Sign(r, sigv4.Hash(body), b.Root(), region, "codepipeline", time.Now())
		if response, answer := send(t, r); response.StatusCode != http.StatusRequestEntityTooLarge || len(answer) != 0 {
			t.Errorf("chunked %t: %s %.100s", chunked, response.Status, answer)
		}
	}
	b.create(declare("demo", pulseStage(), reviewStage(nil)))
}

// TestThousandStages: a declaration past the limits is refused by its rule, with
// as much as the body may hold.
func TestThousandStages(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	stages := []types.StageDeclaration{pulseStage()}
	for i := range 999 {
		s := reviewStage(nil)
		s.Name = aws.String(fmt.Sprint("Gate", i))
		stages = append(stages, s)
	}
	_, err := b.cp.CreatePipeline(t.Context(), &cp.CreatePipelineInput{Pipeline: declare("demo", stages...)})
	if e, ok := errors.AsType[*types.InvalidStructureException](err); !ok || e.ErrorMessage() != "Pipeline has too many stages. There can only be up to 50 stages in a pipeline" {
		t.Errorf("a thousand stages: %v", err)
	}
	_, err = b.cp.CreatePipeline(t.Context(), &cp.CreatePipelineInput{Pipeline: declare("demo", stages[:50]...)})
	b.must(err)
}

// TestRoutes: what is no operation and no S3 gets an answer that tells nothing.
func TestRoutes(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	tests := []struct {
		method, path, media, target string
		status                      int
		answer                      string
	}{
		{"GET", "/healthz", "", "", 200, "ok\n"},
		{"GET", "/readyz", "", "", 200, "ok\n"},
		{"GET", "/", "", "", 403, "Unable to determine service/operation name to be authorized"},
		{"GET", "/bucket/key", "", "", 403, "<Code>AccessDenied</Code>"},
		{"POST", "/", "", "", 403, "AccessDeniedException"},
		{"POST", "/", "text/plain", "CodePipeline_20150709.GetPipeline", 404, "<UnknownOperationException/>"},
		{"POST", "/", "application/x-amz-json-1.1", "", 400, "UnknownOperationException"},
		{"POST", "/", "application/x-amz-json-1.1", "CodeBuild_20161006.StartBuild", 400, "UnknownOperationException"},
		{"POST", "/", "application/x-amz-json-1.1", "CodePipeline_20150709.GetPipeline", 400, "MissingAuthenticationTokenException"},
		{"POST", "/a/../b//c", "application/x-amz-json-1.1", "CodePipeline_20150709.GetPipeline", 400, "MissingAuthenticationTokenException"},
		{"POST", "/", "application/json", "CodePipeline_20150709.GetPipeline", 404, "com.amazon.coral.service#UnknownOperationException"},
		{"PUT", "/", "application/x-amz-json-1.1", "CodePipeline_20150709.GetPipeline", 403, "AccessDeniedException"},
		{"GET", "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0", "", "", 403, ""},
	}
	for _, test := range tests {
		r, err := http.NewRequestWithContext(t.Context(), test.method, b.Endpoint()+test.path, strings.NewReader("{}"))
		b.must(err)
		r.Header.Set("Content-Type", test.media)
		if test.target != "" {
			r.Header.Set("X-Amz-Target", test.target)
		}
		response, answer := send(t, r)
		if response.StatusCode != test.status || !strings.Contains(string(answer), test.answer) {
			t.Errorf("%s %s %s %s: %s %.300s", test.method, test.path, test.media, test.target, response.Status, answer)
		}
	}
}

// TestBrokenClients speak no HTTP, or stop in the middle.
func TestBrokenClients(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	address := strings.TrimPrefix(b.Endpoint(), "http://")
	for _, text := range []string{
		"", "\x16\x03\x01\x02\x00", "GET\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: CodePipeline_20150709.GetPipeline\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: 100\r\n\r\n{",
		"POST / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 2000) + "\r\n",
	} {
		conn, err := net.Dial("tcp", address)
		b.must(err)
		// The server may hang up before all is sent.
		_, _ = io.WriteString(conn, text)
		b.must(conn.Close())
	}
	if _, err := b.cp.ListPipelines(t.Context(), &cp.ListPipelinesInput{}); err != nil {
		t.Error(err)
	}
}

// TestConcurrentClients create, start, read and delete at once; what is left is
// what they were told.
func TestConcurrentClients(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	var mu sync.Mutex
	created := map[string]int{}
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			for j := range 4 {
				// Names are contended for: one of the clients may have each.
				name := fmt.Sprint("p", (i+j)%4)
				_, err := b.cp.CreatePipeline(t.Context(), &cp.CreatePipelineInput{Pipeline: declare(name, pulseStage(), reviewStage(nil))})
				if _, taken := errors.AsType[*types.PipelineNameInUseException](err); err != nil && !taken {
					t.Errorf("creating %s: %v", name, err)
				}
				mu.Lock()
				if err == nil {
					created[name]++
				}
				mu.Unlock()
				if _, err := b.cp.StartPipelineExecution(t.Context(), &cp.StartPipelineExecutionInput{Name: &name}); err != nil {
					t.Errorf("starting %s: %v", name, err)
				}
				if _, err := b.cp.GetPipelineState(t.Context(), &cp.GetPipelineStateInput{Name: &name}); err != nil {
					t.Errorf("reading %s: %v", name, err)
				}
			}
		})
	}
	clients.Wait()
	if diff := cmp.Diff(map[string]int{"p0": 1, "p1": 1, "p2": 1, "p3": 1}, created); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	total := 0
	for name := range created {
		out, err := b.cp.ListPipelineExecutions(t.Context(), &cp.ListPipelineExecutionsInput{PipelineName: &name})
		b.must(err)
		total += len(out.PipelineExecutionSummaries)
	}
	if want := 4 + 8*4; total != want {
		t.Errorf("%d executions, want %d", total, want)
	}
}
