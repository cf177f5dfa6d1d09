package codepipeline

import (
	"context"
	"fmt"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/engine"
)

// RetryStageExecution tells what is wrong with a request (execution.md 4.2,
// observed.md 7), and refuses one that is right: the engine has no retries yet.
func (s *Service) RetryStageExecution(ctx context.Context, c api.Caller, in *wire.RetryStageExecutionInput) (*wire.RetryStageExecutionOutput, error) {
	id := text(in.PipelineExecutionId)
	v, err := s.stageExecution(ctx, c, "RetryStageExecution", text(in.PipelineName), text(in.StageName), id)
	if err != nil {
		return nil, err
	}
	if err := v.checkLatest(id); err != nil {
		return nil, err
	}
	if !v.retryable(in.RetryMode) {
		return nil, &wire.StageNotRetryableException{Message: fmt.Sprintf(
			"The stage named %s in the %s pipeline can't be retried now. Either it contains no failed actions, the execution '%s' is already superseded, or the pipeline definition has changed since the action(s) failed.",
			v.stage, v.pipeline.Name, id)}
	}
	return nil, unbuilt("retry a stage")
}

// retryable reports whether the stage can be retried: it failed or was stopped,
// or one of its actions failed while others still run, under the definition that
// is in force.
func (v *stageExecution) retryable(mode wire.StageRetryMode) bool {
	if v.execution.Version != v.pipeline.Version {
		return false
	}
	switch v.status() {
	case engine.Failed, engine.Stopped:
		return true
	case engine.InProgress:
		return v.execution.Status == engine.InProgress && mode == wire.StageRetryModeFailedActions && v.anyFailed()
	}
	return false
}
