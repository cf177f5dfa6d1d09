package engine

// staleAfter is how long a transition may be disabled before enabling it no
// longer releases the execution that waits: 30 days (execution.md 2.5).
const staleAfter = 30 * 24 * 60 * 60 * 1000

// setTransition enables or disables one side of a stage (execution.md 4.7).
// Repeating a call is harmless; a repeated disable replaces its reason.
func (m *machine) setTransition(b SetTransition) error {
	st := m.s.Stage(b.Stage)
	if st == nil || st.Gone {
		return &Rejection{Reason: ReasonStageNotFound, Stage: b.Stage}
	}
	t := &st.Inbound
	if b.Outbound {
		t = &st.Outbound
	}
	if !b.Disabled && t.Disabled && m.at-t.At > staleAfter {
		m.markStale(b)
	}
	if b.Disabled || t.Disabled {
		*t = Transition{Disabled: b.Disabled, Reason: b.Reason, By: b.By, At: m.at}
	}
	m.change(Change{Kind: TransitionChanged, Stage: b.Stage, By: b.By, Summary: b.Reason})
	return nil
}

// markStale keeps those from entering that waited behind the transition.
func (m *machine) markStale(b SetTransition) {
	for _, e := range m.s.Executions {
		if e.Inside || e.Ended() {
			continue
		}
		plan := m.plan(e)
		behind := plan.Stages[e.Stage].Name == b.Stage
		if b.Outbound {
			behind = e.Stage > 0 && plan.Stages[e.Stage-1].Name == b.Stage
		}
		if behind {
			e.Stale = true
			m.touch(e)
		}
	}
}
