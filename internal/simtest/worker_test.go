package simtest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// worker is a job worker: somebody else's program. It polls, acknowledges and
// answers, as a rule; it forgets what it has, says things twice or differently, says
// them late, and knows jobs and nonces of others.
type worker struct {
	name string
	call *jobCall // under way
	held []*heldJob
	said int
}

// heldJob is a job as its worker knows it.
type heldJob struct {
	id, kind, nonce, token string
	acknowledged           bool
	// answer is what was said and may be said again.
	answer engine.JobBody
	rounds int // continuations so far
}

// work lets one call move on, or a worker do something.
func (w *world) work(n *node) {
	if len(n.calls) > 0 && w.rng.IntN(3) > 0 {
		w.moveCall(n, n.calls[w.rng.IntN(len(n.calls))])
		return
	}
	if len(w.functions) > 0 && w.rng.IntN(3) > 0 {
		w.function(n)
		return
	}
	wk := w.workers[w.rng.IntN(len(w.workers))]
	switch k := w.rng.IntN(24); {
	case wk.call != nil:
	case w.calm:
		w.behave(n, wk)
	case k == 0:
		w.logf("worker %s: forgets %d jobs", wk.name, len(wk.held))
		wk.held = nil
	case k < 3:
		w.meddle(n, wk)
	case k == 3 && len(wk.held) > 0:
		other := w.workers[w.rng.IntN(len(w.workers))]
		shared := *wk.held[w.rng.IntN(len(wk.held))]
		other.held = append(other.held, &shared) // two have the same job
	case k < 9 || len(wk.held) == 0:
		w.callJob(n, &jobCall{worker: wk, kind: pick(w.rng, workerProvider, partnerProvider), most: 1 + w.rng.IntN(3)})
	default:
		w.proceed(n, wk, wk.held[w.rng.IntN(len(wk.held))])
	}
}

// behave is what workers do once faults are over: one thing after the other. What
// was acknowledged and forgotten they find in their notes.
func (w *world) behave(n *node, wk *worker) {
	if len(wk.held) == 0 && w.rng.IntN(2) == 0 {
		for _, f := range w.book.jobs {
			if f.acknowledged && f.end == jobOpen && !f.invoked && !f.over(w) && !w.holds(f.id) {
				wk.held = append(wk.held, &heldJob{id: f.id, kind: f.kind, nonce: f.nonce, token: f.token, acknowledged: true, rounds: f.number - 1})
				break
			}
		}
	}
	if len(wk.held) > 0 {
		w.proceed(n, wk, wk.held[0])
		return
	}
	w.callJob(n, &jobCall{worker: wk, kind: pick(w.rng, workerProvider, partnerProvider), most: 3})
}

func (w *world) holds(id string) bool {
	return slices.ContainsFunc(w.workers, func(wk *worker) bool {
		return slices.ContainsFunc(wk.held, func(h *heldJob) bool { return h.id == id })
	})
}

// proceed goes on with a job: acknowledge it, answer it, answer it once more.
func (w *world) proceed(n *node, wk *worker, h *heldJob) {
	odd := !w.calm
	switch {
	case !h.acknowledged && h.answer == nil && (!odd || w.rng.IntN(10) > 0):
		nonce := h.nonce
		if odd && w.rng.IntN(8) == 0 {
			nonce = w.someNonce()
		}
		w.say(n, wk, h.id, engine.AcknowledgeJob{Nonce: nonce})
	case h.answer == nil && odd && w.rng.IntN(3) == 0: // it takes its time
	default:
		if h.answer == nil || odd && w.rng.IntN(4) == 0 {
			h.answer = w.drawAnswer(wk, h)
		}
		w.say(n, wk, h.id, h.answer)
	}
}

// meddle says anything about any job.
func (w *world) meddle(n *node, wk *worker) {
	jobs := w.book.jobs
	if len(jobs) == 0 {
		return
	}
	f := jobs[len(jobs)-1-w.rng.IntN(min(len(jobs), 10))]
	switch w.rng.IntN(4) {
	case 0:
		w.say(n, wk, f.id, engine.AcknowledgeJob{Nonce: w.someNonce()})
	case 1:
		w.say(n, wk, f.id, engine.AcknowledgeJob{Nonce: f.nonce})
	default:
		w.say(n, wk, f.id, w.drawAnswer(wk, &heldJob{id: f.id, kind: f.kind}))
	}
}

// someNonce is one that a job has or had, or none at all.
func (w *world) someNonce() string {
	if given := w.book.given; len(given) > 0 && w.rng.IntN(4) > 0 {
		return given[len(given)-1-w.rng.IntN(min(len(given), 12))]
	}
	return "no-such-nonce"
}

// say makes a call about a job. Who succeeds has written the outputs.
func (w *world) say(n *node, wk *worker, id string, body engine.JobBody) {
	if s, ok := body.(engine.SucceedJob); ok && s.ContinuationToken == "" {
		f := w.book.byID[id]
		for _, out := range w.store.pipeline(f.pipeline).history.actions[f.action].outputs {
			w.outside.contents[out.Bucket+"/"+out.Key] = true
		}
	}
	w.callJob(n, &jobCall{worker: wk, job: id, body: body})
}

// drawAnswer draws a result.
func (w *world) drawAnswer(wk *worker, h *heldJob) engine.JobBody {
	wk.said++
	text := fmt.Sprintf("%s-%d", wk.name, wk.said)
	progress := engine.JobProgress{}
	if w.rng.IntN(2) == 0 {
		progress.Summary = "summary of " + text
	}
	if w.rng.IntN(3) == 0 {
		progress.ExternalExecutionID = "external-" + text
	}
	if w.rng.IntN(3) == 0 {
		progress.Percent = new(w.rng.IntN(101))
	}
	switch {
	case h.rounds < 4 && w.rng.IntN(3) == 0:
		b := engine.SucceedJob{ContinuationToken: "token-" + text, Progress: progress}
		if !w.calm && w.rng.IntN(6) == 0 {
			b.OutputVariables = map[string]string{"V": text}
		}
		return b
	case w.rng.IntN(w.temper.failures) == 0:
		return engine.FailJob{
			Type: pick(w.rng, "JobFailed", "ConfigurationError"), Message: "failed in " + text, ExternalExecutionID: progress.ExternalExecutionID,
		}
	}
	b := engine.SucceedJob{Progress: progress}
	if w.rng.IntN(3) == 0 {
		b.OutputVariables = map[string]string{"V": text}
	}
	if w.rng.IntN(2) == 0 {
		b.Revision = &pipeline.Revision{ID: "rev-" + text}
	}
	return b
}

// hear is what a worker does with an answer.
func (w *world) hear(c *jobCall) {
	wk := c.worker
	if c.body == nil {
		for i := range c.jobs {
			j := &c.jobs[i]
			wk.held = append(wk.held, &heldJob{
				id: j.ID, kind: c.kind, nonce: j.Nonce, token: j.ContinuationToken, rounds: j.Number - 1,
			})
		}
		return
	}
	w.logf("worker %s: %s of %s: %s %v", wk.name, describeJobEvent(c.ev), short(c.job), c.status, c.err)
	i := slices.IndexFunc(wk.held, func(h *heldJob) bool { return h.id == c.job })
	if i < 0 || errors.Is(c.err, errFailed) {
		return // it is not its own, or it says it again
	}
	if _, acknowledged := c.body.(engine.AcknowledgeJob); acknowledged && c.err == nil && c.status == engine.JobInProgress {
		wk.held[i].acknowledged = true
		return
	}
	if c.err == nil && !w.calm && w.rng.IntN(3) == 0 {
		return // it says it again, or something else
	}
	if rejection, ok := errors.AsType[*engine.JobRejection](c.err); ok && rejection.Reason == engine.JobTokenAndVariables {
		wk.held[i].answer = nil // the job is not consumed
		return
	}
	if !w.calm && w.rng.IntN(4) == 0 {
		return // it does not listen
	}
	wk.held = slices.Delete(wk.held, i, i+1)
}

// unheard is told of a call whose node died: nobody knows what came of it.
func (w *world) unheard(c *jobCall) { c.worker.call = nil }
