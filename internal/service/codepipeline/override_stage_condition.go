package codepipeline

import (
	"context"
	"fmt"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
)

// OverrideStageCondition would let an execution pass a condition (execution.md
// 5.4). Pipelines with conditions are refused, so there is never one to override.
func (s *Service) OverrideStageCondition(ctx context.Context, c api.Caller, in *wire.OverrideStageConditionInput) error {
	id := text(in.PipelineExecutionId)
	v, err := s.stageExecution(ctx, c, "OverrideStageCondition", text(in.PipelineName), text(in.StageName), id)
	if err != nil {
		return err
	}
	if err := v.checkLatest(id); err != nil {
		return err
	}
	return &wire.ConditionNotOverridableException{Message: fmt.Sprintf(
		"Stage '%s' of pipeline '%s' has no %s condition that can be overridden in pipeline execution '%s'.",
		v.stage, v.pipeline.Name, in.ConditionType, id)}
}
