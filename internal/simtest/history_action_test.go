package simtest

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// jobFailed is the error code of work that was done and failed.
const jobFailed = "JobFailed"

func (h *history) actionStarted(f fact) {
	e := h.live(f)
	if !e.inside || e.record().name != f.Stage || e.status != engine.InProgress || e.stop || e.cancel || e.gate != nil {
		f.w.fatalf("action started in an execution that is not to go on: %+v", f.Change)
	}
	stage := e.stage()
	i := stage.Action(f.Action)
	if i < 0 || h.actions[f.ActionID] != nil {
		f.w.fatalf("action started that the plan does not have, or with a used id: %+v", f.Change)
	}
	if stage.BeforeEntry != nil && !e.passes(pipeline.GateBeforeEntry) {
		f.w.fatalf("action %s of %s started before the entry condition was met", f.Action, e.id)
	}
	a := &action{
		id: f.ActionID, plan: &stage.Actions[i], status: engine.InProgress,
		inputs: f.Inputs, outputs: f.Outputs, deadline: f.Deadline,
	}
	for _, other := range e.actions {
		if other.plan.Name == f.Action {
			f.w.fatalf("two live attempts of %s in %s", f.Action, e.id)
		}
	}
	for j := range stage.Actions {
		before := &stage.Actions[j]
		if before.RunOrder < a.plan.RunOrder && !e.succeeded(before.Name) {
			f.w.fatalf("action %s of %s started before %s succeeded", f.Action, e.id, before.Name)
		}
	}
	h.actions[a.id] = a
	e.actions = append(e.actions, a)
	e.again = slices.DeleteFunc(e.again, func(name string) bool { return name == f.Action })
	h.checkInputs(f, e, a)
	h.allotted(f, e, a)
}

// allotted: an output has a place of its own, the same one in every attempt.
func (h *history) allotted(f fact, e *execution, a *action) {
	if len(a.outputs) != len(a.plan.Outputs) {
		f.w.fatalf("action %s of %s has %d outputs", f.Action, e.id, len(a.outputs))
	}
	for _, out := range a.outputs {
		place := out.Bucket + "/" + out.Key
		known := e.artifacts[out.Name]
		switch {
		case known != nil && known.place != out:
			f.w.fatalf("artifact %s of %s has moved", out.Name, e.id)
		case known == nil && h.places[place]:
			f.w.fatalf("artifact place %s was given out twice", place)
		case known == nil:
			h.places[place] = true
			e.artifacts[out.Name] = &artifact{place: out}
		}
	}
}

func (e *execution) succeeded(name string) bool {
	for _, a := range e.actions {
		if a.plan.Name == name {
			return a.status == engine.Succeeded
		}
	}
	return false
}

// checkInputs: an attempt has the inputs that exist, in order, and no others.
func (h *history) checkInputs(f fact, e *execution, a *action) {
	var want []pipeline.ArtifactLocation
	for _, name := range a.plan.Inputs {
		if known := e.artifacts[name]; known != nil {
			want = append(want, known.place)
		}
	}
	if !slices.Equal(want, a.inputs) {
		f.w.fatalf("%s of %s has the inputs %v, there are %v", f.Action, e.id, a.inputs, want)
	}
}

// lacks reports whether an input does not exist, so that the attempt has to fail
// before anything is done for it: settled sees that it does.
func (a *action) lacks() bool { return len(a.inputs) < len(a.plan.Inputs) }

func starved(a *action) bool { return running(a) && a.lacks() }

// checkGroup: the actions of a run-order group start together.
func (h *history) checkGroup(w *world, e *execution) {
	if e.stop || e.cancel || len(e.actions) == 0 {
		return
	}
	last := 0
	for _, a := range e.actions {
		last = max(last, a.plan.RunOrder)
	}
	n := 0
	stage := e.stage()
	for i := range stage.Actions {
		if stage.Actions[i].RunOrder <= last {
			n++
		}
	}
	if n != len(e.actions) {
		w.fatalf("%d actions of %s were started, of %d", len(e.actions), e.id, n)
	}
}

// actionEnded judges the end of an action by the event that brought it.
func (h *history) actionEnded(f fact) {
	e := h.live(f)
	a := h.actions[f.ActionID]
	if a == nil || a.status != engine.InProgress || !e.inside || !slices.Contains(e.actions, a) {
		f.w.fatalf("action ended that does not run: %+v", f.Change)
	}
	if a.lacks() {
		a.status = engine.Failed
		return
	}
	ok := false
	switch b := f.o.ev.Body.(type) {
	case engine.ActionReported:
		ok = b.Action == a.id && (f.Status == engine.Succeeded) == b.Succeeded && f.Status != engine.Abandoned
		if doneByJobs(a.plan) {
			h.jobEnded(f, a, b)
		}
		h.produced(f, e, a, b)
	case engine.AnswerApproval:
		ok = b.Token == a.id && a.plan.IsApproval() && (f.Status == engine.Succeeded) == b.Approved && f.Status != engine.Abandoned
		a.answered = true
	case engine.DeadlineReached:
		ok = b.Action == a.id && f.Status == engine.Failed && h.isDue(f, a) && f.w.book.open(a.id) == nil
	case engine.StopExecution:
		ok = b.Abandon && b.Execution == e.id && f.Status == engine.Abandoned
	case engine.DeletePipeline:
		ok = f.Status == engine.Abandoned
	case engine.UpdatePipeline:
		ok = a.plan.IsApproval() && !e.parallel() && f.Status == engine.Failed
	}
	if _, reported := f.o.ev.Body.(engine.ActionReported); !ok || !reported && f.w.book.spoke(a.id) {
		f.w.fatalf("action %s of %s became %s by %T", a.plan.Name, e.id, f.Status, f.o.ev.Body)
	}
	a.status = f.Status
}

// isDue: no clock of the world is ahead by more than maxSkew.
func (h *history) isDue(f fact, a *action) bool {
	return f.At >= a.deadline && f.w.now+maxSkew >= a.deadline
}

// produced notes which outputs exist now.
func (h *history) produced(f fact, e *execution, a *action, b engine.ActionReported) {
	if !b.Succeeded {
		return
	}
	var made []pipeline.ArtifactLocation
	for _, out := range a.outputs {
		if slices.Contains(b.Produced, out.Name) {
			e.artifacts[out.Name].produced = true
		}
		if e.artifacts[out.Name].produced {
			made = append(made, out)
		}
	}
	if !slices.Equal(made, f.Outputs) {
		f.w.fatalf("action %s of %s produced %v, not %v", a.plan.Name, e.id, made, f.Outputs)
	}
}
