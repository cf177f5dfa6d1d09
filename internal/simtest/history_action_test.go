package simtest

import (
	"github.com/penstock-cd/penstock/internal/engine"
)

func (h *history) actionStarted(w *world, c engine.Change) {
	e := h.live(w, c)
	stage := &e.plan.Stages[len(e.entered)-1]
	if e.stage != c.Stage || e.status != engine.InProgress || e.stop || e.cancel {
		w.fatalf("action started in an execution that is not to go on: %+v", c)
	}
	i := stage.Action(c.Action)
	if i < 0 || h.actions[c.ActionID] != nil {
		w.fatalf("action started that the plan does not have, or with a used id: %+v", c)
	}
	a := &action{
		id: c.ActionID, plan: &stage.Actions[i], status: engine.InProgress,
		inputs: c.Inputs, outputs: c.Outputs, deadline: c.Deadline,
	}
	for _, other := range e.actions {
		if other.plan.Name == c.Action {
			w.fatalf("two live attempts of %s in %s", c.Action, e.id)
		}
	}
	for j := range stage.Actions {
		before := &stage.Actions[j]
		if before.RunOrder < a.plan.RunOrder && !e.succeeded(before.Name) {
			w.fatalf("action %s of %s started before %s succeeded", c.Action, e.id, before.Name)
		}
	}
	if len(a.inputs) != len(a.plan.Inputs) || len(a.outputs) != len(a.plan.Outputs) {
		w.fatalf("action %s of %s has %d inputs and %d outputs", c.Action, e.id, len(a.inputs), len(a.outputs))
	}
	for _, out := range a.outputs {
		place := out.Bucket + "/" + out.Key
		if h.places[place] != "" {
			w.fatalf("artifact place %s was given out twice", place)
		}
		h.places[place] = e.id
	}
	h.actions[a.id] = a
	e.actions = append(e.actions, a)
	h.checkInputs(w, a.id)
}

func (e *execution) succeeded(name string) bool {
	for _, a := range e.actions {
		if a.plan.Name == name {
			return a.status == engine.Succeeded
		}
	}
	return false
}

// checkInputs: nothing starts before its inputs exist.
func (h *history) checkInputs(w *world, id string) {
	for _, in := range h.actions[id].inputs {
		if !w.outside.contents[in.Bucket+"/"+in.Key] {
			w.fatalf("action execution %s starts before its input %s exists", id, in.Name)
		}
	}
}

// actionEnded judges the end of an action by the event that brought it.
func (h *history) actionEnded(w *world, o *op, c engine.Change) {
	e := h.live(w, c)
	a := h.actions[c.ActionID]
	if a == nil || a.status != engine.InProgress || e.stage != c.Stage {
		w.fatalf("action ended that does not run: %+v", c)
	}
	ok := false
	switch b := o.ev.Body.(type) {
	case engine.ActionReported:
		ok = b.Action == a.id && (c.Status == engine.Succeeded) == b.Succeeded && c.Status != engine.Abandoned
	case engine.AnswerApproval:
		ok = b.Token == a.id && a.plan.IsApproval() && (c.Status == engine.Succeeded) == b.Approved && c.Status != engine.Abandoned
		a.answered = true
	case engine.DeadlineReached:
		// No clock of the world is ahead by more than maxSkew.
		ok = b.Action == a.id && c.Status == engine.Failed && c.At >= a.deadline && w.now+maxSkew >= a.deadline
	case engine.StopExecution:
		ok = b.Abandon && b.Execution == e.id && c.Status == engine.Abandoned
	case engine.DeletePipeline:
		ok = c.Status == engine.Abandoned
	case engine.UpdatePipeline:
		ok = a.plan.IsApproval() && c.Status == engine.Failed
	}
	if !ok {
		w.fatalf("action %s of %s became %s by %T", a.plan.Name, e.id, c.Status, o.ev.Body)
	}
	a.status = c.Status
}
