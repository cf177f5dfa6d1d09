package simtest

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/engine"
)

// check judges everything that is durable. It runs after every commit; what no
// commit touched needs no second look.
func (w *world) check() {
	for _, row := range w.store.pipelines {
		if row.version == row.history.checked {
			continue
		}
		row.history.checked = row.version
		w.checkPipeline(row)
	}
}

// checkPipeline compares the stored state with the history.
func (w *world) checkPipeline(row *pipelineRow) {
	s, h := row.load(), row.history
	if s.Pipeline.LastAt < h.lastAt {
		w.fatalf("the clock of %s is behind its history", row.id)
	}
	if s.Pipeline.Deleted != h.deleted || row.deleted != h.deleted {
		w.fatalf("pipeline %s: deleted in one place, not in the other", row.id)
	}
	if len(row.executions) != len(h.executions) {
		w.fatalf("pipeline %s has %d executions stored, history has %d", row.id, len(row.executions), len(h.executions))
	}
	for i, e := range h.executions {
		w.checkExecution(row, e, row.executions[i], s.Execution(e.id))
	}
	for i := range s.Pipeline.Stages {
		w.checkStage(s, h, &s.Pipeline.Stages[i])
	}
	for _, e := range h.executions {
		if e.waits() && !e.stale && h.inside[e.next()] == nil && h.open(e) {
			w.fatalf("execution %s waits for nothing: %s is open and free", e.id, e.next())
		}
	}
	w.checkEffects(row)
}

func (w *world) checkExecution(row *pipelineRow, e *execution, stored *executionRow, live *engine.Execution) {
	if stored.id != e.id || stored.live == e.ended() || (live == nil) != e.ended() {
		w.fatalf("execution %s is %s in history, but live %t", e.id, e.status, stored.live)
	}
	if e.ended() && e.checked {
		return
	}
	e.checked = e.ended()
	if live == nil {
		live = &engine.Execution{}
		decode(stored.text, live)
	}
	if live.Status != e.status || live.Summary != e.summary || live.Inside != (e.stage != "") || len(live.Stages) != len(e.ends) {
		w.fatalf("execution %s: state has %s, history %s", e.id, stored.text, e.status)
	}
	for i, r := range live.Stages {
		if r.Name != e.entered[i] || r.Status != e.ends[i] {
			w.fatalf("execution %s: stage %s is %s, in history %s is %s", e.id, r.Name, r.Status, e.entered[i], e.ends[i])
		}
	}
	if e.stage == "" {
		return
	}
	if len(live.Actions) != len(e.actions) {
		w.fatalf("execution %s has %d actions, in history %d", e.id, len(live.Actions), len(e.actions))
	}
	for i, a := range e.actions {
		if live.Actions[i].ID != a.id || live.Actions[i].Status != a.status {
			w.fatalf("action %s of %s: state has %+v, history %s", a.plan.Name, e.id, live.Actions[i], a.status)
		}
	}
}

// checkStage: one execution inside, one waiting, and they are who history says.
func (w *world) checkStage(s *engine.State, h *history, st *engine.Stage) {
	holder := ""
	if e := h.inside[st.Name]; e != nil {
		holder = e.id
	}
	if st.Holder != holder {
		w.fatalf("stage %s is held by %q, in history by %q", st.Name, st.Holder, holder)
	}
	var waiting []string
	for _, e := range h.executions {
		if e.waits() && e.next() == st.Name {
			waiting = append(waiting, e.id)
		}
	}
	if !slices.Equal(st.Waiting, waiting) || len(waiting) > 1 {
		w.fatalf("at %s wait %v, in history %v", st.Name, st.Waiting, waiting)
	}
	sides := h.sides(st.Name)
	if st.Inbound.Disabled != sides[0].disabled || st.Outbound.Disabled != sides[1].disabled {
		w.fatalf("transitions of %s in %s: %+v %+v, in history %+v", st.Name, s.Pipeline.ID, st.Inbound, st.Outbound, *sides)
	}
}

// checkEffects: what runs has exactly one obligation, and what is over has none.
func (w *world) checkEffects(row *pipelineRow) {
	running := map[string]bool{}
	for _, e := range row.history.executions {
		for _, a := range e.actions {
			if a.status == engine.InProgress {
				running[a.id] = true
			}
		}
	}
	count := 0
	for _, e := range w.store.effects {
		if e.pipeline != row.id || e.Kind != engine.RunAction {
			continue
		}
		count++
		if !running[e.Action] {
			w.fatalf("an effect is left of action execution %s, which is over", e.Action)
		}
	}
	if count != len(running) {
		w.fatalf("%d actions run in %s, but %d are asked for", len(running), row.id, count)
	}
}
