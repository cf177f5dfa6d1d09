package engine

import "github.com/penstock-cd/penstock/internal/pipeline"

// overrideCondition lets an execution pass a condition that is being evaluated
// or that stopped it (execution.md 5.4). A condition that skips its stage cannot
// be overridden.
func (m *machine) overrideCondition(b OverrideCondition) error {
	e, err := m.stageExecution(b.Stage, b.Execution)
	if err != nil {
		return err
	}
	if !m.overridable(e, b) {
		return &Rejection{Reason: ReasonNotOverridable, Stage: b.Stage, Execution: b.Execution}
	}
	if e.Ended() {
		if m.full(e.Mode) {
			return &Rejection{Reason: ReasonLimit, Stage: b.Stage, Execution: b.Execution}
		}
		e = m.revive(e)
		e.record().Ended = 0
		m.showStage(e, StageRetried, InProgress)
		e.Gate = b.Gate
	}
	m.leaveGate(e, Overridden, b.By)
	if b.Gate == pipeline.GateBeforeEntry {
		m.startGroup(e)
		return nil
	}
	m.stageSucceeded(e)
	return nil
}

// overridable reports whether the gate runs, or ended the execution in the stage.
// A PARALLEL execution that runs may be under an earlier definition.
func (m *machine) overridable(e *Execution, b OverrideCondition) bool {
	if b.Gate != pipeline.GateBeforeEntry && b.Gate != pipeline.GateOnSuccess {
		return false
	}
	if len(e.Stages) == 0 || e.record().Name != b.Stage {
		return false
	}
	if e.Ended() && (e.Status != Failed || e.Version != m.s.Pipeline.Version) {
		return false
	}
	g := e.record().gate(b.Gate)
	if g == nil || m.stagePlan(e).Gate(b.Gate).Engages(pipeline.ResultSkip) {
		return false
	}
	if e.Ended() {
		return g.Status == Failed || g.Status == Errored
	}
	return m.runs(e) && e.Gate == b.Gate
}
