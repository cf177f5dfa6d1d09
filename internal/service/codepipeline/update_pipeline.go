package codepipeline

import (
	"context"
	"errors"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// UpdatePipeline installs a new version of a definition; running executions are
// cancelled. Objects that it comes to name are polled at once (observed.md 15).
func (s *Service) UpdatePipeline(ctx context.Context, c api.Caller, in *wire.UpdatePipelineInput) (*wire.UpdatePipelineOutput, error) {
	name := text(in.Pipeline.Name)
	if err := s.allow(c, "UpdatePipeline", name); err != nil {
		return nil, err
	}
	if err := s.allowRoles(c, in.Pipeline); err != nil {
		return nil, err
	}
	decl, err := recast[pipeline.Declaration](in.Pipeline)
	if err != nil {
		return nil, err
	}
	decl.Version = 0 // ignored on input
	p, err := s.dispatch.UpdatePipeline(ctx, c.Account, c.Region, decl)
	if errors.Is(err, dispatch.ErrPipelineNotFound) {
		return nil, notFound("The account with id '%s' does not include a pipeline with the name '%s'", c.Account, name)
	}
	if err != nil {
		return nil, exception(c, name, err)
	}
	s.triggers.Watch(context.WithoutCancel(ctx), p)
	answer, err := s.declaration(p)
	if err != nil {
		return nil, err
	}
	return &wire.UpdatePipelineOutput{Pipeline: answer}, nil
}
