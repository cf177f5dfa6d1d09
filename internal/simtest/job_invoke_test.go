package simtest

import (
	"errors"
	"slices"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// What is done by functions that are invoked: an action that a function calls back
// for, one of a declared type whose function answers at once, and a rule.
const (
	lambdaProvider   = "Lambda"
	functionProvider = "Function"
	lambdaRule       = "LambdaInvoke"
)

// The terms of invoked jobs.
const (
	invokedTime    = 60 * second
	invokedMessage = "the function did not call back"
	lambdaPause    = 8 * second
	functionName   = "f"
)

// invoked reports whether the jobs of an action or rule are brought to who does
// them. A rule of the same provider without a function is work like any other.
func invoked(plan *pipeline.ActionPlan) bool {
	_, named := plan.ConfigurationText("FunctionName")
	return plan.Type.Provider == lambdaProvider || plan.Type.Provider == functionProvider || named
}

// invokedTerms are those of the jobs of a function. One that answers at once goes on
// at once, and it says what the action is called outside.
func invokedTerms(plan *pipeline.ActionPlan, gate string) engine.JobTerms {
	t := engine.JobTerms{Invoked: true, Timeout: invokedTime, TimeoutMessage: invokedMessage, FailureHolds: gate == pipeline.GateOnFailure}
	if plan.Type.Provider != functionProvider {
		t.Pause, t.ExternalExecutionID = lambdaPause, functionName
	}
	for _, out := range plan.Outputs {
		t.Outputs = append(t.Outputs, out.Name)
	}
	return t
}

// takeInvoked makes, or finds, the job that is to be brought now, and commits that
// this node is about to.
func (w *world) takeInvoked(n *node, a *attempt) {
	var row *jobRow
	var decision engine.JobDecision
	var over, void bool
	err := w.commit(n.id+" take job of "+short(a.id), func() bool {
		row, void, a.looked = nil, false, w.now
		last := w.store.lastJob(a.effect.Action)
		var j engine.Job
		j, decision, over = w.stepInvoked(a, last)
		e := w.store.effect(a.id)
		void = e == nil || e.node != n.id || e.begun != a.sawBegun
		if w.bugs.takesUnowned && (a.sawBegun == n.id || !decision.HandedOut) {
			void = false
		}
		if void {
			return false
		}
		if last != nil && !decision.HandedOut {
			row = copied(last)
			return true
		}
		if !w.keepTaken(a, last, j, decision) {
			return false
		}
		if e != nil && e.begun != n.id {
			w.setEffect(e, n.id, n.id, e.due)
		}
		row = copied(w.store.lastJob(a.effect.Action))
		if decision.HandedOut {
			w.book.taken(w, n, a, row.id)
		}
		w.book.settle(w, row.id)
		return true
	})
	a.job = row
	switch {
	case void:
		n.drop(a)
	case err != nil:
		a.phase = phaseRead
	case decision.Report != nil:
		w.finishInvoked(n, a)
	case over && !w.bugs.parksTimedOut:
		w.reportDeadline(n, a)
	case decision.HandedOut:
		a.phase = phaseInvoke
	default:
		a.phase = phasePark
	}
}

// stepInvoked looks what the last job of an action needs, or makes the first; over
// says that the time of the action is.
func (w *world) stepInvoked(a *attempt, last *jobRow) (j engine.Job, decision engine.JobDecision, over bool) {
	if last == nil {
		j, _ = w.stepJob(engine.Job{}, w.jobEvent(engine.OfferJob{
			Execution: a.effect.Execution, Action: a.effect.Action, Deadline: a.effect.Deadline,
			Terms: invokedTerms(w.actionPlan(a), a.effect.Gate),
		}))
		j, decision = w.stepJob(j, w.jobEvent(engine.HandOutJob{}))
		decision.Changed = true
		return j, decision, false
	}
	j = last.job()
	stepped, decision := w.stepJob(j, w.jobEvent(engine.JobTimePassed{}))
	if decision.Report != nil || stepped.Ended() {
		return j, engine.JobDecision{Report: decision.Report}, decision.Report == nil && !j.Ended()
	}
	if j.Status == engine.JobInProgress {
		// Parked, it was brought; else whoever began to did not get that far.
		brings := a.sawBegun != anyNode
		if w.bugs.leavesBegun {
			brings = brings && w.store.lease(a.sawBegun) != nil
		}
		return j, engine.JobDecision{HandedOut: brings}, false
	}
	j, decision = w.stepJob(j, w.jobEvent(engine.HandOutJob{}))
	return j, decision, false
}

// keepTaken writes the job that is about to be brought; false if another node made
// the first one.
func (w *world) keepTaken(a *attempt, last *jobRow, j engine.Job, decision engine.JobDecision) bool {
	if last != nil {
		if decision.Changed {
			w.updateJob(last, j)
		}
		return true
	}
	if !w.insertJob(jobRow{pipeline: a.pipeline, kind: w.actionPlan(a).Type.Provider}, j) {
		return false
	}
	w.outside.checkInputs(w, a, w.store.pipeline(a.pipeline).history.actions[a.effect.Action])
	w.logf("job %s: offered for %s", short(j.ID), short(a.id))
	w.book.offered(w, w.store.job(j.ID))
	return true
}

// finishInvoked reports that the time of a job is over, unless a result came in
// between.
func (w *world) finishInvoked(n *node, a *attempt) {
	ev := w.jobEvent(engine.JobTimePassed{})
	ev.At = a.job.job().Until
	stepped, decision := w.stepJob(a.job.job(), ev)
	a.reporting = true
	change := &jobChange{row: a.job, at: ev.At, body: ev.Body, stepped: stepped, decision: decision}
	w.submit(n, a.pipeline, &op{ev: w.event(n, *decision.Report), job: change, done: func(o *op) {
		a.reporting, a.phase = false, phaseRead
		switch {
		case o.err == nil:
			n.drop(a)
		case errors.Is(o.err, errJobChanged):
			a.phase, a.job = phasePark, nil
		}
	}})
}

// until is when an invocation has taken too long.
func (a *attempt) until() int64 { return min(a.job.job().Until, a.effect.Deadline) }

// bring invokes the function for the job that was taken.
func (w *world) bring(n *node, a *attempt) {
	if w.clock(n) >= a.until() {
		a.phase = phaseRead
		return
	}
	j := a.job.job()
	if w.bugs.losesToken {
		j.ContinuationToken = ""
	}
	a.invocation, a.phase = w.outside.invoke(w, n, a, &j), phaseReturn
}

// awaitReturn waits for what the invocation returns to its node.
func (w *world) awaitReturn(n *node, a *attempt) {
	v := a.invocation
	switch {
	case v.hangs && w.clock(n) < a.until():
	case v.hangs, v.lost && !w.bugs.believesLost:
		w.logf("%s: nobody answered for job %s", n.id, short(v.job))
		a.phase = phaseRead // and look whether it is still to be brought
	case v.token != "":
		w.goOn(n, a)
	case v.verdict != nil:
		w.endInvoked(n, a)
	default:
		if !v.lost {
			w.book.delivered(a, v.job)
		}
		a.phase = phaseDelivered
	}
}

// goOn gives the job of an answer with a continuation token its successor, until it
// has one. A refusal says that the job has its result, or is over, already.
func (w *world) goOn(n *node, a *attempt) {
	v := a.invocation
	w.book.delivered(a, v.job)
	if v.voice == nil {
		v.voice = &worker{name: n.id}
	} else if v.voice.call != nil {
		return
	}
	if v.call == nil || errors.Is(v.call.err, errFailed) {
		if v.call != nil && w.bugs.forgetsReturn {
			a.phase = phaseRead
			return
		}
		v.call = &jobCall{worker: v.voice, job: v.job, body: engine.SucceedJob{ContinuationToken: v.token, Progress: v.progress}}
		w.callJob(n, v.call)
		return
	}
	a.phase = phaseDelivered
}

// endInvoked ends an action by what an invocation returned: its job has no result,
// and needs none.
func (w *world) endInvoked(n *node, a *attempt) {
	v := a.invocation
	w.book.delivered(a, v.job)
	body := engine.ActionReported{
		Execution: a.effect.Execution, Action: a.effect.Action, Succeeded: v.verdict.succeeded,
		Produced: v.verdict.produced, Outcome: v.verdict.outcome,
	}
	a.reporting = true
	ev, change := w.event(n, body), &jobChange{row: a.job, returned: v.verdict}
	var submit func()
	submit = func() {
		w.submit(n, a.pipeline, &op{ev: ev, job: change, done: func(o *op) {
			switch {
			case errors.Is(o.err, errFailed):
				submit()
			case errors.Is(o.err, errJobChanged):
				a.reporting, a.phase = false, phaseDelivered
			default:
				n.drop(a)
			}
		}})
	}
	submit()
}

// parkInvoked gives the claim back until the job needs attention. What was delivered
// is written down until it is known to be.
func (w *world) parkInvoked(n *node, a *attempt) {
	void, brought := false, ""
	if a.job != nil && a.job.job().Status == engine.JobInProgress {
		brought = a.job.id
	}
	err := w.commit(n.id+" park job of "+short(a.id), func() bool {
		row, last := w.store.effect(a.id), w.store.lastJob(a.effect.Action)
		if void = row == nil || row.node != n.id; void {
			return false
		}
		// Claimed again after others had it, the action may have a job of theirs that was
		// not brought.
		j := last.job()
		if void = j.Status == engine.JobInProgress && j.ID != brought && !w.bugs.parksOthers; void {
			return false
		}
		due := j.Due()
		if w.bugs.parksOld && a.job != nil {
			old := a.job.job()
			due = old.Due()
		}
		if a.phase == phaseDelivered {
			w.book.noted(a.invocation.job)
		}
		w.setEffect(row, "", anyNode, due)
		if a.phase == phasePark && a.job != nil && a.job.revision == last.revision && due <= a.looked && due < a.effect.Deadline {
			w.fatalf("job %s is parked until %d, and nothing comes of it", last.id, due)
		}
		w.book.settle(w, last.id)
		return true
	})
	switch {
	case void, err == nil:
		n.drop(a)
	case a.phase == phasePark, w.bugs.forgetsDelivery:
		a.phase = phaseRead
	}
}

// refusesReturn: what an invocation returned counts while its job waits for a
// result.
func (w *world) refusesReturn(c *jobChange) bool {
	last := w.store.lastJob(c.row.action)
	j := last.job()
	return (last.id != c.row.id || j.Ended()) && !w.bugs.believesReturned
}

// endReturned takes the job from a function that answered at once.
func (w *world) endReturned(c *jobChange) {
	row := w.store.lastJob(c.row.action)
	if w.bugs.keepsReturned {
		w.book.verdicts[c.row.action] = *c.returned
		return
	}
	if !running(w.store.pipeline(row.pipeline).history.actions[row.action]) {
		w.withdraw(row)
		return
	}
	w.book.returned(w, c)
	stepped, decision := w.stepJob(row.job(), w.jobEvent(engine.WithdrawJob{}))
	if decision.Changed {
		w.updateJob(row, stepped)
	}
	w.logf("job %s: answered at once", short(row.id))
	w.book.settle(w, row.id)
}

// stopInvoked: who stops an action on a node ends its attempt to bring a job.
func (w *world) stopInvoked(n *node, action string) {
	if run := n.attempt(action); run != nil && !run.reporting && !(w.bugs.invokesOn && run.phase == phaseInvoke) {
		n.drop(run)
	}
	for _, f := range w.book.jobs {
		if f.action == action {
			f.licences = slices.DeleteFunc(f.licences, func(id string) bool { return id == n.id })
		}
	}
}
