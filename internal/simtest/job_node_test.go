package simtest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// The action types whose actions are done by job workers: a custom one, and one of
// a partner, whose declaration says how long a job may take.
const (
	workerProvider  = "Worker"
	partnerProvider = "Partner"
)

// The times of jobs.
const (
	acknowledgeTime = 20 * second
	partnerTime     = 60 * second
	partnerMessage  = "the job took longer than the type declares"
)

func doneByJobs(plan *pipeline.ActionPlan) bool {
	return plan.Type.Provider == workerProvider || plan.Type.Provider == partnerProvider || invoked(plan)
}

func jobTerms(plan *pipeline.ActionPlan) engine.JobTerms {
	t := engine.JobTerms{Acknowledge: acknowledgeTime, Source: plan.IsSource()}
	for _, out := range plan.Outputs {
		t.Outputs = append(t.Outputs, out.Name)
	}
	if plan.Type.Provider == partnerProvider {
		t.Timeout, t.TimeoutMessage = partnerTime, partnerMessage
	}
	return t
}

// errJobChanged says that somebody else changed a job since it was read.
var errJobChanged = errors.New("the job was changed meanwhile")

// jobChange is what belongs into the commit of a pipeline's event: what the event
// that was reported did to its job. After a time-out it is looked up in the commit.
type jobChange struct {
	call     *jobCall // whose it is, nil for a time-out
	row      *jobRow
	body     engine.JobBody
	stepped  engine.Job
	decision engine.JobDecision
	at       int64 // when it was read
	// over says that the action was over when the job was read.
	over bool
	// timesOut names the action execution whose time is over, and whose newest job
	// ends with it.
	timesOut string
	// returned is what a function returned that was invoked for the job.
	returned *jobVerdict
	// stored says that the job was written before: a planted bug.
	stored bool
}

func (c *jobChange) action() string {
	if c.timesOut != "" {
		return c.timesOut
	}
	return c.row.action
}

func (w *world) jobEvent(body engine.JobBody) engine.JobEvent {
	w.events++
	return engine.JobEvent{ID: fmt.Sprintf("job-event-%d", w.events), At: w.now, Body: body}
}

// stepJob is the engine's step. What it rejects is nobody's mistake here.
func (w *world) stepJob(j engine.Job, ev engine.JobEvent) (engine.Job, engine.JobDecision) {
	stepped, decision, err := engine.StepJob(j, ev)
	if err != nil {
		w.fatalf("job %s: %s: %v", j.ID, describeJobEvent(ev), err)
	}
	return stepped, decision
}

func describeJobEvent(ev engine.JobEvent) string {
	return fmt.Sprintf("%s %s %s", ev.ID, strings.TrimPrefix(fmt.Sprintf("%T", ev.Body), "engine."), encode(ev.Body))
}

// needed reports whether an action execution is not over, as far as its effect
// tells.
func (w *world) needed(action string) bool { return w.effectOf(action) != nil }

// runJob looks what the job of an action needs: to be offered, or ended because
// its time is over. Then it waits without waiting.
func (w *world) runJob(n *node, a *attempt) {
	row := w.readLastJob(a.effect.Action)
	if row == nil {
		a.phase = phaseOffer
		return
	}
	stepped, decision := w.stepJob(row.job(), w.jobEvent(engine.JobTimePassed{}))
	w.book.judgeTime(w, row.id, decision.Report != nil)
	if decision.Report == nil {
		a.phase = phasePark
		return
	}
	a.reporting = true
	change := &jobChange{row: row, at: w.now, body: engine.JobTimePassed{}, stepped: stepped, decision: decision}
	w.submit(n, a.pipeline, &op{ev: w.event(n, *decision.Report), job: change, done: func(o *op) {
		a.reporting, a.phase = false, phaseRead
		if o.err == nil {
			n.drop(a)
		}
	}})
}

// parkJob gives the claim of an action with jobs back until its job needs
// attention; offers says that its first job is made in the same commit.
func (w *world) parkJob(n *node, a *attempt, offers bool) {
	err := w.commit(n.id+" park job of "+short(a.id), func() bool {
		row := w.store.effect(a.id)
		if row == nil || row.node != n.id || offers && !w.offerJob(a) {
			return false
		}
		last := w.store.lastJob(a.effect.Action)
		j := last.job()
		w.setEffect(row, "", anyNode, j.Due())
		w.book.settle(w, last.id)
		return true
	})
	a.phase = phaseRead
	if err == nil || errors.Is(err, errConflict) {
		if row := w.effectOf(a.id); row == nil || row.node != n.id {
			n.drop(a)
		}
	}
}

// offerJob makes the first job of an action; false if it has one.
func (w *world) offerJob(a *attempt) bool {
	plan := w.actionPlan(a)
	j, _ := w.stepJob(engine.Job{}, w.jobEvent(engine.OfferJob{
		Execution: a.effect.Execution, Action: a.effect.Action, Deadline: a.effect.Deadline, Terms: jobTerms(plan),
	}))
	if !w.insertJob(jobRow{pipeline: a.pipeline, kind: plan.Type.Provider}, j) {
		return false
	}
	w.outside.checkInputs(w, a, w.store.pipeline(a.pipeline).history.actions[a.effect.Action])
	w.logf("job %s: offered for %s", short(j.ID), short(a.id))
	w.book.offered(w, w.store.job(j.ID))
	return true
}

// withdrawJob takes the newest job of an action that is over from who does not
// have it yet.
func (w *world) withdrawJob(action string) {
	if row := w.store.lastJob(action); row != nil {
		w.withdraw(row)
	}
}

func (w *world) withdraw(row *jobRow) {
	stepped, decision := w.stepJob(row.job(), w.jobEvent(engine.WithdrawJob{}))
	if !decision.Changed {
		return
	}
	w.logf("job %s: withdrawn", short(row.id))
	w.updateJob(row, stepped)
	w.book.withdrawn(w, row.id)
	w.book.settle(w, row.id)
}

// keepJob writes what an event did to the job that was read, the job that continues
// it, and when its action needs attention.
func (w *world) keepJob(c *jobChange) {
	before := c.row.job()
	w.updateJob(c.row, c.stepped)
	w.logf("job %s: %T: %s", short(c.row.id), c.body, c.stepped.Status)
	due := c.stepped.Due()
	if c.decision.Next != nil {
		if !w.insertJob(*c.row, *c.decision.Next) {
			w.fatalf("job %s goes on as number %d, which exists", c.row.id, c.decision.Next.Number)
		}
		w.logf("job %s: goes on as %s", short(c.row.id), short(c.decision.Next.ID))
		due = c.decision.Next.Due()
	}
	e := w.store.effect(c.row.action)
	if due != before.Due() && c.decision.Report == nil && e != nil && !w.bugs.forgetsDue {
		w.setEffect(e, e.node, e.begun, due)
	}
	w.book.take(w, c)
}

// refused returns the first event of a batch whose job is not as it was read.
func (w *world) refused(x *writes) *op {
	changed := map[string]bool{}
	for _, o := range x.ops {
		if o.job == nil || o.job.stored {
			continue
		}
		row := w.store.lastJob(o.job.timesOut)
		if row == nil && o.job.timesOut != "" {
			continue
		}
		if o.job.returned != nil {
			if last := w.store.lastJob(o.job.row.action); w.refusesReturn(o.job) || changed[last.id] && !w.bugs.believesReturned {
				return o
			}
			changed[o.job.row.id] = true
			continue
		}
		if o.job.timesOut == "" {
			row = w.store.job(o.job.row.id)
			if (row.revision != o.job.row.revision || changed[row.id]) && !w.bugs.neverRefuses {
				return o
			}
		}
		changed[row.id] = true
	}
	return nil
}

// commitAlso writes what belongs into the commit of an event.
func (w *world) commitAlso(o *op) {
	if o.job.returned != nil {
		w.endReturned(o.job)
		return
	}
	if o.job.timesOut == "" {
		if !o.job.stored {
			w.keepJob(o.job)
		}
		return
	}
	row := copied(w.store.lastJob(o.job.timesOut))
	if row == nil {
		return // it has no jobs
	}
	j := row.job()
	ev := w.jobEvent(engine.JobTimePassed{})
	ev.At = j.Deadline
	if stepped, decision := w.stepJob(j, ev); decision.Changed {
		decision.Report = nil
		w.keepJob(&jobChange{row: row, body: ev.Body, stepped: stepped, decision: decision, timesOut: j.Action})
	}
}
