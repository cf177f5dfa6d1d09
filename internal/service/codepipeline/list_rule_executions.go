package codepipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
)

// ListRuleExecutions lists rule executions (execution.md 5.5). Pipelines with
// conditions are refused, so no rule has run: the list is empty.
func (s *Service) ListRuleExecutions(ctx context.Context, c api.Caller, in *wire.ListRuleExecutionsInput) (*wire.ListRuleExecutionsOutput, error) {
	name := text(in.PipelineName)
	if err := s.allow(c, "ListRuleExecutions", name); err != nil {
		return nil, err
	}
	p, err := s.dispatch.Pipeline(ctx, keyOf(c, name), 0)
	if errors.Is(err, dispatch.ErrPipelineNotFound) {
		return nil, notFound("The account with AWS account ID '%s' does not include a pipeline named '%s'", c.Account, name)
	}
	if err != nil {
		return nil, err
	}
	var like *wire.ActionExecutionFilter
	if in.Filter != nil {
		like = &wire.ActionExecutionFilter{
			PipelineExecutionId: in.Filter.PipelineExecutionId, LatestInPipelineExecution: in.Filter.LatestInPipelineExecution,
		}
	}
	filter, err := s.actionFilter(ctx, p, like)
	if err != nil {
		return nil, err
	}
	if _, err := bind("ListRuleExecutions", p.ID, filter.execution, fmt.Sprint(filter.latest)).openNumber(in.NextToken); err != nil {
		return nil, err
	}
	return &wire.ListRuleExecutionsOutput{RuleExecutionDetails: []wire.RuleExecutionDetail{}}, nil
}
