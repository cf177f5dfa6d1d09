package engine

import (
	"strings"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// createPipeline begins the aggregate. CreatePipeline starts an execution at
// once (execution.md 1.10).
func (m *machine) createPipeline(b CreatePipeline) error {
	m.s.Pipeline = Pipeline{ID: b.ID, Name: b.Name, Version: 1}
	m.adoptStages()
	m.change(Change{Kind: PipelineCreated})
	return m.startExecution(b.Start)
}

// startExecution makes an execution of the current definition and puts it at the
// entrance of the first stage. Missing variables make an execution that is
// Failed at once, whatever started it (observed.md 10); an undeclared variable
// is ignored and told.
func (m *machine) startExecution(b StartExecution) error {
	plan := m.plans.Plan(m.s.Pipeline.Version)
	resolved, missing, undeclared, violation := pipeline.ResolveVariables(plan.Variables, b.Variables)
	if violation == nil {
		violation = pipeline.CheckOverrides(plan, b.Overrides)
	}
	if violation != nil {
		return &Rejection{Reason: ReasonInvalid, Violation: violation}
	}
	e := &Execution{
		ID:         m.mint("execution"),
		Seq:        m.s.Pipeline.NextSeq,
		Version:    plan.Version,
		Mode:       plan.Mode,
		Status:     InProgress,
		Trigger:    b.Trigger,
		Overrides:  b.Overrides,
		StartTime:  m.at,
		LastUpdate: m.at,
	}
	m.s.Pipeline.NextSeq++
	m.s.Executions = append(m.s.Executions, e)
	m.touch(e)
	m.d.ExecutionID = e.ID
	m.change(Change{Kind: ExecutionStarted, Execution: e.ID, Status: InProgress})
	if len(undeclared) > 0 {
		m.change(Change{Kind: VariablesIgnored, Execution: e.ID, Names: undeclared})
	}
	if len(missing) > 0 {
		m.setStatus(e, Failed, "Values for required variables haven't been provided: "+strings.Join(missing, ","))
		return nil
	}
	e.Variables = resolved
	m.arrive(e)
	return nil
}

// arrive puts an execution at the entrance of its next stage.
func (m *machine) arrive(e *Execution) {
	st := m.stageOf(e)
	e.Inside, e.WaitingSince = false, m.at
	st.Waiting = append(st.Waiting, e.ID)
	st.LastInbound = e.ID
	m.touch(e)
}
