package engine

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// supersede leaves, of the executions that wait at one entrance in SUPERSEDED
// mode, only the newest: the others become Superseded. It happens between
// stages only, never inside one (guide, "How executions are processed";
// execution.md 2.5). One that is let in no more overtakes nobody who may go in.
func (m *machine) supersede() bool {
	changed := false
	for i := range m.s.Pipeline.Stages {
		st := &m.s.Pipeline.Stages[i]
		if len(st.Waiting) < 2 || m.s.Execution(st.Waiting[0]).Mode != pipeline.ModeSuperseded {
			continue
		}
		newest := m.newest(st.Waiting)
		for _, id := range slices.Clone(st.Waiting) {
			if id == newest.ID {
				continue
			}
			m.setStatus(m.s.Execution(id), Superseded, "")
			m.leaveEntrance(st, id)
			changed = true
		}
		st.LastInbound = newest.ID
	}
	return changed
}

func (m *machine) newest(ids []string) *Execution {
	var newest *Execution
	for _, id := range ids {
		if e := m.s.Execution(id); newest == nil || e.overtakes(newest) {
			newest = e
		}
	}
	return newest
}

// overtakes reports whether e stays when both wait at one entrance.
func (e *Execution) overtakes(other *Execution) bool {
	if e.Stale != other.Stale {
		return other.Stale
	}
	return e.Seq > other.Seq
}

// leaveEntrance takes an execution out of a stage's waiting ones. PARALLEL
// executions are not among them, and their stage may be gone.
func (m *machine) leaveEntrance(st *Stage, id string) {
	if st == nil {
		return
	}
	st.Waiting = slices.DeleteFunc(st.Waiting, func(w string) bool { return w == id })
}
