package codepipeline

import (
	"context"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// CreatePipeline stores a pipeline and starts its first execution; one whose
// sources are polled gets it from the first poll (observed.md 15).
func (s *Service) CreatePipeline(ctx context.Context, c api.Caller, in *wire.CreatePipelineInput) (*wire.CreatePipelineOutput, error) {
	name := text(in.Pipeline.Name)
	if err := s.allowCreate(c, name, in.Tags); err != nil {
		return nil, err
	}
	if err := s.allowRoles(c, in.Pipeline); err != nil {
		return nil, err
	}
	tags, err := tagMap(in.Tags, pipeline.PipelineARN(c.Partition, c.Region, c.Account, name))
	if err != nil {
		return nil, err
	}
	decl, err := recast[pipeline.Declaration](in.Pipeline)
	if err != nil {
		return nil, err
	}
	decl.Version = 0 // ignored on input
	p, err := s.dispatch.CreatePipeline(ctx, c.Account, c.Region, dispatch.CreateRequest{
		Declaration: decl, Tags: tags, By: c.ARN, Polled: s.triggers.Polls(c.Account, decl),
	})
	if err != nil {
		return nil, exception(c, name, err)
	}
	s.triggers.Watch(context.WithoutCancel(ctx), p)
	answer, err := s.declaration(p)
	if err != nil {
		return nil, err
	}
	return &wire.CreatePipelineOutput{Pipeline: answer, Tags: tagList(tags)}, nil
}

// declaration is the view of a pipeline that answers carry: defaults filled in
// (execution.md 1.9, observed.md 2).
func (s *Service) declaration(p dispatch.Pipeline) (*wire.PipelineDeclaration, error) {
	d := pipeline.Normalise(p.Declaration, s.types)
	d.Version = p.Version
	return recast[*wire.PipelineDeclaration](d)
}
