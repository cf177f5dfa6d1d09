package codepipeline

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// TestRuleTypeViews: a rule type is listed from when it is available, with all
// that its declaration may say.
func TestRuleTypeViews(t *testing.T) {
	t.Parallel()
	catalogue, err := provider.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	types := catalogue.RuleTypes()
	if views := ruleTypeViews(types, "eu-west-1", ""); views == nil || len(views) != 0 {
		t.Errorf("unavailable types are listed: %+v", views)
	}
	for i := range types {
		types[i].Available = types[i].ID.Provider == "CodeBuild" || types[i].ID.Provider == "Commands"
	}
	views := ruleTypeViews(types, "eu-west-1", pipeline.OwnerAWS)
	if len(views) != 2 {
		t.Fatalf("listed %+v", views)
	}
	build := views[0]
	if diff := cmp.Diff("https://console.aws.amazon.com/codebuild/home?region=eu-west-1#/projects/{Config:ProjectName}/view", text(build.Settings.EntityUrlTemplate)); diff != "" {
		t.Errorf("entityUrlTemplate (-want +got):\n%s", diff)
	}
	if build.Id.Category != "Rule" || build.Id.Owner != "AWS" || text(build.Id.Provider) != "CodeBuild" || text(build.Id.Version) != "1" ||
		*build.InputArtifactDetails.MinimumCount != 1 || *build.InputArtifactDetails.MaximumCount != 5 || len(build.RuleConfigurationProperties) != 5 {
		t.Errorf("CodeBuild is shown as %+v", build)
	}
	p := build.RuleConfigurationProperties[0]
	if text(p.Name) != "ProjectName" || !*p.Required || !*p.Key || *p.Secret || *p.Queryable || text(p.Description) == "" {
		t.Errorf("ProjectName is shown as %+v", p)
	}
	if views[1].RuleConfigurationProperties == nil || views[1].Settings == nil {
		t.Errorf("what Commands has none of is not shown as empty: %+v", views[1])
	}
	if views := ruleTypeViews(types, "eu-west-1", "Somebody"); len(views) != 0 {
		t.Errorf("of another owner: %+v", views)
	}
}
