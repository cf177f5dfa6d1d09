package engine

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// Known is what an explanation needs beside the live state.
type Known struct {
	// At is the time of the question, in milliseconds.
	At int64
	// Executions are executions that are not live: the one to explain, those that
	// the stages name, and newer and older ones as far as they are kept.
	Executions []*Execution
	// Attempts tell of action and rule executions what the state does not hold,
	// by id.
	Attempts map[string]Attempt
	// ConcurrentExecutions is the quota, as in Past.
	ConcurrentExecutions int
}

// Attempt is what is known of an action or rule execution beside its state.
type Attempt struct {
	// Configuration is resolved, unless Pending is set: then references are not.
	Configuration map[string]string
	Pending       bool
	// Outcome and By are set once it ended; By is who answered an approval.
	Outcome Outcome
	By      string
	// Opens is when the time comes that it waits for, if its provider said so.
	Opens int64
}

// Finding is one reason for what an execution does or became. Members without a
// meaning for its kind are empty.
type Finding struct {
	Kind FindingKind
	// Execution is the one that the finding is about; Other is one that it names:
	// who holds the stage, who superseded, the rollback that followed.
	Execution string
	Other     string
	// Stage, Action and ActionID name where; of a rule, Action is the name.
	Stage    string
	Action   string
	ActionID string
	// Gate names the gate of a condition or a rule, Provider the type of an action
	// or a rule.
	Gate     string
	Provider string
	// Outbound tells the side of a transition.
	Outbound bool
	Status   Status
	// Since and Until are in milliseconds: when it began and when it ends by
	// itself, or ended.
	Since, Until int64
	// By and Reason are who did it and the reason they gave.
	By, Reason string
	// Position and Of count a queue, Of includes all who wait.
	Position, Of int
	// Version is the definition that cancelled.
	Version int
	// Expired is set for a transition whose enabling lets nobody in any more.
	Expired bool
	// Retries of a stage.
	AutoRetries, ManualRetries int
	LatestRetry                RetryTrigger
	// Outcome is that of an action or a rule that ended.
	Outcome Outcome
	// Configuration is that of an approval, or of a deployment window.
	Configuration map[string]string
	// Releases are what an approval lets through.
	Releases []Release
	Remedies []Remedy
}

// FindingKind says what a finding is.
type FindingKind string

// Why a live execution does not go on, or what goes on in it.
const (
	// FoundStageHeld: another execution is inside the stage.
	FoundStageHeld FindingKind = "StageHeld"
	// FoundTransitionDisabled: a transition into the stage is disabled.
	FoundTransitionDisabled FindingKind = "TransitionDisabled"
	// FoundTransitionExpired: a transition was disabled so long that it no longer
	// lets the execution in.
	FoundTransitionExpired FindingKind = "TransitionExpired"
	// FoundQueued: its place in the line of a QUEUED pipeline.
	FoundQueued              FindingKind = "Queued"
	FoundApprovalPending     FindingKind = "ApprovalPending"
	FoundActionRunning       FindingKind = "ActionRunning"
	FoundConditionEvaluating FindingKind = "ConditionEvaluating"
	FoundRuleRunning         FindingKind = "RuleRunning"
	// FoundWindowClosed: a rule waits for its deployment window.
	FoundWindowClosed FindingKind = "WindowClosed"
	FoundStopping     FindingKind = "Stopping"
	// FoundCancelling: the definition was updated; it ends when its actions do.
	FoundCancelling FindingKind = "Cancelling"
)

// What became of an execution, or of a part of it.
const (
	FoundRollback        FindingKind = "Rollback"
	FoundStageRetried    FindingKind = "StageRetried"
	FoundStageSkipped    FindingKind = "StageSkipped"
	FoundSucceeded       FindingKind = "Succeeded"
	FoundSuperseded      FindingKind = "Superseded"
	FoundCancelled       FindingKind = "Cancelled"
	FoundStopped         FindingKind = "Stopped"
	FoundStartFailed     FindingKind = "StartFailed"
	FoundLimitReached    FindingKind = "LimitReached"
	FoundActionFailed    FindingKind = "ActionFailed"
	FoundActionAbandoned FindingKind = "ActionAbandoned"
	FoundConditionFailed FindingKind = "ConditionFailed"
	FoundRuleFailed      FindingKind = "RuleFailed"
	// FoundRolledBack: an automatic rollback followed.
	FoundRolledBack FindingKind = "RolledBack"
)

// Remedy is a request that Step would accept now and that moves things on.
type Remedy struct {
	Kind      RemedyKind
	Execution string
	Stage     string
	Action    string
	Gate      string
	Outbound  bool
	Token     string
}

// RemedyKind says which request a remedy is.
type RemedyKind string

// The kinds of remedies.
const (
	RemedyEnableTransition   RemedyKind = "EnableTransition"
	RemedyApprove            RemedyKind = "Approve"
	RemedyReject             RemedyKind = "Reject"
	RemedyRetryFailedActions RemedyKind = "RetryFailedActions"
	RemedyRetryAllActions    RemedyKind = "RetryAllActions"
	RemedyOverride           RemedyKind = "OverrideCondition"
	RemedyRollBack           RemedyKind = "RollBack"
	RemedyStop               RemedyKind = "Stop"
	RemedyAbandon            RemedyKind = "Abandon"
	RemedyStart              RemedyKind = "Start"
)

// Explain says why an execution, live or in known, is where it is. Of one that
// waits for a stage, what its holder does comes too if withHolder is set. It
// changes nothing; plans must have the versions of all executions involved.
func Explain(plans Plans, s *State, known Known, id string, withHolder bool) []Finding {
	x := newExplainer(plans, s, known)
	e := x.execution(id)
	if e == nil {
		return nil
	}
	var list []Finding
	if e.Type == Rollback {
		list = append(list, Finding{Kind: FoundRollback, Execution: e.ID, Other: e.Target, Stage: x.stagePlan(e).Name, Reason: e.Trigger.Type})
	}
	for i := range e.Stages {
		if e.Stages[i].Status == Skipped {
			list = append(list, skipped(e, &e.Stages[i]))
		}
	}
	switch {
	case e.Ended():
		return append(list, x.ended(e)...)
	case e.Inside:
		return append(list, x.inside(e)...)
	}
	return append(list, x.waiting(e, withHolder)...)
}

// explainer reads the state with the rules of a Step.
type explainer struct {
	*machine
	known Known
	// all are the live and the known executions, oldest first.
	all []*Execution
}

func newExplainer(plans Plans, s *State, known Known) *explainer {
	past := Past{Executions: map[string]*Execution{}, ConcurrentExecutions: known.ConcurrentExecutions}
	all := slices.Clone(s.Executions)
	for _, e := range known.Executions {
		if s.Execution(e.ID) == nil && past.Executions[e.ID] == nil {
			past.Executions[e.ID] = e
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b *Execution) int { return int(a.Seq - b.Seq) })
	m := &machine{plans: plans, s: s, past: past, at: max(known.At, s.Pipeline.LastAt)}
	return &explainer{machine: m, known: known, all: all}
}

// skipped says which gate left a stage out.
func skipped(e *Execution, r *StageRecord) Finding {
	f := Finding{Kind: FoundStageSkipped, Execution: e.ID, Stage: r.Name, Gate: pipeline.GateOnFailure, Since: r.Entered, Until: r.Ended}
	if g := r.gate(pipeline.GateBeforeEntry); g != nil && g.Status != Succeeded && g.Status != Overridden {
		f.Gate = pipeline.GateBeforeEntry
	}
	return f
}

// attempt begins a finding about an action or a rule.
func (x *explainer) attempt(kind FindingKind, e *Execution, a *Action, plan *pipeline.ActionPlan) Finding {
	known := x.known.Attempts[a.ID]
	f := Finding{
		Kind: kind, Execution: e.ID, Stage: x.stagePlan(e).Name, Action: plan.Name, ActionID: a.ID,
		Provider: plan.Type.Provider, Status: a.Status, Since: a.Started, By: known.By, Outcome: known.Outcome,
	}
	if a.Status == InProgress {
		f.Until = a.Deadline
	}
	return f
}
