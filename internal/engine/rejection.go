package engine

import "github.com/penstock-cd/penstock/internal/pipeline"

// Rejection is a request that the state forbids. A service maps its Reason to
// one public exception; nothing was changed.
type Rejection struct {
	Reason Reason
	// Execution, Stage and Action are what the request named, for texts.
	Execution string
	Stage     string
	Action    string
	// Violation is set for ReasonInvalid.
	Violation *pipeline.Violation
}

// Reason says why a request was rejected.
type Reason string

// The reasons of rejections.
const (
	ReasonPipelineNotFound     Reason = "PipelineNotFound"
	ReasonStageNotFound        Reason = "StageNotFound"
	ReasonActionNotFound       Reason = "ActionNotFound"
	ReasonNotStoppable         Reason = "NotStoppable"
	ReasonDuplicatedStop       Reason = "DuplicatedStop"
	ReasonNotAnApproval        Reason = "NotAnApproval"
	ReasonInvalidApprovalToken Reason = "InvalidApprovalToken"
	ReasonApprovalCompleted    Reason = "ApprovalCompleted"
	ReasonSummaryRequired      Reason = "SummaryRequired"
	ReasonExecutionNotFound    Reason = "ExecutionNotFound"
	// ReasonNotLatest: another execution entered the stage since.
	ReasonNotLatest      Reason = "NotLatest"
	ReasonNotRetryable   Reason = "NotRetryable"
	ReasonNotOverridable Reason = "NotOverridable"
	// ReasonNotCompleted: the target of a rollback did not succeed in the stage,
	// or is a rollback itself.
	ReasonNotCompleted Reason = "NotCompleted"
	// ReasonOutdated: the target of a rollback ran under another definition.
	ReasonOutdated Reason = "Outdated"
	// ReasonStageRunning: a stage that runs cannot be rolled back.
	ReasonStageRunning Reason = "StageRunning"
	// ReasonLimit: as many executions as may be are under way.
	ReasonLimit Reason = "Limit"
	// ReasonInvalid: the request breaks a rule of the definition, such as an
	// override of an action that is no source.
	ReasonInvalid Reason = "Invalid"
)

func (r *Rejection) Error() string {
	if r.Violation != nil {
		return "rejected: " + r.Violation.Error()
	}
	return "rejected: " + string(r.Reason)
}
