package codepipeline

import (
	"context"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
)

// DeletePipeline deletes a pipeline and abandons what runs in it. It is
// idempotent: no not-found error is declared.
func (s *Service) DeletePipeline(ctx context.Context, c api.Caller, in *wire.DeletePipelineInput) error {
	name := text(in.Name)
	if err := s.allow(c, "DeletePipeline", name); err != nil {
		return err
	}
	return exception(c, name, s.dispatch.DeletePipeline(ctx, keyOf(c, name)))
}
