package simtest

import (
	"errors"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// attempt is an effect that a node carries out, in turns of the world.
type attempt struct {
	id       string
	pipeline string
	effect   engine.Effect
	due      int64
	phase    phase
	// sawBegun is the beginner that was read before beginning.
	sawBegun string
	// started is set once the provider was asked to start, by this process.
	started bool
	work    *work
	// job is the one that was found, or taken to be brought, at the time looked;
	// invocation is that it was brought.
	job        *jobRow
	looked     int64
	invocation *invocation
	// reporting is set while a verdict is on its way.
	reporting bool
}

type phase int

const (
	phaseRead      phase = iota // look at the effect
	phaseBegin                  // commit that it is begun
	phaseAwait                  // the provider works
	phaseOffer                  // make the first job
	phasePark                   // wait until the job needs attention
	phaseTake                   // commit that the job is brought
	phaseInvoke                 // bring it
	phaseReturn                 // wait for what the invocation returns
	phaseDelivered              // wait as in phasePark; the job was brought
)

// progress moves an attempt on.
func (w *world) progress(n *node, a *attempt) {
	if a.reporting {
		return
	}
	if a.effect.Kind == engine.StopAction {
		w.carryOutStop(n, a)
		return
	}
	switch a.phase {
	case phaseRead:
		w.readEffect(n, a)
	case phaseBegin:
		w.begin(n, a)
	case phaseAwait:
		w.await(n, a)
	case phaseOffer:
		w.parkJob(n, a, true)
	case phasePark, phaseDelivered:
		if invoked(w.actionPlan(a)) {
			w.parkInvoked(n, a)
		} else {
			w.parkJob(n, a, false)
		}
	case phaseTake:
		w.takeInvoked(n, a)
	case phaseInvoke:
		w.bring(n, a)
	case phaseReturn:
		w.awaitReturn(n, a)
	}
}

// readEffect decides how an attempt that may have been begun goes on.
func (w *world) readEffect(n *node, a *attempt) {
	row := w.effectOf(a.id)
	if row == nil || row.node != n.id {
		n.drop(a)
		return
	}
	plan := w.actionPlan(a)
	if w.clock(n) >= row.Deadline || a.due >= row.Deadline {
		w.reportDeadline(n, a)
		return
	}
	if plan.IsApproval() {
		w.park(n, a, row.Deadline)
		return
	}
	a.sawBegun = row.begun
	if invoked(plan) {
		a.phase = phaseTake
		return
	}
	if doneByJobs(plan) {
		w.runJob(n, a)
		return
	}
	switch {
	case row.begun == n.id && !a.started, row.begun == "":
		a.phase = phaseBegin
	case row.begun == n.id, row.begun == anyNode:
		a.phase = phaseAwait
	case lost(plan) == pipeline.LostFail:
		w.report(n, a, engine.ActionReported{
			Execution: a.effect.Execution, Action: a.effect.Action,
			Outcome: engine.Outcome{ErrorCode: "SystemUnavailable", ErrorMessage: "outcome unknown: the node went away"},
		})
	default:
		a.phase = phaseBegin
	}
}

func lost(plan *pipeline.ActionPlan) pipeline.WhenLost { return whenLost(plan.Type.Provider) }

// begin commits who begins the attempt, and only then lets the provider start.
func (w *world) begin(n *node, a *attempt) {
	err := w.commit(n.id+" begin "+short(a.id), func() bool {
		row := w.store.effect(a.id)
		if row == nil || row.node != n.id || row.begun != a.sawBegun {
			return false
		}
		w.setEffect(row, n.id, n.id, row.due)
		return true
	})
	switch {
	case err == nil || w.bugs.beginsAnyway && errors.Is(err, errConflict):
		w.outside.start(w, n, a)
		a.started, a.phase = true, phaseAwait
	default:
		// Nothing was started by this process yet: look who has it now.
		a.phase = phaseRead
	}
}

// await looks at the work. Remote work is left to whoever looks next; work of
// this node ends here.
func (w *world) await(n *node, a *attempt) {
	kind := lost(w.actionPlan(a))
	if a.work == nil {
		a.work = w.outside.find(a.effect.Action, n.id, kind)
	}
	switch {
	case w.clock(n) >= a.effect.Deadline:
		w.outside.stop(w, a.effect.Action, n.id)
		w.reportDeadline(n, a)
	case a.work == nil:
		w.fatalf("action execution %s was begun, but nothing of it is found", a.id)
	case a.work.verdict == nil && kind == pipeline.LostFind && w.rng.IntN(3) == 0:
		w.park(n, a, min(w.now+w.rng.Int64N(2*minute), a.effect.Deadline))
	case a.work.verdict == nil:
		if kind != pipeline.LostFind && (w.calm || w.rng.IntN(3) == 0) {
			w.outside.finish(w, a.work)
		}
	default:
		w.reportVerdict(n, a, *a.work.verdict)
	}
}

// reportVerdict reports what the provider said: late, twice, or followed by its
// contrary, as it happens.
func (w *world) reportVerdict(n *node, a *attempt, v verdict) {
	body := w.verdict(a, v)
	if !w.calm && w.rng.IntN(10) == 0 {
		contrary := w.verdict(a, verdict{succeeded: w.rng.IntN(2) == 0})
		w.rumours = append(w.rumours, rumour{a.pipeline, contrary})
	}
	w.report(n, a, body)
}

func (w *world) verdict(a *attempt, v verdict) engine.ActionReported {
	body := engine.ActionReported{Execution: a.effect.Execution, Action: a.effect.Action, Succeeded: v.succeeded}
	switch {
	case v.errored:
		body.Outcome.ErrorCode = "ConfigurationError"
		return body
	case !v.succeeded:
		body.Outcome.ErrorCode = jobFailed
		return body
	}
	plan := w.actionPlan(a)
	for _, out := range plan.Outputs {
		body.Produced = append(body.Produced, out.Name)
	}
	if plan.IsSource() {
		body.Revision = &pipeline.Revision{ID: "rev-" + short(a.id)}
	}
	return body
}

// rumour is a report that comes again, or its contrary, once the action is over;
// a bad one may overtake the good one.
type rumour struct {
	pipeline string
	body     engine.ActionReported
}

// spread sends a rumour whose time has come, or a deadline that may be early.
func (w *world) spread(n *node) {
	if len(w.rumours) > 0 {
		i := w.rng.IntN(len(w.rumours))
		r := w.rumours[i]
		over := w.store.pipeline(r.pipeline).history.actions[r.body.Action].status != engine.InProgress
		if over || !r.body.Succeeded && w.rng.IntN(2) == 0 {
			w.submit(n, r.pipeline, &op{ev: w.event(n, r.body)})
			w.rumours = append(w.rumours[:i:i], w.rumours[i+1:]...)
			return
		}
	}
	if len(w.store.effects) > 0 {
		e := w.store.effects[w.rng.IntN(len(w.store.effects))]
		o := &op{ev: w.event(n, engine.DeadlineReached{Execution: e.Execution, Action: e.Action})}
		if doneByJobs(w.store.pipeline(e.pipeline).history.actions[e.Action].plan) {
			if e.Kind != engine.RunAction || w.clock(n) < e.Deadline {
				return // with jobs, only who keeps the time of an action says that it is over
			}
			o.job = &jobChange{timesOut: e.Action}
		}
		w.submit(n, e.pipeline, o)
	}
}

func (w *world) reportDeadline(n *node, a *attempt) {
	w.report(n, a, engine.DeadlineReached{Execution: a.effect.Execution, Action: a.effect.Action})
}

// report applies an event until it is applied. A time-out that this node has
// seen counts as seen at the deadline at least, however wrong its clock is.
func (w *world) report(n *node, a *attempt, body engine.Body) {
	a.reporting = true
	ev := w.event(n, body)
	var change *jobChange
	if _, ok := body.(engine.DeadlineReached); ok {
		ev.At = max(ev.At, a.effect.Deadline)
		if !w.bugs.timesOutAlone {
			change = &jobChange{timesOut: a.effect.Action}
		}
	}
	var submit func()
	submit = func() {
		w.submit(n, a.pipeline, &op{ev: ev, job: change, done: func(o *op) {
			if errors.Is(o.err, errFailed) {
				submit()
				return
			}
			n.drop(a)
		}})
	}
	submit()
}

// park gives the claim back until it is time to look again.
func (w *world) park(n *node, a *attempt, due int64) {
	err := w.commit(n.id+" park "+short(a.id), func() bool {
		row := w.store.effect(a.id)
		if row == nil || row.node != n.id {
			return false
		}
		w.setEffect(row, "", anyNode, due)
		return true
	})
	if err == nil || errors.Is(err, errConflict) {
		if row := w.effectOf(a.id); row == nil || row.node != n.id {
			n.drop(a)
		}
		return
	}
	a.phase = phaseRead
}

// carryOutStop tells the provider of an abandoned action to stop.
func (w *world) carryOutStop(n *node, a *attempt) {
	row := w.effectOf(a.id)
	if row == nil || row.node != n.id {
		n.drop(a)
		return
	}
	w.outside.stop(w, a.effect.Action, n.id)
	w.stopInvoked(n, a.effect.Action)
	err := w.commit(n.id+" stopped "+short(a.id), func() bool {
		if !w.bugs.keepsJob {
			w.withdrawJob(a.effect.Action)
		}
		if e := w.store.effect(a.id); e != nil && e.runner != "" && e.runner != n.id {
			w.fatalf("%s stops action execution %s, which %s runs", n.id, a.effect.Action, e.runner)
		}
		w.deleteEffect(a.id)
		return true
	})
	if err == nil {
		n.drop(a)
	}
}

func (w *world) actionPlan(a *attempt) *pipeline.ActionPlan {
	plan := w.store.pipeline(a.pipeline).plans[a.effect.Version]
	stage := &plan.Stages[plan.Stage(a.effect.Stage)]
	return stage.Attempted(a.effect.Gate, a.effect.Name)
}
