package codepipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/pipeline"
	triggers "github.com/penstock-cd/penstock/internal/trigger"
)

// RegisterWebhookWithThirdParty would make GitHub call a webhook's URL. It tells
// what is wrong with a request and refuses one that is right.
func (s *Service) RegisterWebhookWithThirdParty(ctx context.Context, c api.Caller, in *wire.RegisterWebhookWithThirdPartyInput) (*wire.RegisterWebhookWithThirdPartyOutput, error) {
	if err := s.registrable(ctx, c, "RegisterWebhookWithThirdParty", in.WebhookName); err != nil {
		return nil, err
	}
	return nil, unbuilt("register webhooks with GitHub; add the URL of the webhook in the settings of the repository instead")
}

// DeregisterWebhookWithThirdParty would make GitHub stop calling a webhook's URL.
// It tells what is wrong with a request and refuses one that is right.
func (s *Service) DeregisterWebhookWithThirdParty(ctx context.Context, c api.Caller, in *wire.DeregisterWebhookWithThirdPartyInput) (*wire.DeregisterWebhookWithThirdPartyOutput, error) {
	if err := s.registrable(ctx, c, "DeregisterWebhookWithThirdParty", in.WebhookName); err != nil {
		return nil, err
	}
	return nil, unbuilt("deregister webhooks with GitHub; remove the URL of the webhook in the settings of the repository instead")
}

// gitHub is the only type of source that a webhook can be registered for.
func gitHub() pipeline.ActionTypeID {
	return pipeline.ActionTypeID{Category: pipeline.CategorySource, Owner: pipeline.OwnerThirdParty, Provider: "GitHub", Version: "1"}
}

// registrable checks that a webhook is there and starts a GitHub source.
func (s *Service) registrable(ctx context.Context, c api.Caller, operation string, name *string) error {
	if name == nil {
		return &api.ValidationError{Violations: []api.Violation{{Path: "webhookName", Constraint: "Member must not be null"}}}
	}
	if err := s.allowWebhook(c, operation, *name, nil); err != nil {
		return err
	}
	w, err := s.triggers.Webhook(ctx, keyOf(c, *name))
	if errors.Is(err, triggers.ErrWebhookNotFound) {
		return &wire.WebhookNotFoundException{Message: fmt.Sprintf(
			"The account with id '%s' does not include a webhook with the name '%s'", c.Account, *name)}
	}
	if err != nil {
		return err
	}
	id, err := s.sourceType(ctx, c, w)
	if err != nil {
		return err
	}
	if id != gitHub() {
		return invalid("The webhook '%s' is not for GitHub: its target '%s' in pipeline '%s' is no source action of owner ThirdParty, provider GitHub and version 1",
			w.Name, w.Action, w.Pipeline)
	}
	return nil
}

// sourceType is the type of a webhook's target, none if that is gone.
func (s *Service) sourceType(ctx context.Context, c api.Caller, w triggers.Webhook) (pipeline.ActionTypeID, error) {
	p, err := s.dispatch.Pipeline(ctx, keyOf(c, w.Pipeline), 0)
	if errors.Is(err, dispatch.ErrPipelineNotFound) {
		return pipeline.ActionTypeID{}, nil
	}
	if err != nil {
		return pipeline.ActionTypeID{}, err
	}
	for _, a := range p.Declaration.Stages[0].Actions {
		if a.Name == w.Action {
			return a.ActionTypeID, nil
		}
	}
	return pipeline.ActionTypeID{}, nil
}

// unbuilt refuses a request that is right but asks for what this version cannot
// do (docs/coverage.md).
func unbuilt(what string) error {
	return &api.Error{Code: "UnknownOperationException", Message: "The request is valid, but this version of Penstock cannot " + what + "."}
}
