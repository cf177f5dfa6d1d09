package codepipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// GetPipeline returns a version of a pipeline's definition.
func (s *Service) GetPipeline(ctx context.Context, c api.Caller, in *wire.GetPipelineInput) (*wire.GetPipelineOutput, error) {
	name := text(in.Name)
	if err := s.allow(c, "GetPipeline", name); err != nil {
		return nil, err
	}
	version := 0
	if in.Version != nil {
		version = int(*in.Version)
	}
	p, err := s.dispatch.Pipeline(ctx, keyOf(c, name), version)
	if errors.Is(err, dispatch.ErrVersionNotFound) {
		return nil, &wire.PipelineVersionNotFoundException{
			Message: fmt.Sprintf("Pipeline '%s' does not have a version %d", name, version),
		}
	}
	if err != nil {
		return nil, exception(c, name, err)
	}
	answer, err := s.rendered.declaration(p, s.declaration)
	if err != nil {
		return nil, err
	}
	return &wire.GetPipelineOutput{Pipeline: answer, Metadata: &wire.PipelineMetadata{
		PipelineArn: some(pipeline.PipelineARN(c.Partition, c.Region, c.Account, name)),
		Created:     api.TimestampOf(p.Created),
		Updated:     api.TimestampOf(p.Updated),
	}}, nil
}
