package engine_test

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// below draws a number below n, all about as likely: rapid's own ranges prefer the
// small ones, and then few executions get anywhere.
func below(t *rapid.T, n int, label string) int {
	x := 0
	for _, bit := range rapid.SliceOfN(rapid.Bool(), 10, 10).Draw(t, label) {
		x *= 2
		if bit {
			x++
		}
	}
	return x % n
}

// one draws an element, all about as likely.
func one[T any](t *rapid.T, from []T, label string) T { return from[below(t, len(from), label)] }

// body draws an event about something that exists, existed or never did.
func (r *run) body() engine.Body {
	switch kind := below(r.t, 40, "kind"); {
	case kind < 4:
		return r.start()
	case kind < 10:
		return r.request()
	case kind < 13:
		action := r.action()
		return engine.AnswerApproval{
			Stage: action.Stage, Action: action.Name, Token: action.Action, Approved: r.yes("approved"), By: "bob",
		}
	case kind == 13:
		action := r.action()
		return engine.DeadlineReached{Execution: action.Execution, Action: action.Action}
	case kind == 14 && below(r.t, 8, "delete") == 0:
		return engine.DeletePipeline{}
	}
	return r.report()
}

func (r *run) yes(label string) bool { return rapid.Bool().Draw(r.t, label) }

// start is asked for by a caller, or by nobody.
func (r *run) start() engine.Body {
	b := engine.StartExecution{Trigger: engine.Trigger{Type: engine.TriggerStartPipelineExecution}}
	if r.yes("trigger") {
		b.Trigger.Type = "Webhook"
	}
	if r.yes("variable") {
		b.Variables = []pipeline.Variable{{Name: "Color", Value: "red"}}
	}
	return b
}

// request is about a stage, an execution, or both.
func (r *run) request() engine.Body {
	execution := one(r.t, append(slices.Clone(r.executions), "no-such-execution"), "execution")
	stage := one(r.t, []string{"S0", "S1", "S2", "S3", "Nowhere"}, "stage")
	// Where the execution was is the likeliest to be accepted.
	if e := r.parts[execution]; e != nil && len(e.Stages) > 0 && below(r.t, 4, "its own stage") > 0 {
		stage = e.Stages[len(e.Stages)-1-below(r.t, len(e.Stages), "back")].Name
	}
	switch below(r.t, 10, "request") {
	case 0:
		return engine.StopExecution{Execution: execution, Abandon: r.yes("abandon"), Reason: "enough", By: "alice"}
	case 1, 2:
		return engine.RetryStage{Stage: stage, Execution: execution, AllActions: r.yes("all")}
	case 3, 4, 5:
		return engine.RollBack{Stage: stage, Target: execution, Trigger: engine.Trigger{Type: engine.TriggerManualRollback}}
	case 6, 7:
		gate := one(r.t, []string{pipeline.GateBeforeEntry, pipeline.GateOnSuccess, pipeline.GateOnFailure}, "gate")
		return engine.OverrideCondition{Stage: stage, Execution: execution, Gate: gate, By: "alice"}
	}
	return engine.SetTransition{
		Stage: stage, Disabled: r.yes("disabled"), Outbound: r.yes("outbound"), Reason: "because", By: "alice",
	}
}

// action is an attempt that was asked for, or none.
func (r *run) action() engine.Effect {
	return one(r.t, append(slices.Clone(r.actions), engine.Effect{Action: "no-such-action"}), "action")
}

// running are the attempts that run.
func (r *run) running() []engine.Effect {
	return slices.DeleteFunc(slices.Clone(r.actions), func(a engine.Effect) bool {
		return r.history.attempts[a.Action] != engine.InProgress
	})
}

// report says how an action or a rule ended. Those that run are the likeliest, so
// that executions get somewhere.
func (r *run) report() engine.Body {
	action := r.action()
	running := r.running()
	if len(running) > 0 && below(r.t, 8, "running") > 0 {
		action = one(r.t, running, "one that runs")
	}
	b := engine.ActionReported{Execution: action.Execution, Action: action.Action}
	b.Succeeded = below(r.t, 5, "succeeded") > 0
	if !b.Succeeded {
		b.Outcome.ErrorCode = rapid.SampledFrom([]string{"JobFailed", "ConfigurationError"}).Draw(r.t, "error")
		return b
	}
	b.Revision = &pipeline.Revision{ID: "rev"}
	b.Produced = []string{"a00", "a01", "a02", "a10", "a11", "no-such-artifact"}
	return b
}
