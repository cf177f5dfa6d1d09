package simtest

import (
	"errors"
	"slices"

	"github.com/penstock-cd/penstock/internal/engine"
)

// take judges what was committed of a worker's word, or of a time-out.
func (b *jobBook) take(w *world, c *jobChange) {
	f := b.byID[c.row.id]
	if f.end != jobOpen {
		w.fatalf("job %s ended before %T: %+v", f.id, c.body, *f)
	}
	f.taken = c.call
	switch body := c.body.(type) {
	case engine.AcknowledgeJob:
		if f.acknowledged || body.Nonce != f.nonce || c.over || f.withdrawn {
			w.fatalf("job %s is acknowledged with %s: %+v", f.id, body.Nonce, *f)
		}
		f.acknowledged, f.begun = true, c.at
	case engine.SucceedJob:
		b.answered(w, f, c, body)
		b.succeeded(w, f, c, body)
	case engine.FailJob:
		b.answered(w, f, c, body)
		b.failed(f, body)
	case engine.JobTimePassed:
		b.timedOut(w, f, c)
	}
	if _, goesOn := c.body.(engine.SucceedJob); !goesOn && c.decision.Next != nil {
		w.fatalf("job %s goes on after %T", f.id, c.body)
	}
	b.settle(w, f.id)
}

// answered: only who acknowledged a job may end it.
func (b *jobBook) answered(w *world, f *jobFact, c *jobChange, body engine.JobBody) {
	if !f.acknowledged {
		w.fatalf("job %s has a result and was never acknowledged", f.id)
	}
	f.answer, f.late = wordOf(body), c.over
}

// wordOf tells results apart.
func wordOf(body engine.JobBody) string {
	if _, failed := body.(engine.FailJob); failed {
		return "failed " + encode(body)
	}
	return "succeeded " + encode(body)
}

func (b *jobBook) succeeded(w *world, f *jobFact, c *jobChange, body engine.SucceedJob) {
	f.end, f.continued = jobDone, body.ContinuationToken != ""
	said := body.Progress
	if f.name != "" {
		said = engine.JobProgress{ExternalExecutionID: f.name}
	}
	if said.ExternalExecutionID == "" {
		said.ExternalExecutionID = f.said.ExternalExecutionID
	}
	if !f.continued {
		f.said = said
		v := jobVerdict{succeeded: true, produced: f.outputs, outcome: engine.Outcome{
			Summary: said.Summary, ExternalExecutionID: said.ExternalExecutionID, OutputVariables: body.OutputVariables,
		}}
		if f.source && body.Revision != nil {
			v.revision = body.Revision.ID
		}
		if f.holds {
			v = jobVerdict{outcome: engine.Outcome{
				ErrorCode: jobFailed, ErrorMessage: "The job succeeded.", ExternalExecutionID: said.ExternalExecutionID,
			}}
		}
		b.verdicts[f.action] = v
		return
	}
	if said.Summary == "" {
		said.Summary = f.said.Summary
	}
	if said.Percent == nil {
		said.Percent = f.said.Percent
	}
	f.said = said
	b.goesOn(w, f, c, body)
}

// goesOn: a continuation of an action that is not over gives one more job, with its
// token.
func (b *jobBook) goesOn(w *world, f *jobFact, c *jobChange, body engine.SucceedJob) {
	if (c.decision.Next == nil) != c.over || c.decision.Report != nil {
		w.fatalf("job %s goes on as %+v; over %t", f.id, c.decision.Next, c.over)
	}
	if c.over {
		return
	}
	row := w.store.job(c.decision.Next.ID)
	if row == nil {
		w.fatalf("job %s goes on as one that is not stored", f.id)
	}
	if other := b.open(f.action); other != nil {
		w.fatalf("job %s goes on while %s is not over", f.id, other.id)
	}
	next := b.add(w, row)
	next.said, next.offered = f.said, c.at
	if next.number != f.number+1 || next.token != body.ContinuationToken {
		w.fatalf("job %s goes on as number %d with %q", f.id, next.number, next.token)
	}
	b.settle(w, next.id)
}

func (b *jobBook) failed(f *jobFact, body engine.FailJob) {
	f.end = jobGaveUp
	id := body.ExternalExecutionID
	if id == "" || f.name != "" {
		id = f.said.ExternalExecutionID
	}
	if f.holds {
		b.verdicts[f.action] = jobVerdict{succeeded: true, outcome: engine.Outcome{Summary: body.Message, ExternalExecutionID: id}}
		return
	}
	b.verdicts[f.action] = jobVerdict{outcome: engine.Outcome{
		ErrorCode: body.Type, ErrorMessage: body.Message, ExternalExecutionID: id,
	}}
}

// judgeTime: whoever looks ends a job whose time is over, and no other.
func (b *jobBook) judgeTime(w *world, id string, ends bool) {
	f := b.byID[id]
	over := f.status() == engine.JobInProgress && !f.withdrawn && f.timeout > 0 && w.now >= f.begun+f.timeout
	if w.now < f.deadline && over != ends {
		w.fatalf("job %s: its time is over %t, it is ended %t", id, over, ends)
	}
}

// timedOut: a job ends by its own time, from its acknowledgement on, or with its
// action.
func (b *jobBook) timedOut(w *world, f *jobFact, c *jobChange) {
	f.end = jobLate
	if c.timesOut != "" {
		return // the action's end is judged by itself
	}
	if !f.acknowledged || f.timeout == 0 || c.at < f.begun+f.timeout || f.withdrawn {
		w.fatalf("job %s has timed out: %+v", f.id, *f)
	}
	message := partnerMessage
	if f.invoked {
		message = invokedMessage
	}
	b.verdicts[f.action] = jobVerdict{timedOut: true, outcome: engine.Outcome{
		ErrorCode: jobFailed, ErrorMessage: message, ExternalExecutionID: f.said.ExternalExecutionID,
	}}
}

// settle compares a job as it is stored with what is believed of it.
func (b *jobBook) settle(w *world, id string) {
	f, row := b.byID[id], w.store.job(id)
	j := row.job()
	if j.Status != f.status() || j.Nonce != f.nonce || j.ContinuationToken != f.token || j.Continued != f.continued ||
		j.Number != f.number || j.Action != f.action || j.Deadline != f.deadline || encode(j.Progress) != encode(f.said) {
		w.fatalf("job %s is stored as %s, believed %s %+v", id, row.text, f.status(), *f)
	}
	if row.available != f.available() {
		w.fatalf("job %s is available at %d, not at %d: %s", id, row.available, f.available(), row.text)
	}
	e := w.store.effect(f.action)
	if last := w.store.lastJob(f.action); e != nil && e.node == "" && e.begun == anyNode && last.id == id && f.end == jobOpen {
		if e.due > max(f.due(), w.now) {
			w.fatalf("job %s needs attention at %d, it gets it at %d", id, f.due(), e.due)
		}
		b.settleInvoked(w, f, e)
	}
}

// judge compares how a call is answered, or what is about to be committed for it,
// with what it has to be. The book is exactly as far as the job that was read.
func (b *jobBook) judge(w *world, c *jobCall, stepped engine.Job, decision engine.JobDecision, err error) {
	f := b.byID[c.job]
	changes, answer := false, ""
	if f.taken != c { // else it was committed before
		changes, answer = f.expected(c.body, f.over(w))
	}
	said := ""
	var rejection *engine.JobRejection
	switch {
	case errors.As(err, &rejection):
		said = string(rejection.Reason)
	case err != nil:
		w.fatalf("job %s: %v", c.job, err)
	}
	if _, acknowledges := c.body.(engine.AcknowledgeJob); acknowledges && err == nil {
		said = string(stepped.Status)
		if f.taken == c {
			answer = string(f.status())
		}
	}
	if decision.Changed != changes || said != answer {
		w.fatalf("job %s: %s is answered %q, changed %t; want %q, %t: %+v",
			c.job, describeJobEvent(c.ev), said, decision.Changed, answer, changes, *f)
	}
	if decision.Report != nil && decision.Next != nil || decision.HandedOut {
		w.fatalf("job %s: %s decides %+v", c.job, describeJobEvent(c.ev), decision)
	}
}

// expected says how a worker's word is to be taken: whether it changes the job, and
// the reason of a refusal, or the status that an acknowledgement is answered with.
func (f *jobFact) expected(body engine.JobBody, over bool) (changes bool, answer string) {
	switch body := body.(type) {
	case engine.AcknowledgeJob:
		switch {
		case f.nonce == "" || body.Nonce != f.nonce || f.acknowledged && f.end == jobOpen:
			return false, "InvalidNonce"
		case f.end != jobOpen:
			return false, string(f.status())
		case over:
			return false, string(engine.JobFailed)
		}
		return true, string(engine.JobInProgress)
	case engine.SucceedJob:
		if body.ContinuationToken != "" && len(body.OutputVariables) > 0 {
			return false, "TokenAndVariables"
		}
		return f.expectedResult(body, jobDone, over)
	case engine.FailJob:
		return f.expectedResult(body, jobGaveUp, over)
	}
	return false, ""
}

// expectedResult: the first result of a job that was acknowledged counts, and the
// same one again is no mistake, unless the job went on.
func (f *jobFact) expectedResult(body engine.JobBody, end jobEnd, over bool) (changes bool, answer string) {
	switch {
	case f.end == jobOpen && f.acknowledged:
		return true, ""
	case f.end == jobLate, f.end == jobOpen && over:
		return false, "Terminated"
	case f.end == jobOpen:
		return false, "NotAcknowledged"
	case f.answer == wordOf(body) && (!f.continued || f.late):
		return false, ""
	case f.continued, f.end == end:
		return false, "Answered"
	}
	return false, "Terminated"
}

// jobEnded judges the end of an action by the result of its job.
func (h *history) jobEnded(f fact, a *action, b engine.ActionReported) {
	v, known := f.w.book.verdicts[a.id]
	revision := ""
	if b.Revision != nil {
		revision = b.Revision.ID
	}
	if f.o.job == nil || f.o.job.row.action != a.id || !known {
		f.w.fatalf("action execution %s ends as %s, which no job said", a.id, f.Status)
	}
	if v.succeeded != b.Succeeded || v.timedOut != b.TimedOut || encode(v.outcome) != encode(f.Outcome) || !slices.Equal(v.produced, b.Produced) || v.revision != revision {
		f.w.fatalf("action execution %s ends as %+v, its job said %+v", a.id, b, v)
	}
}

// heard: the last word of a job ends its action, if that was not over.
func (b *jobBook) heard(w *world, o *op) {
	if o.job.decision.Report != nil && !b.byID[o.job.row.id].over(w) {
		w.fatalf("job %s ended, but its action %s goes on", o.job.row.id, o.job.row.action)
	}
}
