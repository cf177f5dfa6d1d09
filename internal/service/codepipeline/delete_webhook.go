package codepipeline

import (
	"context"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
)

// DeleteWebhook deletes a webhook; one that is not there is no error.
func (s *Service) DeleteWebhook(ctx context.Context, c api.Caller, in *wire.DeleteWebhookInput) (*wire.DeleteWebhookOutput, error) {
	name := text(in.Name)
	if err := s.allowWebhook(c, "DeleteWebhook", name, nil); err != nil {
		return nil, err
	}
	if err := s.triggers.DeleteWebhook(ctx, keyOf(c, name)); err != nil {
		return nil, err
	}
	return &wire.DeleteWebhookOutput{}, nil
}
