package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fleetWorld is what the clients of a fleet know for certain.
type fleetWorld struct {
	t         *testing.T
	journal   string
	pipelines []string
	wanted    int // executions to start

	mu     sync.Mutex
	tokens []crashToken
	// starts, answers, retries and rollbacks are the calls that were answered:
	// execution ids by token, statuses by approval, counts of attempts by execution
	// and stage, and pipelines by execution.
	starts    map[crashToken]string
	answers   map[string]string
	retries   map[string]int
	rollbacks map[string]string
	lost      int
}

func newFleetWorld(t *testing.T, journal string, executions int) *fleetWorld {
	return &fleetWorld{
		t: t, journal: journal, wanted: executions,
		pipelines: []string{"superseded", "queued", "parallel-0", "parallel-1", "rolled-back"},
		starts:    map[crashToken]string{}, answers: map[string]string{}, retries: map[string]int{}, rollbacks: map[string]string{},
	}
}

// createAll makes a pipeline of each mode: two builds at once, an approval, and a
// build that fails now and then; one retries by itself, one rolls back.
func (w *fleetWorld) createAll(c *crashClient) {
	for i, name := range w.pipelines {
		mode := []string{"SUPERSEDED", "QUEUED", "PARALLEL", "PARALLEL", "QUEUED"}[i]
		ship := rawStage("Ship", w.journaled("Deliver", "test $(( $(date +%N | sed 's/^0*//') % 3 )) -gt 0 || exit 1"))
		switch name {
		case "queued":
			ship["onFailure"] = raw{"result": "RETRY", "retryConfiguration": raw{"retryMode": "FAILED_ACTIONS"}}
		case "rolled-back":
			ship["onFailure"] = raw{"result": "ROLLBACK"}
		}
		in := rawPipeline(name,
			rawStage("Source", rawAction("Pulse", "Source", "Custom", "Pulse", raw{"outputArtifacts": []raw{{"name": "App"}}})),
			rawStage("Work", w.journaled("One", "true"), w.journaled("Two", "true")),
			rawStage("Gate", rawAction("Review", "Approval", "AWS", "Manual", nil)),
			ship)
		in["pipeline"].(raw)["executionMode"] = mode
		crashCall(w.t, c, "CreatePipeline", in)
	}
}

func (w *fleetWorld) started() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.starts) >= w.wanted
}

// work is one client, who calls whichever node is up. A call without an answer is
// forgotten, but for starts, which are repeated.
func (w *fleetWorld) work(ctx context.Context, client func(*rand.Rand) *crashClient, r *rand.Rand, kind int) {
	for ctx.Err() == nil {
		if c := client(r); c != nil {
			name := w.pipelines[r.IntN(len(w.pipelines))]
			var err error
			switch kind {
			case 0, 1:
				err = w.start(ctx, c, r)
			case 2, 3:
				err = w.answerAll(ctx, c, name)
			case 4:
				err = w.retryOne(ctx, c, name)
			case 5:
				err = w.rollBackOne(ctx, c, r, name)
			}
			c.close()
			if _, ok := refused(err); ok {
				w.t.Errorf("client %d: %v", kind, err)
			}
		}
		select {
		case <-ctx.Done():
		case <-crashTimer(time.Duration(10+r.IntN(40)) * time.Millisecond):
		}
	}
}

// start repeats a start without an answer, or makes a new one.
func (w *fleetWorld) start(ctx context.Context, c *crashClient, r *rand.Rand) error {
	w.mu.Lock()
	var token crashToken
	for _, t := range w.tokens {
		if w.starts[t] == "" && r.IntN(2) == 0 {
			token = t
		}
	}
	if token.token == "" {
		if len(w.tokens) >= w.wanted {
			open := slices.IndexFunc(w.tokens, func(t crashToken) bool { return w.starts[t] == "" })
			if open < 0 {
				w.mu.Unlock()
				return nil
			}
			token = w.tokens[open]
		} else {
			name := w.pipelines[r.IntN(len(w.pipelines))]
			token = crashToken{name, fmt.Sprintf("%s-%d", name, len(w.tokens))}
			w.tokens = append(w.tokens, token)
		}
	}
	w.mu.Unlock()
	var out crashFacts
	err := c.Call(ctx, startOperation, raw{"name": token.pipeline, "clientRequestToken": token.token}, &out)
	if code, _ := refused(err); code == "ConcurrentPipelineExecutionsLimitExceededException" {
		return nil // later
	}
	if err != nil {
		return unlessServer(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if first := w.starts[token]; first != "" && first != out.PipelineExecutionID {
		w.t.Errorf("token %s gave %s, and again %s", token.token, first, out.PipelineExecutionID)
	}
	w.starts[token] = out.PipelineExecutionID
	return nil
}

// unlessServer drops the error of a server that could not answer: its database
// was away, or so busy that the request came to nothing.
func unlessServer(err error) error {
	switch code, _ := refused(err); code {
	case "InternalFailure", "InternalError", "ServiceUnavailable", "ServiceUnavailableException", "ConflictException":
		return nil
	}
	return err
}

func (w *fleetWorld) actions(ctx context.Context, c *crashClient, name string) ([]crashFacts, error) {
	texts, err := c.list(ctx, "ListActionExecutions", raw{"pipelineName": name}, "actionExecutionDetails")
	return factsOf(texts, err)
}

func (w *fleetWorld) executions(ctx context.Context, c *crashClient, name string) ([]crashFacts, error) {
	texts, err := c.list(ctx, "ListPipelineExecutions", raw{"pipelineName": name}, "pipelineExecutionSummaries")
	return factsOf(texts, err)
}

func factsOf(texts []json.RawMessage, err error) ([]crashFacts, error) {
	list := make([]crashFacts, len(texts))
	for i, text := range texts {
		err = errors.Join(err, json.Unmarshal(text, &list[i]))
	}
	return list, err
}

// answerAll answers every approval that waits: mostly with yes.
func (w *fleetWorld) answerAll(ctx context.Context, c *crashClient, name string) error {
	actions, err := w.actions(ctx, c, name)
	if err != nil {
		return unlessServer(err)
	}
	for _, a := range actions {
		if a.StageName != "Gate" || a.Status != "InProgress" {
			continue
		}
		answer, status := "Approved", "Succeeded"
		if strings.HasSuffix(a.ActionExecutionID, "0") {
			answer, status = "Rejected", "Failed"
		}
		err := c.Call(ctx, "PutApprovalResult", raw{
			"pipelineName": name, "stageName": "Gate", "actionName": "Review", "token": a.ActionExecutionID,
			"result": raw{"summary": "seen", "status": answer},
		}, nil)
		if code, _ := refused(err); code == "ApprovalAlreadyCompletedException" {
			continue // the other client, or this one without an answer
		}
		if err != nil {
			return unlessServer(err)
		}
		w.mu.Lock()
		w.answers[a.ActionExecutionID] = status
		w.mu.Unlock()
	}
	return nil
}

// retryOne retries the newest failed execution of a pipeline.
func (w *fleetWorld) retryOne(ctx context.Context, c *crashClient, name string) error {
	executions, err := w.executions(ctx, c, name)
	if err != nil {
		return unlessServer(err)
	}
	i := slices.IndexFunc(executions, func(e crashFacts) bool { return e.Status == "Failed" })
	if i < 0 {
		return nil
	}
	id := executions[i].PipelineExecutionID
	actions, err := w.actions(ctx, c, name)
	if err != nil {
		return unlessServer(err)
	}
	j := slices.IndexFunc(actions, func(a crashFacts) bool { return a.PipelineExecutionID == id })
	if j < 0 || w.retriesOf(id) > 3 {
		return nil
	}
	stage := actions[j].StageName
	before := attemptsIn(actions, id, stage)
	err = c.Call(ctx, "RetryStageExecution", raw{
		"pipelineName": name, "stageName": stage, "pipelineExecutionId": id, "retryMode": "FAILED_ACTIONS",
	}, nil)
	switch code, _ := refused(err); code {
	case "NotLatestPipelineExecutionException", "StageNotRetryableException", "ConcurrentPipelineExecutionsLimitExceededException":
		return nil // others came in between
	}
	if err != nil {
		return unlessServer(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.retries[id+" "+stage] = max(w.retries[id+" "+stage], before+1)
	return nil
}

func (w *fleetWorld) retriesOf(id string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for key := range w.retries {
		if strings.HasPrefix(key, id) {
			n++
		}
	}
	return n
}

func attemptsIn(actions []crashFacts, execution, stage string) int {
	n := 0
	for _, a := range actions {
		if a.PipelineExecutionID == execution && a.StageName == stage {
			n++
		}
	}
	return n
}

// rollBackOne rolls the last stage back to an execution that succeeded, not more
// often than a few times.
func (w *fleetWorld) rollBackOne(ctx context.Context, c *crashClient, r *rand.Rand, name string) error {
	w.mu.Lock()
	enough := len(w.rollbacks) >= 20
	w.mu.Unlock()
	executions, err := w.executions(ctx, c, name)
	if err != nil || enough {
		return unlessServer(err)
	}
	target := executions[r.IntN(len(executions))]
	if target.Status != "Succeeded" || target.ExecutionType == "ROLLBACK" {
		return nil
	}
	var out crashFacts
	err = c.Call(ctx, "RollbackStage", raw{
		"pipelineName": name, "stageName": "Ship", "targetPipelineExecutionId": target.PipelineExecutionID,
	}, &out)
	switch code, _ := refused(err); code {
	case "UnableToRollbackStageException", "ConcurrentPipelineExecutionsLimitExceededException":
		return nil // the stage runs
	}
	if err != nil {
		return unlessServer(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rollbacks[out.PipelineExecutionID] = name
	return nil
}

// live lists the executions that have not ended.
func (w *fleetWorld) live(ctx context.Context, c *crashClient) (list []string) {
	for _, name := range w.pipelines {
		executions, err := w.executions(ctx, c, name)
		if err != nil {
			list = append(list, fmt.Sprintf("%s: %v", name, err))
		}
		for _, e := range executions {
			if e.Status == "InProgress" || e.Status == "Stopping" {
				list = append(list, name+"/"+e.PipelineExecutionID)
			}
		}
	}
	return list
}
