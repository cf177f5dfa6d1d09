package codepipeline

import (
	"context"
	"errors"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// StartPipelineExecution starts an execution (observed.md 5 and 10).
func (s *Service) StartPipelineExecution(ctx context.Context, c api.Caller, in *wire.StartPipelineExecutionInput) (*wire.StartPipelineExecutionOutput, error) {
	name := text(in.Name)
	if err := s.allow(c, "StartPipelineExecution", name); err != nil {
		return nil, err
	}
	request := dispatch.StartRequest{
		Trigger: engine.Trigger{Type: engine.TriggerStartPipelineExecution, Detail: c.ARN},
		Token:   text(in.ClientRequestToken),
	}
	for _, v := range in.Variables {
		request.Variables = append(request.Variables, pipeline.Variable{Name: text(v.Name), Value: text(v.Value)})
	}
	for _, r := range in.SourceRevisions {
		request.Overrides = append(request.Overrides, pipeline.SourceRevisionOverride{
			ActionName: text(r.ActionName), RevisionType: pipeline.RevisionType(r.RevisionType), RevisionValue: text(r.RevisionValue),
		})
	}
	id, err := s.dispatch.StartExecution(ctx, keyOf(c, name), request)
	if errors.Is(err, dispatch.ErrPipelineNotFound) {
		return nil, notFound("Pipeline with name %s does not exist in account %s.", name, c.Account)
	}
	if err != nil {
		return nil, exception(c, name, err)
	}
	return &wire.StartPipelineExecutionOutput{PipelineExecutionId: &id}, nil
}
