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

// ListActionExecutions lists action executions, newest first (observed.md 5.2,
// 12).
func (s *Service) ListActionExecutions(ctx context.Context, c api.Caller, in *wire.ListActionExecutionsInput) (*wire.ListActionExecutionsOutput, error) {
	name := text(in.PipelineName)
	if err := s.allow(c, "ListActionExecutions", name); err != nil {
		return nil, err
	}
	p, err := s.dispatch.Pipeline(ctx, keyOf(c, name), 0)
	if errors.Is(err, dispatch.ErrPipelineNotFound) {
		return nil, notFound("The account with AWS account ID '%s' does not include a pipeline named '%s'", c.Account, name)
	}
	if err != nil {
		return nil, err
	}
	filter, err := s.actionFilter(ctx, p, in.Filter)
	if err != nil {
		return nil, err
	}
	if filter.none {
		return &wire.ListActionExecutionsOutput{ActionExecutionDetails: []wire.ActionExecutionDetail{}}, nil
	}
	page := pageOf(in.MaxResults, 100)
	binding := bind("ListActionExecutions", p.ID, filter.execution, fmt.Sprint(filter.latest))
	below, err := binding.openNumber(in.NextToken)
	if err != nil {
		return nil, err
	}
	list, err := s.pageOfActions(ctx, p, filter, below, page+1)
	if err != nil {
		return nil, err
	}
	out := &wire.ListActionExecutionsOutput{ActionExecutionDetails: []wire.ActionExecutionDetail{}}
	if len(list) > page {
		list = list[:page]
		out.NextToken = binding.sealNumber(list[page-1].Ord)
	}
	for i := range list {
		detail, err := s.actionDetail(ctx, p, &list[i])
		if err != nil {
			return nil, err
		}
		out.ActionExecutionDetails = append(out.ActionExecutionDetails, *detail)
	}
	return out, nil
}

// actionFilter is a filter understood.
type actionFilter struct {
	execution string
	// latest keeps only the newest attempt of each action.
	latest bool
	// none is set when two members name different executions.
	none bool
}

func (s *Service) actionFilter(ctx context.Context, p dispatch.Pipeline, in *wire.ActionExecutionFilter) (actionFilter, error) {
	var f actionFilter
	if in == nil {
		return f, nil
	}
	f.execution = text(in.PipelineExecutionId)
	if l := in.LatestInPipelineExecution; l != nil {
		id := text(l.PipelineExecutionId)
		f.none = f.execution != "" && f.execution != id
		f.execution = id
		f.latest = l.StartTimeRange == wire.StartTimeRangeLatest
	}
	if f.execution == "" {
		return f, nil
	}
	_, err := s.execution(ctx, p, f.execution)
	return f, err
}

// pageOfActions reads a page. The newest attempt of an action comes first, so
// later pages of a Latest list must know what the earlier ones showed: the list
// is filtered from its beginning, which one execution's actions bound.
func (s *Service) pageOfActions(ctx context.Context, p dispatch.Pipeline, f actionFilter, below int64, limit int) ([]dispatch.ActionExecution, error) {
	if !f.latest {
		return s.dispatch.ActionExecutions(ctx, p, f.execution, below, limit)
	}
	all, err := s.dispatch.ActionExecutions(ctx, p, f.execution, 0, maxAttempts)
	if err != nil {
		return nil, err
	}
	seen := map[[2]string]bool{}
	var list []dispatch.ActionExecution
	for _, a := range all {
		key := [2]string{a.Stage, a.Action}
		if !seen[key] && (below == 0 || a.Ord < below) && len(list) < limit {
			list = append(list, a)
		}
		seen[key] = true
	}
	return list, nil
}

// maxAttempts bounds the attempts of one execution that are looked at.
const maxAttempts = 10_000

func (s *Service) actionDetail(ctx context.Context, p dispatch.Pipeline, a *dispatch.ActionExecution) (*wire.ActionExecutionDetail, error) {
	plan, kind, err := s.actionPlan(ctx, p, a)
	if err != nil {
		return nil, err
	}
	declared := map[string]string{}
	for _, entry := range plan.Configuration {
		declared[entry.Key] = entry.Text.Source
	}
	resolved := maps.Clone(declared)
	maps.Copy(resolved, a.Resolved)
	declared, resolved = mask(kind, declared), mask(kind, resolved)
	region := plan.Region
	if region == "" {
		region = p.Region
	}
	output := &wire.ActionExecutionOutput{
		OutputArtifacts: artifacts(a.Outputs),
		OutputVariables: a.Outcome.OutputVariables,
		ExecutionResult: s.result(a, plan, kind, p.Region),
	}
	if output.OutputVariables == nil {
		output.OutputVariables = map[string]string{}
	}
	return &wire.ActionExecutionDetail{
		PipelineExecutionId: some(a.ExecutionID),
		ActionExecutionId:   some(a.ID),
		PipelineVersion:     new(int32(a.Version)),
		StageName:           some(a.Stage),
		ActionName:          some(a.Action),
		StartTime:           api.TimestampOf(a.StartTime),
		LastUpdateTime:      api.TimestampOf(a.LastUpdate),
		UpdatedBy:           some(a.UpdatedBy),
		Status:              wire.ActionExecutionStatus(a.Status),
		Input: &wire.ActionExecutionInput{
			ActionTypeId:          actionTypeID(plan.Type),
			Configuration:         declared,
			ResolvedConfiguration: resolved,
			RoleArn:               some(plan.RoleArn),
			Region:                some(region),
			InputArtifacts:        artifacts(a.Inputs),
			Namespace:             some(plan.Namespace),
		},
		Output: output,
	}, nil
}

// result is what is known of an ended action. An abandoned one and one in
// progress have none, and nothing is shown as long as nothing is known; a
// failure's message is its summary (observed.md 5.2, 11).
func (s *Service) result(a *dispatch.ActionExecution, plan *pipeline.ActionPlan, kind pipeline.ActionType, region string) *wire.ActionExecutionResult {
	if a.Status == engine.InProgress || a.Status == engine.Abandoned {
		return nil
	}
	o := &a.Outcome
	r := &wire.ActionExecutionResult{
		ExternalExecutionId:      some(o.ExternalExecutionID),
		ExternalExecutionSummary: some(o.Summary),
		ExternalExecutionUrl:     some(executionURL(a, plan, kind, region)),
	}
	if o.ErrorCode != "" {
		r.ErrorDetails = &wire.ErrorDetails{Code: some(o.ErrorCode)}
		if o.ErrorMessage != "" {
			r.ExternalExecutionSummary = some(o.ErrorMessage)
		}
	}
	if *r == (wire.ActionExecutionResult{}) {
		return nil
	}
	return r
}

// executionURL is the provider's own link, or the one of the type's template.
func executionURL(a *dispatch.ActionExecution, plan *pipeline.ActionPlan, kind pipeline.ActionType, region string) string {
	if a.Outcome.ExternalExecutionURL != "" || a.Outcome.ExternalExecutionID == "" {
		return a.Outcome.ExternalExecutionURL
	}
	url, ok := pipeline.ExpandURL(kind.Settings.ExecutionURLTemplate, resolvedConfiguration(a, plan), region, a.Outcome.ExternalExecutionID, "")
	if !ok {
		return ""
	}
	return url
}

func resolvedConfiguration(a *dispatch.ActionExecution, plan *pipeline.ActionPlan) map[string]string {
	config := map[string]string{}
	for _, entry := range plan.Configuration {
		config[entry.Key] = entry.Text.Source
	}
	if a != nil {
		maps.Copy(config, a.Resolved)
	}
	return config
}

// actionPlan finds the definition under which an action ran, and its type.
func (s *Service) actionPlan(ctx context.Context, p dispatch.Pipeline, a *dispatch.ActionExecution) (*pipeline.ActionPlan, pipeline.ActionType, error) {
	plan, err := s.dispatch.Plan(p, a.Version)
	if err != nil {
		return nil, pipeline.ActionType{}, err
	}
	stage := plan.Stage(a.Stage)
	if stage < 0 || plan.Stages[stage].Action(a.Action) < 0 {
		return nil, pipeline.ActionType{}, fmt.Errorf("version %d of pipeline %s has no action %s/%s", a.Version, p.Name, a.Stage, a.Action)
	}
	action := &plan.Stages[stage].Actions[plan.Stages[stage].Action(a.Action)]
	types, err := s.dispatch.TypesOf(ctx, p.Account, p.Region, action.Type)
	if err != nil {
		return nil, pipeline.ActionType{}, err
	}
	kind, _ := types.ActionType(action.Type)
	return action, kind, nil
}

// mask hides the secret values of a configuration: those that the type calls
// secret, and references to values that are kept elsewhere (execution.md 1.11).
func mask(kind pipeline.ActionType, config map[string]string) map[string]string {
	config = pipeline.MaskSecrets(config)
	for _, key := range kind.SecretKeys() {
		if _, set := config[key]; set {
			config[key] = pipeline.Masked
		}
	}
	return config
}

func actionTypeID(id pipeline.ActionTypeID) *wire.ActionTypeId {
	return &wire.ActionTypeId{
		Category: wire.ActionCategory(id.Category), Owner: wire.ActionOwner(id.Owner),
		Provider: some(id.Provider), Version: some(id.Version),
	}
}

func artifacts(locations []pipeline.ArtifactLocation) []wire.ArtifactDetail {
	list := []wire.ArtifactDetail{}
	for _, l := range locations {
		list = append(list, wire.ArtifactDetail{
			Name: some(l.Name), S3location: &wire.S3Location{Bucket: some(l.Bucket), Key: some(l.Key)},
		})
	}
	return list
}
