package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// TestBrokenStates breaks a good state in every way that the engine looks for;
// an event that decides nothing must not pass over it.
func TestBrokenStates(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*engine.State){
		"executions are out of order": func(s *engine.State) { s.Executions[0].Seq = 99 },
		"is held by E9, which is not inside it": func(s *engine.State) {
			s.Stage("Deploy").Holder, s.Stage("Deploy").Latest = "E9", "E9"
		},
		"entered last":                       func(s *engine.State) { s.Stage("Deploy").Latest = s.Executions[1].ID },
		"does not wait at Deploy":            func(s *engine.State) { s.Stage("Deploy").Waiting[0] = s.Executions[0].ID },
		"waits at Deploy twice":              func(s *engine.State) { s.Stage("Deploy").Waiting[1] = s.Stage("Deploy").Waiting[0] },
		"which came later":                   func(s *engine.State) { s.Executions[2].WaitingSince = 0 },
		"in mode SUPERSEDED":                 func(s *engine.State) { s.Executions[2].Mode = pipeline.ModeSuperseded },
		"evaluates onSuccess outside":        func(s *engine.State) { s.Executions[2].Gate = pipeline.GateOnSuccess },
		"is to end and waits":                func(s *engine.State) { s.Executions[2].Cancel = true },
		"2 executions wait, 1 stand in line": func(s *engine.State) { s.Stage("Deploy").Waiting = s.Stage("Deploy").Waiting[:1] },
		"without holding it":                 func(s *engine.State) { s.Executions[0].Stage, s.Stage("Deploy").Holder = 1, "" },
		"inside Deploy without a record":     func(s *engine.State) { s.Executions[0].Stages = nil },
		"is Failed instead of InProgress": func(s *engine.State) {
			s.Executions[0].Stages[1].Status = engine.Failed
		},
		"and beforeEntry is InProgress": func(s *engine.State) {
			s.Executions[0].Stages[1].Gates[0].Status = engine.InProgress
		},
		"that is not that of the plan": func(s *engine.State) { s.Executions[0].Stages[1].Gates[0].Rules = nil },
		"while actions run": func(s *engine.State) {
			s.Executions[0].Gate, s.Executions[0].Stages[1].Gates[0].Status = pipeline.GateBeforeEntry, engine.InProgress
			s.Executions[0].Stages[1].Gates[0].Rules[0].Status = engine.InProgress
		},
		"has two attempts of Ship": func(s *engine.State) {
			s.Executions[0].Actions = append(s.Executions[0].Actions, s.Executions[0].Actions[0])
		},
		"is in group 0 and Check is InProgress": func(s *engine.State) { s.Executions[0].Actions[0].Index = 1 },
		"runs Ship without its inputs":          func(s *engine.State) { s.Executions[0].Artifacts = nil },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			s, plans := brokenBed(t)
			spoil(s)
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("panic %.200s, want %q", got, want)
				}
			}()
			_, _, err := engine.Step(plans, s, engine.Past{}, engine.Event{ID: "event", At: 100, Body: engine.ActionReported{}})
			t.Errorf("the broken state passed: %v", err)
		})
	}
}

// brokenBed is a good state: E1 is in Deploy, E2 and E3 wait there.
func brokenBed(t *testing.T) (*engine.State, versions) {
	plan, err := pipeline.Compile(define(t, `mode QUEUED
Source/Fetch source out=src
Deploy/Ship build in=src
Deploy/Check build order=2
Deploy beforeEntry FAIL window`), environment)
	if err != nil {
		t.Fatal(err)
	}
	plan.Version = 1
	plans := versions{1: &plan}
	var s *engine.State
	var d engine.Decision
	events := 0
	step := func(body engine.Body) {
		events++
		s, d, err = engine.Step(plans, s, engine.Past{}, engine.Event{ID: fmt.Sprint("event", events), At: int64(events), Body: body})
		if err != nil {
			t.Fatal(err)
		}
	}
	report := func() {
		step(engine.ActionReported{Execution: d.Effects[0].Execution, Action: d.Effects[0].Action, Succeeded: true, Produced: []string{"src"}})
	}
	step(engine.CreatePipeline{ID: "p", Name: "pipe"})
	report()
	report()
	step(engine.StartExecution{})
	report()
	step(engine.StartExecution{})
	report()
	return s, plans
}

// TestPastIsOver: what is asked for because it is not live must have ended. A copy
// from before another event of the same batch is no answer.
func TestPastIsOver(t *testing.T) {
	t.Parallel()
	s, plans := brokenBed(t)
	before := s.Executions[0]
	id := before.ID
	old := loaded(t, stored(t, s)).Executions[0]
	s, _, err := engine.Step(plans, s, engine.Past{}, engine.Event{ID: "stop", At: 50, Body: engine.StopExecution{Execution: id, Abandon: true}})
	if err != nil {
		t.Fatal(err)
	}
	retry := engine.Event{ID: "retry", At: 51, Body: engine.RetryStage{Execution: id, Stage: "Deploy"}}
	past := engine.Past{Executions: map[string]*engine.Execution{id: old}}
	defer func() {
		if got := fmt.Sprint(recover()); !strings.Contains(got, "the past says that "+id+" is live") {
			t.Errorf("panic %.200s", got)
		}
	}()
	_, _, err = engine.Step(plans, s, past, retry)
	t.Errorf("an execution came back as it was before it ended: %v", err)
}
