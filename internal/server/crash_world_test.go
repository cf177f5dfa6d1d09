package server_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// lostMessage is how a build ends whose node went away.
const lostMessage = "outcome unknown: the node went away"

// crashWorld is what the clients of a server know for certain: what it has
// acknowledged, and what it has shown. After every restart all of it must hold.
type crashWorld struct {
	t       *testing.T
	journal string
	// busy pipelines run actions; loaded ones only take starts.
	busy, loaded []string

	mu sync.Mutex
	// starts are the acknowledged ones by token; asked are the tokens whose start
	// has no answer yet.
	starts map[crashToken]string
	asked  map[crashToken]bool
	// answers are the acknowledged answers to approvals, by token.
	answers map[string]string
	// objects are hashes of what was acknowledged; doubtful puts have no answer.
	objects  map[string][sha256.Size]byte
	doubtful map[string][sha256.Size]byte
	// rows are the rows of histories as they were last seen, by their ids; listed
	// says in which pipeline's history.
	rows   map[string]crashRow
	listed map[string]string
	// replays counts starts that were repeated and answered with the first id.
	replays int
}

type crashToken struct{ pipeline, token string }

// crashRow is an execution or an action execution in a list.
type crashRow struct {
	text  []byte
	ended bool
	crashFacts
}

// crashFacts are the members of both kinds of rows that are looked at.
type crashFacts struct {
	PipelineExecutionID string  `json:"pipelineExecutionId"`
	ActionExecutionID   string  `json:"actionExecutionId"`
	StageName           string  `json:"stageName"`
	ActionName          string  `json:"actionName"`
	Status              string  `json:"status"`
	StartTime           float64 `json:"startTime"`
	ExecutionType       string  `json:"executionType"`
	Trigger             struct {
		Type string `json:"triggerType"`
	} `json:"trigger"`
	Output struct {
		ExecutionResult struct {
			ID string `json:"externalExecutionId"`
			// Where ListActionExecutions shows the message of an error.
			Summary string `json:"externalExecutionSummary"`
		} `json:"executionResult"`
	} `json:"output"`
}

func newCrashWorld(t *testing.T, journal string) *crashWorld {
	return &crashWorld{
		t: t, journal: journal, starts: map[crashToken]string{}, asked: map[crashToken]bool{}, answers: map[string]string{},
		objects: map[string][sha256.Size]byte{}, doubtful: map[string][sha256.Size]byte{}, rows: map[string]crashRow{}, listed: map[string]string{},
	}
}

// verify checks the world against the server. all looks at everything, else at
// the histories and a sample of what only grows.
func (w *crashWorld) verify(ctx context.Context, c *crashClient, r *rand.Rand, all bool) error {
	w.mu.Lock()
	starts, answers, objects, doubtful := maps.Clone(w.starts), maps.Clone(w.answers), maps.Clone(w.objects), maps.Clone(w.doubtful)
	w.mu.Unlock()
	for _, name := range w.busy {
		if err := w.verifyHistory(ctx, c, name); err != nil {
			return err
		}
	}
	for token, status := range answers {
		if row, known := w.rows[token]; !known || row.Status != status {
			w.t.Errorf("approval %s was answered and acknowledged as %s; its row: %s", token, status, row.text)
		}
	}
	sample := func(n int) func() bool {
		return func() bool { return all || r.IntN(max(1, n)) < 20 }
	}
	wanted := sample(len(starts))
	for token, id := range starts {
		if slices.Contains(w.busy, token.pipeline) {
			if _, known := w.rows[id]; !known {
				w.t.Errorf("the history of %s lacks execution %s, which was acknowledged", token.pipeline, id)
			}
		} else if wanted() {
			if err := w.verifyStart(ctx, c, token, id); err != nil {
				return err
			}
		}
	}
	wanted = sample(len(objects))
	for key, hash := range objects {
		if wanted() {
			if err := w.verifyObject(ctx, c, key, hash, true); err != nil {
				return err
			}
		}
	}
	for key, hash := range doubtful {
		if err := w.verifyObject(ctx, c, key, hash, false); err != nil {
			return err
		}
	}
	w.verifyJournal()
	return nil
}

func (w *crashWorld) verifyStart(ctx context.Context, c *crashClient, token crashToken, id string) error {
	err := c.Call(ctx, "GetPipelineExecution", raw{"pipelineName": token.pipeline, "pipelineExecutionId": id}, nil)
	if code, ok := refused(err); ok {
		w.t.Errorf("execution %s of %s was acknowledged and is gone: %s", id, token.pipeline, code)
		return nil
	}
	return err
}

func (w *crashWorld) verifyObject(ctx context.Context, c *crashClient, key string, hash [sha256.Size]byte, must bool) error {
	content, found, err := c.get(ctx, "objects", key)
	switch {
	case err != nil:
		return err
	case must && !found:
		w.t.Errorf("object %s was acknowledged and is gone", key)
	case found && sha256.Sum256(content) != hash:
		w.t.Errorf("object %s is not what was put: %d bytes", key, len(content))
	}
	return nil
}

// verifyHistory reads the history of a pipeline and compares it with what was
// seen of it before.
func (w *crashWorld) verifyHistory(ctx context.Context, c *crashClient, name string) error {
	executions, err := c.list(ctx, "ListPipelineExecutions", raw{"pipelineName": name}, "pipelineExecutionSummaries")
	if err != nil {
		return err
	}
	actions, err := c.list(ctx, "ListActionExecutions", raw{"pipelineName": name}, "actionExecutionDetails")
	if err != nil {
		return err
	}
	now := map[string]bool{}
	for _, text := range slices.Concat(executions, actions) {
		var row crashRow
		if err := json.Unmarshal(text, &row.crashFacts); err != nil {
			return err
		}
		row.text = text
		row.ended = row.Status != "InProgress" && row.Status != "Stopping"
		id := row.PipelineExecutionID
		if row.ActionExecutionID != "" {
			id = row.ActionExecutionID
		}
		now[id] = true
		w.compareRow(id, row)
		w.rows[id], w.listed[id] = row, name
	}
	for id, pipeline := range w.listed {
		if pipeline == name && !now[id] {
			w.t.Errorf("the history of %s has lost %s", name, w.rows[id].text)
		}
	}
	return nil
}

// compareRow checks a row against the one seen before, and how it ended.
func (w *crashWorld) compareRow(id string, row crashRow) {
	before, known := w.rows[id]
	switch {
	case known && before.ended && !bytes.Equal(before.text, row.text):
		w.t.Errorf("a row of an end has changed\nfrom %s\nto   %s", before.text, row.text)
	case known && before.StartTime != row.StartTime:
		w.t.Errorf("a row has another start\nfrom %s\nto   %s", before.text, row.text)
	}
	if row.Status != "Failed" || row.ActionExecutionID == "" || row.StageName == "Gate" {
		return
	}
	lost := row.Output.ExecutionResult.Summary == lostMessage
	if row.StageName != "Build" || !lost {
		w.t.Errorf("an action failed that had no reason to: %s", row.text)
	}
}

// verifyJournal checks what really ran: nothing twice, and what succeeded once
// from its begin to its end.
func (w *crashWorld) verifyJournal() {
	text, err := os.ReadFile(w.journal)
	if err != nil && !os.IsNotExist(err) {
		w.t.Error(err)
	}
	count := map[string]int{}
	for line := range strings.Lines(string(text)) {
		count[strings.TrimSpace(line)]++
	}
	for line, n := range count {
		if n > 1 {
			w.t.Errorf("an action ran again: %d times %q in the journal", n, line)
		}
	}
	for id, row := range w.rows {
		if row.StageName != "Build" || row.Status != "Succeeded" {
			continue
		}
		for _, what := range []string{"begin", "end"} {
			line := fmt.Sprintf("%s %s %s", what, row.ActionName, row.PipelineExecutionID)
			if count[line] != 1 {
				w.t.Errorf("action execution %s succeeded; the journal has %q %d times", id, line, count[line])
			}
		}
	}
}

// count tells how many action executions of a stage have a status.
func (w *crashWorld) count(stage, status string) int {
	n := 0
	for _, row := range w.rows {
		if row.ActionExecutionID != "" && row.StageName == stage && row.Status == status {
			n++
		}
	}
	return n
}

// running names the executions that have not ended.
func (w *crashWorld) running(t *testing.T, c *crashClient) (list []string) {
	t.Helper()
	for _, name := range slices.Concat(w.busy, w.loaded) {
		in, out := raw{"pipelineName": name, "maxResults": 10}, struct {
			Summaries []crashFacts `json:"pipelineExecutionSummaries"`
		}{}
		if err := c.Call(t.Context(), "ListPipelineExecutions", in, &out); err != nil {
			t.Fatal(err)
		}
		for _, x := range out.Summaries {
			if x.Status == "InProgress" {
				list = append(list, name+"/"+x.PipelineExecutionID)
			}
		}
	}
	return list
}

// verifyCounts checks that there are no other executions than those that were
// asked for: one a token, and the one that creating the pipeline started.
func (w *crashWorld) verifyCounts(t *testing.T, c *crashClient) {
	t.Helper()
	want := map[string]int{}
	for token := range w.starts {
		want[token.pipeline]++
	}
	for _, name := range slices.Concat(w.busy, w.loaded) {
		list, err := c.list(t.Context(), "ListPipelineExecutions", raw{"pipelineName": name}, "pipelineExecutionSummaries")
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != want[name]+1 {
			t.Errorf("%s has %d executions; %d tokens and its creation started them", name, len(list), want[name])
		}
	}
}
