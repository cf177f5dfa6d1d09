package engine

import "encoding/json"

// rollBack starts an execution that runs one stage with the variables, revisions
// and artifacts of an execution that succeeded in it (execution.md 4.4,
// observed.md 8).
func (m *machine) rollBack(b RollBack) error {
	reject := func(reason Reason) error {
		return &Rejection{Reason: reason, Stage: b.Stage, Execution: b.Target}
	}
	stage := m.plans.Plan(m.s.Pipeline.Version).Stage(b.Stage)
	if stage < 0 {
		return reject(ReasonStageNotFound)
	}
	target := m.execution(b.Target)
	switch {
	case target == nil:
		return reject(ReasonExecutionNotFound)
	case target.Type == Rollback || !target.SucceededIn(b.Stage):
		return reject(ReasonNotCompleted)
	case target.Version != m.s.Pipeline.Version:
		return reject(ReasonOutdated)
	case m.s.Stage(b.Stage).Holder != "":
		return reject(ReasonStageRunning)
	case m.full(m.plans.Plan(m.s.Pipeline.Version).Mode):
		return reject(ReasonLimit)
	}
	m.startRollback(target, stage, b.Trigger)
	return nil
}

// rollBackAfter starts the automatic rollback that follows a failed execution:
// to the last one that succeeded in the stage under the definition in force. If
// there is none, nothing follows (execution.md 4.5).
func (m *machine) rollBackAfter(e *Execution) {
	st := m.stageOf(e)
	current := m.s.Pipeline.Version
	if e.Type == Rollback || st == nil || st.Succeeded == "" || st.SucceededVersion != current || e.Version != current {
		return
	}
	target := m.execution(st.Succeeded)
	if target == nil {
		return // its history is over
	}
	detail, _ := json.Marshal(map[string]string{"FailedPipelineExecutionId": e.ID})
	m.startRollback(target, e.Stage, Trigger{Type: TriggerAutomatedRollback, Detail: string(detail)})
}

// startRollback makes the execution and puts it at the entrance of its stage.
func (m *machine) startRollback(target *Execution, stage int, trigger Trigger) {
	plan := m.plans.Plan(m.s.Pipeline.Version)
	full := m.full(plan.Mode)
	from := target.clone()
	e := m.newExecution(plan, trigger)
	e.Type, e.Target = Rollback, target.ID
	e.Variables, e.Artifacts, e.Revisions, e.Namespaces = from.Variables, from.Artifacts, from.Revisions, from.Namespaces
	e.Stage = stage
	if full {
		m.overLimit(e)
		return
	}
	m.arrive(e)
}
