package simtest

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

func (h *history) executionStarted(f fact) {
	i := slices.IndexFunc(f.o.decision.Touched, func(t *engine.Execution) bool { return t.ID == f.Execution })
	if i < 0 || h.execution(f.Execution) != nil {
		f.w.fatalf("execution %s was started twice, or is not stored", f.Execution)
	}
	t := f.o.decision.Touched[i]
	e := &execution{
		id: t.ID, seq: len(h.executions), plan: h.plan, trigger: t.Trigger, started: f.w.now,
		status: engine.InProgress, artifacts: map[string]*artifact{}, changed: true,
	}
	if t.Version != h.plan.Version || t.Mode != h.plan.Mode {
		f.w.fatalf("execution %s has version %d and mode %s", e.id, t.Version, t.Mode)
	}
	if t.Type == engine.Rollback {
		h.rollbackStarted(f, e, t)
	}
	if b, ok := f.o.ev.Body.(engine.StartExecution); ok {
		e.missing = lacks(h.plan, b.Variables)
	} else if b, ok := f.o.ev.Body.(engine.CreatePipeline); ok {
		e.missing = lacks(h.plan, b.Start.Variables)
	}
	e.arrived = h.arrive()
	h.executions, h.byID[e.id] = append(h.executions, e), e
	h.alive = append(h.alive, e)
	h.added = append(h.added, e)
}

func (h *history) arrive() int64 {
	h.arrivals++
	return h.arrivals
}

// lacks reports whether a variable without default was not given.
func lacks(plan *pipeline.Plan, given []pipeline.Variable) bool {
	return slices.ContainsFunc(plan.Variables, func(v pipeline.VariableDeclaration) bool {
		return v.DefaultValue == nil && !slices.ContainsFunc(given, func(g pipeline.Variable) bool { return g.Name == v.Name })
	})
}

// rollbackStarted: a rollback was asked for or has followed a failure, runs one
// stage, and has what its target had.
func (h *history) rollbackStarted(f fact, e *execution, t *engine.Execution) {
	e.rolls, e.target = true, h.execution(t.Target)
	stage := ""
	if b, ok := f.o.ev.Body.(engine.RollBack); ok {
		stage = b.Stage
		if b.Target != t.Target {
			f.w.fatalf("rollback to %s has target %s", b.Target, t.Target)
		}
	} else if h.awaited == nil || h.awaited.target != e.target || t.Trigger.Type != engine.TriggerAutomatedRollback {
		f.w.fatalf("rollback %s to %s follows nothing: %+v", e.id, t.Target, h.awaited)
	} else {
		stage, h.awaited = h.awaited.stage, nil
	}
	switch {
	case e.target == nil || e.target.rolls || !e.target.succeededIn(stage):
		f.w.fatalf("execution %s cannot be the target of a rollback of %s", t.Target, stage)
	case e.target.plan != h.plan:
		f.w.fatalf("target %s is outdated", t.Target)
	}
	if had := f.row.past(t.Target); !slices.Equal(had.Variables, t.Variables) {
		f.w.fatalf("rollback %s has the variables %v, its target %v", e.id, t.Variables, had.Variables)
	}
	f.w.logf("%s: rollback of %s to %s", t.Trigger.Type, stage, short(t.Target))
	e.at = h.plan.Stage(stage)
	for name, a := range e.target.artifacts { // copied: no order is observed
		e.artifacts[name] = &artifact{a.place, a.produced}
	}
}

func (h *history) executionChanged(f fact) {
	e := h.execution(f.Execution)
	if e == nil {
		f.w.fatalf("an execution changed that was never started: %+v", f.Change)
	}
	if e.ended() {
		h.revive(f, e)
		return
	}
	e.status, e.summary = f.Status, f.Summary
	if !e.ended() {
		if e.status != engine.Stopping || !e.stop || !e.inside {
			f.w.fatalf("execution %s became %s", e.id, e.status)
		}
		return
	}
	if e.status == engine.Failed && e.inside && h.failureJudged(e) {
		h.leave(f, e, engine.Failed)
	}
	if e.inside {
		f.w.fatalf("execution %s ended as %s inside %s", e.id, e.status, e.record().name)
	}
	if !h.mayEnd(e) {
		f.w.fatalf("execution %s ended as %s: %+v %+v", e.id, e.status, *e, e.records)
	}
	h.alive = slices.DeleteFunc(h.alive, func(other *execution) bool { return other == e })
	if e.status == engine.Failed {
		h.awaitRollback(e)
	}
}

// mayEnd reports whether an execution may end as it did.
func (h *history) mayEnd(e *execution) bool {
	last := engine.Status("")
	if len(e.records) > 0 {
		last = e.record().status
	}
	wanted := e.stop || e.cancel
	switch e.status {
	case engine.Succeeded:
		return (last == engine.Succeeded || last == engine.Skipped) && !wanted && !e.undone() &&
			(e.rolls && len(e.records) == 1 || !e.rolls && len(e.records) == len(e.plan.Stages))
	case engine.Failed:
		refused := last == "" && (e.missing || h.overLimit(e))
		return !wanted && (refused || last == engine.Failed || e.undone())
	case engine.Stopped:
		return e.stop && (last == "" || last == engine.Stopped || e.waited())
	case engine.Cancelled:
		return e.cancel && !e.stop && (last == "" || last == engine.Cancelled || e.waited())
	case engine.Superseded:
		return e.plan.Mode == pipeline.ModeSuperseded && h.overtaken(e)
	}
	return false
}

// waited reports whether an execution that was outside had entered its last
// stage and left it well.
func (e *execution) waited() bool {
	return len(e.records) > 0 && (e.record().status == engine.Succeeded || e.record().status == engine.Skipped)
}

// overLimit reports whether an execution that nobody waits for was one too many.
func (h *history) overLimit(e *execution) bool {
	return (automatic(e.trigger) || e.trigger.Type == engine.TriggerAutomatedRollback) &&
		h.plan.Mode != pipeline.ModeSuperseded && len(h.alive) > h.limit
}

// overtaken reports whether one waits where e waited that is newer, or that is let
// in where e no longer is.
func (h *history) overtaken(e *execution) bool {
	return slices.ContainsFunc(h.alive, func(other *execution) bool {
		return other.waits() && other.next() == e.next() && (e.stale && !other.stale || e.stale == other.stale && other.seq > e.seq)
	})
}

// undone reports whether the stage succeeded but its success condition sent the
// execution back.
func (e *execution) undone() bool {
	if len(e.records) == 0 || e.record().status != engine.Succeeded {
		return false
	}
	return e.held(pipeline.GateOnSuccess) && e.stage().OnSuccess.Conditions[0].Result == pipeline.ResultRollback
}

// held reports whether the condition of a gate was judged and kept the execution.
func (e *execution) held(name string) bool {
	g := e.record().gate(name)
	return g != nil && (g.status == engine.Failed || g.status == engine.Errored)
}

// awaitRollback notes the rollback that has to follow a failure.
func (h *history) awaitRollback(e *execution) {
	if len(e.records) == 0 || e.rolls || e.plan != h.plan {
		return
	}
	stage := e.record().name
	target := h.succeeded[stage]
	if target == nil || target.plan != h.plan {
		return
	}
	if e.undone() || e.failureResult() == pipeline.ResultRollback {
		h.awaited = &rollback{target, stage}
	}
}

// revive: an accepted retry or override, and nothing else, makes an execution
// live again. What permits asked for was true before the event.
func (h *history) revive(f fact, e *execution) {
	id := ""
	switch b := f.o.ev.Body.(type) {
	case engine.RetryStage:
		id = b.Execution
	case engine.OverrideCondition:
		id = b.Execution
	}
	if id != e.id || f.Status != engine.InProgress || h.revived != nil {
		f.w.fatalf("something happened in an execution that is over: %+v", f.Change)
	}
	h.revived, h.added = e, append(h.added, e)
	if !e.parallel() {
		if h.inside[e.record().name] != nil {
			f.w.fatalf("execution %s is live again in a stage that another one is in", e.id)
		}
		h.inside[e.record().name] = e
	}
	e.status, e.summary, e.inside = engine.InProgress, "", true
	e.stop, e.abandon, e.cancel = false, false, false
	e.at = e.plan.Stage(e.record().name)
	i, _ := slices.BinarySearchFunc(h.alive, e.seq, func(x *execution, seq int) int { return x.seq - seq })
	h.alive = slices.Insert(h.alive, i, e)
}

// live returns the execution of a change, which must not be over.
func (h *history) live(f fact) *execution {
	e := h.execution(f.Execution)
	if e == nil || e.ended() {
		f.w.fatalf("something happened in an execution that is over: %+v", f.Change)
	}
	return e
}
