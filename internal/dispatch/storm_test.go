package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// TestStorm does to the real dispatcher, on real databases, what the simulator
// does to its model of it: commits fail in every way and processes end while
// clients start, stop, answer and repeat themselves. When the storm is over
// everything comes to its end, nothing accepted is lost, and nothing that may
// not be repeated was.
func TestStorm(t *testing.T) {
	for seed, mode := range []pipeline.ExecutionMode{pipeline.ModeSuperseded, pipeline.ModeQueued, pipeline.ModeParallel} {
		t.Run(string(mode), func(t *testing.T) {
			eachFaulty(t, func(t *testing.T, b *bed, f *db.Faults) {
				s := &storm{bed: b, faults: f, mode: mode, rng: rand.New(rand.NewPCG(uint64(seed), 1)), tokens: map[string]string{}}
				s.run(t)
			})
		})
	}
}

type storm struct {
	*bed
	faults *db.Faults
	mode   pipeline.ExecutionMode
	rng    *rand.Rand
	tokens map[string]string // client request tokens to the executions they made
}

func (s *storm) run(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	players, stop := context.WithCancel(ctx)
	defer stop()
	go play(players, s.source, 1)
	go play(players, s.build, 2)
	go play(players, s.rule, 3)
	s.Close()
	s.configure = func(c *dispatch.Config) { c.Quotas.ConcurrentExecutions = 6 }
	s.start()
	s.create(stormy(s.mode))
	s.blow()
	for range 150 {
		s.act(t)
		if s.rng.IntN(30) == 0 {
			s.faults.Decide(nil) // a process that cannot even start proves nothing
			s.restart()
			s.blow()
		}
	}
	s.faults.Decide(nil)
	s.drain(ctx, t)
	s.judge(t)
}

// play ends every attempt that starts, as often as it starts.
func play(ctx context.Context, a *actor, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 2))
	for {
		select {
		case <-ctx.Done():
			return
		case at := <-a.started:
			r := succeeded(nil)
			if rng.IntN(6) == 0 {
				r = provider.Failure(provider.CodeJobFailed, "no")
			}
			select {
			case a.report(at.ID) <- r:
			default: // the verdict of an earlier start is there still
			}
		}
	}
}

// blow makes one write in ten fail.
func (s *storm) blow() {
	rng := rand.New(rand.NewPCG(s.rng.Uint64(), 3))
	s.faults.Decide(func() db.Fault {
		if rng.IntN(10) > 0 {
			return db.FaultNone
		}
		return [...]db.Fault{db.FaultBefore, db.FaultConflict, db.FaultLost, db.FaultAfter}[rng.IntN(4)]
	})
}

// stormy has parallel actions, an approval, conditions, an automatic retry and
// rollback, and every kind of lost attempt.
func stormy(mode pipeline.ExecutionMode) pipeline.Declaration {
	d := declaration()
	d.ExecutionMode = mode
	d.Stages[1].OnFailure = &pipeline.FailureConditions{Result: pipeline.ResultRetry}
	d.Stages[2].BeforeEntry = conditionOf(pipeline.ResultFail, "Enter")
	sentBack := pipeline.ResultRollback
	if mode == pipeline.ModeParallel {
		sentBack = pipeline.ResultFail
	}
	d.Stages[3].OnSuccess = conditionOf(sentBack, "Keep", "KeepToo")
	d.Stages[1].Actions[0].Configuration = nil
	twin := d.Stages[1].Actions[0]
	twin.Name, twin.Namespace, twin.OutputArtifacts = "Twin", "", nil
	d.Stages[1].Actions = append(d.Stages[1].Actions, twin)
	d.Stages[3].Actions[0].Configuration = nil
	return d
}

// act is one request of a client. A fault is answered with an error that says
// so; the client may repeat a start with its token.
func (s *storm) act(t *testing.T) {
	var err error
	switch s.rng.IntN(9) {
	case 0, 1, 2:
		token := fmt.Sprintf("token-%d", s.rng.IntN(60))
		var id string
		id, err = s.StartExecution(t.Context(), key, dispatch.StartRequest{Token: token, Trigger: engine.Trigger{Type: engine.TriggerStartPipelineExecution}})
		if err == nil && s.tokens[token] != "" && s.tokens[token] != id {
			t.Errorf("token %s gave %s and then %s", token, s.tokens[token], id)
		}
		if err != nil && s.tokens[token] != "" && !errors.Is(err, db.ErrInjected) {
			t.Errorf("token %s gave %s and then %v", token, s.tokens[token], err)
		}
		if err == nil {
			s.tokens[token] = id
		}
	case 3:
		if list := s.executions(t); len(list) > 0 {
			e := list[s.rng.IntN(min(3, len(list)))]
			err = s.StopExecution(t.Context(), key, engine.StopExecution{Execution: e.ID, Abandon: s.rng.IntN(2) == 0})
		}
	case 4:
		err = s.answer(t)
	case 5:
		err = s.SetTransition(t.Context(), key, engine.SetTransition{
			Stage: "Build", Disabled: s.rng.IntN(3) == 0, Reason: "because", By: "arn:me",
		})
	case 6, 7, 8:
		err = s.again(t)
	}
	var rejection *engine.Rejection
	if err != nil && !errors.As(err, &rejection) && !errors.Is(err, db.ErrInjected) {
		t.Errorf("request: %v", err)
	}
}

func (s *storm) executions(t *testing.T) []engine.Execution {
	t.Helper()
	list, err := s.Executions(t.Context(), s.pipeline(), dispatch.Place{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// again retries, rolls back or overrides something.
func (s *storm) again(t *testing.T) error {
	list := s.executions(t)
	if len(list) == 0 {
		return nil
	}
	e := list[s.rng.IntN(min(8, len(list)))]
	stage := []string{"Source", "Build", "Gate", "Deploy"}[s.rng.IntN(4)]
	if len(e.Stages) > 0 && s.rng.IntN(4) > 0 {
		stage = e.Stages[len(e.Stages)-1].Name
	}
	switch s.rng.IntN(3) {
	case 0:
		return s.RetryStage(t.Context(), key, engine.RetryStage{Stage: stage, Execution: e.ID, AllActions: s.rng.IntN(2) == 0})
	case 1:
		_, err := s.RollBack(t.Context(), key, engine.RollBack{
			Stage: stage, Target: e.ID, Trigger: engine.Trigger{Type: engine.TriggerManualRollback, Detail: "arn:me"},
		})
		return err
	}
	gate := pipeline.GateBeforeEntry
	if stage == "Deploy" {
		gate = pipeline.GateOnSuccess
	}
	return s.OverrideCondition(t.Context(), key, engine.OverrideCondition{Stage: stage, Execution: e.ID, Gate: gate, By: "arn:me"})
}

// answer approves or rejects the approval that waits.
func (s *storm) answer(t *testing.T) error {
	list, err := s.ActionExecutions(t.Context(), s.pipeline(), "", 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if a.Action == "Ask" && a.Status == engine.InProgress {
			_, err := s.AnswerApproval(t.Context(), key, engine.AnswerApproval{
				Stage: "Gate", Action: "Ask", Token: a.ID, Approved: s.rng.IntN(4) > 0, By: "arn:bob",
			})
			return err
		}
	}
	return nil
}

// drain answers and enables until nothing runs and nothing is left to do.
func (s *storm) drain(ctx context.Context, t *testing.T) {
	t.Helper()
	if err := s.SetTransition(ctx, key, engine.SetTransition{Stage: "Build", By: "arn:me"}); err != nil {
		t.Fatal(err)
	}
	for {
		if err := s.answer(t); err != nil && ctx.Err() == nil {
			var rejection *engine.Rejection
			if !errors.As(err, &rejection) {
				t.Fatal(err)
			}
		}
		var live, effects int
		s.read(func(tx *db.Tx) error {
			if err := tx.QueryRow("select count(*) from pipeline_executions where live = 1").Scan(&live); err != nil {
				return err
			}
			return tx.QueryRow("select count(*) from effects").Scan(&effects)
		})
		if live == 0 && effects == 0 {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("does not drain: %d executions live, %d effects left", live, effects)
		}
	}
}

// judge looks at what is left.
func (s *storm) judge(t *testing.T) {
	known := map[string]bool{}
	for _, e := range s.executions(t) {
		known[e.ID] = true
		actions, err := s.ActionExecutions(t.Context(), s.pipeline(), e.ID, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		rules, err := s.RuleExecutions(t.Context(), s.pipeline(), e.ID, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rules {
			actions = append(actions, r.ActionExecution)
		}
		retries := map[string]int{}
		for _, r := range e.Stages {
			retries[r.Name] = r.AutoRetries + r.ManualRetries
		}
		attempts := map[[2]string]int{}
		for _, a := range actions {
			at := [2]string{a.Stage, a.Action}
			if attempts[at]++; attempts[at] > 1+retries[a.Stage] {
				t.Errorf("action %v of %s has %d executions after %d retries", at, e.ID, attempts[at], retries[a.Stage])
			}
			if a.Status == engine.InProgress {
				t.Errorf("action %s of %s is in progress, its execution %s", a.Action, e.ID, e.Status)
			}
			if n := s.build.starts(a.ID); n > 1 {
				t.Errorf("action %s of %s was started %d times", a.Action, e.ID, n)
			}
		}
	}
	for token, id := range s.tokens {
		if !known[id] {
			t.Errorf("token %s promised %s, which does not exist", token, id)
		}
	}
	s.read(func(tx *db.Tx) error {
		var version, changes int64
		err := tx.QueryRow(`select state_version, (select count(*) from changes) +
			(select count(*) from pipeline_executions where changes <> '') from pipelines`).Scan(&version, &changes)
		if version != changes {
			t.Errorf("state has version %d, history %d events", version, changes)
		}
		return err
	})
}
