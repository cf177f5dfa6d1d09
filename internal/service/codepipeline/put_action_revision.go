package codepipeline

import (
	"context"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/engine"
	triggers "github.com/penstock-cd/penstock/internal/trigger"
)

// PutActionRevision tells a source action of a revision and starts an execution
// if that is new (execution.md 8.6). newRevision says what its name says: the
// model's description of it reads the other way round.
func (s *Service) PutActionRevision(ctx context.Context, c api.Caller, in *wire.PutActionRevisionInput) (*wire.PutActionRevisionOutput, error) {
	name, stage, action := text(in.PipelineName), text(in.StageName), text(in.ActionName)
	if err := s.allow(c, "PutActionRevision", name, stage, action); err != nil {
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
	at := plan.Stage(stage)
	if at < 0 {
		return nil, stageNotFound(name, stage)
	}
	index := plan.Stages[at].Action(action)
	if index < 0 {
		return nil, rejected(name, &engine.Rejection{Reason: engine.ReasonActionNotFound, Stage: stage, Action: action})
	}
	if !plan.Stages[at].Actions[index].IsSource() {
		return nil, invalid("Action '%s' in stage '%s' is not a source action", action, stage)
	}
	id, isNew, err := s.triggers.PushRevision(ctx, p, triggers.Push{
		Stage: stage, Action: action, Revision: text(in.ActionRevision.RevisionId), By: c.ARN,
	})
	if err != nil {
		return nil, exception(c, name, err)
	}
	return &wire.PutActionRevisionOutput{NewRevision: &isNew, PipelineExecutionId: &id}, nil
}
