package engine

// admit lets a waiting execution into a stage that is free and whose transitions
// are enabled: the one that waits in SUPERSEDED mode, the first that may enter in
// QUEUED mode (execution.md 2.5, 2.6, 11.2). PARALLEL executions need only the
// transitions.
func (m *machine) admit() bool {
	return m.admitFirst(func(*Execution) bool { return true }) || m.admitParallel()
}

// admitRollback lets rollbacks in before any other waiting execution, and before
// one that waits can be superseded by them: a rollback that came after it would
// undo it.
func (m *machine) admitRollback() bool {
	return m.admitFirst(func(e *Execution) bool { return e.Type == Rollback })
}

func (m *machine) admitFirst(wanted func(*Execution) bool) bool {
	for i := range m.s.Pipeline.Stages {
		st := &m.s.Pipeline.Stages[i]
		if st.Holder != "" {
			continue
		}
		at := 0
		for _, id := range st.Waiting {
			var e *Execution
			e, at = m.find(id, at)
			if !e.Stale && wanted(e) && m.open(e) {
				m.enter(st, e)
				return true
			}
		}
	}
	return false
}

// find is State.Execution for one after the other: it begins to look at index at,
// and says where to go on. Lines have nearly the order of the executions.
func (m *machine) find(id string, at int) (*Execution, int) {
	n := len(m.s.Executions)
	for i := range n {
		if j := (at + i) % n; m.s.Executions[j].ID == id {
			return m.s.Executions[j], j + 1
		}
	}
	return nil, at
}

// admitParallel lets every PARALLEL execution in that no transition holds up.
func (m *machine) admitParallel() bool {
	changed := false
	for _, e := range m.s.Executions {
		if e.parallel() && !e.Inside && !e.Ended() && !e.Stale && m.open(e) {
			m.enter(nil, e)
			changed = true
		}
	}
	return changed
}

// open reports whether the transitions into an execution's next stage are
// enabled: the stage's inbound side and the outbound side of the one before. A
// stage that the current definition no longer has holds nobody up, because nobody
// could enable its transitions.
func (m *machine) open(e *Execution) bool {
	plan := m.plan(e)
	if st := m.s.Stage(plan.Stages[e.Stage].Name); st != nil && !st.Gone && st.Inbound.Disabled {
		return false
	}
	if e.Stage == 0 {
		return true
	}
	before := m.s.Stage(plan.Stages[e.Stage-1].Name)
	return before == nil || before.Gone || !before.Outbound.Disabled
}

// enter gives an execution the stage's lock and begins the stage. Entering
// blanks what earlier executions left in the stage's view (observed.md 11),
// because the view follows Latest. st is nil for a PARALLEL execution.
func (m *machine) enter(st *Stage, e *Execution) {
	if st != nil {
		m.leaveEntrance(st, e.ID)
		st.Holder, st.Latest, st.LastInbound = e.ID, e.ID, ""
		if len(st.Waiting) > 0 {
			st.LastInbound = st.Waiting[len(st.Waiting)-1]
		}
	}
	stage := m.stagePlan(e).Name
	e.Inside, e.WaitingSince = true, 0
	e.Stages = append(e.Stages, StageRecord{Name: stage, Status: InProgress, Entered: m.at})
	m.touch(e)
	m.change(Change{Kind: StageEntered, Execution: e.ID, Stage: stage, Status: InProgress})
	m.beginStage(e)
}
