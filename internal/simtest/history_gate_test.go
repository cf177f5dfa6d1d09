package simtest

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// conditionChanged: a condition is begun when its time has come, and judged by
// its rules.
func (h *history) conditionChanged(f fact) {
	e := h.live(f)
	if len(e.records) == 0 || e.record().name != f.Stage || e.stage().Gate(f.Gate) == nil {
		f.w.fatalf("a condition changed that %s does not have: %+v", e.id, f.Change)
	}
	if f.Status == engine.InProgress {
		h.beginCondition(f, e)
		return
	}
	g := e.record().gate(f.Gate)
	if g == nil || e.gate != g && h.revived != e {
		f.w.fatalf("condition %s of %s ended, which is not evaluated", f.Gate, e.id)
	}
	if slices.ContainsFunc(g.rules, running) {
		f.w.fatalf("condition %s of %s ended while a rule runs", f.Gate, e.id)
	}
	ok := false
	switch f.Status {
	case engine.Overridden:
		b, asked := f.o.ev.Body.(engine.OverrideCondition)
		ok = asked && b.Execution == e.id && b.Gate == f.Gate
	case engine.Abandoned:
		ok = e.stop
	case engine.Cancelled:
		ok = e.cancel
	default:
		ok = f.Status == g.verdict() && len(g.rules) == len(e.stage().Gate(f.Gate).Rules) && !e.stop && !e.cancel
	}
	if !ok {
		f.w.fatalf("condition %s of %s became %s by %T", f.Gate, e.id, f.Status, f.o.ev.Body)
	}
	g.status, e.gate = f.Status, nil
}

func (h *history) beginCondition(f fact, e *execution) {
	ok := false
	switch f.Gate {
	case pipeline.GateBeforeEntry:
		ok = len(e.actions) == 0 && e.record().gate(f.Gate) == nil
	case pipeline.GateOnSuccess:
		ok = e.done() && e.record().gate(f.Gate) == nil
	case pipeline.GateOnFailure:
		ok = e.record().status == engine.Failed && e.broken() && e.record().gate(f.Gate) == nil
	}
	if !ok || !e.inside || e.gate != nil || e.stop || e.cancel || len(e.stage().Gate(f.Gate).Conditions) == 0 {
		f.w.fatalf("condition %s of %s is evaluated at the wrong time", f.Gate, e.id)
	}
	e.gate = &gate{name: f.Gate, status: engine.InProgress}
	e.record().gates = append(e.record().gates, e.gate)
}

// verdict is what the rules say: errors first, then failures.
func (g *gate) verdict() engine.Status {
	status := engine.Succeeded
	for _, r := range g.rules {
		switch {
		case r.errored:
			return engine.Errored
		case r.status != engine.Succeeded:
			status = engine.Failed
		}
	}
	return status
}

func (h *history) ruleStarted(f fact) {
	e := h.live(f)
	if e.gate == nil || e.gate.name != f.Gate || e.record().name != f.Stage || h.actions[f.ActionID] != nil {
		f.w.fatalf("rule started whose condition is not evaluated, or with a used id: %+v", f.Change)
	}
	plan := e.stage().Attempted(f.Gate, f.Action)
	if plan == nil || slices.ContainsFunc(e.gate.rules, func(r *action) bool { return r.plan.Name == f.Action }) {
		f.w.fatalf("rule %s of %s runs twice, or is not in the plan", f.Action, e.id)
	}
	a := &action{
		id: f.ActionID, plan: plan, gate: f.Gate, status: engine.InProgress, inputs: f.Inputs, deadline: f.Deadline,
	}
	h.actions[a.id] = a
	e.gate.rules = append(e.gate.rules, a)
	h.checkInputs(f, e, a)
}

// ruleEnded judges the end of a rule by the event that brought it.
func (h *history) ruleEnded(f fact) {
	e := h.live(f)
	a := h.actions[f.ActionID]
	if a == nil || a.gate != f.Gate || a.status != engine.InProgress || e.gate == nil || !slices.Contains(e.gate.rules, a) {
		f.w.fatalf("rule ended that does not run: %+v", f.Change)
	}
	if a.lacks() {
		a.status, a.errored = engine.Failed, true
		return
	}
	ok := false
	switch b := f.o.ev.Body.(type) {
	case engine.ActionReported:
		ok = b.Action == a.id && (f.Status == engine.Succeeded) == b.Succeeded && f.Status != engine.Abandoned
		if doneByJobs(a.plan) {
			h.jobEnded(f, a, b)
		}
		timedOut := doneByJobs(a.plan) && f.w.book.verdicts[a.id].timedOut
		a.errored = !b.Succeeded && (timedOut || b.Outcome.ErrorCode != "" && b.Outcome.ErrorCode != jobFailed)
	case engine.DeadlineReached:
		ok = b.Action == a.id && f.Status == engine.Failed && h.isDue(f, a) && f.w.book.open(a.id) == nil
		a.errored = true
	case engine.StopExecution:
		ok = b.Execution == e.id && f.Status == engine.Abandoned
	case engine.OverrideCondition:
		ok = b.Execution == e.id && b.Gate == f.Gate && f.Status == engine.Abandoned
	case engine.DeletePipeline:
		ok = f.Status == engine.Abandoned
	case engine.UpdatePipeline:
		ok = !e.parallel() && f.Status == engine.Abandoned
	}
	if _, reported := f.o.ev.Body.(engine.ActionReported); !ok || !reported && f.w.book.spoke(a.id) {
		f.w.fatalf("rule %s of %s became %s by %T", f.Action, e.id, f.Status, f.o.ev.Body)
	}
	a.status = f.Status
}
