package codepipeline

import (
	"context"
	"fmt"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/engine"
)

// RollbackStage tells what is wrong with a request (execution.md 4.4,
// observed.md 8), and refuses one that is right: the engine has no rollbacks yet.
func (s *Service) RollbackStage(ctx context.Context, c api.Caller, in *wire.RollbackStageInput) (*wire.RollbackStageOutput, error) {
	id := text(in.TargetPipelineExecutionId)
	v, err := s.stageExecution(ctx, c, "RollbackStage", text(in.PipelineName), text(in.StageName), id)
	if err != nil {
		return nil, err
	}
	name := v.pipeline.Name
	switch {
	case v.execution == nil:
		return nil, &wire.PipelineExecutionNotFoundException{Message: fmt.Sprintf(
			"Target Pipeline Execution with id '%s' does not exist in pipeline with name '%s'", id, name)}
	case v.status() != engine.Succeeded:
		return nil, &wire.UnableToRollbackStageException{Message: fmt.Sprintf(
			"Target Pipeline Execution with id '%s' has not completed in stage with name '%s'", id, v.stage)}
	case v.execution.Version != v.pipeline.Version:
		return nil, &wire.PipelineExecutionOutdatedException{Message: fmt.Sprintf(
			"Pipeline '%s' has been updated since the rollback request was made.", name)}
	case v.held:
		return nil, &wire.UnableToRollbackStageException{Message: fmt.Sprintf(
			"Pipeline '%s' cannot start rollback since stage %s is in progress.", name, v.stage)}
	}
	return nil, unbuilt("roll a stage back")
}
