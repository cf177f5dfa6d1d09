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
	s, h := &engine.State{}, row.history
	decode(row.state, &s.Pipeline)
	if s.Pipeline.LastAt < h.lastAt {
		w.fatalf("the clock of %s is behind its history", row.id)
	}
	if s.Pipeline.Deleted != h.deleted || row.deleted != h.deleted || s.Pipeline.Version != h.plan.Version {
		w.fatalf("pipeline %s: deleted or updated in one place, not in the other", row.id)
	}
	if len(row.executions) != len(h.executions) {
		w.fatalf("pipeline %s has %d executions stored, history has %d", row.id, len(row.executions), len(h.executions))
	}
	for i, e := range h.executions {
		// Nothing is to compare of what neither has seen a change.
		if stored := row.executions[i]; !stored.checked || e.changed {
			w.checkExecution(e, stored)
			stored.checked, e.changed = true, false
		}
	}
	for i := range s.Pipeline.Stages {
		w.checkStage(s, h, &s.Pipeline.Stages[i])
	}
	for _, e := range h.alive {
		switch {
		case e.inside && !e.busy():
			w.fatalf("execution %s is in %s, where nothing runs", e.id, e.record().name)
		case e.waits() && !e.stale && (e.parallel() || h.inside[e.next()] == nil) && h.open(e):
			w.fatalf("execution %s waits for nothing: %s is open and free", e.id, e.next())
		}
	}
	w.checkEffects(row)
}

func (w *world) checkExecution(e *execution, stored *executionRow) {
	if stored.id != e.id || stored.live == e.ended() {
		w.fatalf("execution %s is %s in history, but live %t", e.id, e.status, stored.live)
	}
	live := &engine.Execution{}
	decode(stored.text, live)
	if live.Status != e.status || live.Summary != e.summary || live.Inside != e.inside || len(live.Stages) != len(e.records) {
		w.fatalf("execution %s: state has %s, history %s", e.id, stored.text, e.status)
	}
	if !e.ended() && (live.Stage != e.at || live.Stale != e.stale || live.Cancel != e.cancel ||
		(live.Stop != nil) != e.stop || live.Stop != nil && live.Stop.Abandon != e.abandon) {
		w.fatalf("execution %s: state has %s, history %+v", e.id, stored.text, *e)
	}
	for i := range live.Stages {
		w.checkRecord(e, e.records[i], &live.Stages[i])
	}
	w.checkAttempts(e, "actions", e.actions, live.Actions)
	if len(live.Artifacts) != len(e.artifacts) {
		w.fatalf("execution %s has %d artifacts, in history %d", e.id, len(live.Artifacts), len(e.artifacts))
	}
	for _, a := range live.Artifacts {
		known := e.artifacts[a.Name]
		if known == nil || known.place != a.ArtifactLocation || known.produced != a.Produced {
			w.fatalf("artifact %s of %s is %+v, in history %+v", a.Name, e.id, a, known)
		}
	}
}

// checkRecord compares a stage record with what the changes say of it.
func (w *world) checkRecord(e *execution, r *record, s *engine.StageRecord) {
	if s.Name != r.name || s.Status != r.status || s.AutoRetries != r.auto || s.ManualRetries != r.manual ||
		s.LatestRetry != r.latest || len(s.Gates) != len(r.gates) {
		w.fatalf("execution %s: state has stage %+v, history %+v", e.id, *s, *r)
	}
	for i, g := range s.Gates {
		if g.Name != r.gates[i].name || g.Status != r.gates[i].status {
			w.fatalf("execution %s: state has condition %+v of %s, history %+v", e.id, g, r.name, *r.gates[i])
		}
		w.checkAttempts(e, "rules", r.gates[i].rules, g.Rules)
	}
}

func (w *world) checkAttempts(e *execution, what string, known []*action, stored []engine.Action) {
	if len(stored) != len(known) {
		w.fatalf("execution %s has %d %s, in history %d", e.id, len(stored), what, len(known))
	}
	for i, a := range known {
		s := stored[i]
		if s.ID != a.id || s.Status != a.status || s.Errored != a.errored || s.Deadline != a.deadline {
			w.fatalf("%s of %s: state has %+v, history %+v", what, e.id, s, *a)
		}
	}
}

// checkStage: who is inside and who waits, in which order, is who history says.
func (w *world) checkStage(s *engine.State, h *history, st *engine.Stage) {
	id := func(e *execution) string {
		if e == nil {
			return ""
		}
		return e.id
	}
	if st.Holder != id(h.inside[st.Name]) || st.Latest != id(h.latest[st.Name]) || st.Succeeded != id(h.succeeded[st.Name]) {
		w.fatalf("stage %+v, in history inside %s, latest %s, succeeded %s", *st,
			id(h.inside[st.Name]), id(h.latest[st.Name]), id(h.succeeded[st.Name]))
	}
	var line []*execution
	for _, e := range h.alive {
		if e.waits() && !e.parallel() && e.next() == st.Name {
			line = append(line, e)
		}
	}
	slices.SortFunc(line, func(a, b *execution) int { return int(a.arrived - b.arrived) })
	if len(st.Waiting) != len(line) || len(line) > 1 && h.superseding(line) {
		w.fatalf("at %s wait %v, in history %d", st.Name, st.Waiting, len(line))
	}
	for i, e := range line {
		if st.Waiting[i] != e.id {
			w.fatalf("at %s waits %s as number %d, in history %s", st.Name, st.Waiting[i], i, e.id)
		}
	}
	sides := h.sides(st.Name)
	if st.Inbound.Disabled != sides[0].disabled || st.Outbound.Disabled != sides[1].disabled {
		w.fatalf("transitions of %s in %s: %+v %+v, in history %+v", st.Name, s.Pipeline.ID, st.Inbound, st.Outbound, *sides)
	}
}

// superseding reports whether, of those that wait, all but one had to go.
func (h *history) superseding(line []*execution) bool {
	return slices.ContainsFunc(line, func(e *execution) bool { return e.plan.Mode == "SUPERSEDED" })
}

// checkEffects: what runs has exactly one obligation, and what is over has none.
func (w *world) checkEffects(row *pipelineRow) {
	live := map[string]bool{}
	for _, e := range row.history.alive {
		for _, a := range e.actions {
			if running(a) {
				live[a.id] = true
			}
		}
		if e.gate == nil {
			continue
		}
		for _, a := range e.gate.rules {
			if running(a) {
				live[a.id] = true
			}
		}
	}
	count := 0
	for _, e := range w.store.effects {
		if e.pipeline != row.id || e.Kind != engine.RunAction {
			continue
		}
		count++
		if !live[e.Action] {
			w.fatalf("an effect is left of action execution %s, which is over", e.Action)
		}
	}
	if count != len(live) {
		w.fatalf("%d actions run in %s, but %d are asked for", len(live), row.id, count)
	}
}
