package codepipeline

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/engine"
)

// RollbackStage starts an execution that runs one stage with the revisions,
// variables and artifacts of an earlier one (execution.md 4.4, observed.md 8).
func (s *Service) RollbackStage(ctx context.Context, c api.Caller, in *wire.RollbackStageInput) (*wire.RollbackStageOutput, error) {
	name, stage := text(in.PipelineName), text(in.StageName)
	if err := s.allow(c, "RollbackStage", name, stage); err != nil {
		return nil, err
	}
	detail, err := json.Marshal(map[string]string{"AwsUserArn": c.ARN})
	if err != nil {
		return nil, fmt.Errorf("encoding the caller: %w", err)
	}
	id, err := s.dispatch.RollBack(ctx, keyOf(c, name), engine.RollBack{
		Stage: stage, Target: text(in.TargetPipelineExecutionId),
		Trigger: engine.Trigger{Type: engine.TriggerManualRollback, Detail: string(detail)},
	})
	if r, ok := rejection(err); ok && r.Reason == engine.ReasonLimit {
		// The exception for this is declared for all other ways to start, not here.
		return nil, &wire.UnableToRollbackStageException{Message: fmt.Sprintf(
			"Pipeline '%s' cannot start rollback since it has reached the limit of concurrent pipeline executions.", name)}
	}
	if err != nil {
		return nil, exception(c, name, err)
	}
	return &wire.RollbackStageOutput{PipelineExecutionId: some(id)}, nil
}
