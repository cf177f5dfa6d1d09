package codepipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
)

// stageExecution is an execution in a stage of the current definition: what
// retries and overrides are about.
type stageExecution struct {
	pipeline dispatch.Pipeline
	stage    string
	// execution is nil if the pipeline has none of that id.
	execution *engine.Execution
	// latest is the execution that entered the stage last, nil if none did.
	latest *engine.Execution
	// held says that an execution is in the stage.
	held bool
	// attempts are those of the latest execution, oldest first.
	attempts []dispatch.ActionExecution
}

// stageExecution authorizes an operation on a stage and looks up pipeline, stage
// and execution.
func (s *Service) stageExecution(ctx context.Context, c api.Caller, operation, name, stage, id string) (*stageExecution, error) {
	if err := s.allow(c, operation, name, stage); err != nil {
		return nil, err
	}
	p, err := s.dispatch.Pipeline(ctx, keyOf(c, name), 0)
	if err != nil {
		return nil, exception(c, name, err)
	}
	plan, err := s.dispatch.Plan(p, p.Version)
	if err != nil {
		return nil, err
	}
	if plan.Stage(stage) < 0 {
		return nil, stageNotFound(name, stage)
	}
	state, err := s.dispatch.State(ctx, p)
	if err != nil {
		return nil, exception(c, name, err)
	}
	v := &stageExecution{pipeline: p, stage: stage, attempts: state.Actions[stage]}
	if st := stageOf(&state, stage); st != nil {
		v.held = st.Holder != ""
		if x, ok := state.Executions[st.Latest]; ok {
			v.latest = &x
		}
	}
	if x, ok := state.Executions[id]; ok {
		v.execution = &x
		return v, nil
	}
	x, err := s.dispatch.Execution(ctx, p, id)
	if err == nil {
		v.execution = &x.Execution
	} else if !errors.Is(err, dispatch.ErrExecutionNotFound) {
		return nil, err
	}
	return v, nil
}

// checkLatest refuses an execution that a newer one has followed into the stage,
// and one that does not exist: no declared exception says so (execution.md 4.2).
func (v *stageExecution) checkLatest(id string) error {
	if v.execution == nil {
		return &wire.NotLatestPipelineExecutionException{Message: fmt.Sprintf(
			"The pipeline execution with ID '%s' does not exist in pipeline '%s'.", id, v.pipeline.Name)}
	}
	if v.latest != nil && v.latest.Seq > v.execution.Seq {
		return &wire.NotLatestPipelineExecutionException{Message: fmt.Sprintf(
			"The pipeline execution with ID '%s' is not the latest in stage '%s' of pipeline '%s': a later execution has entered the stage.",
			id, v.stage, v.pipeline.Name)}
	}
	return nil
}

// status is the status of the execution in the stage, empty if it never entered.
func (v *stageExecution) status() engine.Status {
	var status engine.Status
	for i := range v.execution.Stages {
		if v.execution.Stages[i].Name == v.stage {
			status = v.execution.Stages[i].Status
		}
	}
	return status
}

// anyFailed reports whether the last attempt of an action of the stage failed.
func (v *stageExecution) anyFailed() bool {
	last := map[string]engine.Status{}
	for i := range v.attempts {
		last[v.attempts[i].Action] = v.attempts[i].Status
	}
	for _, status := range last {
		if status == engine.Failed {
			return true
		}
	}
	return false
}
