package server_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// work runs the clients of one life until ctx ends or the server dies. Each has
// its own random numbers.
func (w *crashWorld) work(ctx context.Context, c *crashClient, seed uint64, starts bool) (wait func()) {
	var clients sync.WaitGroup
	client := func(n uint64, do func(r *rand.Rand) error, pause time.Duration) {
		clients.Go(func() {
			r := rand.New(rand.NewPCG(seed, n))
			for ctx.Err() == nil && do(r) == nil {
				select {
				case <-ctx.Done():
				case <-crashTimer(pause):
				}
			}
		})
	}
	for i := range w.busy {
		client(uint64(i), func(*rand.Rand) error { return w.approve(ctx, c, w.busy[i]) }, 5*time.Millisecond)
		if starts {
			client(uint64(10+i), func(r *rand.Rand) error { return w.start(ctx, c, r, w.busy[i]) }, 150*time.Millisecond)
		}
	}
	if starts {
		for i := range w.loaded {
			client(uint64(20+i), func(r *rand.Rand) error { return w.start(ctx, c, r, w.loaded[i]) }, 0)
		}
		client(30, func(r *rand.Rand) error { return w.put(ctx, c, r) }, 0)
		client(31, func(r *rand.Rand) error { return c.put(ctx, "sources", "app.zip", crashSource(w.t, r.IntN(1000))) }, 20*time.Millisecond)
	}
	return clients.Wait
}

// start starts an execution: one whose answer was lost, now and then one that
// was acknowledged, else a new one.
func (w *crashWorld) start(ctx context.Context, c *crashClient, r *rand.Rand, pipeline string) error {
	token := w.pickToken(r, pipeline)
	var out struct {
		PipelineExecutionID string `json:"pipelineExecutionId"`
	}
	err := c.Call(ctx, startOperation, raw{"name": pipeline, "clientRequestToken": token.token}, &out)
	if code, ok := refused(err); ok {
		w.t.Errorf("a start was refused: %s", code)
	}
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.asked, token)
	first, known := w.starts[token]
	if known && first != out.PipelineExecutionID {
		w.t.Errorf("token %s gave %s, and again %s", token.token, first, out.PipelineExecutionID)
	}
	if known {
		w.replays++
	}
	w.starts[token] = out.PipelineExecutionID
	return nil
}

func (w *crashWorld) pickToken(r *rand.Rand, pipeline string) crashToken {
	w.mu.Lock()
	defer w.mu.Unlock()
	for t := range w.asked {
		if t.pipeline == pipeline {
			return t
		}
	}
	if r.IntN(10) == 0 {
		for t := range w.starts {
			if t.pipeline == pipeline {
				return t
			}
		}
	}
	t := crashToken{pipeline, fmt.Sprintf("%s-%d-%d", pipeline, len(w.starts), r.Uint64())}
	w.asked[t] = true
	return t
}

// unanswered are the tokens whose start was not answered.
func (w *crashWorld) unanswered() []crashToken {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.asked))
}

// approve answers the approval that waits in a pipeline, mostly with yes.
func (w *crashWorld) approve(ctx context.Context, c *crashClient, pipeline string) error {
	var out struct {
		StageStates []struct {
			StageName    string `json:"stageName"`
			ActionStates []struct {
				LatestExecution struct {
					Status string `json:"status"`
					Token  string `json:"token"`
				} `json:"latestExecution"`
			} `json:"actionStates"`
		} `json:"stageStates"`
	}
	if err := c.Call(ctx, "GetPipelineState", raw{"name": pipeline}, &out); err != nil {
		return err
	}
	for _, s := range out.StageStates {
		if s.StageName != "Gate" || len(s.ActionStates) == 0 || s.ActionStates[0].LatestExecution.Status != "InProgress" {
			continue
		}
		token := s.ActionStates[0].LatestExecution.Token
		if token == "" {
			w.t.Errorf("an approval of %s waits without a token", pipeline)
			continue
		}
		answer, status := "Approved", "Succeeded"
		if token[0] == '0' {
			answer, status = "Rejected", "Failed"
		}
		err := c.Call(ctx, "PutApprovalResult", raw{
			"pipelineName": pipeline, "stageName": "Gate", "actionName": "Review", "token": token,
			"result": raw{"summary": "seen", "status": answer},
		}, nil)
		if code, ok := refused(err); ok {
			w.t.Errorf("an answer to an approval that waits was refused: %s", code)
		}
		if err != nil {
			return err
		}
		w.mu.Lock()
		w.answers[token] = status
		w.mu.Unlock()
	}
	return nil
}

// put writes a new object of random bytes.
func (w *crashWorld) put(ctx context.Context, c *crashClient, r *rand.Rand) error {
	content := make([]byte, 1+r.IntN(100_000))
	for i := range content {
		content[i] = byte(r.Uint32())
	}
	key, hash := fmt.Sprintf("object-%d", r.Uint64()), sha256.Sum256(content)
	w.mu.Lock()
	w.doubtful[key] = hash
	w.mu.Unlock()
	if err := c.put(ctx, "objects", key, content); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.doubtful, key)
	w.objects[key] = hash
	return nil
}
