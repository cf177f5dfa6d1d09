package engine

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// retryStage runs a failed or stopped stage again under the same execution id
// (execution.md 4.2, observed.md 7). While other actions of the stage run, those
// that failed can be run again.
func (m *machine) retryStage(b RetryStage) error {
	e, err := m.stageExecution(b.Stage, b.Execution)
	if err != nil {
		return err
	}
	if !m.retryable(e, b) {
		return &Rejection{Reason: ReasonNotRetryable, Stage: b.Stage, Execution: b.Execution}
	}
	if e.Ended() {
		if m.full(e.Mode) {
			return &Rejection{Reason: ReasonLimit, Stage: b.Stage, Execution: b.Execution}
		}
		e = m.revive(e)
	}
	e.record().ManualRetries++
	m.restartStage(e, ManualStageRetry, b.AllActions)
	return nil
}

// stageExecution finds the execution that a request about a stage names. If it
// was in the stage, no other one may have entered since. That is asked of the
// stage, not of the order of starts: a rollback enters before older executions
// that wait.
func (m *machine) stageExecution(stage, execution string) (*Execution, error) {
	reject := func(reason Reason) error {
		return &Rejection{Reason: reason, Stage: stage, Execution: execution}
	}
	known := m.plans.Plan(m.s.Pipeline.Version).Stage(stage) >= 0
	e := m.s.Execution(execution)
	if !known && (e == nil || !e.parallel() || m.plan(e).Stage(stage) < 0) {
		return nil, reject(ReasonStageNotFound)
	}
	if e = m.execution(execution); e == nil {
		return nil, reject(ReasonExecutionNotFound)
	}
	if !e.parallel() && e.entered(stage) {
		if latest := m.s.Stage(stage).Latest; latest != "" && latest != e.ID {
			return nil, reject(ReasonNotLatest)
		}
	}
	return e, nil
}

// retryable reports whether the stage is the one the execution failed or stopped
// in, under the definition in force, and whether there is something to run again.
func (m *machine) retryable(e *Execution, b RetryStage) bool {
	if e.Version != m.s.Pipeline.Version || len(e.Stages) == 0 || e.record().Name != b.Stage {
		return false
	}
	if e.Ended() {
		ended := e.Status == Failed || e.Status == Stopped
		return ended && (e.record().Status == Failed || e.record().Status == Stopped)
	}
	return m.runs(e) && e.Gate == "" && !b.AllActions &&
		slices.ContainsFunc(e.Actions, func(a Action) bool { return a.Status == Failed })
}

// runs reports whether an execution is in a stage and goes on. A copy of one that
// is not in the state any more does not (see Past).
func (m *machine) runs(e *Execution) bool {
	return e.Inside && e.Status == InProgress && m.s.Execution(e.ID) == e
}

// revive makes an ended execution live again, inside the stage where it ended.
func (m *machine) revive(ended *Execution) *Execution {
	e := ended.clone()
	i, _ := slices.BinarySearchFunc(m.s.Executions, e.Seq, func(x *Execution, seq int64) int { return int(x.Seq - seq) })
	m.s.Executions = slices.Insert(m.s.Executions, i, e)
	e.Stop, e.Cancel, e.Inside = nil, false, true
	if !e.parallel() {
		m.stageOf(e).Holder = e.ID
	}
	m.setStatus(e, InProgress, "")
	return e
}

// restartStage runs the stage again: all of it, or what failed, was abandoned or
// never started. An entry condition that was not passed is evaluated again
// either way.
func (m *machine) restartStage(e *Execution, by RetryTrigger, all bool) {
	r := e.record()
	r.LatestRetry, r.Ended, r.Status = by, 0, InProgress
	m.touch(e)
	m.change(Change{Kind: StageRetried, Execution: e.ID, Stage: r.Name, Status: InProgress, Summary: string(by)})
	if all || m.entryBarred(e) {
		r.Gates = nil
		m.forgetOutputs(e)
		m.beginStage(e)
		return
	}
	r.Gates = slices.DeleteFunc(r.Gates, func(g Gate) bool { return g.Name != pipeline.GateBeforeEntry })
	var again []int
	e.Actions = slices.DeleteFunc(slices.Clone(e.Actions), func(a Action) bool {
		failed := a.Status == Failed || a.Status == Abandoned
		if failed {
			again = append(again, a.Index)
		}
		return failed
	})
	slices.Sort(again) // earlier retries may have left them in another order
	for _, index := range again {
		m.startAction(e, m.stagePlan(e), index)
	}
}

// entryBarred reports whether the entry condition kept the execution out.
func (m *machine) entryBarred(e *Execution) bool {
	if !m.conditional(e, pipeline.GateBeforeEntry) {
		return false
	}
	g := e.record().gate(pipeline.GateBeforeEntry)
	return g == nil || g.Status != Succeeded && g.Status != Overridden
}

// forgetOutputs marks what the stage produced as to be produced again.
func (m *machine) forgetOutputs(e *Execution) {
	if e.Type == Rollback {
		return // it has its target's artifacts
	}
	stage := m.stagePlan(e)
	for i := range stage.Actions {
		for _, out := range stage.Actions[i].Outputs {
			if art := e.artifact(out.Name); art != nil {
				art.Produced, art.Revision = false, ""
			}
		}
	}
}
