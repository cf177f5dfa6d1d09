package engine

import "github.com/penstock-cd/penstock/internal/pipeline"

// stageFailed does what the stage declares for a failure: nothing, a result at
// once, or a condition to evaluate first. The stage shows Failed meanwhile and
// stays locked (execution.md 4.3, 4.5, 5.2).
func (m *machine) stageFailed(e *Execution) {
	f := m.stagePlan(e).OnFailure
	switch {
	case f == nil:
		m.fail(e)
	case len(f.Conditions) > 0:
		m.showStage(e, StageChanged, Failed)
		m.startGate(e, pipeline.GateOnFailure)
	default:
		m.engageFailure(e, f.Result)
	}
}

// engageFailure carries out the result of a failed stage.
func (m *machine) engageFailure(e *Execution, result string) {
	switch result {
	case pipeline.ResultRetry:
		if e.Type == Rollback || e.record().AutoRetries > 0 {
			m.fail(e)
			return
		}
		e.record().AutoRetries++
		all := m.stagePlan(e).OnFailure.RetryMode == pipeline.RetryAllActions
		m.restartStage(e, AutomatedStageRetry, all)
	case pipeline.ResultRollback:
		m.fail(e)
		m.rollBackAfter(e)
	case pipeline.ResultSkip:
		m.skipStage(e)
	default:
		m.fail(e)
	}
}

// fail ends the stage and the execution.
func (m *machine) fail(e *Execution) {
	m.endStage(e, Failed)
	m.setStatus(e, Failed, "")
}

// showStage gives the current stage execution a status, if it is a new one.
func (m *machine) showStage(e *Execution, kind ChangeKind, status Status) {
	r := e.record()
	if r.Status == status {
		return
	}
	r.Status = status
	m.touch(e)
	m.change(Change{Kind: kind, Execution: e.ID, Stage: r.Name, Status: status})
}
