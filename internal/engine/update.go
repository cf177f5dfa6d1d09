package engine

import "github.com/penstock-cd/penstock/internal/pipeline"

// definitionUpdated is the summary of executions that an update cancels
// (observed.md 15).
const definitionUpdated = "Pipeline definition was updated"

// updatePipeline installs a new version (execution.md 2.9, observed.md 15):
// waiting executions are cancelled, a pending approval fails at once, rules are
// abandoned, and what else runs ends before its execution is cancelled. PARALLEL
// executions go on under the definition they started with.
func (m *machine) updatePipeline(b UpdatePipeline) error {
	for _, e := range m.s.Executions {
		m.cancel(e)
	}
	// Cancel under the plans the executions run on, before stages go.
	m.settle()
	m.s.Pipeline.Version = b.Version
	m.adoptStages()
	m.change(Change{Kind: PipelineUpdated})
	return nil
}

func (m *machine) cancel(e *Execution) {
	if e.Ended() || e.parallel() {
		return
	}
	if !e.Inside {
		st := m.stageOf(e)
		m.leaveEntrance(st, e.ID)
		st.LastInbound = ""
		m.setStatus(e, Cancelled, definitionUpdated)
		return
	}
	e.Cancel = true
	m.touch(e)
	if e.Gate != "" {
		m.leaveGate(e, Cancelled, "")
	}
	stage := m.stagePlan(e)
	for i := range e.Actions {
		action := &e.Actions[i]
		if action.Status == InProgress && stage.Actions[action.Index].IsApproval() {
			m.endAction(e, action, Change{Status: Failed, Outcome: Outcome{Summary: approvalCanceled}})
		}
	}
}

// adoptStages makes the shared stages those of the current plan. Stages keep
// their state by name; one that is gone stays while an execution is inside it.
func (m *machine) adoptStages() {
	plan := m.plans.Plan(m.s.Pipeline.Version)
	stages := make([]Stage, 0, len(plan.Stages))
	for i := range plan.Stages {
		st := Stage{Name: plan.Stages[i].Name}
		if old := m.s.Stage(st.Name); old != nil {
			st = *old
			st.Gone = false
		}
		stages = append(stages, st)
	}
	for _, old := range m.s.Pipeline.Stages {
		if old.Holder != "" && !has(plan, old.Name) {
			old.Gone = true
			stages = append(stages, old)
		}
	}
	m.s.Pipeline.Stages = stages
}

func has(plan *pipeline.Plan, stage string) bool { return plan.Stage(stage) >= 0 }
