package codepipeline

import (
	"context"
	"errors"

	"github.com/penstock-cd/penstock/internal/dispatch"
	triggers "github.com/penstock-cd/penstock/internal/trigger"
)

// taggedWebhook is a webhook that exists.
type taggedWebhook struct {
	triggers *triggers.Store
	webhook  triggers.Webhook
}

func (s *Service) taggedWebhook(ctx context.Context, key dispatch.Key) (taggable, error) {
	w, err := s.triggers.Webhook(ctx, key)
	if errors.Is(err, triggers.ErrWebhookNotFound) {
		return nil, errNoResource
	}
	return taggedWebhook{s.triggers, w}, err
}

func (t taggedWebhook) All(context.Context) (map[string]string, error) { return t.webhook.Tags, nil }

func (t taggedWebhook) Set(ctx context.Context, tags map[string]string) error {
	return t.triggers.SetTags(ctx, t.webhook, tags)
}

func (t taggedWebhook) Remove(ctx context.Context, keys []string) error {
	return t.triggers.RemoveTags(ctx, t.webhook, keys)
}
