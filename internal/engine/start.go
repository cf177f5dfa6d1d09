package engine

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// createPipeline begins the aggregate. CreatePipeline starts an execution at
// once (execution.md 1.10), unless a poll starts the first (observed.md 15).
func (m *machine) createPipeline(b CreatePipeline) error {
	m.s.Pipeline = Pipeline{ID: b.ID, Name: b.Name, Version: 1}
	m.adoptStages()
	m.change(Change{Kind: PipelineCreated})
	if b.Polled {
		return nil
	}
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
	full := m.full(plan.Mode)
	if full && b.Trigger.requested() {
		return &Rejection{Reason: ReasonLimit}
	}
	e := m.newExecution(plan, b.Trigger)
	e.Overrides = b.Overrides
	if len(undeclared) > 0 {
		m.change(Change{Kind: VariablesIgnored, Execution: e.ID, Names: undeclared})
	}
	if len(missing) > 0 {
		m.setStatus(e, Failed, "Values for required variables haven't been provided: "+strings.Join(missing, ","))
		return nil
	}
	e.Variables = resolved
	if full {
		m.overLimit(e)
		return nil
	}
	m.arrive(e)
	return nil
}

// full reports whether no further execution may be under way. SUPERSEDED has no
// limit, because waiting executions overtake each other.
func (m *machine) full(mode pipeline.ExecutionMode) bool {
	if mode == pipeline.ModeSuperseded {
		return false
	}
	live := 0
	for _, e := range m.s.Executions {
		if !e.Ended() {
			live++
		}
	}
	return live >= m.limit()
}

func (m *machine) limit() int {
	return cmp.Or(m.past.ConcurrentExecutions, DefaultConcurrentExecutions)
}

// limitPrefix begins the summary of an automatic start beyond the quota, by which
// an explanation knows it.
const limitPrefix = "The limit of "

// overLimit ends an automatic start beyond the quota: nobody waits for an answer,
// so it is recorded, with the reason.
func (m *machine) overLimit(e *Execution) {
	m.setStatus(e, Failed, limitPrefix+fmt.Sprintf("%d concurrent executions of a %s pipeline was reached.", m.limit(), e.Mode))
}

// newExecution makes an execution of the plan, which is nowhere yet.
func (m *machine) newExecution(plan *pipeline.Plan, trigger Trigger) *Execution {
	e := &Execution{
		ID:         m.mint("execution"),
		Seq:        m.s.Pipeline.NextSeq,
		Version:    plan.Version,
		Mode:       plan.Mode,
		Status:     InProgress,
		Trigger:    trigger,
		StartTime:  m.at,
		LastUpdate: m.at,
	}
	m.s.Pipeline.NextSeq++
	m.s.Executions = append(m.s.Executions, e)
	m.touch(e)
	m.d.ExecutionID = e.ID
	m.change(Change{Kind: ExecutionStarted, Execution: e.ID, Status: InProgress})
	return e
}

// arrive puts an execution at the entrance of its next stage. PARALLEL ones wait
// for nobody and stand in no line.
func (m *machine) arrive(e *Execution) {
	e.Inside, e.WaitingSince = false, m.at
	m.touch(e)
	if e.parallel() {
		return
	}
	st := m.stageOf(e)
	st.Waiting = append(st.Waiting, e.ID)
	st.LastInbound = e.ID
}
