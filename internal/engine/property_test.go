package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// TestStepIsAFunction applies random events, sensible ones and nonsense, to
// random pipelines of all modes, and lets them come to their end. stepThrice
// checks that every outcome depends on the stored state and the event alone; the
// rest is checked here: facts that hold for every decision.
func TestStepIsAFunction(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := &run{t: t, plans: versions{}, parts: map[string]*engine.Execution{}, history: newHistory(), minted: map[string]bool{}}
		r.past.ConcurrentExecutions = 1 + below(t, 6, "limit")
		r.install(drawPlan(t))
		r.step(engine.CreatePipeline{ID: "p", Name: "pipe"})
		for range below(t, 120, "events") {
			if below(t, 60, "update") == 0 {
				r.install(drawPlan(t))
				r.step(engine.UpdatePipeline{Version: len(r.plans)})
				continue
			}
			r.step(r.body())
		}
		r.drain()
	})
}

// run is one pipeline under random events.
type run struct {
	t          *rapid.T
	plans      versions
	state      *engine.State
	at         int64
	events     int
	executions []string
	parts      map[string]*engine.Execution // every execution as it was touched last
	actions    []engine.Effect
	past       engine.Past
	minted     map[string]bool
	history    *history
}

func (r *run) install(plan *pipeline.Plan) {
	version := *plan
	version.Version = len(r.plans) + 1
	r.plans[version.Version] = &version
}

func (r *run) step(body engine.Body) {
	r.at += one(r.t, []int64{0, 1, 1000, -1000, 1000, 0, 1, 1, 60_000, 3_600_000, 3_600_000, 40 * 24 * 3_600_000}, "wait")
	r.apply(body)
}

// apply steps, giving the engine the ended executions that it asks for.
func (r *run) apply(body engine.Body) {
	r.events++
	ev := engine.Event{ID: fmt.Sprintf("event-%d", r.events), At: r.at, Body: body}
	before := stored(r.t, r.state)
	past := r.past
	past.Executions = map[string]*engine.Execution{}
	state, d, err := stepThrice(r.t, r.plans, r.state, past, ev)
	for missing := (*engine.Missing)(nil); errors.As(err, &missing); {
		if _, asked := past.Executions[missing.Execution]; asked {
			r.t.Fatalf("%#v asks for %s twice", body, missing.Execution)
		}
		past.Executions[missing.Execution] = r.parts[missing.Execution]
		state, d, err = stepThrice(r.t, r.plans, loaded(r.t, before), past, ev)
	}
	var rejection *engine.Rejection
	if errors.As(err, &rejection) {
		r.state = loaded(r.t, before)
		return
	}
	if err != nil {
		r.t.Fatalf("%#v: %v", body, err)
	}
	r.state = state
	if a, ok := body.(engine.AnswerApproval); ok {
		r.past.AnsweredTokens = append(r.past.AnsweredTokens, a.Token)
	}
	r.checkDecision(d)
}

// checkDecision: minted ids are new, every started attempt that goes on is asked
// to run, every ended one is void, each changed execution is in Touched, and the
// history agrees with what is stored.
func (r *run) checkDecision(d engine.Decision) {
	var started, ended []string
	for _, c := range d.Changes {
		r.history.add(r.t, c)
		switch c.Kind {
		case engine.ExecutionStarted:
			r.mint(c.Execution)
			r.executions = append(r.executions, c.Execution)
		case engine.ActionStarted, engine.RuleStarted:
			r.mint(c.ActionID)
			started = append(started, c.ActionID)
		case engine.ActionEnded, engine.RuleEnded:
			ended = append(ended, c.ActionID)
		}
		touched := func(e *engine.Execution) bool { return e.ID == c.Execution }
		if c.Execution != "" && !slices.ContainsFunc(d.Touched, touched) {
			r.t.Fatalf("%v changed an execution that is not touched", c)
		}
	}
	started = slices.DeleteFunc(started, func(id string) bool { return slices.Contains(ended, id) })
	var asked []string
	for _, e := range d.Effects {
		if e.Kind == engine.RunAction {
			asked = append(asked, e.Action)
			r.actions = append(r.actions, e)
		}
	}
	if !slices.Equal(started, asked) {
		r.t.Fatalf("started %v but asked to run %v", started, asked)
	}
	if !slices.Equal(ended, d.Void) {
		r.t.Fatalf("ended %v but made void %v", ended, d.Void)
	}
	for _, e := range d.Touched {
		r.history.agree(r.t, e)
		part := &engine.Execution{}
		decode(r.t, encode(r.t, e), part)
		r.parts[e.ID] = part
	}
	r.checkLimit(d)
}

// checkLimit: nobody comes alive beyond the quota, SUPERSEDED mode aside.
func (r *run) checkLimit(d engine.Decision) {
	live := r.state.Executions
	for _, c := range d.Changes {
		i := slices.IndexFunc(live, func(e *engine.Execution) bool { return e.ID == c.Execution })
		if c.Kind == engine.ExecutionStarted && i >= 0 && live[i].Mode != pipeline.ModeSuperseded && len(live) > r.past.ConcurrentExecutions {
			r.t.Fatalf("%d executions are under way, the limit is %d", len(live), r.past.ConcurrentExecutions)
		}
	}
}

func (r *run) mint(id string) {
	if r.minted[id] {
		r.t.Fatalf("id %s was minted twice", id)
	}
	r.minted[id] = true
}

// drain lets everything come to its end: transitions are enabled and all that
// runs succeeds. Only what an overlong transition left behind may stay.
func (r *run) drain() {
	if r.state.Pipeline.Deleted {
		return
	}
	for _, st := range r.state.Pipeline.Stages {
		if !st.Gone {
			r.apply(engine.SetTransition{Stage: st.Name})
			r.apply(engine.SetTransition{Stage: st.Name, Outbound: true})
		}
	}
	for rounds := 0; len(r.history.running) > 0; rounds++ {
		if rounds > 1000 {
			r.t.Fatalf("attempts without end: %v", r.history.running)
		}
		for _, a := range slices.Clone(r.actions) {
			if r.history.attempts[a.Action] == engine.InProgress {
				r.apply(engine.ActionReported{Execution: a.Execution, Action: a.Action, Succeeded: true})
			}
		}
	}
	for _, e := range r.state.Executions {
		if !e.Stale {
			r.t.Fatalf("execution %s never ends: %s", e.ID, encode(r.t, e))
		}
	}
}
