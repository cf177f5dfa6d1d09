package codepipeline

import (
	"context"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/engine"
)

// StopPipelineExecution stops an execution, after its running actions or at once
// (execution.md 4.1, observed.md 6).
func (s *Service) StopPipelineExecution(ctx context.Context, c api.Caller, in *wire.StopPipelineExecutionInput) (*wire.StopPipelineExecutionOutput, error) {
	name := text(in.PipelineName)
	if err := s.allow(c, "StopPipelineExecution", name); err != nil {
		return nil, err
	}
	err := s.dispatch.StopExecution(ctx, keyOf(c, name), engine.StopExecution{
		Execution: text(in.PipelineExecutionId), Abandon: in.Abandon != nil && *in.Abandon, Reason: text(in.Reason), By: c.ARN,
	})
	if err != nil {
		return nil, exception(c, name, err)
	}
	return &wire.StopPipelineExecutionOutput{PipelineExecutionId: in.PipelineExecutionId}, nil
}
