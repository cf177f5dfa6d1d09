package codepipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// allowActionType authorizes an operation on an action type, which has the tags
// of a custom type; keys are the condition keys of the request.
func (s *Service) allowActionType(c api.Caller, operation string, id pipeline.ActionTypeID, keys map[string][]string) error {
	return s.auth.Ask(c, iam.Question{
		Request: iam.Request{
			Action: "codepipeline:" + operation, Resource: pipeline.ActionTypeARN(c.Partition, c.Region, c.Account, id), Context: keys,
		},
		Tags: func(ctx context.Context) (map[string]string, error) {
			tags, err := s.dispatch.ActionTypeTags(ctx, c.Account, c.Region, id)
			if errors.Is(err, dispatch.ErrActionTypeNotFound) {
				return nil, nil
			}
			return tags, err
		},
	})
}

func customType(category wire.ActionCategory, provider, version *string) pipeline.ActionTypeID {
	return pipeline.ActionTypeID{
		Category: string(category), Owner: pipeline.OwnerCustom, Provider: text(provider), Version: text(version),
	}
}

// actionTypeView shows a type as ListActionTypes does: every flag of every
// property, settings even when there are none, and never a property's type
// (observed.md 4; triggers.md 7.2).
func actionTypeView(t pipeline.ActionType) wire.ActionType {
	view := wire.ActionType{
		Id: actionTypeID(t.ID),
		Settings: &wire.ActionTypeSettings{
			EntityUrlTemplate:          some(t.Settings.EntityURLTemplate),
			ExecutionUrlTemplate:       some(t.Settings.ExecutionURLTemplate),
			RevisionUrlTemplate:        some(t.Settings.RevisionURLTemplate),
			ThirdPartyConfigurationUrl: some(t.Settings.ThirdPartyConfigurationURL),
		},
		ActionConfigurationProperties: []wire.ActionConfigurationProperty{},
		InputArtifactDetails:          artifactDetails(t.Inputs),
		OutputArtifactDetails:         artifactDetails(t.Outputs),
	}
	for _, p := range t.Properties {
		view.ActionConfigurationProperties = append(view.ActionConfigurationProperties, wire.ActionConfigurationProperty{
			Name: some(p.Name), Required: new(p.Required), Key: new(p.Key), Secret: new(p.Secret),
			Queryable: new(p.Queryable), Description: some(p.Description),
		})
	}
	return view
}

func artifactDetails(b pipeline.ArtifactBounds) *wire.ArtifactDetails {
	return &wire.ArtifactDetails{MinimumCount: new(int32(b.Min)), MaximumCount: new(int32(b.Max))}
}

// checkActionType judges what the author of an action type says of it, beyond
// what the service model does (execution.md 8.1). The error is a
// ValidationException.
func checkActionType(t pipeline.ActionType) error {
	for _, b := range []pipeline.ArtifactBounds{t.Inputs, t.Outputs} {
		if b.Min > b.Max {
			return invalid("Maximum Number of Artifacts (%d) has to be greater than or equal to minimum (%d).", b.Max, b.Min)
		}
	}
	if err := checkProperties(t.Properties); err != nil {
		return err
	}
	s := t.Settings
	for _, template := range []string{s.ThirdPartyConfigurationURL, s.EntityURLTemplate, s.ExecutionURLTemplate, s.RevisionURLTemplate} {
		if err := checkTemplate(template, t.Properties); err != nil {
			return err
		}
	}
	return nil
}

func checkProperties(properties []pipeline.ConfigurationProperty) error {
	var seen, queryable []string
	for _, p := range properties {
		if slices.Contains(seen, p.Name) {
			return invalid("Configuration property names must be unique. The following name is already in use: %s", p.Name)
		}
		seen = append(seen, p.Name)
		if p.Queryable {
			queryable = append(queryable, p.Name)
		}
	}
	if len(queryable) > 1 {
		return invalid("Multiple queryable configuration properties found with names '%s'. Up to one queryable property may be specified.",
			strings.Join(queryable, ", "))
	}
	for _, p := range properties {
		if p.Queryable && (!p.Required || p.Secret) {
			return invalid("Invalid queryable property '%s'. Queryable configuration properties must be required and non-secret.", p.Name)
		}
	}
	return nil
}

// checkTemplate refuses a URL template that refers to a property which is not
// there, may be absent, or must not be shown.
func checkTemplate(template string, properties []pipeline.ConfigurationProperty) error {
	const begin = "{Config:"
	for rest := template; ; {
		_, after, found := strings.Cut(rest, begin)
		if !found {
			return nil
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed {
			return invalid("Invalid URL template '%s': a reference to a configuration property is not closed", template)
		}
		i := slices.IndexFunc(properties, func(p pipeline.ConfigurationProperty) bool { return p.Name == name })
		if i < 0 {
			return invalid("Invalid URL template '%s': there is no configuration property '%s'", template, name)
		}
		if !properties[i].Required || properties[i].Secret {
			return invalid("Invalid URL template '%s': the configuration property '%s' must be required and non-secret", template, name)
		}
		rest = tail
	}
}

func describeType(id pipeline.ActionTypeID) string {
	return fmt.Sprintf("(Category: '%s', Provider: '%s', Owner: '%s', Version: '%s')", id.Category, id.Provider, id.Owner, id.Version)
}
