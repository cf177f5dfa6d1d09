package codepipeline

import (
	"context"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// ListPipelines lists the pipelines of the caller's account and region by name.
func (s *Service) ListPipelines(ctx context.Context, c api.Caller, in *wire.ListPipelinesInput) (*wire.ListPipelinesOutput, error) {
	if err := s.allowAll(c, "ListPipelines"); err != nil {
		return nil, err
	}
	page := pageOf(in.MaxResults, 1000)
	binding := bind("ListPipelines", c.Account, c.Region)
	after, err := binding.open(in.NextToken)
	if err != nil {
		return nil, err
	}
	list, err := s.dispatch.Pipelines(ctx, c.Account, c.Region, after, page+1)
	if err != nil {
		return nil, err
	}
	out := &wire.ListPipelinesOutput{}
	if len(list) > page {
		list = list[:page]
		out.NextToken = binding.seal(list[page-1].Name)
	}
	out.Pipelines = s.rendered.list(list, s.summary)
	return out, nil
}

// summary is one entry of the list.
func (s *Service) summary(p *dispatch.Pipeline) wire.PipelineSummary {
	return wire.PipelineSummary{
		Name:          some(p.Name),
		Version:       new(int32(p.Version)),
		PipelineType:  wire.PipelineType(pipeline.EffectiveType(p.Declaration, s.types)),
		ExecutionMode: wire.ExecutionMode(pipeline.EffectiveMode(p.Declaration)),
		Created:       api.TimestampOf(p.Created),
		Updated:       api.TimestampOf(p.Updated),
	}
}
