package build

import (
	"context"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// Rule judges the rules CodeBuild and Commands of stage conditions: the rule
// holds if the build succeeds. A build hands nothing on but its verdict.
type Rule struct {
	runner
	id     pipeline.ActionTypeID
	inputs pipeline.ArtifactBounds
	order  func(ctx context.Context, a provider.Attempt) (order, *provider.Report)
}

var _ provider.Provider = (*Rule)(nil)

// NewCodeBuildRule returns the provider of CodeBuild rules, whose configuration is
// that of the actions.
func NewCodeBuildRule(c Config) (*Rule, error) {
	c, err := c.checked()
	if err != nil {
		return nil, err
	}
	action := &CodeBuild{runner: newRunner(c)}
	return newRule(action.runner, "CodeBuild", pipeline.ArtifactBounds{Min: 1, Max: 5}, action.order), nil
}

// NewCommandsRule returns the provider of Commands rules: all commands must
// succeed.
func NewCommandsRule(c Config) (*Rule, error) {
	c, err := c.checked()
	if err != nil {
		return nil, err
	}
	action := &Commands{runner: newRunner(c)}
	return newRule(action.runner, "Commands", pipeline.ArtifactBounds{Max: 10},
		func(_ context.Context, a provider.Attempt) (order, *provider.Report) { return action.order(a) }), nil
}

func newRule(r runner, name string, inputs pipeline.ArtifactBounds, read func(context.Context, provider.Attempt) (order, *provider.Report)) *Rule {
	return &Rule{runner: r, id: pipeline.RuleTypeID{Provider: name}.ActionType(), inputs: inputs, order: read}
}

// Type implements provider.Provider. What a rule may declare is in the catalogue.
func (p *Rule) Type() pipeline.ActionType {
	return pipeline.ActionType{ID: p.id, Inputs: p.inputs, V2Only: true, WhenLost: pipeline.LostFail}
}

// Start runs the build to its end. Its idempotency key is a.ID: a second Start
// joins the first, and after its end repeats its report.
func (p *Rule) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	a.Outputs, a.OutputVariables = nil, nil
	return p.start(ctx, a, func() (order, *provider.Report) {
		o, refused := p.order(ctx, a)
		if refused != nil {
			refused.ErrorCode = provider.CodeConfigurationError // there was no build, so there is no verdict
			return o, refused
		}
		o.rule = true
		return o, nil
	})
}
