package engine_test

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/engine"
)

// history is what the changes of all decisions say, kept apart from the state:
// the two must agree.
type history struct {
	statuses map[string]engine.Status // of executions
	stages   map[string]engine.Status // of "execution/stage"
	running  map[string]string        // "execution/stage/gate/action" to the attempt that runs
	attempts map[string]engine.Status
}

func newHistory() *history {
	return &history{
		statuses: map[string]engine.Status{}, stages: map[string]engine.Status{},
		running: map[string]string{}, attempts: map[string]engine.Status{},
	}
}

// final are the ends that nothing follows.
var final = []engine.Status{engine.Succeeded, engine.Superseded, engine.Cancelled}

// add takes in a change that must be possible after those before it.
func (h *history) add(t fataler, c engine.Change) {
	stage := c.Execution + "/" + c.Stage
	switch c.Kind {
	case engine.ExecutionStarted, engine.ExecutionChanged:
		before, known := h.statuses[c.Execution]
		if known == (c.Kind == engine.ExecutionStarted) || slices.Contains(final, before) || known && before == c.Status {
			t.Fatalf("%+v follows %q", c, before)
		}
		h.statuses[c.Execution] = c.Status
	case engine.StageEntered, engine.StageChanged, engine.StageRetried:
		if _, known := h.stages[stage]; known == (c.Kind == engine.StageEntered) {
			t.Fatalf("%+v is entered twice or never", c)
		}
		h.stages[stage] = c.Status
	case engine.ActionStarted, engine.RuleStarted:
		place := stage + "/" + c.Gate + "/" + c.Action
		if h.running[place] != "" || h.attempts[c.ActionID] != "" {
			t.Fatalf("%+v starts while attempt %q runs", c, h.running[place])
		}
		h.running[place], h.attempts[c.ActionID] = c.ActionID, c.Status
	case engine.ActionEnded, engine.RuleEnded:
		place := stage + "/" + c.Gate + "/" + c.Action
		if h.running[place] != c.ActionID {
			t.Fatalf("%+v ends, but attempt %q runs", c, h.running[place])
		}
		h.attempts[c.ActionID] = c.Status
		delete(h.running, place)
	}
}

// agree compares the history with an execution as it was touched last.
func (h *history) agree(t fataler, e *engine.Execution) {
	if h.statuses[e.ID] != e.Status {
		t.Fatalf("execution %s is %s, in history %s", e.ID, e.Status, h.statuses[e.ID])
	}
	for i := range e.Stages {
		r := &e.Stages[i]
		if got := h.stages[e.ID+"/"+r.Name]; got != r.Status {
			t.Fatalf("stage %s of execution %s is %s, in history %s", r.Name, e.ID, r.Status, got)
		}
		for _, g := range r.Gates {
			for _, rule := range g.Rules {
				h.agreeAttempt(t, &rule)
			}
		}
	}
	for i := range e.Actions {
		h.agreeAttempt(t, &e.Actions[i])
	}
}

func (h *history) agreeAttempt(t fataler, a *engine.Action) {
	if h.attempts[a.ID] != a.Status {
		t.Fatalf("attempt %s is %s, in history %s", a.ID, a.Status, h.attempts[a.ID])
	}
}
