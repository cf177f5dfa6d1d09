package simtest

import (
	"errors"

	"github.com/penstock-cd/penstock/internal/engine"
)

// jobCall is a job worker's call to a node: a poll, an acknowledgement or a result.
// It goes through turns of the world, so that others may be faster.
type jobCall struct {
	worker *worker
	// A poll names the kind of jobs and how many; anything else the job and what is
	// said of it.
	kind   string
	most   int
	job    string
	body   engine.JobBody
	looked bool
	// The event keeps its id, however often it is tried.
	ev     engine.JobEvent
	change *jobChange // what is to be committed
	waits  bool       // for the pipeline's commit

	jobs   []engine.Job     // that a poll brought
	status engine.JobStatus // that an acknowledgement was answered with
	err    error
}

// callJob makes a call of a node.
func (w *world) callJob(n *node, c *jobCall) {
	if c.worker.call != nil {
		w.fatalf("worker %s makes two calls", c.worker.name)
	}
	c.worker.call = c
	n.calls = append(n.calls, c)
}

func (w *world) answerCall(n *node, c *jobCall) {
	n.dropCall(c)
	c.worker.call = nil
	w.hear(c)
}

func (n *node) dropCall(c *jobCall) {
	for i := range n.calls {
		if n.calls[i] == c {
			n.calls = append(n.calls[:i:i], n.calls[i+1:]...)
			return
		}
	}
}

// moveCall moves a call on.
func (w *world) moveCall(n *node, c *jobCall) {
	switch {
	case c.waits:
	case c.body == nil && !c.looked:
		c.looked = true
		if len(w.availableJobs(c.kind, 1)) == 0 {
			w.answerCall(n, c)
		}
	case c.body == nil:
		w.poll(n, c)
	case c.change == nil:
		w.judgeCall(n, c)
	default:
		w.commitCall(n, c)
	}
}

// poll hands out what is available. Jobs of actions that are over are withdrawn on
// the way.
func (w *world) poll(n *node, c *jobCall) {
	c.err = w.commit(n.id+" poll "+c.kind, func() bool {
		c.jobs = nil
		rows := w.availableJobs(c.kind, c.most)
		before := w.book.offers(w, c.kind)
		for _, row := range rows {
			if w.store.effect(row.action) == nil && !w.bugs.handsOutOver {
				w.withdraw(row)
				continue
			}
			stepped, decision := w.stepJob(row.job(), w.jobEvent(engine.HandOutJob{}))
			if !decision.HandedOut {
				continue
			}
			w.updateJob(row, stepped)
			w.logf("%s: hands job %s to %s under %s", n.id, short(row.id), c.worker.name, short(stepped.Nonce))
			w.book.handedOut(w, row.id, stepped)
			w.book.settle(w, row.id)
			c.jobs = append(c.jobs, stepped)
		}
		if len(rows) < c.most && len(c.jobs) != before {
			w.fatalf("a poll of %s brought %d jobs, available are %d", c.kind, len(c.jobs), before)
		}
		return true
	})
	if c.err != nil {
		c.jobs = nil
	}
	w.answerCall(n, c)
}

// judgeCall reads the job and judges what its worker says.
func (w *world) judgeCall(n *node, c *jobCall) {
	row := w.readJob(c.job)
	if row == nil {
		w.fatalf("job %s is gone", c.job)
	}
	current, over := row.job(), !w.needed(row.action)
	if c.ev.ID == "" {
		c.ev = w.jobEvent(c.body)
	}
	c.ev.At = w.now
	// What was committed before is answered by that.
	applied := current.Event == c.ev.ID && !w.bugs.withdrawsFirst
	if over && !applied && !w.bugs.acknowledgesOver {
		current, _ = w.stepJob(current, w.jobEvent(engine.WithdrawJob{}))
	}
	stepped, decision, err := engine.StepJob(current, c.ev)
	w.book.judge(w, c, stepped, decision, err)
	if err != nil || !decision.Changed {
		c.err, c.status = err, stepped.Status
		w.answerCall(n, c)
		return
	}
	c.change = &jobChange{call: c, row: row, at: w.now, body: c.body, stepped: stepped, decision: decision, over: over}
}

// commitCall makes durable what a worker said: with the pipeline's event, in one
// commit, if something is reported to it.
func (w *world) commitCall(n *node, c *jobCall) {
	change := c.change
	if change.decision.Report != nil && !w.bugs.reportsApart {
		c.waits = true
		o := &op{ev: w.event(n, *change.decision.Report), job: change, done: func(o *op) { w.committed(n, c, o.err) }}
		w.submit(n, change.row.pipeline, o)
		return
	}
	err := w.commit(n.id+" job "+short(c.job), func() bool {
		if w.store.job(c.job).revision != change.row.revision && !w.bugs.ignoresRevision {
			return false
		}
		w.keepJob(change)
		return true
	})
	if report := change.decision.Report; report != nil && err == nil {
		w.submit(n, change.row.pipeline, &op{ev: w.event(n, *report), job: &jobChange{row: change.row, stored: true}})
	}
	w.committed(n, c, err)
}

// committed ends a call, or begins it again if others changed the job or nobody
// knows whether it was changed.
func (w *world) committed(n *node, c *jobCall, err error) {
	stepped := c.change.stepped
	c.waits, c.change = false, nil
	switch {
	case err == nil:
		c.status = stepped.Status
	case errors.Is(err, errJobChanged), errors.Is(err, errConflict), errors.Is(err, errUnknown):
		if w.bugs.repeatsWord {
			c.ev.ID = ""
		}
		return
	default:
		c.err = err
	}
	w.answerCall(n, c)
}
