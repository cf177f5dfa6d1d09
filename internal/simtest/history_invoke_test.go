package simtest

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// The rules of jobs that are brought to functions (actions.md A.26, C.5; observed.md
// 13). A commit, in which the job waits for its result and the action is the node's
// to carry out, gives the node the licence to invoke the function once. A job that is
// known to have come through is brought no more, and one that is not is brought until
// it is answered or out of time.

// invokedFact is what an invoked job has more than any other.
type invokedFact struct {
	invoked bool
	// name is what the action is called outside, whatever the function says; holds
	// says that it judges a rule that its failure makes hold.
	name  string
	holds bool
	pause int64
	// licences are the nodes that may invoke the function, once each; heard are the
	// attempts that know that they did.
	licences []string
	heard    []*attempt
	// noted says that it is written down that the function was invoked.
	noted bool
}

func (f *jobFact) invokedAs(known *action) {
	f.invoked, f.timeout = true, invokedTime
	f.holds = known.gate == pipeline.GateOnFailure
	if f.kind != functionProvider {
		f.name, f.pause = functionName, lambdaPause
		f.said.ExternalExecutionID = functionName
	}
}

// ready is when the function may be invoked.
func (f *jobFact) ready() int64 {
	if f.number == 1 {
		return f.offered
	}
	return f.offered + f.pause
}

// taken judges that a node is about to bring a job.
func (b *jobBook) taken(w *world, n *node, a *attempt, id string) {
	f, e := b.byID[id], w.store.effect(a.id)
	switch {
	case f.over(w), f.withdrawn:
		w.fatalf("job %s is to be brought, its action %s is over", id, f.action)
	case f.end != jobOpen:
		w.fatalf("job %s is to be brought, and has its result: %+v", id, *f)
	case e == nil, e.node != n.id, e.begun != n.id:
		w.fatalf("job %s is to be brought by %s, whose action it is not: %+v", id, n.id, e)
	case w.store.lastJob(f.action).id != id:
		w.fatalf("job %s is to be brought and is not the last of %s", id, f.action)
	case f.noted:
		w.fatalf("job %s is to be brought, and was: %+v", id, *f)
	case w.now < f.ready(), w.now >= f.deadline, f.acknowledged && w.now >= f.begun+f.timeout:
		w.fatalf("job %s is to be brought at the wrong time: %+v", id, *f)
	}
	if !f.acknowledged {
		f.acknowledged, f.begun, f.taken = true, w.now, nil
	}
	if !slices.Contains(f.licences, n.id) {
		f.licences = append(f.licences, n.id)
	}
}

// invoked judges that a node invokes the function.
func (b *jobBook) invoked(w *world, n *node, a *attempt, j *engine.Job) {
	f := b.byID[j.ID]
	i := slices.Index(f.licences, n.id)
	switch {
	case i < 0:
		w.fatalf("%s invokes the function for job %s without being about to: %+v", n.id, f.id, *f)
	case slices.Contains(f.heard, a):
		w.fatalf("%s invokes the function for job %s again and knows that it did", n.id, f.id)
	case j.ContinuationToken != f.token:
		w.fatalf("the function is invoked for job %s with the token %q, not %q", f.id, j.ContinuationToken, f.token)
	}
	f.licences = slices.Delete(f.licences, i, i+1)
}

// delivered: who carries out the action knows that the function has the job.
func (b *jobBook) delivered(a *attempt, id string) {
	if f := b.byID[id]; !slices.Contains(f.heard, a) {
		f.heard = append(f.heard, a)
	}
}

// noted: everybody knows.
func (b *jobBook) noted(id string) {
	f := b.byID[id]
	f.noted = f.noted || len(f.heard) > 0
}

// returned: what a function returns is the result of its job if that has none.
func (b *jobBook) returned(w *world, c *jobChange) {
	f := b.byID[c.row.id]
	if f.end != jobOpen || f.withdrawn || w.store.lastJob(f.action).id != f.id {
		w.fatalf("what was returned for job %s ends action %s: %+v", f.id, f.action, *f)
	}
	f.withdrawn, f.taken = true, nil
	b.verdicts[f.action] = *c.returned
}

// settleInvoked: nobody waits for the result of a job that nobody was brought, but
// who looks next ends one whose time is over.
func (b *jobBook) settleInvoked(w *world, f *jobFact, e *effectRow) {
	if f.invoked && f.status() == engine.JobInProgress && !f.withdrawn && !f.noted && w.now < f.due() {
		w.fatalf("job %s waits for its result, and it is not known that it was brought: %+v, %+v", f.id, *f, *e)
	}
}
