package codepipeline

import (
	"context"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
)

// ListWebhooks lists the webhooks of the caller's account and region by name. Its
// paging members begin with capitals (execution.md 7).
func (s *Service) ListWebhooks(ctx context.Context, c api.Caller, in *wire.ListWebhooksInput) (*wire.ListWebhooksOutput, error) {
	if err := s.auth.Authorize(c, "codepipeline:ListWebhooks", webhookARN(c, "*")); err != nil {
		return nil, err
	}
	page := pageOf(in.MaxResults, 100)
	binding := bind("ListWebhooks", c.Account, c.Region)
	after, err := binding.open(in.NextToken)
	if err != nil {
		return nil, err
	}
	list, err := s.triggers.Webhooks(ctx, c.Account, c.Region, after, page+1)
	if err != nil {
		return nil, err
	}
	out := &wire.ListWebhooksOutput{Webhooks: []wire.ListWebhookItem{}}
	if len(list) > page {
		list = list[:page]
		out.NextToken = binding.seal(list[page-1].Name)
	}
	for _, w := range list {
		out.Webhooks = append(out.Webhooks, *webhookItem(c, w))
	}
	return out, nil
}
