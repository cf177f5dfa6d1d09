package engine

// admit lets the waiting execution into a stage that is free and whose
// transitions are enabled (execution.md 2.5, 11.2).
func (m *machine) admit() bool {
	for i := range m.s.Pipeline.Stages {
		st := &m.s.Pipeline.Stages[i]
		if len(st.Waiting) == 0 || st.Holder != "" {
			continue
		}
		e := m.newest(st.Waiting)
		if e.Stale || !m.open(e) {
			continue
		}
		m.enter(st, e)
		return true
	}
	return false
}

// open reports whether the transitions into an execution's next stage are
// enabled: the stage's inbound side and the outbound side of the one before.
func (m *machine) open(e *Execution) bool {
	plan := m.plan(e)
	if m.s.Stage(plan.Stages[e.Stage].Name).Inbound.Disabled {
		return false
	}
	if e.Stage == 0 {
		return true
	}
	before := m.s.Stage(plan.Stages[e.Stage-1].Name)
	return before == nil || !before.Outbound.Disabled
}

// enter gives an execution the stage's lock and starts its first actions.
// Entering blanks what earlier executions left in the stage's view (observed.md
// 11), because the view follows Latest.
func (m *machine) enter(st *Stage, e *Execution) {
	m.leaveEntrance(st, e.ID)
	st.Holder, st.Latest, st.LastInbound = e.ID, e.ID, ""
	if len(st.Waiting) > 0 {
		st.LastInbound = st.Waiting[len(st.Waiting)-1]
	}
	e.Inside, e.WaitingSince, e.Group, e.Actions = true, 0, 0, nil
	e.Stages = append(e.Stages, StageRecord{Name: st.Name, Status: InProgress, Entered: m.at})
	m.touch(e)
	m.change(Change{Kind: StageEntered, Execution: e.ID, Stage: st.Name, Status: InProgress})
	m.startGroup(e)
}
