package provider

import "time"

// Invoker is a provider that invokes somebody who answers later: its actions are
// jobs (execution.md 8.2), each brought by Start instead of being asked for, and
// ended by who calls PutJobSuccessResult or PutJobFailureResult.
//
// dispatch commits that a job is in progress and then calls Start with Attempt.Job
// set, once for each job; again only if it is not known whether the call before
// came through. A report in progress says that the job was brought; one with a
// continuation token that it is answered and wants to go on. Any final report ends
// the action. Await is not called. Stop is called as for others.
type Invoker interface {
	Provider
	// JobTerms are those of the jobs of an attempt.
	JobTerms(a Attempt) JobTerms
}

// JobTerms are what all jobs of an action have in common.
type JobTerms struct {
	// Timeout is how long a job may stay unanswered, and TimeoutMessage says that
	// one did.
	Timeout        time.Duration
	TimeoutMessage string
	// Pause is between a continuation and the job that it asks for.
	Pause time.Duration
	// ExternalExecutionID is shown for the action; empty: what the jobs say.
	ExternalExecutionID string
	// FailureHolds says that a rule holds if its job fails.
	FailureHolds bool
}

// Job is one of the jobs of an attempt.
type Job struct {
	ID                string
	ContinuationToken string
}
