package codepipeline

import (
	"context"
	"fmt"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/engine"
)

// RetryStageExecution runs a failed or stopped stage of an execution again
// (execution.md 4.2, observed.md 7).
func (s *Service) RetryStageExecution(ctx context.Context, c api.Caller, in *wire.RetryStageExecutionInput) (*wire.RetryStageExecutionOutput, error) {
	name, stage := text(in.PipelineName), text(in.StageName)
	if err := s.allow(c, "RetryStageExecution", name, stage); err != nil {
		return nil, err
	}
	err := s.dispatch.RetryStage(ctx, keyOf(c, name), engine.RetryStage{
		Stage: stage, Execution: text(in.PipelineExecutionId), AllActions: in.RetryMode == wire.StageRetryModeAllActions,
	})
	if err != nil {
		return nil, stageException(c, name, err)
	}
	return &wire.RetryStageExecutionOutput{PipelineExecutionId: in.PipelineExecutionId}, nil
}

// stageException is exception for a request about an execution in a stage. That
// the execution does not exist is said by the nearest exception there is: none of
// these operations declares one for it (execution.md 4.2).
func stageException(c api.Caller, name string, err error) error {
	if r, ok := rejection(err); ok && r.Reason == engine.ReasonExecutionNotFound {
		return &wire.NotLatestPipelineExecutionException{Message: fmt.Sprintf(
			"The pipeline execution with ID '%s' does not exist in pipeline '%s'.", r.Execution, name)}
	}
	return exception(c, name, err)
}
