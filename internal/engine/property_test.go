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
// pipelines of a few shapes. stepThrice checks that every outcome depends on the
// stored state and the event alone; the rest is checked here: facts that hold
// for every decision.
func TestStepIsAFunction(t *testing.T) {
	t.Parallel()
	shapes := []string{
		"Source/Fetch source out=src\nDeploy/Ship build in=src",
		"Source/Fetch source\nGate/Ask approval\nGate/AskToo approval order=2\nDeploy/Ship build",
		"var Color\nSource/Fetch source\nBuild/Make build order=5\nBuild/Test build order=5\nBuild/Pack build order=9",
		"Source/A source\nSource/B source\nGate/Ask approval\nGate/Make build\nDeploy/Ship build order=3\nDeploy/Check build order=3",
	}
	plans := map[string]*pipeline.Plan{}
	for _, shape := range shapes {
		plan, err := pipeline.Compile(define(t, shape), environment)
		if err != nil {
			t.Fatal(err)
		}
		plans[shape] = &plan
	}
	rapid.Check(t, func(t *rapid.T) {
		r := &run{t: t, plans: versions{}}
		shape := rapid.SampledFrom(shapes)
		r.install(plans[shape.Draw(t, "shape")])
		r.step(engine.CreatePipeline{ID: "p", Name: "pipe"})
		for range rapid.IntRange(0, 40).Draw(t, "events") {
			if rapid.IntRange(0, 15).Draw(t, "update") == 0 {
				r.install(plans[shape.Draw(t, "shape")])
				r.step(engine.UpdatePipeline{Version: len(r.plans)})
				continue
			}
			r.step(r.body())
		}
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
	actions    []engine.Effect
	past       engine.Past
	minted     map[string]bool
}

func (r *run) install(plan *pipeline.Plan) {
	version := *plan
	version.Version = len(r.plans) + 1
	r.plans[version.Version] = &version
}

func (r *run) step(body engine.Body) {
	r.events++
	r.at += rapid.SampledFrom([]int64{0, 1, 1000, -1000, 3_600_000, 40 * 24 * 3_600_000}).Draw(r.t, "wait")
	ev := engine.Event{ID: fmt.Sprintf("event-%d", r.events), At: r.at, Body: body}
	state, d, err := stepThrice(r.t, r.plans, r.state, r.past, ev)
	var rejection *engine.Rejection
	if errors.As(err, &rejection) {
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

// checkDecision: minted ids are new, every started action is asked to run, every
// ended one is void, and each changed execution is in Touched.
func (r *run) checkDecision(d engine.Decision) {
	if r.minted == nil {
		r.minted = map[string]bool{}
	}
	var started, ended []string
	for _, c := range d.Changes {
		switch c.Kind {
		case engine.ExecutionStarted:
			r.mint(c.Execution)
			r.executions = append(r.executions, c.Execution)
		case engine.ActionStarted:
			r.mint(c.ActionID)
			started = append(started, c.ActionID)
		case engine.ActionEnded:
			ended = append(ended, c.ActionID)
		}
		touched := func(e *engine.Execution) bool { return e.ID == c.Execution }
		if c.Execution != "" && !slices.ContainsFunc(d.Touched, touched) {
			r.t.Fatalf("%v changed an execution that is not touched", c)
		}
	}
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
}

func (r *run) mint(id string) {
	if r.minted[id] {
		r.t.Fatalf("id %s was minted twice", id)
	}
	r.minted[id] = true
}

// body draws an event about something that exists, existed or never did.
func (r *run) body() engine.Body {
	execution := rapid.SampledFrom(append(slices.Clone(r.executions), "no-such-execution")).Draw(r.t, "execution")
	action := rapid.SampledFrom(append(slices.Clone(r.actions), engine.Effect{Action: "no-such-action"})).Draw(r.t, "action")
	stage := rapid.SampledFrom([]string{"Source", "Gate", "Build", "Deploy", "Nowhere"}).Draw(r.t, "stage")
	yes := rapid.Bool().Draw(r.t, "yes")
	switch rapid.IntRange(0, 13).Draw(r.t, "kind") {
	case 0, 1, 2:
		b := engine.StartExecution{Trigger: engine.Trigger{Type: engine.TriggerStartPipelineExecution}}
		if yes {
			b.Variables = []pipeline.Variable{{Name: "Color", Value: "red"}}
		}
		return b
	case 3:
		return engine.StopExecution{Execution: execution, Abandon: yes, Reason: "enough"}
	case 4:
		return engine.SetTransition{
			Stage: stage, Disabled: yes, Outbound: rapid.Bool().Draw(r.t, "outbound"), Reason: "because", By: "alice",
		}
	case 5, 6:
		return engine.AnswerApproval{Stage: action.Stage, Action: action.Name, Token: action.Action, Approved: yes, By: "bob"}
	case 7:
		return engine.DeadlineReached{Execution: action.Execution, Action: action.Action}
	case 8:
		if rapid.IntRange(0, 10).Draw(r.t, "delete") == 0 {
			return engine.DeletePipeline{}
		}
	}
	// The newest reports are the likeliest, so that executions get somewhere.
	if n := len(r.actions); n > 0 && rapid.Bool().Draw(r.t, "last") {
		action = r.actions[n-1]
	}
	return engine.ActionReported{
		Execution: action.Execution, Action: action.Action, Succeeded: yes || rapid.Bool().Draw(r.t, "succeeded"),
		Produced: []string{"src", "no-such-artifact"}, Revision: &pipeline.Revision{ID: "rev"},
	}
}
