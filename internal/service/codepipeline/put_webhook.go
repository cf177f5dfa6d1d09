package codepipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/pipeline"
	triggers "github.com/penstock-cd/penstock/internal/trigger"
)

// PutWebhook makes a webhook or gives an existing one a new definition
// (execution.md 8.8). Its secret is never shown again.
func (s *Service) PutWebhook(ctx context.Context, c api.Caller, in *wire.PutWebhookInput) (*wire.PutWebhookOutput, error) {
	d := webhookDefinition(in.Webhook)
	if err := s.allowWebhook(c, "PutWebhook", d.Name, tagsToSet(in.Tags)); err != nil {
		return nil, err
	}
	if err := s.allow(c, "PutWebhook", d.Pipeline); err != nil {
		return nil, err
	}
	var tags map[string]string
	if in.Tags != nil {
		var err error
		if tags, err = tagMap(in.Tags, webhookARN(c, d.Name)); err != nil {
			return nil, err
		}
	}
	w, err := s.triggers.PutWebhook(ctx, c.Account, c.Region, d, tags)
	if err != nil {
		return nil, s.webhookException(c, d, err)
	}
	return &wire.PutWebhookOutput{Webhook: webhookItem(c, w)}, nil
}

// webhookException is the table from the refusals of a webhook to exceptions.
func (s *Service) webhookException(c api.Caller, d triggers.Definition, err error) error {
	if e, ok := errors.AsType[*triggers.AuthenticationError](err); ok {
		return &wire.InvalidWebhookAuthenticationParametersException{Message: e.Message}
	}
	if e, ok := errors.AsType[*triggers.FilterError](err); ok {
		return &wire.InvalidWebhookFilterPatternException{Message: e.Message}
	}
	switch {
	case errors.Is(err, triggers.ErrTargetAction):
		return invalid("Action with name %s was not found in the first stage of the pipeline", d.Action)
	case errors.Is(err, triggers.ErrTooManyWebhooks):
		return &wire.LimitExceededException{Message: fmt.Sprintf(
			"The account with id '%s' already has the maximum number of webhooks (%d) in region '%s'", c.Account, s.triggers.MaxWebhooks, c.Region)}
	case errors.Is(err, triggers.ErrConcurrent):
		return &wire.ConcurrentModificationException{Message: fmt.Sprintf(
			"The webhook '%s' was changed by other requests at the same time. Try again.", d.Name)}
	}
	return exception(c, d.Pipeline, err)
}

func webhookARN(c api.Caller, name string) string {
	return pipeline.WebhookARN(c.Partition, c.Region, c.Account, name)
}

// allowWebhook authorizes an operation on a webhook; keys are the condition keys
// of the request.
func (s *Service) allowWebhook(c api.Caller, operation, name string, keys map[string][]string) error {
	return s.auth.Ask(c, iam.Question{
		Request: iam.Request{Action: "codepipeline:" + operation, Resource: webhookARN(c, name), Context: keys},
		Tags: func(ctx context.Context) (map[string]string, error) {
			w, err := s.triggers.Webhook(ctx, keyOf(c, name))
			if errors.Is(err, triggers.ErrWebhookNotFound) {
				return nil, nil
			}
			return w.Tags, err
		},
	})
}

func webhookDefinition(in *wire.WebhookDefinition) triggers.Definition {
	d := triggers.Definition{
		Name: text(in.Name), Pipeline: text(in.TargetPipeline), Action: text(in.TargetAction),
		Authentication: string(in.Authentication),
		SecretToken:    text(in.AuthenticationConfiguration.SecretToken),
		AllowedIPRange: text(in.AuthenticationConfiguration.AllowedIPRange),
		Filters:        []triggers.Filter{},
	}
	for _, f := range in.Filters {
		d.Filters = append(d.Filters, triggers.Filter{JSONPath: text(f.JsonPath), MatchEquals: text(f.MatchEquals)})
	}
	return d
}

// webhookItem is a webhook as answers show it.
func webhookItem(c api.Caller, w triggers.Webhook) *wire.ListWebhookItem {
	item := &wire.ListWebhookItem{
		Definition: &wire.WebhookDefinition{
			Name: some(w.Name), TargetPipeline: some(w.Pipeline), TargetAction: some(w.Action),
			Filters:        []wire.WebhookFilterRule{},
			Authentication: wire.WebhookAuthenticationType(w.Authentication),
			AuthenticationConfiguration: &wire.WebhookAuthConfiguration{
				SecretToken: some(w.SecretToken), AllowedIPRange: some(w.AllowedIPRange),
			},
		},
		Url:  some(w.URL),
		Arn:  some(webhookARN(c, w.Name)),
		Tags: tagList(w.Tags),
	}
	for _, f := range w.Filters {
		item.Definition.Filters = append(item.Definition.Filters, wire.WebhookFilterRule{JsonPath: some(f.JSONPath), MatchEquals: some(f.MatchEquals)})
	}
	return item
}
