package simtest

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

func (h *history) stageEntered(f fact) {
	e := h.live(f)
	first := len(e.records) == 0
	switch {
	case e.inside || !e.parallel() && h.inside[f.Stage] != nil:
		f.w.fatalf("two executions in a stage, or one in two: %+v", f.Change)
	case e.at >= len(e.plan.Stages) || e.next() != f.Stage || !first && (e.rolls || !e.waited()):
		f.w.fatalf("execution %s enters %s out of turn", e.id, f.Stage)
	case !h.open(e) || e.stale:
		f.w.fatalf("execution %s enters %s through a disabled transition", e.id, f.Stage)
	case e.stop || e.cancel || e.missing:
		f.w.fatalf("execution %s enters %s although it is to end", e.id, f.Stage)
	case !e.parallel() && slices.ContainsFunc(h.alive, func(other *execution) bool { return other.before(e) }):
		f.w.fatalf("execution %s enters %s before one that comes first", e.id, f.Stage)
	}
	e.inside, e.actions = true, nil
	e.records = append(e.records, &record{name: f.Stage, status: engine.InProgress})
	if !e.parallel() {
		h.inside[f.Stage], h.latest[f.Stage] = e, e
	}
}

// before reports whether an execution that waits comes before another at the
// same entrance: rollbacks first, then, in QUEUED mode, who was there earlier.
func (e *execution) before(other *execution) bool {
	if e == other || e.parallel() || !e.waits() || e.stale || e.next() != other.next() {
		return false
	}
	if e.rolls != other.rolls {
		return e.rolls
	}
	if e.plan.Mode == pipeline.ModeSuperseded {
		return e.seq > other.seq
	}
	return e.arrived < other.arrived
}

func (h *history) stageChanged(f fact) {
	e := h.live(f)
	if !e.inside || e.record().name != f.Stage {
		f.w.fatalf("stage %s changed for %s, which is not inside", f.Stage, e.id)
	}
	stays, ok := false, false
	switch f.Status {
	case engine.Stopping:
		stays, ok = true, e.stop
	case engine.Stopped:
		ok = e.stop
	case engine.Cancelled:
		ok = e.cancel && !e.stop
	case engine.Succeeded:
		ok = e.done() && !e.stop && !e.cancel && e.passes(pipeline.GateOnSuccess)
	case engine.Skipped:
		ok = !e.stop && !e.cancel && e.skipped()
	case engine.Failed:
		ok = !e.stop && !e.cancel && (e.barred() || e.broken())
		f := e.stage().OnFailure
		stays = ok && !e.barred() && f != nil && len(f.Conditions) > 0
		ok = ok && (stays || e.barred() || e.failsWith(e.failureResult()))
	}
	if !ok {
		f.w.fatalf("stage %s of %s became %s: %+v", f.Stage, e.id, f.Status, *e)
	}
	if stays {
		e.record().status = f.Status
		return
	}
	h.leave(f, e, f.Status)
}

// leave takes an execution out of its stage, in which nothing may run.
func (h *history) leave(f fact, e *execution, status engine.Status) {
	if e.gate != nil || e.busy() {
		f.w.fatalf("stage %s of %s ended while something runs", e.record().name, e.id)
	}
	stage := e.record().name
	e.record().status = status
	e.inside = false
	if !e.parallel() {
		delete(h.inside, stage)
	}
	if status == engine.Succeeded || status == engine.Skipped {
		e.arrived = h.arrive()
		e.at++
		if e.rolls {
			e.at = len(e.plan.Stages)
		}
	}
	if status == engine.Skipped {
		e.forgetUnmade()
	}
	if status == engine.Succeeded && !e.rolls && e.plan == h.plan && !e.undone() {
		h.succeeded[stage] = e
	}
	h.keepStages()
}

// forgetUnmade forgets the outputs that a skipped stage did not make.
func (e *execution) forgetUnmade() {
	stage := e.stage()
	for i := range stage.Actions {
		for _, out := range stage.Actions[i].Outputs {
			if a := e.artifacts[out.Name]; a != nil && !a.produced {
				delete(e.artifacts, out.Name)
			}
		}
	}
}

func running(a *action) bool { return a.status == engine.InProgress }

// busy reports whether an action or a rule of the execution runs.
func (e *execution) busy() bool {
	return slices.ContainsFunc(e.actions, running) || e.gate != nil && slices.ContainsFunc(e.gate.rules, running)
}

// done reports whether every action of the stage succeeded.
func (e *execution) done() bool {
	stage := e.stage()
	for i := range stage.Actions {
		if !e.succeeded(stage.Actions[i].Name) {
			return false
		}
	}
	return !e.busy()
}

func (e *execution) failed() bool {
	return slices.ContainsFunc(e.actions, func(a *action) bool { return a.status == engine.Failed })
}

// passes reports whether the success condition lets the execution go, or sends
// it back with its stage shown as Succeeded.
func (e *execution) passes(name string) bool {
	plan := e.stage().Gate(name)
	if plan == nil || len(plan.Conditions) == 0 {
		return true
	}
	g := e.record().gate(name)
	switch {
	case g == nil:
		return false
	case g.status == engine.Succeeded || g.status == engine.Overridden:
		return true
	}
	return e.held(name) && plan.Conditions[0].Result == pipeline.ResultRollback
}

// barred reports whether the entry condition failed the stage.
func (e *execution) barred() bool {
	return len(e.actions) == 0 && e.held(pipeline.GateBeforeEntry) &&
		e.stage().BeforeEntry.Conditions[0].Result == pipeline.ResultFail
}

// broken reports whether an action failed, or the success condition did.
func (e *execution) broken() bool {
	if e.busy() || len(e.actions) == 0 {
		return false
	}
	return e.failed() || e.done() && e.held(pipeline.GateOnSuccess) &&
		e.stage().OnSuccess.Conditions[0].Result == pipeline.ResultFail
}

// failureResult is the result that the stage declares for a failure and that is
// engaged: at once, or by its condition. It is FAIL if there is none.
func (e *execution) failureResult() string {
	f := e.stage().OnFailure
	if e.barred() || !e.broken() || f == nil {
		return pipeline.ResultFail
	}
	if len(f.Conditions) == 0 {
		return f.Result
	}
	if g := e.record().gate(pipeline.GateOnFailure); g != nil && g.status == engine.Succeeded {
		return f.Conditions[0].Result
	}
	return pipeline.ResultFail
}

// failsWith reports whether a result leaves the stage Failed.
func (e *execution) failsWith(result string) bool {
	switch result {
	case pipeline.ResultSkip:
		return false
	case pipeline.ResultRetry:
		return e.rolls || e.record().auto > 0
	}
	return true
}

// skipped reports whether the stage is to be left out.
func (e *execution) skipped() bool {
	if len(e.actions) == 0 {
		return e.held(pipeline.GateBeforeEntry) && e.stage().BeforeEntry.Conditions[0].Result == pipeline.ResultSkip
	}
	return e.broken() && e.failureResult() == pipeline.ResultSkip
}

// failureJudged reports whether the failure condition of a failed stage was
// judged and leaves it failed.
func (h *history) failureJudged(e *execution) bool {
	g := e.record().gate(pipeline.GateOnFailure)
	return e.record().status == engine.Failed && e.gate == nil && g != nil && e.broken() && e.failsWith(e.failureResult())
}

// stageRetried: by a request, by the stage's own declaration once, or because a
// condition that ended the execution was overridden.
func (h *history) stageRetried(f fact) {
	e := h.live(f)
	if !e.inside || e.record().name != f.Stage {
		f.w.fatalf("stage %s of %s runs again, which is not inside", f.Stage, e.id)
	}
	r := e.record()
	all := false
	switch by := engine.RetryTrigger(f.Summary); by {
	case engine.ManualStageRetry:
		b, ok := f.o.ev.Body.(engine.RetryStage)
		if !ok || b.Execution != e.id {
			f.w.fatalf("nobody asked for a retry of %s", e.id)
		}
		r.manual, r.latest, all = r.manual+1, by, b.AllActions
	case engine.AutomatedStageRetry:
		if e.failureResult() != pipeline.ResultRetry || e.failsWith(pipeline.ResultRetry) || e.stop || e.cancel {
			f.w.fatalf("stage %s of %s runs again by itself", f.Stage, e.id)
		}
		r.auto, r.latest, all = r.auto+1, by, e.stage().OnFailure.RetryMode == pipeline.RetryAllActions
	default:
		if _, ok := f.o.ev.Body.(engine.OverrideCondition); !ok || h.revived != e {
			f.w.fatalf("stage %s of %s runs again for no reason", f.Stage, e.id)
		}
		r.status = engine.InProgress
		return
	}
	r.status = engine.InProgress
	h.restart(e, all)
}

// restart forgets what is to run again.
func (h *history) restart(e *execution, all bool) {
	r := e.record()
	entry := e.stage().BeforeEntry
	if all || entry != nil && !e.passes(pipeline.GateBeforeEntry) {
		r.gates, e.actions = nil, nil
		stage := e.stage()
		for i := range stage.Actions {
			for _, out := range stage.Actions[i].Outputs {
				if a := e.artifacts[out.Name]; a != nil && !e.rolls {
					a.produced = false
				}
			}
		}
		return
	}
	r.gates = slices.DeleteFunc(r.gates, func(g *gate) bool { return g.name != pipeline.GateBeforeEntry })
	kept := []*action{}
	for _, a := range e.actions {
		if a.status == engine.Failed || a.status == engine.Abandoned {
			e.again = append(e.again, a.plan.Name)
			continue
		}
		kept = append(kept, a)
	}
	e.actions = kept
}
