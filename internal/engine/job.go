package engine

import "github.com/penstock-cd/penstock/internal/pipeline"

// JobStatus is where a job stands.
type JobStatus string

// The statuses of jobs (execution.md 8.2).
const (
	// JobCreated: it is not offered yet.
	JobCreated JobStatus = "Created"
	// JobQueued: it waits to be handed out.
	JobQueued JobStatus = "Queued"
	// JobDispatched: it was handed out under its nonce and waits to be
	// acknowledged. When it has waited too long it is handed out again.
	JobDispatched JobStatus = "Dispatched"
	JobInProgress JobStatus = "InProgress"
	JobTimedOut   JobStatus = "TimedOut"
	JobSucceeded  JobStatus = "Succeeded"
	JobFailed     JobStatus = "Failed"
)

// Job is a piece of an action execution that somebody outside carries out. An
// action execution has one after the other: a result with a continuation token
// ends one job and begins the next. Times are in milliseconds.
type Job struct {
	ID string `json:"id"`
	// Number counts the jobs of the action execution from 1.
	Number    int      `json:"number"`
	Execution string   `json:"execution"`
	Action    string   `json:"action"`
	Terms     JobTerms `json:"terms"`
	// Deadline is the time-out of the action.
	Deadline int64     `json:"deadline"`
	Status   JobStatus `json:"status"`
	// Nonce proves the last handing out.
	Nonce string `json:"nonce,omitempty"`
	// Until is when the status has lasted long enough: a created job is offered
	// then, a dispatched one handed out again, one in progress timed out. 0: never.
	Until int64 `json:"until,omitempty"`
	// ContinuationToken is what the job before gave to this one.
	ContinuationToken string `json:"continuationToken,omitempty"`
	// Progress is what was last said of the action, by the jobs before too.
	Progress JobProgress `json:"progress,omitzero"`
	// Answer is the digest of the result, and Continued says that it had a
	// continuation token.
	Answer    string `json:"answer,omitempty"`
	Continued bool   `json:"continued,omitempty"`
	// Withdrawn says that the action ended without the job. Its result, should it
	// come, is accepted and decides nothing.
	Withdrawn bool `json:"withdrawn,omitempty"`
	// Event is the last event that changed the job, and LastAt its time.
	Event  string `json:"event,omitempty"`
	LastAt int64  `json:"lastAt"`
}

// JobTerms are what all jobs of an action execution have in common.
type JobTerms struct {
	// Acknowledge is how long a job that was handed out waits to be acknowledged.
	Acknowledge int64 `json:"acknowledge,omitempty"`
	// Timeout is how long a job may be in progress; 0 is as long as the action.
	Timeout int64 `json:"timeout,omitempty"`
	// TimeoutMessage says that a job took longer.
	TimeoutMessage string `json:"timeoutMessage,omitempty"`
	// Pause is how long the job of a continuation waits before it is offered.
	Pause int64 `json:"pause,omitempty"`
	// Invoked says that jobs are brought to who does them, and need no
	// acknowledgement: handed out is in progress.
	Invoked bool `json:"invoked,omitempty"`
	// ExternalExecutionID, if set, is that of the action, whatever a result says; such
	// an action shows nothing of the progress that workers tell (observed.md 13).
	ExternalExecutionID string `json:"externalExecutionId,omitempty"`
	// FailureHolds says that the jobs judge a rule which holds when they fail.
	FailureHolds bool `json:"failureHolds,omitempty"`
	// Source says that the current revision of a result is that of the action.
	Source bool `json:"source,omitempty"`
	// Outputs are the output artifacts of the action.
	Outputs []string `json:"outputs,omitempty"`
}

// JobProgress is what a worker says of an action that is not over.
type JobProgress struct {
	Summary             string `json:"summary,omitempty"`
	ExternalExecutionID string `json:"externalExecutionId,omitempty"`
	// Percent is nil if the worker did not say.
	Percent *int `json:"percent,omitempty"`
}

// JobEvent is something that happened to a job, like Event.
type JobEvent struct {
	ID   string
	At   int64
	Body JobBody
}

// JobBody is what happened; one of the types of this file.
type JobBody interface{ jobEvent() }

// OfferJob makes the first job of an action execution.
type OfferJob struct {
	Execution string
	Action    string
	Deadline  int64
	Terms     JobTerms
}

// HandOutJob gives the job to somebody who asked for one, or invokes who does
// it. A job that cannot be had decides nothing: Decision.HandedOut is not set.
type HandOutJob struct{}

// AcknowledgeJob is a worker's word that it does the job.
type AcknowledgeJob struct{ Nonce string }

// SucceedJob is a worker's word that the job is done.
type SucceedJob struct {
	// ContinuationToken asks for one more job, which gets it.
	ContinuationToken string             `json:"continuationToken,omitempty"`
	Revision          *pipeline.Revision `json:"revision,omitempty"`
	Progress          JobProgress        `json:"progress,omitzero"`
	OutputVariables   map[string]string  `json:"outputVariables,omitempty"`
}

// FailJob is a worker's word that the job failed.
type FailJob struct {
	Type                string `json:"type"`
	Message             string `json:"message"`
	ExternalExecutionID string `json:"externalExecutionId,omitempty"`
}

// JobTimePassed says that a time-out may have come.
type JobTimePassed struct{}

// WithdrawJob says that the action ended without the job.
type WithdrawJob struct{}

func (OfferJob) jobEvent()       {}
func (HandOutJob) jobEvent()     {}
func (AcknowledgeJob) jobEvent() {}
func (SucceedJob) jobEvent()     {}
func (FailJob) jobEvent()        {}
func (JobTimePassed) jobEvent()  {}
func (WithdrawJob) jobEvent()    {}

// JobDecision is what follows from an event.
type JobDecision struct {
	// Changed says that the job is not as it was.
	Changed bool
	// HandedOut says that the job now belongs to who asked for it.
	HandedOut bool
	// Report is the event for the pipeline that goes into the same commit.
	Report *ActionReported
	// Next is the job that continues this one.
	Next *Job
}

// JobRejection is a request that the job's state forbids.
type JobRejection struct{ Reason JobReason }

// JobReason says why a request was rejected.
type JobReason string

// The reasons of rejections.
const (
	// JobInvalidNonce: the nonce is not that of the last handing out, or was
	// acknowledged already.
	JobInvalidNonce JobReason = "InvalidNonce"
	// JobNotAcknowledged: a result before the acknowledgement.
	JobNotAcknowledged JobReason = "NotAcknowledged"
	// JobAnswered: the job has this status by another result, or went on.
	JobAnswered JobReason = "Answered"
	// JobTerminated: the job ended in another way.
	JobTerminated JobReason = "Terminated"
	// JobTokenAndVariables: a continuation token and output variables in one result.
	JobTokenAndVariables JobReason = "TokenAndVariables"
	// JobVariablesTooLarge: more output variables than an action may have.
	JobVariablesTooLarge JobReason = "VariablesTooLarge"
)

func (r *JobRejection) Error() string { return "rejected: " + string(r.Reason) }

// Ended reports whether nothing is expected of anybody who has the job.
func (j *Job) Ended() bool {
	return j.Status == JobSucceeded || j.Status == JobFailed || j.Status == JobTimedOut
}

// Available is when the job can be handed out by a poll; 0 is never.
func (j *Job) Available() int64 {
	switch {
	case j.Terms.Invoked:
		return 0
	case j.Status == JobQueued:
		return max(j.LastAt, 1)
	case j.Status == JobCreated || j.Status == JobDispatched:
		return max(j.Until, 1)
	}
	return 0
}

// Due is when the job needs attention although nobody asks: its time-out, that of
// the action, or when it is to be brought to who does it.
func (j *Job) Due() int64 {
	if j.Terms.Invoked && j.Status == JobQueued {
		return max(j.LastAt, 1)
	}
	attention := j.Status == JobInProgress || j.Terms.Invoked && j.Status == JobCreated
	if attention && j.Until != 0 {
		return min(j.Until, j.Deadline)
	}
	return j.Deadline
}
