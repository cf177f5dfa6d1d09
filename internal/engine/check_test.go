package engine_test

import (
	"errors"
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

// TestPastOfABatch: dispatch may load an execution as it was before an event that
// ends it, and step a retry after that event. The answer is that of before; what
// it must not do is to bring the old execution back.
func TestPastOfABatch(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]func(id string) engine.Body{
		"retry": func(id string) engine.Body { return engine.RetryStage{Execution: id, Stage: "Deploy"} },
		"override": func(id string) engine.Body {
			return engine.OverrideCondition{Execution: id, Stage: "Deploy", Gate: pipeline.GateBeforeEntry}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, plans := brokenBed(t)
			id := s.Executions[0].ID
			old := loaded(t, stored(t, s)).Executions[0]
			// As if an action had failed beside one that runs, and a rule did.
			old.Actions[0].Status = engine.Failed
			if name == "override" {
				old.Gate = pipeline.GateBeforeEntry
			}
			s.Stage("Deploy").Inbound.Disabled = true // nobody else enters
			stop := engine.Event{ID: "stop", At: 50, Body: engine.StopExecution{Execution: id, Abandon: true}}
			s, _, err := engine.Step(plans, s, engine.Past{}, stop)
			if err != nil {
				t.Fatal(err)
			}
			past := engine.Past{Executions: map[string]*engine.Execution{id: old}}
			_, _, err = stepThrice(t, plans, s, past, engine.Event{ID: "again", At: 51, Body: body(id)})
			var rejection *engine.Rejection
			if !errors.As(err, &rejection) {
				t.Errorf("an execution came back as it was before it ended: %v", err)
			}
		})
	}
}
