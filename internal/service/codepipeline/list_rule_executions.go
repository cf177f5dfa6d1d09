package codepipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// ListRuleExecutions lists rule executions, newest first (execution.md 5.5).
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
	out := &wire.ListRuleExecutionsOutput{RuleExecutionDetails: []wire.RuleExecutionDetail{}}
	if filter.none {
		return out, nil
	}
	page := pageOf(in.MaxResults, 100)
	binding := bind("ListRuleExecutions", p.ID, filter.execution, fmt.Sprint(filter.latest))
	below, err := binding.openNumber(in.NextToken)
	if err != nil {
		return nil, err
	}
	list, err := s.pageOfRules(ctx, p, filter, below, page+1)
	if err != nil {
		return nil, err
	}
	if len(list) > page {
		list = list[:page]
		out.NextToken = binding.sealNumber(list[page-1].Ord)
	}
	for i := range list {
		detail, err := s.ruleDetail(p, &list[i])
		if err != nil {
			return nil, err
		}
		out.RuleExecutionDetails = append(out.RuleExecutionDetails, *detail)
	}
	return out, nil
}

// pageOfRules reads a page, as pageOfActions does.
func (s *Service) pageOfRules(ctx context.Context, p dispatch.Pipeline, f actionFilter, below int64, limit int) ([]dispatch.RuleExecution, error) {
	if !f.latest {
		return s.dispatch.RuleExecutions(ctx, p, f.execution, below, limit)
	}
	all, err := s.dispatch.RuleExecutions(ctx, p, f.execution, 0, maxAttempts)
	if err != nil {
		return nil, err
	}
	seen := map[[3]string]bool{}
	var list []dispatch.RuleExecution
	for _, r := range all {
		key := [3]string{r.Stage, r.Gate, r.Action}
		if !seen[key] && (below == 0 || r.Ord < below) && len(list) < limit {
			list = append(list, r)
		}
		seen[key] = true
	}
	return list, nil
}

func (s *Service) ruleDetail(p dispatch.Pipeline, r *dispatch.RuleExecution) (*wire.RuleExecutionDetail, error) {
	plan, kind, err := s.rulePlan(p, r)
	if err != nil {
		return nil, err
	}
	declared := map[string]string{}
	for _, entry := range plan.Configuration {
		declared[entry.Key] = entry.Text.Source
	}
	resolved := maps.Clone(declared)
	maps.Copy(resolved, r.Resolved)
	declared, resolved = mask(kind, declared), mask(kind, resolved)
	region := plan.Region
	if region == "" {
		region = p.Region
	}
	return &wire.RuleExecutionDetail{
		PipelineExecutionId: some(r.ExecutionID),
		RuleExecutionId:     some(r.ID),
		PipelineVersion:     new(int32(r.Version)),
		StageName:           some(r.Stage),
		RuleName:            some(r.Action),
		StartTime:           api.TimestampOf(r.StartTime),
		LastUpdateTime:      api.TimestampOf(r.LastUpdate),
		UpdatedBy:           some(r.UpdatedBy),
		Status:              wire.RuleExecutionStatus(r.Status),
		Input: &wire.RuleExecutionInput{
			RuleTypeId: &wire.RuleTypeId{
				Category: wire.RuleCategory(plan.Type.Category), Owner: wire.RuleOwner(plan.Type.Owner),
				Provider: some(plan.Type.Provider), Version: some(plan.Type.Version),
			},
			Configuration:         declared,
			ResolvedConfiguration: resolved,
			RoleArn:               some(plan.RoleArn),
			Region:                some(region),
			InputArtifacts:        artifacts(r.Inputs),
		},
		Output: &wire.RuleExecutionOutput{ExecutionResult: ruleResult(r, executionURL(&r.ActionExecution, plan, kind, p.Region))},
	}, nil
}

// rulePlan finds the definition under which a rule was evaluated, and its type.
func (s *Service) rulePlan(p dispatch.Pipeline, r *dispatch.RuleExecution) (*pipeline.ActionPlan, pipeline.ActionType, error) {
	plan, err := s.dispatch.Plan(p, r.Version)
	if err != nil {
		return nil, pipeline.ActionType{}, err
	}
	if stage := plan.Stage(r.Stage); stage >= 0 {
		if rule := plan.Stages[stage].Attempted(r.Gate, r.Action); rule != nil {
			kind, _ := s.types.ActionType(rule.Type)
			return rule, kind, nil
		}
	}
	return nil, pipeline.ActionType{}, fmt.Errorf("version %d of pipeline %s has no rule %s in stage %s", r.Version, p.Name, r.Action, r.Stage)
}

// ruleResult is what is known of an ended rule, as result is of an action.
func ruleResult(r *dispatch.RuleExecution, url string) *wire.RuleExecutionResult {
	if r.Status == engine.InProgress || r.Status == engine.Abandoned {
		return nil
	}
	o := &r.Outcome
	result := &wire.RuleExecutionResult{
		ExternalExecutionId:      some(o.ExternalExecutionID),
		ExternalExecutionSummary: some(o.Summary),
		ExternalExecutionUrl:     some(url),
	}
	if o.ErrorCode != "" {
		result.ErrorDetails = &wire.ErrorDetails{Code: some(o.ErrorCode)}
		if o.ErrorMessage != "" {
			result.ExternalExecutionSummary = some(o.ErrorMessage)
		}
	}
	if *result == (wire.RuleExecutionResult{}) {
		return nil
	}
	return result
}
