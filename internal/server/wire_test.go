package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/cockroachdb/datadriven"

	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/server"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// TestWire holds conversations with a server, each in a file of testdata/wire:
// what went over the wire, request and answer, to be read beside observed.md;
// -rewrite makes the answers anew. JSON is shown with sorted members. What
// differs from run to run is masked, ids by numbers in the order of their first
// appearance (<id-1>), and a masked name in a later request stands for what it
// masked. Commands:
//
//	call OPERATION                the request's body; Penstock's own operations too
//	setup OPERATION               the same, and shows the answer only if it is an error
//	poll OPERATION                the same as call, but the caller will wait for an answer
//	define NAME                   a text that $NAME stands for in what follows
//	newest NAME                   "PIPELINE": $NAME stands for the id of its newest execution in what follows
//	await                         "PIPELINE EXECUTION STATUS": waits for it; EXECUTION may be newest
//	await-action                  "PIPELINE STAGE ACTION STATUS": waits for the state to show it
//	until OPERATION PATH=VALUE    calls it until a member of the answer, or #PATH, a length, has the value
//	let                           "EXECUTION Succeeded|Failed": ends its Gate action
//	bucket                        makes versioned buckets, one a line
//	put BUCKET KEY                an object; a body "zip" is an archive of index.html
//	get BUCKET KEY                shows an object
//	restart                       ends the server and starts it again
//	set OPTION                    the same with another value of an option
func TestWire(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/wire", func(t *testing.T, path string) {
		t.Parallel()
		w := &wire{bed: newBed(t), mask: newMask(), texts: map[string]string{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return w.run(d) })
	})
}

// wire is one conversation.
type wire struct {
	*bed
	mask  *mask
	texts map[string]string
	// patient requests say that they will wait.
	patient bool
}

func (w *wire) run(d *datadriven.TestData) string {
	input := w.reveal(d.Input)
	words := strings.Fields(input)
	switch d.Cmd {
	case "call":
		return w.call(d.CmdArgs[0].Key, input)
	case "poll":
		w.patient = true
		defer func() { w.patient = false }()
		return w.call(d.CmdArgs[0].Key, input)
	case "setup":
		if answer := w.call(d.CmdArgs[0].Key, input); !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
			return answer
		}
	case "define":
		w.texts["$"+d.CmdArgs[0].Key] = input
	case "newest":
		w.texts["$"+d.CmdArgs[0].Key] = w.newest(words[0])
		return w.mask.hide("id", w.newest(words[0]))
	case "await":
		if words[1] == "newest" {
			words[1] = w.newest(words[0])
		}
		w.await(words[0], words[1], types.PipelineExecutionStatus(words[2]))
	case "await-action":
		w.awaitAction(words[0], words[1], words[2], types.ActionExecutionStatus(words[3]))
	case "until":
		w.untilAnswer(d.CmdArgs[0].Key, input, d.CmdArgs[1].Key, w.reveal(d.CmdArgs[1].Vals[0]))
	case "let":
		report := provider.Report{Status: provider.Succeeded}
		if words[1] == "Failed" {
			report = provider.Failure(provider.CodeJobFailed, "The gate fell.")
		}
		w.gate.let(words[0], report)
	case "bucket":
		for _, name := range words {
			w.bucket(name)
		}
	case "put":
		if input == "zip" {
			input = zipped(w.t, map[string]string{"index.html": "<h1>hello</h1>\n"})
		}
		return w.mask.hide("version", w.put(d.CmdArgs[0].Key, d.CmdArgs[1].Key, input))
	case "get":
		_, content, err := w.Buckets().GetObject(w.t.Context(), d.CmdArgs[0].Key, d.CmdArgs[1].Key, "")
		if err != nil {
			return err.Error()
		}
		defer content.Close()
		text, err := io.ReadAll(content)
		w.must(err)
		return string(text)
	case "restart":
		w.restart()
	case "set":
		w.set(d.CmdArgs[0].Key, input)
	default:
		w.t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	}
	return ""
}

// reveal puts what was defined and what is masked into a text.
func (w *wire) reveal(input string) string {
	for name, text := range w.texts {
		input = strings.ReplaceAll(input, name, text)
	}
	return w.mask.reveal(input)
}

// set gives an option of the server another value.
func (w *wire) set(name, value string) {
	for _, s := range server.Scalars() {
		if s.Name == name {
			w.must(s.Set(&w.cfg, value))
			w.restart()
			return
		}
	}
	w.t.Fatalf("there is no option %s", name)
}

// awaitAction waits until the state shows an action with a status, and the
// history its references resolved: that follows the start, it is not part of it.
func (w *wire) awaitAction(name, stage, action string, status types.ActionExecutionStatus) {
	w.until(fmt.Sprintf("action %s/%s to be %s", stage, action, status), func() bool {
		out, err := w.cp.GetPipelineState(w.t.Context(), &cp.GetPipelineStateInput{Name: &name})
		w.must(err)
		for _, s := range out.StageStates {
			for _, a := range s.ActionStates {
				if aws.ToString(s.StageName) == stage && aws.ToString(a.ActionName) == action && a.LatestExecution != nil {
					return a.LatestExecution.Status == status && w.resolved(name, aws.ToString(s.LatestExecution.PipelineExecutionId), action)
				}
			}
		}
		return false
	})
}

// untilAnswer repeats a request until its answer has a value (see at).
func (w *wire) untilAnswer(operation, body, path, value string) {
	w.until(fmt.Sprintf("%s of %s to be %s", path, operation, value), func() bool {
		_, text := w.ask(operation, body)
		var answer any
		w.must(json.Unmarshal(text, &answer))
		return at(answer, path) == value
	})
}

// ask sends a signed request.
func (w *wire) ask(operation, body string) (*http.Response, []byte) {
	service, prefix := "codepipeline", "CodePipeline_20150709."
	if operation == "GetActionLog" || operation == "GetServerInfo" {
		service, prefix = "penstock", "Penstock_2026."
	}
	r := newRequest(w.t, w.Endpoint(), prefix+operation, body)
	if w.patient {
		r.Header.Set("X-Penstock-Wait-Seconds", "20")
	}
	sigv4.Sign(r, sigv4.Hash([]byte(body)), w.Root(), region, service, time.Now())
	return send(w.t, r)
}

// call sends a request and shows the answer.
func (w *wire) call(operation, body string) string {
	response, answer := w.ask(operation, body)
	if id := response.Header.Get("X-Amzn-Requestid"); !uuidPattern.MatchString(id) {
		w.t.Errorf("%s: request id %q", operation, id)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s\n", response.Proto, response.Status)
	for _, name := range []string{"Content-Type", "X-Amzn-Errortype"} {
		if v := response.Header.Get(name); v != "" {
			fmt.Fprintf(&out, "%s: %s\n", name, v)
		}
	}
	if len(answer) == 0 {
		fmt.Fprintf(&out, "Content-Length: %s\n", response.Header.Get("Content-Length"))
		return out.String()
	}
	return out.String() + w.mask.json(w.t, answer) + "\n"
}

// newRequest makes an unsigned request for an operation.
func newRequest(t testing.TB, endpoint, target, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", target)
	return r
}

// send returns the answer to a request and its body.
func send(t testing.TB, r *http.Request) (*http.Response, []byte) {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, body
}

// mask gives names to what differs from run to run, and takes them back.
type mask struct {
	names  map[string]string // by what they hide
	hidden map[string]string // by name
	counts map[string]int
}

func newMask() *mask {
	return &mask{names: map[string]string{}, hidden: map[string]string{}, counts: map[string]int{}}
}

var (
	uuidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	// keyPattern is the key of an artifact (actions.md 1.3).
	keyPattern = regexp.MustCompile(`^(.{1,20}/.{1,10}/)[A-Za-z0-9]{7}(\.zip)?$`)
	// timePattern is a time on the wire: at most three digits of a fraction, the
	// last of them not zero.
	timePattern = regexp.MustCompile(`^[0-9]{10}(\.[0-9]{0,2}[1-9])?$`)
)

// hide returns the name of a value, a new one for a new value.
func (m *mask) hide(kind, value string) string {
	if m.names[value] == "" {
		m.counts[kind]++
		name := fmt.Sprintf("<%s-%d>", kind, m.counts[kind])
		m.names[value], m.hidden[name] = name, value
	}
	return m.names[value]
}

// reveal puts the values in the place of their names.
func (m *mask) reveal(text string) string {
	for name, value := range m.hidden {
		text = strings.ReplaceAll(text, name, value)
	}
	return text
}

// json shows a JSON text, masked.
func (m *mask) json(t testing.TB, text []byte) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("the answer is no JSON: %v\n%s", err, text)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(m.value("", v)); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// value masks a value, the member of an object with the given name.
func (m *mask) value(member string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sortedKeys(v) {
			v[k] = m.value(k, v[k])
		}
	case []any:
		for i := range v {
			v[i] = m.value(member, v[i])
		}
	case json.Number:
		if timePattern.MatchString(v.String()) {
			return "<time>"
		}
	case string:
		return m.text(member, v)
	}
	return v
}

func (m *mask) text(member, v string) string {
	switch {
	case member == "nextToken", member == "NextToken":
		return m.hide("token", v)
	case member == "url" && strings.Contains(v, "/trigger?"):
		return m.hide("url", v)
	case member == "accessKeyId", member == "secretAccessKey", member == "sessionToken":
		return "<" + member + ">"
	case (member == "key" || member == "objectKey") && keyPattern.MatchString(v):
		return keyPattern.ReplaceAllString(v, "$1<suffix>$2")
	case member == "endpoint":
		return "<endpoint>"
	}
	for value, name := range m.names {
		if strings.HasPrefix(name, "<version-") {
			v = strings.ReplaceAll(v, value, name)
		}
	}
	return uuidPattern.ReplaceAllStringFunc(v, func(id string) string { return m.hide("id", id) })
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
