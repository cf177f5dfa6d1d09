package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	cp "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/server"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// operationOf is the operation that a request asks for.
func operationOf(r *http.Request) string {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return operation
}

// between puts something between a server and who calls it, and returns its address.
func between(t *testing.T, s *server.Server, handle func(rw http.ResponseWriter, r *http.Request, forward func(http.ResponseWriter))) string {
	t.Helper()
	to, err := url.Parse(s.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // it is signed
	}}
	there := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		handle(rw, r, func(rw http.ResponseWriter) { pass.ServeHTTP(rw, r) })
	}))
	t.Cleanup(there.Close)
	return there.URL
}

// TestWorkerAcknowledgeLost has something between worker and server that loses an
// acknowledgement, or its answer: the job is done all the same, and once.
func TestWorkerAcknowledgeLost(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(rw http.ResponseWriter, forward func(http.ResponseWriter)){
		"answer lost": func(_ http.ResponseWriter, forward func(http.ResponseWriter)) {
			forward(httptest.NewRecorder())
			panic(http.ErrAbortHandler) // closes the connection
		},
		"answer 503": func(rw http.ResponseWriter, forward func(http.ResponseWriter)) {
			forward(httptest.NewRecorder())
			rw.WriteHeader(http.StatusServiceUnavailable)
		},
		"request lost": func(http.ResponseWriter, func(http.ResponseWriter)) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := pulseServer(t)
			var acknowledged atomic.Int32
			url := between(t, s, func(rw http.ResponseWriter, r *http.Request, forward func(http.ResponseWriter)) {
				if operationOf(r) == "AcknowledgeJob" && acknowledged.Add(1) == 1 {
					lose(rw, forward)
					return
				}
				forward(rw)
			})
			runs := filepath.Join(t.TempDir(), "runs")
			w, out := pulseWorker(newClient(url, c.codepipeline.Region, c.codepipeline.Credentials), "echo run >> "+runs)
			w.options.once = true
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := w.serve(ctx, ctx); err != nil {
				t.Fatalf("%v:\n%s", err, out)
			}
			if text, err := os.ReadFile(runs); err != nil || string(text) != "run\n" || !strings.Contains(out.String(), "Source/Pulse Succeeded") {
				t.Errorf("it ran %q, %v:\n%s", text, err, out)
			}
		})
	}
}

// TestWorkerAcknowledgeLostForLong has a server that takes an acknowledgement, and is
// then away for longer than nobody else is handed the job: the worker does the job if
// it has it, and only then.
func TestWorkerAcknowledgeLostForLong(t *testing.T) {
	t.Parallel()
	for name, takenOver := range map[string]bool{"it has it": false, "somebody else has it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := pulseServer(t)
			back := time.Now().Add(2 * time.Second)
			var acknowledged atomic.Int32
			url := between(t, s, func(rw http.ResponseWriter, r *http.Request, forward func(http.ResponseWriter)) {
				switch first := acknowledged.Add(1) == 1; {
				case first && takenOver:
					rw.WriteHeader(http.StatusServiceUnavailable)
				case first:
					forward(httptest.NewRecorder())
					panic(http.ErrAbortHandler)
				case time.Now().Before(back):
					rw.WriteHeader(http.StatusServiceUnavailable)
				default:
					forward(rw)
				}
			})
			w, out := pulseWorker(newClient(url, c.codepipeline.Region, c.codepipeline.Credentials), "echo run")
			direct, _ := pulseWorker(c, "")
			jobs, _, err := direct.poll(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			want := jobDone
			if takenOver {
				want, *jobs[0].Nonce = jobDropped, "that of an earlier handing out"
			}
			if got := w.do(t.Context(), &jobs[0], back.Add(-acknowledgeTime-time.Second)); got != want {
				t.Errorf("outcome %d, want %d:\n%s", got, want, out)
			}
		})
	}
}

// reply is what scripted answers: a status and an exception, or a text with 200.
type reply struct {
	status int
	text   string
	// held holds the answer back until it is closed.
	held <-chan time.Time
}

// scripted answers each operation with its replies in turn; the last one is for
// all that follow.
func scripted(t *testing.T, replies map[string][]reply) *worker {
	t.Helper()
	asked := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		operation := operationOf(r)
		list := replies[operation]
		if len(list) == 0 {
			t.Errorf("it calls %s", operation)
			rw.WriteHeader(http.StatusNotFound)
			return
		}
		answer := list[min(asked[operation], len(list)-1)]
		asked[operation]++ // calls come one after the other
		if answer.held != nil {
			<-answer.held
		}
		if answer.status == http.StatusOK {
			io.WriteString(rw, answer.text)
			return
		}
		rw.WriteHeader(answer.status)
		io.WriteString(rw, `{"__type": "`+answer.text+`"}`)
	}))
	t.Cleanup(s.Close)
	c := newClient(s.URL, "eu-west-1", sigv4.Credentials{AccessKeyID: "k", SecretAccessKey: "s"})
	return &worker{client: c, polls: c.codepipeline, print: &workerPrinter{out: io.Discard, err: io.Discard}}
}

// TestAcknowledge: a nonce that is refused after a try whose answer is not known
// was used by that try, unless somebody else may have been handed the job since.
func TestAcknowledge(t *testing.T) {
	t.Parallel()
	const refused, gone = "InvalidNonceException", "JobNotFoundException"
	const ours = refused + `", "message": "The job with id 'j' has been acknowledged with this nonce already`
	late := time.Now().Add(time.Second)
	later := func() <-chan time.Time { return time.After(time.Until(late)) }
	for name, test := range map[string]struct {
		acknowledge, details []reply
		until                time.Time
		want                 string
	}{
		"taken":                {acknowledge: []reply{{200, `{"status": "InProgress"}`, nil}}},
		"over":                 {acknowledge: []reply{{200, `{"status": "TimedOut"}`, nil}}, want: "it is TimedOut"},
		"refused":              {acknowledge: []reply{{400, refused, nil}}, want: refused},
		"throttled":            {acknowledge: []reply{{400, "ThrottlingException", nil}, {200, `{"status": "InProgress"}`, nil}}},
		"lost, then over":      {acknowledge: []reply{{500, "InternalFailure", nil}, {200, `{"status": "Failed"}`, nil}}, want: "it is Failed"},
		"lost, then used":      {acknowledge: []reply{{503, "", nil}, {400, refused, nil}}, details: []reply{{503, "", nil}, {200, `{}`, nil}}},
		"lost, then used, end": {acknowledge: []reply{{503, "", nil}, {400, refused, nil}}, details: []reply{{400, gone, nil}}, want: gone},
		"lost, then late":      {acknowledge: []reply{{503, "", nil}, {400, refused, later()}}, until: late, want: "whether"},
		"late, then taken":     {acknowledge: []reply{{503, "", later()}, {200, `{"status": "InProgress"}`, nil}}, until: late},
		"late, then ours":      {acknowledge: []reply{{503, "", later()}, {400, ours, nil}}, details: []reply{{200, `{}`, nil}}, until: late},
		"late, then ours, end": {acknowledge: []reply{{503, "", later()}, {400, ours, nil}}, details: []reply{{400, gone, nil}}, until: late, want: gone},
		"not asked for before": {acknowledge: []reply{{400, ours, nil}}, want: refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.until.IsZero() {
				test.until = time.Now().Add(time.Minute)
			}
			j := &doneJob{worker: scripted(t, map[string][]reply{"AcknowledgeJob": test.acknowledge, "GetJobDetails": test.details}), id: "j"}
			err := j.acknowledge(t.Context(), "n", test.until)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// TestAcknowledgeStopped: a worker that is stopped does not wait for its server.
func TestAcknowledgeStopped(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	j := &doneJob{worker: scripted(t, map[string][]reply{"AcknowledgeJob": {{503, "", nil}}}), id: "j"}
	if err := j.acknowledge(ctx, "n", time.Now()); err == nil || ctx.Err() == nil {
		t.Errorf("%v, and the worker is stopped: %v", err, ctx.Err())
	}
}

// TestTell: a result is told until the server takes it; a refusal as answered
// before says that it did, unless it was told only once.
func TestTell(t *testing.T) {
	t.Parallel()
	const answered = "InvalidJobStateException"
	for name, test := range map[string]struct {
		replies []reply
		want    string
	}{
		"once":             {[]reply{{400, answered, nil}}, answered},
		"lost, then said":  {[]reply{{503, "", nil}, {400, answered, nil}}, ""},
		"lost, then taken": {[]reply{{503, "", nil}, {200, "", nil}}, ""},
		"lost, then wrong": {[]reply{{503, "", nil}, {400, "ValidationException", nil}}, "ValidationException"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := scripted(t, map[string][]reply{"PutJobSuccessResult": test.replies})
			err := w.tell(t.Context(), "PutJobSuccessResult", &cp.PutJobSuccessResultInput{JobId: new("j")})
			if test.want == "" && err != nil || test.want != "" && !isCode(err, test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// TestUpload: outputs are written with the credentials that are fetched anew, and
// with the key of the artifact store.
func TestUpload(t *testing.T) {
	t.Parallel()
	put := make(chan http.Header, 1)
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if operationOf(r) == "GetJobDetails" {
			io.WriteString(rw, `{"jobDetails": {"id": "j", "data": {"artifactCredentials":
				{"accessKeyId": "ASIANEW", "secretAccessKey": "s", "sessionToken": "new"}}}}`)
			return
		}
		if r.Method != http.MethodPut || r.URL.Path != "/store/demo/made" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		put <- r.Header
	}))
	defer s.Close()
	dirs, err := makeFolders(t.TempDir())
	if err == nil {
		err = errors.Join(os.Mkdir(dirs.output("Made"), 0o700), os.WriteFile(filepath.Join(dirs.output("Made"), "file"), []byte("made"), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(s.URL, "eu-west-1", sigv4.Credentials{AccessKeyID: "k", SecretAccessKey: "s"})
	j := &doneJob{worker: &worker{client: c}, id: "j", dirs: dirs, data: &cp.JobData{
		ArtifactCredentials: &cp.AWSSessionCredentials{AccessKeyId: new("ASIAOLD"), SecretAccessKey: new("s"), SessionToken: new("old")},
		EncryptionKey:       &cp.EncryptionKey{Id: new("alias/made"), Type: "KMS"},
		OutputArtifacts: []cp.Artifact{{Name: new("Made"), Location: &cp.ArtifactLocation{
			Type: "S3", S3Location: &cp.S3ArtifactLocation{BucketName: new("store"), ObjectKey: new("demo/made")},
		}}},
	}}
	if err := j.upload(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := <-put
	if !strings.Contains(h.Get("Authorization"), "Credential=ASIANEW/") || h.Get("X-Amz-Security-Token") != "new" {
		t.Errorf("put with %v", h)
	}
	if h.Get("X-Amz-Server-Side-Encryption") != "aws:kms" || h.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id") != "alias/made" {
		t.Errorf("put with the key of %v", h)
	}
}

// TestJobEnvironment: the command sees the worker's variables, but none that lets
// it act as the worker.
func TestJobEnvironment(t *testing.T) {
	t.Parallel()
	dirs, err := makeFolders(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	j := &doneJob{id: "j", data: &cp.JobData{}, dirs: dirs}
	kept := []string{
		"AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x", "AWS_SESSION_TOKEN=x", "AWS_SECURITY_TOKEN=x",
		"PENSTOCK_ROOT_ACCESS_KEY_ID=x", "PENSTOCK_ROOT_SECRET_ACCESS_KEY=x", "PENSTOCK_DATABASE=x",
	}
	env, err := j.environment(append([]string{"PATH=/bin", "AWS_ENDPOINT_URL=y", "JOB_ID=x"}, kept...))
	if err != nil {
		t.Fatal(err)
	}
	seen := "\n" + strings.Join(env, "\n") + "\n"
	for _, v := range kept {
		if strings.Contains(seen, "\n"+v[:len(v)-1]) {
			t.Errorf("the command sees %s", v)
		}
	}
	for _, v := range []string{"PATH=/bin", "AWS_ENDPOINT_URL=y", "JOB_ID=j"} {
		if strings.Count(seen, "\n"+v+"\n") != 1 {
			t.Errorf("the command does not see %s:%s", v, seen)
		}
	}
	if strings.Contains(seen, "JOB_ID=x") {
		t.Error("the worker's JOB_ID is that of the command")
	}
}
