package codepipeline

import (
	"context"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/engine"
)

// DisableStageTransition keeps executions from entering or leaving a stage
// (execution.md 4.7).
func (s *Service) DisableStageTransition(ctx context.Context, c api.Caller, in *wire.DisableStageTransitionInput) error {
	return s.setTransition(ctx, c, "DisableStageTransition", text(in.PipelineName), engine.SetTransition{
		Stage: text(in.StageName), Outbound: in.TransitionType == wire.StageTransitionTypeOutbound,
		Disabled: true, Reason: text(in.Reason), By: c.ARN,
	})
}

// EnableStageTransition lets executions through again.
func (s *Service) EnableStageTransition(ctx context.Context, c api.Caller, in *wire.EnableStageTransitionInput) error {
	return s.setTransition(ctx, c, "EnableStageTransition", text(in.PipelineName), engine.SetTransition{
		Stage: text(in.StageName), Outbound: in.TransitionType == wire.StageTransitionTypeOutbound, By: c.ARN,
	})
}

func (s *Service) setTransition(ctx context.Context, c api.Caller, operation, name string, t engine.SetTransition) error {
	if err := s.allow(c, operation, name, t.Stage); err != nil {
		return err
	}
	return exception(c, name, s.dispatch.SetTransition(ctx, keyOf(c, name), t))
}
