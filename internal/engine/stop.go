package engine

// approvalCanceled is the summary of an approval that was abandoned or
// overtaken by an update (observed.md 6, 15).
const approvalCanceled = "The approval action has been canceled."

// stopExecution stops an execution (execution.md 4.1, observed.md 6): one that
// waits at an entrance at once, one inside a stage when its running actions have
// ended, or, with Abandon, at once. Stop-and-wait may be raised to abandon.
func (m *machine) stopExecution(b StopExecution) error {
	e := m.s.Execution(b.Execution)
	if e == nil {
		return &Rejection{Reason: ReasonNotStoppable, Execution: b.Execution}
	}
	if e.Stop != nil && (e.Stop.Abandon || !b.Abandon) {
		return &Rejection{Reason: ReasonDuplicatedStop, Execution: b.Execution}
	}
	e.Stop = &Stop{Reason: b.Reason, Abandon: b.Abandon, By: b.By, At: m.at}
	m.touch(e)
	if !e.Inside {
		m.leaveEntrance(m.stageOf(e), e.ID)
		m.setStatus(e, Stopped, b.Reason)
		return nil
	}
	if e.Status != Stopping {
		m.setStatus(e, Stopping, "")
		m.showStage(e, StageChanged, Stopping)
	}
	if e.Gate != "" {
		// Nothing is lost by leaving a rule, so nobody waits for one (execution.md 4.1).
		m.leaveGate(e, Abandoned, b.By)
	}
	if b.Abandon {
		m.abandonActions(e)
	}
	return nil
}

// abandonActions ends what runs without waiting for it. Results that come later
// are late facts.
func (m *machine) abandonActions(e *Execution) {
	stage := m.stagePlan(e)
	for i := range e.Actions {
		action := &e.Actions[i]
		if action.Status != InProgress {
			continue
		}
		c := Change{Status: Abandoned}
		if stage.Actions[action.Index].IsApproval() {
			c.Outcome.Summary = approvalCanceled
		}
		m.stopProvider(e, action)
		m.endAction(e, action, c)
	}
}
