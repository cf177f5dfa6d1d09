package engine_test

import (
	"errors"
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// wanderer is a pipeline under random sensible events.
type wanderer struct {
	t       *rapid.T
	plans   versions
	state   *engine.State
	at      int64
	events  int
	parts   map[string]*engine.Execution
	effects []engine.Effect
}

func (w *wanderer) install(plan *pipeline.Plan) {
	version := *plan
	version.Version = len(w.plans) + 1
	w.plans[version.Version] = &version
}

// attempt applies an event to a copy of the state.
func (w *wanderer) attempt(body engine.Body) (*engine.State, engine.Decision, error) {
	w.events++
	past := engine.Past{Executions: map[string]*engine.Execution{}, ConcurrentExecutions: 5}
	for {
		s, d, err := engine.Step(w.plans, w.copy(), past, engine.Event{ID: fmt.Sprint("event-", w.events), At: w.at, Body: body})
		missing, ok := errors.AsType[*engine.Missing](err)
		if !ok {
			return s, d, err
		}
		past.Executions[missing.Execution] = w.parts[missing.Execution]
	}
}

// copy stores and loads the state, as its owner would.
func (w *wanderer) copy() *engine.State { return loaded(w.t, stored(w.t, w.state)) }

func (w *wanderer) step(body engine.Body) {
	w.at += rapid.SampledFrom([]int64{0, 1, 3_600_000}).Draw(w.t, "wait")
	s, d, err := w.attempt(body)
	if _, rejected := errors.AsType[*engine.Rejection](err); rejected {
		return
	}
	if err != nil {
		w.t.Fatalf("%#v: %v", body, err)
	}
	w.state = s
	for _, e := range d.Touched {
		w.parts[e.ID] = e
	}
	for _, e := range d.Effects {
		if e.Kind == engine.RunAction {
			w.effects = append(w.effects, e)
		}
	}
	w.effects = slices.DeleteFunc(w.effects, func(e engine.Effect) bool { return slices.Contains(d.Void, e.Action) })
}

// body draws the next event: a verdict on what runs, most of the time.
func (w *wanderer) body() engine.Body {
	kind := rapid.IntRange(0, 9).Draw(w.t, "kind")
	stages := w.plans[w.state.Pipeline.Version].Stages
	stage := stages[rapid.IntRange(0, len(stages)-1).Draw(w.t, "stage")].Name
	switch {
	case kind == 0:
		return engine.SetTransition{
			Stage: stage, Outbound: rapid.Bool().Draw(w.t, "outbound"), Disabled: rapid.Bool().Draw(w.t, "disabled"), Reason: "r", By: "alice",
		}
	case kind == 1 && len(w.state.Executions) > 0:
		e := w.state.Executions[rapid.IntRange(0, len(w.state.Executions)-1).Draw(w.t, "execution")]
		return engine.StopExecution{Execution: e.ID, Abandon: rapid.Bool().Draw(w.t, "abandon")}
	case kind < 4 || len(w.effects) == 0:
		return engine.StartExecution{Trigger: engine.Trigger{Type: engine.TriggerStartPipelineExecution}}
	}
	e := w.effects[rapid.IntRange(0, len(w.effects)-1).Draw(w.t, "effect")]
	ok := rapid.IntRange(0, 3).Draw(w.t, "ok") > 0
	if e.Name == "Ask" {
		return engine.AnswerApproval{Stage: e.Stage, Action: e.Name, Token: e.Action, Approved: ok, By: "bob"}
	}
	b := engine.ActionReported{Execution: e.Execution, Action: e.Action, Succeeded: ok}
	if e.Name == "Fetch" && ok {
		b.Revision = &pipeline.Revision{ID: fmt.Sprint("r", w.events)}
	}
	return b
}

// reasons are the findings that can keep a live execution where it is.
var reasons = []engine.FindingKind{
	engine.FoundStageHeld, engine.FoundTransitionDisabled, engine.FoundTransitionExpired,
	engine.FoundApprovalPending, engine.FoundActionRunning, engine.FoundRuleRunning, engine.FoundWindowClosed,
}

// check explains every execution there ever was.
func (w *wanderer) check() {
	known := engine.Known{At: w.at, ConcurrentExecutions: 5}
	for _, e := range w.parts {
		if e.Ended() {
			known.Executions = append(known.Executions, e)
		}
	}
	for id, e := range w.parts {
		list := engine.Explain(w.plans, w.copy(), known, id, true)
		if len(list) == 0 {
			w.t.Fatalf("execution %s, which is %s, is not explained", id, e.Status)
		}
		live := w.state.Execution(id) != nil
		if live && !slices.ContainsFunc(list, func(f engine.Finding) bool { return slices.Contains(reasons, f.Kind) }) {
			w.t.Fatalf("execution %s waits for nothing: %+v", id, list)
		}
		for _, f := range list {
			if f.Kind == engine.FoundSuperseded && (f.Other == "" || w.parts[f.Other].Seq <= e.Seq && !e.Stale) {
				w.t.Fatalf("execution %s was superseded by %q", id, f.Other)
			}
			for _, r := range f.Remedies {
				w.try(r)
			}
		}
	}
}

// try applies a remedy and forgets it.
func (w *wanderer) try(r engine.Remedy) {
	var body engine.Body
	switch r.Kind {
	case engine.RemedyEnableTransition:
		body = engine.SetTransition{Stage: r.Stage, Outbound: r.Outbound}
	case engine.RemedyApprove, engine.RemedyReject:
		body = engine.AnswerApproval{Stage: r.Stage, Action: r.Action, Token: r.Token, Approved: r.Kind == engine.RemedyApprove}
	case engine.RemedyRetryFailedActions, engine.RemedyRetryAllActions:
		body = engine.RetryStage{Stage: r.Stage, Execution: r.Execution, AllActions: r.Kind == engine.RemedyRetryAllActions}
	case engine.RemedyOverride:
		body = engine.OverrideCondition{Stage: r.Stage, Execution: r.Execution, Gate: r.Gate}
	case engine.RemedyRollBack:
		body = engine.RollBack{Stage: r.Stage, Target: r.Execution, Trigger: engine.Trigger{Type: engine.TriggerManualRollback}}
	case engine.RemedyStop, engine.RemedyAbandon:
		body = engine.StopExecution{Execution: r.Execution, Abandon: r.Kind == engine.RemedyAbandon}
	case engine.RemedyStart:
		body = engine.StartExecution{Trigger: engine.Trigger{Type: engine.TriggerStartPipelineExecution}}
	default:
		w.t.Fatalf("remedy %q", r.Kind)
	}
	s, d, err := w.attempt(body)
	if err != nil {
		w.t.Fatalf("remedy %+v is refused: %v", r, err)
	}
	if r.Kind == engine.RemedyStart && s.Execution(d.ExecutionID) == nil {
		w.t.Fatalf("remedy %+v starts what cannot begin: %+v", r, d.Touched)
	}
}
