package engine

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

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
	failed := false
	for i := range e.Actions {
		failed = failed || e.Actions[i].Status == Failed
	}
	switch {
	case m.busy(e):
		// Siblings of a failed action run to their own end; so does what runs
		// when the execution is stopped or its definition updated.
		return false
	case e.Stop != nil:
		m.endStage(e, Stopped)
		m.setStatus(e, Stopped, e.Stop.Reason)
	case e.Cancel:
		m.endStage(e, Cancelled)
		m.setStatus(e, Cancelled, definitionUpdated)
	case e.Gate != "":
		m.judge(e)
	case failed:
		m.stageFailed(e)
	default:
		m.groupSucceeded(e)
	}
	return true
}

// busy reports whether an action or a rule of the current stage runs.
func (m *machine) busy(e *Execution) bool {
	running := func(a Action) bool { return a.Status == InProgress }
	if e.Gate != "" && slices.ContainsFunc(e.record().gate(e.Gate).Rules, running) {
		return true
	}
	return slices.ContainsFunc(e.Actions, running)
}

// groupSucceeded starts the next run-order group; after the last one the success
// condition is evaluated, if there is one.
func (m *machine) groupSucceeded(e *Execution) {
	plan := m.plan(e)
	if e.Group+1 < len(plan.Stages[e.Stage].Groups) {
		e.Group++
		m.touch(e)
		m.startGroup(e)
		return
	}
	if m.conditional(e, pipeline.GateOnSuccess) {
		m.startGate(e, pipeline.GateOnSuccess)
		return
	}
	m.stageSucceeded(e)
}

// stageSucceeded ends the stage well.
func (m *machine) stageSucceeded(e *Execution) {
	st := m.stageOf(e)
	if st != nil && e.Type == Standard && e.Version == m.s.Pipeline.Version {
		st.Succeeded, st.SucceededVersion = e.ID, e.Version
	}
	m.endStage(e, Succeeded)
	m.proceed(e)
}

// proceed takes an execution to its next stage, or to its end. A rollback has
// one stage (observed.md 8).
func (m *machine) proceed(e *Execution) {
	if e.Type == Rollback || e.Stage+1 == len(m.plan(e).Stages) {
		m.setStatus(e, Succeeded, "")
		return
	}
	e.Stage++
	m.arrive(e)
}

// endStage closes the current stage execution and frees the stage.
func (m *machine) endStage(e *Execution, status Status) {
	if st := m.stageOf(e); st != nil && st.Holder == e.ID {
		st.Holder = ""
	}
	e.Inside = false
	m.showStage(e, StageChanged, status)
	e.record().Ended = m.at
	m.touch(e)
}
