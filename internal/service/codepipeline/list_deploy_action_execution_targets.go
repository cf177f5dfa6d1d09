package codepipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
)

// ListDeployActionExecutionTargets lists the machines that a deploy action
// deploys to, one by one. No provider here deploys that way, so the list of an
// action execution that exists is empty.
func (s *Service) ListDeployActionExecutionTargets(ctx context.Context, c api.Caller, in *wire.ListDeployActionExecutionTargetsInput) (*wire.ListDeployActionExecutionTargetsOutput, error) {
	id := text(in.ActionExecutionId)
	if err := checkTargetFilters(in.Filters); err != nil {
		return nil, err
	}
	name, err := s.targetPipeline(ctx, c, in)
	if err != nil {
		return nil, err
	}
	p, err := s.find(ctx, c, "ListDeployActionExecutionTargets", name)
	if err != nil {
		return nil, err
	}
	if _, err := s.dispatch.ActionExecution(ctx, p, id); errors.Is(err, dispatch.ErrActionNotFound) {
		return nil, &wire.ActionExecutionNotFoundException{
			Message: fmt.Sprintf("Action Execution with id '%s' does not exist in pipeline with name '%s'", id, name),
		}
	} else if err != nil {
		return nil, err
	}
	if _, err := bind("ListDeployActionExecutionTargets", p.ID, id).open(in.NextToken); err != nil {
		return nil, err
	}
	return &wire.ListDeployActionExecutionTargetsOutput{Targets: []wire.DeployActionExecutionTarget{}}, nil
}

// targetPipeline is the pipeline that a request names, or else that of its action
// execution. Only who may ask about all pipelines is told that there is none.
func (s *Service) targetPipeline(ctx context.Context, c api.Caller, in *wire.ListDeployActionExecutionTargetsInput) (string, error) {
	if in.PipelineName != nil {
		return *in.PipelineName, nil
	}
	id := text(in.ActionExecutionId)
	name, err := s.dispatch.PipelineOfAction(ctx, c.Account, c.Region, id)
	if !errors.Is(err, dispatch.ErrActionNotFound) {
		return name, err
	}
	if err := s.allowAll(c, "ListDeployActionExecutionTargets"); err != nil {
		return "", err
	}
	return "", &wire.ActionExecutionNotFoundException{
		Message: fmt.Sprintf("Action Execution with id '%s' does not exist", id),
	}
}

// checkTargetFilters refuses filters that filter nothing: the model requires
// neither of their members.
func checkTargetFilters(filters []wire.TargetFilter) error {
	var broken []api.Violation
	for i, f := range filters {
		path := fmt.Sprintf("filters.%d.member.", i+1)
		if f.Name == "" {
			broken = append(broken, api.Violation{Path: path + "name", Constraint: "Member must not be null"})
		}
		if len(f.Values) == 0 {
			broken = append(broken, api.Violation{Path: path + "values", Constraint: "Member must have length greater than or equal to 1"})
		}
	}
	if broken != nil {
		return &api.ValidationError{Violations: broken}
	}
	return nil
}
