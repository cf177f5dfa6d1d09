package engine

import "github.com/penstock-cd/penstock/internal/pipeline"

// deploymentWindow is the rule type that waits for a time.
const deploymentWindow = "DeploymentWindow"

// waiting explains an execution at the entrance of a stage.
func (x *explainer) waiting(e *Execution, withHolder bool) []Finding {
	plan := x.plan(e)
	stage := plan.Stages[e.Stage].Name
	var list []Finding
	if e.Stale {
		list = append(list, Finding{
			Kind: FoundTransitionExpired, Execution: e.ID, Stage: stage, Since: e.WaitingSince,
			Remedies: append([]Remedy{{Kind: RemedyStop, Execution: e.ID}}, x.starts()...),
		})
	}
	list = append(list, x.disabled(e, stage, false)...)
	if e.Stage > 0 {
		list = append(list, x.disabled(e, plan.Stages[e.Stage-1].Name, true)...)
	}
	st := x.s.Stage(stage)
	if e.parallel() || st == nil {
		return list
	}
	if holder := x.s.Execution(st.Holder); holder != nil {
		list = append(list, Finding{
			Kind: FoundStageHeld, Execution: e.ID, Other: holder.ID, Stage: stage, Since: holder.record().Entered,
			Remedies: []Remedy{{Kind: RemedyAbandon, Execution: holder.ID}},
		})
		if withHolder {
			list = append(list, x.inside(holder)...)
		}
	}
	if e.Mode == pipeline.ModeQueued {
		for i, id := range st.Waiting {
			if id == e.ID {
				list = append(list, Finding{
					Kind: FoundQueued, Execution: e.ID, Stage: stage, Since: e.WaitingSince, Position: i + 1, Of: len(st.Waiting),
				})
			}
		}
	}
	return list
}

// disabled explains a disabled transition. One that was disabled for more than
// 30 days lets nobody in when it is enabled (execution.md 2.5).
func (x *explainer) disabled(e *Execution, stage string, outbound bool) []Finding {
	st := x.s.Stage(stage)
	if st == nil {
		return nil
	}
	t := st.Inbound
	if outbound {
		t = st.Outbound
	}
	if !t.Disabled {
		return nil
	}
	f := Finding{
		Kind: FoundTransitionDisabled, Execution: e.ID, Stage: stage, Outbound: outbound, Since: t.At, By: t.By, Reason: t.Reason,
		Expired: x.at-t.At > staleAfter,
	}
	if !st.Gone {
		f.Remedies = []Remedy{{Kind: RemedyEnableTransition, Stage: stage, Outbound: outbound}}
	}
	if f.Expired && !e.Stale {
		f.Remedies = append(append(f.Remedies, Remedy{Kind: RemedyStop, Execution: e.ID}), x.starts()...)
	}
	return []Finding{f}
}

// inside explains an execution in a stage: what is asked of it, and what runs.
func (x *explainer) inside(e *Execution) []Finding {
	r := e.record()
	var list []Finding
	if e.Stop != nil {
		f := Finding{Kind: FoundStopping, Execution: e.ID, Stage: r.Name, Since: e.Stop.At, By: e.Stop.By, Reason: e.Stop.Reason}
		if !e.Stop.Abandon {
			f.Remedies = []Remedy{{Kind: RemedyAbandon, Execution: e.ID}}
		}
		list = append(list, f)
	}
	if e.Cancel {
		f := Finding{Kind: FoundCancelling, Execution: e.ID, Stage: r.Name, Version: e.Version + 1}
		if e.Stop == nil {
			f.Remedies = []Remedy{{Kind: RemedyAbandon, Execution: e.ID}}
		}
		list = append(list, f)
	}
	list = append(list, retried(e)...)
	if e.Gate != "" {
		list = append(list, x.evaluating(e)...)
	}
	stage, failed := x.stagePlan(e), -1
	for i := range e.Actions {
		a, plan := &e.Actions[i], &stage.Actions[e.Actions[i].Index]
		switch {
		case a.Status == InProgress && plan.IsApproval():
			list = append(list, x.approvalPending(e, a, plan))
		case a.Status == InProgress:
			list = append(list, x.attempt(FoundActionRunning, e, a, plan))
		case a.Status == Failed:
			failed = len(list)
			list = append(list, x.attempt(FoundActionFailed, e, a, plan))
		}
	}
	if failed >= 0 {
		list[failed].Remedies = x.retries(e)
	}
	return list
}

// retried tells of the retries of the current stage.
func retried(e *Execution) []Finding {
	r := e.record()
	if r.LatestRetry == "" {
		return nil
	}
	return []Finding{{
		Kind: FoundStageRetried, Execution: e.ID, Stage: r.Name,
		AutoRetries: r.AutoRetries, ManualRetries: r.ManualRetries, LatestRetry: r.LatestRetry,
	}}
}

// evaluating explains the condition under evaluation, and each of its rules that
// has not ended.
func (x *explainer) evaluating(e *Execution) []Finding {
	stage, g := x.stagePlan(e), e.record().gate(e.Gate)
	list := []Finding{{
		Kind: FoundConditionEvaluating, Execution: e.ID, Stage: stage.Name, Gate: g.Name, Status: g.Status, Since: g.Changed,
		Remedies: x.overrides(e, g.Name),
	}}
	for i := range g.Rules {
		rule, plan := &g.Rules[i], &stage.Gate(g.Name).Rules[g.Rules[i].Index]
		kind := FoundRuleRunning
		switch {
		case rule.Status == Failed:
			kind = FoundRuleFailed
		case rule.Status != InProgress:
			continue
		case plan.Type.Provider == deploymentWindow:
			kind = FoundWindowClosed
		}
		f := x.attempt(kind, e, rule, plan)
		f.Gate = g.Name
		if kind == FoundWindowClosed {
			f.Configuration = x.known.Attempts[rule.ID].Configuration
			f.Until = x.known.Attempts[rule.ID].Opens
		}
		list = append(list, f)
	}
	return list
}

// approvalPending explains an approval that waits for an answer. It can be given
// once people can read what is asked.
func (x *explainer) approvalPending(e *Execution, a *Action, plan *pipeline.ActionPlan) Finding {
	f := x.attempt(FoundApprovalPending, e, a, plan)
	known := x.known.Attempts[a.ID]
	f.Configuration = known.Configuration
	f.Releases = x.releases(e)
	if !known.Pending {
		for _, kind := range []RemedyKind{RemedyApprove, RemedyReject} {
			f.Remedies = append(f.Remedies, Remedy{Kind: kind, Execution: e.ID, Stage: f.Stage, Action: f.Action, Token: a.ID})
		}
	}
	return f
}

// retries are the retries of the stage that Step would accept.
func (x *explainer) retries(e *Execution) []Remedy {
	var list []Remedy
	for _, all := range []bool{false, true} {
		b := RetryStage{Stage: e.record().Name, Execution: e.ID, AllActions: all}
		if _, err := x.stageExecution(b.Stage, e.ID); err != nil || !x.retryable(e, b) || e.Ended() && x.full(e.Mode) {
			continue
		}
		kind := RemedyRetryFailedActions
		if all {
			kind = RemedyRetryAllActions
		}
		list = append(list, Remedy{Kind: kind, Execution: e.ID, Stage: b.Stage})
	}
	return list
}

// overrides is the override of a condition, if Step would accept it and a request
// can name it: none can name the one of failure (execution.md 5.4).
func (x *explainer) overrides(e *Execution, gate string) []Remedy {
	b := OverrideCondition{Stage: e.record().Name, Execution: e.ID, Gate: gate}
	_, err := x.stageExecution(b.Stage, e.ID)
	if gate == pipeline.GateOnFailure || err != nil || !x.overridable(e, b) || e.Ended() && x.full(e.Mode) {
		return nil
	}
	return []Remedy{{Kind: RemedyOverride, Execution: e.ID, Stage: b.Stage, Gate: gate}}
}
