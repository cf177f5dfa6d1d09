package simtest

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// permits says whether a request is to be accepted, by rules of its own. What is
// no request is always taken.
func (h *history) permits(body engine.Body) bool {
	if h.deleted {
		return !isRequest(body)
	}
	switch b := body.(type) {
	case engine.StartExecution:
		return !h.full() || automatic(b.Trigger)
	case engine.StopExecution:
		e := h.execution(b.Execution)
		return e != nil && !e.ended() && (!e.stop || b.Abandon && !e.abandon)
	case engine.RetryStage:
		return h.permitsRetry(b)
	case engine.RollBack:
		target := h.execution(b.Target)
		return h.plan.Stage(b.Stage) >= 0 && target != nil && !target.rolls && target.succeededIn(b.Stage) &&
			target.plan == h.plan && h.inside[b.Stage] == nil && !h.full()
	case engine.OverrideCondition:
		return h.permitsOverride(b)
	case engine.AnswerApproval:
		a := h.actions[b.Token]
		return a != nil && a.status == engine.InProgress && a.plan.IsApproval() && a.plan.Name == b.Action
	case engine.SetTransition:
		return h.plan.Stage(b.Stage) >= 0
	}
	return true
}

func isRequest(body engine.Body) bool {
	switch body.(type) {
	case engine.ActionReported, engine.DeadlineReached, engine.DeletePipeline:
		return false
	}
	return true
}

// automatic reports whether nobody waits for the answer to a start.
func automatic(t engine.Trigger) bool { return t.Type == triggerWebhook }

// stageOf finds the execution of a request about a stage, which must be the last
// one that entered it. One that is over can go on under its own definition only.
func (h *history) stageOf(stage, id string) *execution {
	e := h.execution(id)
	if e == nil || e.ended() && e.plan != h.plan || len(e.records) == 0 || e.record().name != stage {
		return nil
	}
	if !e.parallel() && h.latest[stage] != e {
		return nil
	}
	return e
}

func (h *history) permitsRetry(b engine.RetryStage) bool {
	e := h.stageOf(b.Stage, b.Execution)
	if e == nil {
		return false
	}
	if e.ended() {
		status := e.record().status
		return (e.status == engine.Failed || e.status == engine.Stopped) &&
			(status == engine.Failed || status == engine.Stopped) && !h.full()
	}
	return e.plan == h.plan && e.inside && e.status == engine.InProgress && e.gate == nil && !b.AllActions && e.failed()
}

func (h *history) permitsOverride(b engine.OverrideCondition) bool {
	e := h.stageOf(b.Stage, b.Execution)
	if e == nil {
		return false
	}
	plan, g := e.stage().Gate(b.Gate), e.record().gate(b.Gate)
	if plan == nil || g == nil || plan.Conditions[0].Result == pipeline.ResultSkip {
		return false
	}
	if !e.ended() {
		return e.gate == g && e.status == engine.InProgress
	}
	return e.status == engine.Failed && (g.status == engine.Failed || g.status == engine.Errored) && !h.full()
}

// asked notes what an accepted request asks of executions.
func (h *history) asked(o *op) {
	h.awaited, h.revived, h.added = nil, nil, nil
	switch b := o.ev.Body.(type) {
	case engine.StopExecution:
		e := h.execution(b.Execution)
		e.stop, e.abandon, e.changed = true, b.Abandon, true
	case engine.UpdatePipeline:
		for _, e := range h.alive {
			e.cancel, e.changed = e.cancel || !e.parallel(), true
		}
	case engine.DeletePipeline:
		for _, e := range h.alive {
			e.stop, e.abandon = true, true
		}
	}
}

// settled judges what an event left behind: whatever was asked for has happened.
func (h *history) settled(w *world, o *op) {
	if h.awaited != nil {
		w.fatalf("no rollback of %s to %s after %s", h.awaited.stage, h.awaited.target.id, describe(o.ev))
	}
	for _, e := range h.added {
		if !e.ended() && h.plan.Mode != pipeline.ModeSuperseded && len(h.alive) > h.limit {
			w.fatalf("%d executions are under way, %s is one too many", len(h.alive), e.id)
		}
	}
	for _, e := range h.alive {
		switch {
		case len(e.again) > 0:
			w.fatalf("a retry of %s forgot %v", e.id, e.again)
		case e.abandon, (e.stop || e.cancel) && !e.inside:
			w.fatalf("execution %s was to end and did not", e.id)
		case (e.stop || e.cancel) && e.gate != nil:
			w.fatalf("execution %s is to end and still evaluates %s", e.id, e.gate.name)
		case e.cancel && slices.ContainsFunc(e.actions, func(a *action) bool { return a.status == engine.InProgress && a.plan.IsApproval() }):
			w.fatalf("execution %s is to end and still waits for an approval", e.id)
		case e.inside:
			h.checkGroup(w, e)
			if slices.ContainsFunc(e.actions, starved) || e.gate != nil && slices.ContainsFunc(e.gate.rules, starved) {
				w.fatalf("something runs in %s without its inputs", e.id)
			}
		}
	}
	if !h.answered(o) {
		w.fatalf("%s was accepted and nothing came of it: %s", describe(o.ev), describeChanges(o.decision.Changes))
	}
}

// answered reports whether a request had its consequence in the history.
func (h *history) answered(o *op) bool {
	has := func(kind engine.ChangeKind, match func(engine.Change) bool) bool {
		return slices.ContainsFunc(o.decision.Changes, func(c engine.Change) bool { return c.Kind == kind && match(c) })
	}
	switch b := o.ev.Body.(type) {
	case engine.StartExecution:
		return has(engine.ExecutionStarted, func(c engine.Change) bool { return c.Execution == o.decision.ExecutionID })
	case engine.StopExecution:
		e := h.execution(b.Execution)
		return e.status == engine.Stopping || e.status == engine.Stopped
	case engine.RetryStage:
		return has(engine.StageRetried, func(c engine.Change) bool { return c.Execution == b.Execution && c.Stage == b.Stage })
	case engine.RollBack:
		e := h.execution(o.decision.ExecutionID)
		return e != nil && e == h.executions[len(h.executions)-1] && e.rolls && e.target.id == b.Target
	case engine.OverrideCondition:
		return has(engine.ConditionChanged, func(c engine.Change) bool {
			return c.Execution == b.Execution && c.Gate == b.Gate && c.Status == engine.Overridden
		})
	case engine.AnswerApproval:
		return has(engine.ActionEnded, func(c engine.Change) bool { return c.ActionID == b.Token })
	case engine.SetTransition:
		side := 0
		if b.Outbound {
			side = 1
		}
		return h.sides(b.Stage)[side].disabled == b.Disabled
	}
	return true
}
