package engine

// advance moves on each execution whose running group is over: to the next
// group, the next stage, or its end (execution.md 2.4, 11.3).
func (m *machine) advance() bool {
	changed := false
	for _, e := range m.s.Executions {
		if e.Inside && !e.Ended() && m.advanceExecution(e) {
			changed = true
		}
	}
	return changed
}

func (m *machine) advanceExecution(e *Execution) bool {
	running, failed := false, false
	for i := range e.Actions {
		running = running || e.Actions[i].Status == InProgress
		failed = failed || e.Actions[i].Status == Failed
	}
	switch {
	case running:
		// Siblings of a failed action run to their own end; so does what runs
		// when the execution is stopped or its definition updated.
		return false
	case e.Stop != nil:
		m.endStage(e, Stopped)
		m.setStatus(e, Stopped, e.Stop.Reason)
	case e.Cancel:
		m.endStage(e, Cancelled)
		m.setStatus(e, Cancelled, definitionUpdated)
	case failed:
		m.endStage(e, Failed)
		m.setStatus(e, Failed, "")
	default:
		m.groupSucceeded(e)
	}
	return true
}

// groupSucceeded starts the next run-order group, or ends the stage.
func (m *machine) groupSucceeded(e *Execution) {
	plan := m.plan(e)
	if e.Group+1 < len(plan.Stages[e.Stage].Groups) {
		e.Group++
		m.touch(e)
		m.startGroup(e)
		return
	}
	st := m.stageOf(e)
	st.Succeeded, st.SucceededVersion = e.ID, e.Version
	m.endStage(e, Succeeded)
	if e.Stage+1 == len(plan.Stages) {
		m.setStatus(e, Succeeded, "")
		return
	}
	e.Stage++
	m.arrive(e)
}

// endStage closes the current stage execution and frees the stage.
func (m *machine) endStage(e *Execution, status Status) {
	st := m.stageOf(e)
	st.Holder = ""
	e.Inside = false
	r := e.record()
	r.Status, r.Ended = status, m.at
	m.touch(e)
	m.change(Change{Kind: StageChanged, Execution: e.ID, Stage: st.Name, Status: status})
}
