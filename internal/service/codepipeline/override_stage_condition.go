package codepipeline

import (
	"context"
	"fmt"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// OverrideStageCondition lets an execution pass a condition of a stage, while it
// is evaluated or after it kept the execution from going on (execution.md 5.4).
func (s *Service) OverrideStageCondition(ctx context.Context, c api.Caller, in *wire.OverrideStageConditionInput) error {
	name, stage := text(in.PipelineName), text(in.StageName)
	if err := s.allow(c, "OverrideStageCondition", name, stage); err != nil {
		return err
	}
	gate := pipeline.GateBeforeEntry
	if in.ConditionType == wire.ConditionTypeOnSuccess {
		gate = pipeline.GateOnSuccess
	}
	err := s.dispatch.OverrideCondition(ctx, keyOf(c, name), engine.OverrideCondition{
		Stage: stage, Execution: text(in.PipelineExecutionId), Gate: gate, By: c.ARN,
	})
	if r, ok := rejection(err); ok && r.Reason == engine.ReasonNotOverridable {
		return &wire.ConditionNotOverridableException{Message: fmt.Sprintf(
			"Stage '%s' of pipeline '%s' has no %s condition that can be overridden in pipeline execution '%s'.",
			stage, name, in.ConditionType, r.Execution)}
	}
	return stageException(c, name, err)
}
