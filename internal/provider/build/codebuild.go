package build

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-cd/penstock/internal/buildspec"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// CodeBuild carries out Build and Test actions of the provider CodeBuild.
type CodeBuild struct {
	runner
	category string
}

// NewCodeBuild returns the provider for one category, pipeline.CategoryBuild or
// pipeline.CategoryTest.
func NewCodeBuild(c Config, category string) (*CodeBuild, error) {
	if category != pipeline.CategoryBuild && category != pipeline.CategoryTest {
		return nil, fmt.Errorf("build provider: CodeBuild has no category %s", category)
	}
	c, err := c.checked()
	if err != nil {
		return nil, err
	}
	return &CodeBuild{runner: newRunner(c), category: category}, nil
}

// Type implements provider.Provider. What an action may declare is in the
// catalogue.
func (p *CodeBuild) Type() pipeline.ActionType {
	return pipeline.ActionType{
		ID:       pipeline.ActionTypeID{Category: p.category, Owner: pipeline.OwnerAWS, Provider: "CodeBuild", Version: "1"},
		Inputs:   pipeline.ArtifactBounds{Min: 1, Max: 5},
		Outputs:  pipeline.ArtifactBounds{Max: 5},
		WhenLost: pipeline.LostFail,
	}
}

// Start runs the build to its end. Its idempotency key is a.ID: a second Start
// joins the first, and after its end repeats its report.
func (p *CodeBuild) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return p.start(ctx, a, func() (order, *provider.Report) { return p.order(ctx, a) })
}

// order reads the action's configuration (actions.md A.6).
func (p *CodeBuild) order(ctx context.Context, a provider.Attempt) (order, *provider.Report) {
	configuration := a.Configuration
	o := newOrder(a, configuration["ProjectName"])
	o.external = o.project + ":" + o.id
	refuse := func(format string, args ...any) (order, *provider.Report) {
		r := provider.Failure(provider.CodeConfigurationError, fmt.Sprintf(format, args...))
		return order{}, &r
	}
	switch {
	case o.project == "":
		return refuse("ProjectName is missing")
	case isTrue(configuration["BatchEnabled"]), isTrue(configuration["CombineArtifacts"]):
		return refuse("BatchEnabled and CombineArtifacts: this server does not run batch builds yet")
	case configuration["ServiceRoleArnOverride"] != "":
		return refuse("ServiceRoleArnOverride: builds have no service role on this server")
	}
	if primary := configuration["PrimarySource"]; primary != "" {
		o.primary = slices.IndexFunc(a.Inputs, func(in provider.InputArtifact) bool { return in.Name == primary })
		if o.primary < 0 {
			return refuse("PrimarySource %s is not an input artifact of the action", primary)
		}
	} else if len(a.Inputs) > 1 {
		return refuse("PrimarySource is required when there is more than one input artifact")
	}
	var err error
	if o.overrides, err = parseVariables(configuration["EnvironmentVariables"]); err != nil {
		return refuse("%v", err)
	}
	if err := checkVariables("EnvironmentVariables", o.overrides); err != nil {
		return refuse("%v", err)
	}
	if failed := o.checkIdentifiers(); failed != nil {
		return order{}, failed
	}
	if err := p.project(ctx, &o); err != nil {
		return refuse("%v", err)
	}
	if override := configuration["BuildspecOverride"]; override != "" {
		o.setting = override
	}
	if place, text := buildspec.Locate(o.setting); place == buildspec.PlaceS3 {
		return refuse("The buildspec is at %s; this server takes a buildspec inline or as a path in the source only", text)
	}
	return o, nil
}

// project adds what the project says.
func (p *CodeBuild) project(ctx context.Context, o *order) error {
	if p.config.Projects == nil {
		return nil
	}
	a := o.attempt
	project, ok, err := p.config.Projects.Project(ctx, a.Account, a.Region, o.project)
	if err != nil {
		return fmt.Errorf("look up CodeBuild project %s: %w", o.project, err)
	}
	if !ok {
		return nil
	}
	o.setting, o.environment, o.image = project.Buildspec, project.Environment, project.Image
	return checkVariables("project "+o.project, project.Environment)
}

func isTrue(value string) bool { return strings.EqualFold(value, "true") }
