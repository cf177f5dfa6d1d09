package engine

import (
	"slices"
	"strings"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// answerApproval ends a waiting approval (execution.md 4.8, observed.md 9). The
// token is the action execution id, new for every attempt; the first answer
// counts.
func (m *machine) answerApproval(b AnswerApproval) error {
	reject := func(reason Reason) error {
		return &Rejection{Reason: reason, Stage: b.Stage, Action: b.Action}
	}
	e, action := m.approval(b)
	if action == nil {
		// A PARALLEL execution may wait in a stage that the current definition no
		// longer has; without one, that definition says what exists.
		if reason := m.approvalMissing(b); reason != "" {
			return reject(reason)
		}
	}
	switch {
	case action != nil && action.Status == InProgress:
	case action != nil && action.Answered, slices.Contains(m.past.AnsweredTokens, b.Token):
		return reject(ReasonApprovalCompleted)
	default:
		return reject(ReasonInvalidApprovalToken)
	}
	if summaryRequired(&m.stagePlan(e).Actions[action.Index]) && strings.TrimSpace(b.Summary) == "" {
		return reject(ReasonSummaryRequired)
	}
	action.Answered = true
	status := Failed
	if b.Approved {
		status = Succeeded
	}
	m.endAction(e, action, Change{
		Status: status, By: b.By,
		Outcome: Outcome{Summary: b.Summary, ExternalExecutionID: action.ID},
	})
	return nil
}

// approvalMissing says what of the stage and the action that a request names the
// current definition lacks.
func (m *machine) approvalMissing(b AnswerApproval) Reason {
	plan := m.plans.Plan(m.s.Pipeline.Version)
	si := plan.Stage(b.Stage)
	if si < 0 {
		return ReasonStageNotFound
	}
	ai := plan.Stages[si].Action(b.Action)
	if ai < 0 {
		return ReasonActionNotFound
	}
	if !plan.Stages[si].Actions[ai].IsApproval() {
		return ReasonNotAnApproval
	}
	return ""
}

// approval finds the attempt that a token belongs to, in the stage and action
// that the request names.
func (m *machine) approval(b AnswerApproval) (*Execution, *Action) {
	for _, e := range m.s.Executions {
		if len(e.Actions) == 0 || !e.Inside {
			continue
		}
		stage := m.stagePlan(e)
		action := e.action(b.Token)
		if action == nil || stage.Name != b.Stage {
			continue
		}
		if a := &stage.Actions[action.Index]; a.Name == b.Action && a.IsApproval() {
			return e, action
		}
	}
	return nil, nil
}

func summaryRequired(a *pipeline.ActionPlan) bool {
	for _, c := range a.Configuration {
		if c.Key == "IsSummaryRequired" {
			return strings.EqualFold(c.Text.Source, "true")
		}
	}
	return false
}
