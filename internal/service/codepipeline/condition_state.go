package codepipeline

import (
	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// showRecord shows what the latest execution of a stage did there beside its
// actions: the conditions it evaluated and its retries (execution.md 2.11).
func (s *Service) showRecord(out *wire.StageState, p dispatch.Pipeline, st *engine.Stage, state *dispatch.State) error {
	r := record(st, state)
	if r == nil {
		return nil
	}
	if r.LatestRetry != "" {
		out.RetryStageMetadata = &wire.RetryStageMetadata{
			AutoStageRetryAttempt:   count(r.AutoRetries),
			ManualStageRetryAttempt: count(r.ManualRetries),
			LatestRetryTrigger:      wire.RetryTrigger(r.LatestRetry),
		}
	}
	for i := range r.Gates {
		view, err := s.conditionState(p, &r.Gates[i], state.Rules[st.Name])
		if err != nil {
			return err
		}
		switch r.Gates[i].Name {
		case pipeline.GateBeforeEntry:
			out.BeforeEntryConditionState = view
		case pipeline.GateOnSuccess:
			out.OnSuccessConditionState = view
		case pipeline.GateOnFailure:
			out.OnFailureConditionState = view
		}
	}
	return nil
}

// count is a counter that is shown once it counted something.
func count(n int) *int32 {
	if n == 0 {
		return nil
	}
	return new(int32(n))
}

// conditionState shows the evaluation of a gate. A gate has one condition, so
// both have one status.
func (s *Service) conditionState(p dispatch.Pipeline, g *engine.Gate, rules []dispatch.RuleExecution) (*wire.StageConditionState, error) {
	status := wire.ConditionExecutionStatus(g.Status)
	condition := wire.ConditionState{
		LatestExecution: &wire.ConditionExecution{Status: status, LastStatusChange: api.TimestampOf(g.Changed)},
		RuleStates:      []wire.RuleState{},
	}
	view := &wire.StageConditionState{LatestExecution: &wire.StageConditionsExecution{Status: status}}
	for i := range g.Rules {
		for j := range rules {
			if rules[j].ID != g.Rules[i].ID {
				continue
			}
			state, err := s.ruleState(p, &rules[j])
			if err != nil {
				return nil, err
			}
			condition.RuleStates = append(condition.RuleStates, *state)
			if g.Status != engine.Succeeded && view.LatestExecution.Summary == nil {
				view.LatestExecution.Summary = ruleText(&rules[j])
				condition.LatestExecution.Summary = view.LatestExecution.Summary
			}
		}
	}
	view.ConditionStates = []wire.ConditionState{condition}
	return view, nil
}

// ruleState shows a rule as actionState shows an action.
func (s *Service) ruleState(p dispatch.Pipeline, r *dispatch.RuleExecution) (*wire.RuleState, error) {
	plan, kind, err := s.rulePlan(p, r)
	if err != nil {
		return nil, err
	}
	x := &wire.RuleExecution{
		RuleExecutionId:      some(r.ID),
		Status:               wire.RuleExecutionStatus(r.Status),
		Summary:              some(r.Outcome.Summary),
		LastStatusChange:     api.TimestampOf(r.LastUpdate),
		LastUpdatedBy:        some(r.UpdatedBy),
		ExternalExecutionId:  some(r.Outcome.ExternalExecutionID),
		ExternalExecutionUrl: some(executionURL(&r.ActionExecution, plan, kind, p.Region)),
	}
	if r.Outcome.ErrorCode != "" {
		x.ErrorDetails = &wire.ErrorDetails{Code: some(r.Outcome.ErrorCode), Message: some(r.Outcome.ErrorMessage)}
		x.Summary = nil
	}
	out := &wire.RuleState{RuleName: some(r.Action), LatestExecution: x}
	config := resolvedConfiguration(&r.ActionExecution, plan)
	if url, ok := pipeline.ExpandURL(kind.Settings.EntityURLTemplate, config, p.Region, "", ""); ok {
		out.EntityUrl = some(url)
	}
	return out, nil
}

// ruleText says why a rule did not hold, as far as it says anything.
func ruleText(r *dispatch.RuleExecution) *string {
	if r.Status != engine.Failed {
		return nil
	}
	if r.Outcome.ErrorMessage != "" {
		return some(r.Outcome.ErrorMessage)
	}
	return some(r.Outcome.Summary)
}
