package codepipeline

import (
	"context"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// ListRuleTypes lists the rule types that this server can run. There is no
// paging (execution.md 5.5).
func (s *Service) ListRuleTypes(_ context.Context, c api.Caller, in *wire.ListRuleTypesInput) (*wire.ListRuleTypesOutput, error) {
	if err := s.allowAll(c, "ListRuleTypes"); err != nil {
		return nil, err
	}
	region := c.Region
	if in.RegionFilter != nil {
		region = *in.RegionFilter
	}
	return &wire.ListRuleTypesOutput{
		RuleTypes: ruleTypeViews(s.dispatch.Catalogue.RuleTypes(), region, string(in.RuleOwnerFilter)),
	}, nil
}

// ruleTypeViews shows the available ones of the rule types, of one owner unless
// that is empty.
func ruleTypeViews(types []pipeline.RuleType, region, owner string) []wire.RuleType {
	views := []wire.RuleType{}
	for _, t := range types {
		if !t.Available || owner != "" && owner != t.ID.Owner {
			continue
		}
		listed := t.Settings.Listed(region)
		view := wire.RuleType{
			Id: &wire.RuleTypeId{
				Category: wire.RuleCategory(t.ID.Category), Owner: wire.RuleOwner(t.ID.Owner),
				Provider: some(t.ID.Provider), Version: some(t.ID.Version),
			},
			Settings: &wire.RuleTypeSettings{
				EntityUrlTemplate: some(listed.EntityURLTemplate), ExecutionUrlTemplate: some(listed.ExecutionURLTemplate),
			},
			RuleConfigurationProperties: []wire.RuleConfigurationProperty{},
			InputArtifactDetails:        artifactDetails(t.Inputs),
		}
		for _, p := range t.Properties {
			view.RuleConfigurationProperties = append(view.RuleConfigurationProperties, wire.RuleConfigurationProperty{
				Name: some(p.Name), Required: new(p.Required), Key: new(p.Key), Secret: new(p.Secret),
				Queryable: new(p.Queryable), Description: some(p.Description),
			})
		}
		views = append(views, view)
	}
	return views
}
