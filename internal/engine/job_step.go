package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// StepJob applies one event to one job (execution.md 8.2, 8.3; observed.md 13).
// Like Step it reads no clock and does no I/O, and the same event applied to the
// same job mints the same ids. A forbidden request returns a *JobRejection and
// changes nothing. Time does not run backwards: the event's is raised to the
// job's last.
//
// j is the zero value for OfferJob only.
func StepJob(j Job, ev JobEvent) (Job, JobDecision, error) {
	m := &jobMachine{Job: j, ev: ev, at: max(ev.At, j.LastAt)}
	if j.ID != "" && j.Event == ev.ID {
		return j, JobDecision{}, nil // applied before: a commit of unknown outcome did happen
	}
	if m.Status == JobCreated && m.Until <= m.at {
		m.Status, m.Until = JobQueued, 0
	}
	if err := m.apply(ev.Body); err != nil {
		return j, JobDecision{}, err
	}
	if !m.d.Changed {
		return j, m.d, nil
	}
	m.Event, m.LastAt = ev.ID, m.at
	return m.Job, m.d, nil
}

// jobMachine is one StepJob under way.
type jobMachine struct {
	Job
	ev JobEvent
	at int64
	d  JobDecision
}

func (m *jobMachine) apply(body JobBody) error {
	switch b := body.(type) {
	case OfferJob:
		m.offer(b)
	case HandOutJob:
		m.handOut()
	case AcknowledgeJob:
		return m.acknowledge(b)
	case SucceedJob:
		return m.succeed(b)
	case FailJob:
		return m.fail(b)
	case JobTimePassed:
		m.timePassed()
	case WithdrawJob:
		m.withdraw()
	default:
		panic(fmt.Sprintf("engine: event %T of a job has no rule", body))
	}
	return nil
}

func (m *jobMachine) offer(b OfferJob) {
	m.Job = Job{
		ID: pipeline.DeriveID([]byte(m.ev.ID), "job/"+b.Action+"/1"), Number: 1,
		Execution: b.Execution, Action: b.Action, Deadline: b.Deadline, Terms: b.Terms, Status: JobQueued,
		Progress: JobProgress{ExternalExecutionID: b.Terms.ExternalExecutionID},
	}
	m.d.Changed = true
}

// handOut mints a new nonce, so that whoever had the job before and did not
// acknowledge it in time has lost it.
func (m *jobMachine) handOut() {
	lapsed := m.Status == JobDispatched && m.Until <= m.at
	if m.Withdrawn || m.at >= m.Deadline || m.Status != JobQueued && !lapsed {
		return
	}
	m.d.Changed, m.d.HandedOut = true, true
	if m.Terms.Invoked {
		m.begin()
		return
	}
	m.Status, m.Until = JobDispatched, m.at+m.Terms.Acknowledge
	m.Nonce = pipeline.DeriveID([]byte(m.ev.ID), "nonce/"+m.ID)
}

func (m *jobMachine) begin() {
	m.Status, m.Until = JobInProgress, 0
	if m.Terms.Timeout > 0 {
		m.Until = m.at + m.Terms.Timeout
	}
}

// acknowledge gives the job to the holder of the nonce. One who is late, but
// before anybody else was handed the job, is not refused. A job that ended keeps
// its status, which tells the worker to drop it.
func (m *jobMachine) acknowledge(b AcknowledgeJob) error {
	if m.Nonce == "" || b.Nonce != m.Nonce || m.Status == JobInProgress {
		return &JobRejection{Reason: JobInvalidNonce}
	}
	if m.Status == JobDispatched {
		m.begin()
		m.d.Changed = true
	}
	return nil
}

// CheckJobResult judges a result by itself (execution.md 6.4, observed.md 13). The
// job is not consumed by one that is refused.
func CheckJobResult(b SucceedJob) error {
	if b.ContinuationToken != "" && len(b.OutputVariables) > 0 {
		return &JobRejection{Reason: JobTokenAndVariables}
	}
	if pipeline.OutputVariablesSize(b.OutputVariables) > pipeline.MaxOutputVariables {
		return &JobRejection{Reason: JobVariablesTooLarge}
	}
	return nil
}

func (m *jobMachine) succeed(b SucceedJob) error {
	if err := CheckJobResult(b); err != nil {
		return err
	}
	answer := digest(b)
	if repeated, err := m.answered(JobSucceeded, answer); repeated || err != nil {
		return err
	}
	m.end(JobSucceeded, answer)
	if id := m.Terms.ExternalExecutionID; id != "" {
		b.Progress = JobProgress{ExternalExecutionID: id}
	}
	if b.Progress.ExternalExecutionID == "" {
		b.Progress.ExternalExecutionID = m.Progress.ExternalExecutionID
	}
	if b.ContinuationToken != "" {
		m.Continued = true
		m.goOn(b)
		return nil
	}
	m.Progress = b.Progress
	report := m.report()
	if m.Terms.FailureHolds {
		report.Outcome = Outcome{
			ErrorCode: jobFailed, ErrorMessage: "The job succeeded.", ExternalExecutionID: b.Progress.ExternalExecutionID,
		}
		return nil
	}
	report.Succeeded, report.Produced = true, m.Terms.Outputs
	report.Outcome = Outcome{
		Summary: b.Progress.Summary, ExternalExecutionID: b.Progress.ExternalExecutionID, OutputVariables: b.OutputVariables,
	}
	if m.Terms.Source {
		report.Revision = b.Revision
	}
	return nil
}

// goOn makes the job that gets the continuation token, unless the action is over.
// It keeps what was said of the action and not said anew.
func (m *jobMachine) goOn(b SucceedJob) {
	if b.Progress.Summary == "" {
		b.Progress.Summary = m.Progress.Summary
	}
	if b.Progress.Percent == nil {
		b.Progress.Percent = m.Progress.Percent
	}
	m.Progress = b.Progress
	if m.Withdrawn {
		return
	}
	next := Job{
		ID:     pipeline.DeriveID([]byte(m.ev.ID), fmt.Sprintf("job/%s/%d", m.Action, m.Number+1)),
		Number: m.Number + 1, Execution: m.Execution, Action: m.Action, Deadline: m.Deadline, Terms: m.Terms,
		Status: JobQueued, ContinuationToken: b.ContinuationToken, Progress: b.Progress, Event: m.ev.ID, LastAt: m.at,
	}
	if m.Terms.Pause > 0 {
		next.Status, next.Until = JobCreated, m.at+m.Terms.Pause
	}
	m.d.Next = &next
}

func (m *jobMachine) fail(b FailJob) error {
	answer := digest(b)
	if repeated, err := m.answered(JobFailed, answer); repeated || err != nil {
		return err
	}
	m.end(JobFailed, answer)
	id := firstOf(m.Terms.ExternalExecutionID, firstOf(b.ExternalExecutionID, m.Progress.ExternalExecutionID))
	report := m.report()
	if m.Terms.FailureHolds {
		report.Succeeded, report.Outcome = true, Outcome{Summary: b.Message, ExternalExecutionID: id}
		return nil
	}
	report.Outcome = Outcome{ErrorCode: b.Type, ErrorMessage: b.Message, ExternalExecutionID: id}
	return nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// answered judges a result by what the job's state says of earlier ones: the same
// again is no error, but after a continuation the job takes nothing more
// (observed.md 13).
func (m *jobMachine) answered(status JobStatus, answer string) (repeated bool, err error) {
	switch {
	case m.Status == JobInProgress:
		return false, nil
	case m.Answer != "" && m.Status == status && m.Answer == answer && (!m.Continued || m.Withdrawn):
		return true, nil
	case m.Answer != "" && (m.Continued || m.Status == status):
		return false, &JobRejection{Reason: JobAnswered}
	case m.Ended():
		return false, &JobRejection{Reason: JobTerminated}
	}
	return false, &JobRejection{Reason: JobNotAcknowledged}
}

func (m *jobMachine) end(status JobStatus, answer string) {
	m.Status, m.Until, m.Answer = status, 0, answer
	m.d.Changed = true
}

func (m *jobMachine) report() *ActionReported {
	m.d.Report = &ActionReported{Execution: m.Execution, Action: m.Action}
	return m.d.Report
}

// timePassed ends a job whose time is over, and with it the action. The time-out
// of the action itself is reported by whoever keeps that time.
func (m *jobMachine) timePassed() {
	switch {
	case m.Ended():
	case m.at >= m.Deadline:
		m.end(JobTimedOut, "")
	case m.Status == JobInProgress && m.Until != 0 && m.Until <= m.at:
		m.end(JobTimedOut, "")
		report := m.report()
		report.TimedOut, report.Outcome = true, Outcome{
			ErrorCode: jobFailed, ErrorMessage: m.Terms.TimeoutMessage, ExternalExecutionID: m.Progress.ExternalExecutionID,
		}
	}
}

// withdraw takes the job from who does not have it yet. One who does is not told,
// and may bring its result (observed.md 13).
func (m *jobMachine) withdraw() {
	if m.Ended() || m.Withdrawn {
		return
	}
	m.Withdrawn, m.d.Changed = true, true
	if m.Status != JobInProgress {
		m.Status = JobFailed
	}
	m.Until = 0
}

// digest tells results apart.
func digest(result any) string {
	text, err := json.Marshal(result)
	if err != nil {
		panic(fmt.Sprintf("engine: encoding a result: %v", err)) // it is made of strings and numbers
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
