package build

import (
	"context"
	"fmt"

	"github.com/penstock-cd/penstock/internal/buildspec"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// Commands carries out Compute actions of the provider Commands: a build whose
// commands stand in the action itself (actions.md A.8).
type Commands struct{ runner }

// NewCommands returns the provider.
func NewCommands(c Config) (*Commands, error) {
	c, err := c.checked()
	if err != nil {
		return nil, err
	}
	return &Commands{runner: newRunner(c)}, nil
}

// Type implements provider.Provider. What an action may declare is in the
// catalogue.
func (p *Commands) Type() pipeline.ActionType {
	return pipeline.ActionType{
		ID:       pipeline.ActionTypeID{Category: pipeline.CategoryCompute, Owner: pipeline.OwnerAWS, Provider: "Commands", Version: "1"},
		Inputs:   pipeline.ArtifactBounds{Max: 10},
		Outputs:  pipeline.ArtifactBounds{Max: 1},
		V2Only:   true,
		WhenLost: pipeline.LostFail,
	}
}

// Start runs the commands to their end. Its idempotency key is a.ID: a second
// Start joins the first, and after its end repeats its report.
func (p *Commands) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return p.start(ctx, a, func() (order, *provider.Report) { return p.order(a) })
}

// order makes the buildspec that an action stands for. The first input is the
// working directory.
func (p *Commands) order(a provider.Attempt) (order, *provider.Report) {
	refuse := func(format string, args ...any) (order, *provider.Report) {
		r := provider.Failure(provider.CodeConfigurationError, fmt.Sprintf(format, args...))
		return order{}, &r
	}
	// CodePipeline's own project, which no account sees.
	o := newOrder(a, "codepipeline-"+a.PipelineName)
	o.external = o.id
	for _, key := range []string{"VpcId", "Subnets", "SecurityGroupIds"} {
		if a.Configuration[key] != "" {
			return refuse("%s: commands run on the network of this server only", key)
		}
	}
	if kind := a.Configuration["EnvironmentType"]; kind != "" && kind != "LINUX_CONTAINER" {
		return refuse("EnvironmentType %s: only LINUX_CONTAINER can be run", kind)
	}
	if len(a.Commands) == 0 {
		return refuse("The action has no commands")
	}
	for _, v := range a.Environment {
		o.overrides = append(o.overrides, Variable{Name: v.Name, Value: v.Value, Type: v.Type})
	}
	if err := checkVariables("environmentVariables", o.overrides); err != nil {
		return refuse("%v", err)
	}
	if failed := o.checkIdentifiers(); failed != nil {
		return order{}, failed
	}
	o.spec = &buildspec.Spec{
		Version: buildspec.Version02,
		Phases:  []buildspec.Phase{{Type: buildspec.Build, Commands: a.Commands}},
	}
	o.exported = a.OutputVariables
	for _, out := range a.Outputs {
		files := out.Files
		if len(files) == 0 {
			files = []string{"**/*"}
		}
		o.uploads = append(o.uploads, upload{to: out, from: buildspec.Output{Files: files}})
	}
	return o, nil
}
