package simtest

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/engine"
)

// jobBook is what a reader of the workers' calls alone believes of all jobs. It
// judges what is committed, and how each call is answered, by rules written down
// here once more (execution.md 8.2, 8.3; observed.md 13), and compares what it
// believes with each job that was stored.
type jobBook struct {
	jobs   []*jobFact
	byID   map[string]*jobFact
	nonces map[string]bool // that were given out
	given  []string        // the same, in order
	// verdicts are the last words of jobs on their actions, by action execution.
	verdicts map[string]jobVerdict
}

// jobFact is one job.
type jobFact struct {
	id, pipeline, action, kind string
	number                     int
	token                      string // of the job before
	source                     bool
	outputs                    []string
	deadline, timeout          int64
	offered                    int64
	nonce                      string // of the last handing out
	handed                     int64
	acknowledged               bool
	begun                      int64
	end                        jobEnd
	// answer is the result that counted, continued says that it had a token, late
	// that the action was over already.
	answer          string
	continued, late bool
	// withdrawn says that nobody gets the job any more: its action is over.
	withdrawn bool
	taken     *jobCall // the call that changed the job last, if one did
	// said is what the jobs up to here said of the action.
	said engine.JobProgress
	invokedFact
}

// jobEnd is how a job ended.
type jobEnd int

const (
	jobOpen jobEnd = iota
	jobDone
	jobGaveUp
	jobLate
)

// jobVerdict is how an action has to end.
type jobVerdict struct {
	succeeded bool
	produced  []string
	outcome   engine.Outcome
	revision  string
	// timedOut says that nobody answered in time.
	timedOut bool
}

func newJobBook() jobBook {
	return jobBook{byID: map[string]*jobFact{}, nonces: map[string]bool{}, verdicts: map[string]jobVerdict{}}
}

// over reports whether a job's action execution has ended.
func (f *jobFact) over(w *world) bool {
	return !running(w.store.pipeline(f.pipeline).history.actions[f.action])
}

// status is that of the stored job.
func (f *jobFact) status() engine.JobStatus {
	switch {
	case f.end == jobDone:
		return engine.JobSucceeded
	case f.end == jobLate:
		return engine.JobTimedOut
	case f.end == jobGaveUp, f.withdrawn && !f.acknowledged:
		return engine.JobFailed
	case f.acknowledged:
		return engine.JobInProgress
	case f.nonce != "":
		return engine.JobDispatched
	case f.ready() > f.offered:
		return engine.JobCreated
	}
	return engine.JobQueued
}

// available is when a poll may bring the job; zero is never.
func (f *jobFact) available() int64 {
	switch status := f.status(); {
	case f.invoked: // it is brought
	case status == engine.JobQueued:
		return f.offered
	case status == engine.JobDispatched:
		return f.handed + acknowledgeTime
	}
	return 0
}

// due is when its action needs attention at the latest.
func (f *jobFact) due() int64 {
	if f.status() == engine.JobInProgress && f.timeout > 0 && !f.withdrawn {
		return min(f.begun+f.timeout, f.deadline)
	}
	if f.invoked && !f.acknowledged {
		return min(f.ready(), f.deadline)
	}
	return f.deadline
}

// spoke reports whether a job had the last word on an action.
func (b *jobBook) spoke(action string) bool {
	_, known := b.verdicts[action]
	return known
}

// offers counts the jobs of a kind that are to be had.
func (b *jobBook) offers(w *world, kind string) (n int) {
	for _, f := range b.jobs {
		if at := f.available(); f.kind == kind && at > 0 && at <= w.now && w.now < f.deadline && !f.over(w) {
			n++
		}
	}
	return n
}

// open returns the job of an action that is not over, nil if there is none.
func (b *jobBook) open(action string) *jobFact {
	for _, f := range b.jobs {
		if f.action == action && f.end == jobOpen {
			return f
		}
	}
	return nil
}

// add takes in a new job.
func (b *jobBook) add(w *world, row *jobRow) *jobFact {
	j := row.job()
	known := w.store.pipeline(row.pipeline).history.actions[row.action]
	if b.byID[row.id] != nil || known == nil || !doneByJobs(known.plan) || known.plan.Type.Provider != row.kind {
		w.fatalf("job %s of %s is offered twice, or nobody asked for it", row.id, row.action)
	}
	f := &jobFact{
		id: row.id, pipeline: row.pipeline, action: row.action, kind: row.kind, number: j.Number, token: j.ContinuationToken,
		source: known.plan.IsSource(), deadline: known.deadline, offered: w.now,
	}
	for _, out := range known.plan.Outputs {
		f.outputs = append(f.outputs, out.Name)
	}
	if f.kind == partnerProvider {
		f.timeout = partnerTime
	}
	if invoked(known.plan) {
		f.invokedAs(known)
	}
	b.jobs, b.byID[f.id] = append(b.jobs, f), f
	return f
}

// offered judges the first job of an action.
func (b *jobBook) offered(w *world, row *jobRow) {
	if slices.ContainsFunc(b.jobs, func(f *jobFact) bool { return f.action == row.action }) {
		w.fatalf("action execution %s has a job and is offered another", row.action)
	}
	if f := b.add(w, row); f.number != 1 || f.token != "" || f.over(w) {
		w.fatalf("job %s is offered: %+v", row.id, *f)
	}
}

// handedOut judges that a job is given to who polled.
func (b *jobBook) handedOut(w *world, id string, j engine.Job) {
	f := b.byID[id]
	switch {
	case f.over(w), f.withdrawn:
		w.fatalf("job %s is handed out, its action %s is over", id, f.action)
	case f.acknowledged, f.end != jobOpen:
		w.fatalf("job %s is handed out, but was acknowledged", id)
	case f.nonce != "" && w.now < f.handed+acknowledgeTime:
		w.fatalf("job %s is handed out again after %d ms", id, w.now-f.handed)
	case w.now >= f.deadline:
		w.fatalf("job %s is handed out after the time-out of its action", id)
	case j.Nonce == "", b.nonces[j.Nonce]:
		w.fatalf("job %s is handed out under the nonce %q, which was given before", id, j.Nonce)
	case j.ContinuationToken != f.token:
		w.fatalf("job %s is handed out with the token %q, not %q", id, j.ContinuationToken, f.token)
	}
	b.nonces[j.Nonce], b.given = true, append(b.given, j.Nonce)
	f.nonce, f.handed = j.Nonce, w.now
}

func (b *jobBook) withdrawn(w *world, id string) {
	f := b.byID[id]
	if !f.over(w) || f.end != jobOpen {
		w.fatalf("job %s is withdrawn: %+v", id, *f)
	}
	f.withdrawn, f.taken = true, nil
}
