package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	cp "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/sandbox"
	"github.com/penstock-cd/penstock/internal/server"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// cmdAPI calls an operation of CodePipeline with the input of a file, and prints
// the answer: api DATA OPERATION FILE.
func cmdAPI(ts *testscript.TestScript, _ bool, args []string) {
	env, err := server.ReadEnvironment(ts.MkAbs(args[0]), sigv4.Credentials{})
	ts.Check(err)
	input, err := os.ReadFile(ts.MkAbs(args[2]))
	ts.Check(err)
	var out json.RawMessage
	c := newClient(env.Endpoint, env.Region, env.Credentials)
	ts.Check(c.codepipeline.Call(context.Background(), args[1], json.RawMessage(input), &out))
	ts.Check(ts.Exec("printf", "%s", string(out)))
}

// cmdBucket makes a bucket: bucket DATA NAME.
func cmdBucket(ts *testscript.TestScript, _ bool, args []string) {
	env, err := server.ReadEnvironment(ts.MkAbs(args[0]), sigv4.Credentials{})
	ts.Check(err)
	r, err := http.NewRequest(http.MethodPut, env.Endpoint+"/"+args[1], nil)
	ts.Check(err)
	sigv4.Sign(r, sigv4.Hash(nil), env.Credentials, env.Region, "s3", time.Now())
	answer, err := http.DefaultClient.Do(r)
	ts.Check(err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		ts.Fatalf("making bucket %s: %s", args[1], answer.Status)
	}
}

// sink keeps what is printed.
type sink struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits until a text was printed.
func (s *sink) await(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(patience)
	for tick := time.Tick(5 * time.Millisecond); !strings.Contains(s.String(), text); {
		select {
		case <-tick:
		case <-deadline:
			t.Fatalf("nothing says %q:\n%s", text, s)
		}
	}
}

// pulseServer is a server with a pipeline demo, whose source is the work of a job
// worker.
func pulseServer(t *testing.T) (*server.Server, *client) {
	t.Helper()
	s, err := server.Start(t.Context(), server.Config{Listen: "127.0.0.1:0", Data: t.TempDir()}, server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.WithoutCancel(t.Context())) })
	c := newClient(s.Endpoint(), s.Region(), s.Root())
	call := func(operation, input string) {
		t.Helper()
		if err := c.codepipeline.Call(t.Context(), operation, json.RawMessage(input), nil); err != nil {
			t.Fatal(err)
		}
	}
	const bounds = `"inputArtifactDetails": {"minimumCount": 0, "maximumCount": 0}, "outputArtifactDetails": {"minimumCount": 0, "maximumCount": 1}`
	call("CreateCustomActionType", `{"category": "Source", "provider": "Pulse", "version": "1", `+bounds+`}`)
	call("CreatePipeline", `{"pipeline": {"name": "demo", "roleArn": "arn:aws:iam::000000000000:role/p", "pipelineType": "V2",
		"artifactStore": {"type": "S3", "location": "artifacts"}, "stages": [
		{"name": "Source", "actions": [{"name": "Pulse", "actionTypeId": {"category": "Source", "owner": "Custom", "provider": "Pulse", "version": "1"}}]},
		{"name": "Gate", "actions": [{"name": "Ask", "actionTypeId": {"category": "Approval", "owner": "AWS", "provider": "Manual", "version": "1"}}]}]}}`)
	return s, c
}

// pulseWorker does the jobs of pulseServer by a shell command.
func pulseWorker(c *client, command string) (*worker, *sink) {
	out := &sink{}
	return &worker{
		client: c, polls: c.codepipeline, kind: cp.ActionTypeId{Category: "Source", Owner: "Custom", Provider: new("Pulse"), Version: new("1")},
		command: []string{"sh", "-c", command}, options: workerOptions{kind: "Source/Pulse/1", parallel: 1},
		box: sandbox.NewProcess(), print: &workerPrinter{out: out, err: out}, watchEvery: 20 * time.Millisecond,
	}, out
}

// TestWorkerNoticesStop stops the execution of a job that is being done: its
// command is stopped, and nothing is reported.
func TestWorkerNoticesStop(t *testing.T) {
	t.Parallel()
	_, c := pulseServer(t)
	w, out := pulseWorker(c, "echo begun; while :; do sleep 1; done")
	soft, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- w.serve(soft, t.Context()) }()
	out.await(t, "begun")
	id, err := c.newest(t.Context(), "demo")
	if err == nil {
		err = c.stop(t.Context(), "demo", id, "enough")
	}
	if err != nil {
		t.Fatal(err)
	}
	out.await(t, "Source/Pulse Dropped: the action ended without this job")
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestWorkerPollsAgain has a server that fails, then does not wait, and then has a
// job; each poll says that it waits, in a header that is signed.
func TestWorkerPollsAgain(t *testing.T) {
	t.Parallel()
	answers := []string{"", `{"jobs": []}`, `{"jobs": [{"id": "j"}]}`}
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Penstock-Wait-Seconds") != "20" || !strings.Contains(r.Header.Get("Authorization"), "x-penstock-wait-seconds") {
			t.Errorf("headers %v", r.Header)
		}
		answer := answers[0]
		answers = answers[1:]
		if answer == "" {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		io.WriteString(rw, answer)
	}))
	defer s.Close()
	c := newClient(s.URL, "eu-west-1", sigv4.Credentials{AccessKeyID: "k", SecretAccessKey: "s"})
	w := &worker{client: c, polls: c.codepipeline, print: &workerPrinter{out: io.Discard, err: io.Discard}}
	w.polls.Header = http.Header{"X-Penstock-Wait-Seconds": {"20"}}
	jobs, _, err := w.poll(t.Context(), 1)
	if err != nil || len(jobs) != 1 || deref(jobs[0].Id) != "j" || len(answers) != 0 {
		t.Errorf("jobs %v, %v; %d answers left", jobs, err, len(answers))
	}
}

// TestJobOutput cuts lines, masks secrets and reads progress.
func TestJobOutput(t *testing.T) {
	t.Parallel()
	out := &sink{}
	o := newJobOutput(&workerPrinter{out: out, err: out}, "0123456789", "Build/Make", []string{"hush", "hush hush", "two\nlines"})
	stream := o.stream()
	for _, piece := range []string{"a hu", "sh hush\r\n::progr", "ess 7 with hush\n::progress 101 no\n::progressive\ntwo more lines"} {
		if _, err := io.WriteString(stream, piece); err != nil {
			t.Fatal(err)
		}
	}
	stream.flush()
	want := `01234567 | a ***
01234567 | 7 % with ***
01234567 | ::progress 101 no
01234567 | ::progressive
01234567 | *** more ***
`
	if out.String() != want {
		t.Errorf("printed\n%s, want\n%s", out, want)
	}
	percent, said := o.progress()
	if deref(percent) != 7 || said != "with ***" {
		t.Errorf("progress %d %q", deref(percent), said)
	}
}

func TestCutTail(t *testing.T) {
	t.Parallel()
	if got := cutTail("status 3\n"+strings.Repeat("x", 50)+"end", 20); got != "status 3\nxxxxxxxxend" {
		t.Errorf("%q", got)
	}
	if got := cutTail("short", 20); got != "short" {
		t.Errorf("%q", got)
	}
}
