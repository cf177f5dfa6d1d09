package engine

import (
	"encoding/json"
	"strings"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// ended explains what an execution became. It goes on from the stage where it
// ended, under the plan that it ran.
func (x *explainer) ended(e *Execution) []Finding {
	stage := x.stagePlan(e).Name
	f := Finding{Kind: FoundSucceeded, Execution: e.ID, Stage: stage, Status: e.Status, Since: e.LastUpdate}
	switch e.Status {
	case Succeeded:
		return []Finding{f}
	case Superseded:
		f.Kind = FoundSuperseded
		f.Since = e.WaitingSince
		f.Until = e.LastUpdate
		if by := x.superseder(e, stage); by != nil {
			f.Other = by.ID
		}
		return []Finding{f}
	case Cancelled:
		// An update cancels all that run under the version before it.
		f.Kind, f.Version = FoundCancelled, e.Version+1
		f.Remedies = x.starts()
		return append([]Finding{f}, x.unfinished(e)...)
	case Stopped:
		f.Kind = FoundStopped
		if e.Stop != nil {
			f.By, f.Reason = e.Stop.By, e.Stop.Reason
		}
		if x.leftInside(e) {
			f.Remedies = x.retries(e)
		} else {
			f.Remedies = x.starts()
		}
		return append([]Finding{f}, x.unfinished(e)...)
	}
	return x.failed(e)
}

// leftInside reports whether an ended execution ended in the stage, and not at
// its entrance.
func (x *explainer) leftInside(e *Execution) bool {
	return len(e.Stages) > 0 && e.record().Name == x.stagePlan(e).Name
}

// unfinished tells of actions that were cut off or failed in the last stage.
func (x *explainer) unfinished(e *Execution) []Finding {
	if !x.leftInside(e) {
		return nil
	}
	var list []Finding
	stage := x.stagePlan(e)
	for i := range e.Actions {
		a := &e.Actions[i]
		switch a.Status {
		case Failed:
			list = append(list, x.attempt(FoundActionFailed, e, a, &stage.Actions[a.Index]))
		case Abandoned:
			list = append(list, x.attempt(FoundActionAbandoned, e, a, &stage.Actions[a.Index]))
		}
	}
	return list
}

// failed explains a failure: a start that never was, a condition, or actions.
func (x *explainer) failed(e *Execution) []Finding {
	if !x.leftInside(e) {
		f := Finding{Kind: FoundStartFailed, Execution: e.ID, Status: e.Status, Since: e.LastUpdate, Reason: e.Summary}
		if strings.HasPrefix(e.Summary, limitPrefix) {
			f.Kind = FoundLimitReached
		}
		f.Remedies = x.starts()
		return []Finding{f}
	}
	list, r := retried(e), e.record()
	if cut := x.unfinished(e); len(cut) > 0 {
		cut[len(cut)-1].Remedies = x.retries(e)
		list = append(list, cut...)
	}
	for i := range r.Gates {
		list = append(list, x.gateFailed(e, &r.Gates[i])...)
	}
	if len(list) > 0 {
		list[len(list)-1].Remedies = append(list[len(list)-1].Remedies, x.rollBacks(e)...)
	}
	for _, other := range x.all {
		if follows(other, e) {
			list = append(list, Finding{Kind: FoundRolledBack, Execution: e.ID, Other: other.ID, Stage: r.Name, Since: other.StartTime, Status: other.Status})
		}
	}
	return list
}

// gateFailed tells of a condition that did not hold, and of the rules that did
// not. A failure's condition that did not hold only engaged nothing, but says why
// no retry or rollback followed.
func (x *explainer) gateFailed(e *Execution, g *Gate) []Finding {
	if g.Status != Failed && g.Status != Errored {
		return nil
	}
	stage := x.stagePlan(e)
	f := Finding{Kind: FoundConditionFailed, Execution: e.ID, Stage: stage.Name, Gate: g.Name, Status: g.Status, Since: g.Changed}
	f.Remedies = x.overrides(e, g.Name)
	if g.Name != pipeline.GateOnFailure {
		f.Remedies = append(f.Remedies, x.retries(e)...)
	}
	list := []Finding{f}
	for i := range g.Rules {
		if g.Rules[i].Status == Failed {
			rule := x.attempt(FoundRuleFailed, e, &g.Rules[i], &stage.Gate(g.Name).Rules[g.Rules[i].Index])
			rule.Gate = g.Name
			list = append(list, rule)
		}
	}
	return list
}

// starts is a start without any values, if Step would accept it and the execution
// could begin.
func (x *explainer) starts() []Remedy {
	plan := x.plans.Plan(x.s.Pipeline.Version)
	_, missing, _, _ := pipeline.ResolveVariables(plan.Variables, nil)
	if x.full(plan.Mode) || len(missing) > 0 {
		return nil
	}
	return []Remedy{{Kind: RemedyStart}}
}

// rollBacks is a rollback of the stage to the last execution that succeeded in
// it, if Step would accept it.
func (x *explainer) rollBacks(e *Execution) []Remedy {
	current := x.s.Pipeline.Version
	stage := e.record().Name
	st := x.s.Stage(stage)
	if st == nil || st.Gone || st.Holder != "" || st.Succeeded == "" || st.SucceededVersion != current || e.Type == Rollback ||
		st.Succeeded == e.ID || x.full(x.plans.Plan(current).Mode) || x.execution(st.Succeeded) == nil {
		return nil
	}
	return []Remedy{{Kind: RemedyRollBack, Execution: st.Succeeded, Stage: stage}}
}

// follows reports whether an execution is the automatic rollback after a failed
// one.
func follows(rollback, failed *Execution) bool {
	if rollback.Trigger.Type != TriggerAutomatedRollback {
		return false
	}
	var detail struct{ FailedPipelineExecutionId string }
	err := json.Unmarshal([]byte(rollback.Trigger.Detail), &detail)
	return err == nil && detail.FailedPipelineExecutionId == failed.ID
}

// superseder finds the execution that superseded e: the newest that waited at
// the same entrance at that time. One that is let in no more may have become so
// since.
func (x *explainer) superseder(e *Execution, stage string) *Execution {
	var by *Execution
	for _, other := range x.all {
		overtook := other.Seq > e.Seq || other.overtakes(e)
		if other != e && overtook && x.waited(other, stage, e.LastUpdate) && (by == nil || other.overtakes(by)) {
			by = other
		}
	}
	return by
}

// waited reports whether an execution was at the entrance of a stage at a time,
// or came to it or left it then.
func (x *explainer) waited(e *Execution, stage string, at int64) bool {
	if e.WaitingSince != 0 && x.stagePlan(e).Name == stage {
		return e.WaitingSince <= at && (!e.Ended() || e.LastUpdate >= at)
	}
	arrived := e.StartTime
	for i := range e.Stages {
		if e.Stages[i].Name == stage {
			return arrived <= at && e.Stages[i].Entered >= at
		}
		arrived = e.Stages[i].Ended
	}
	return false
}
