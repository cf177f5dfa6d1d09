package simtest

import (
	"fmt"

	"github.com/penstock-cd/penstock/internal/engine"
)

// invocation is a node's call of a function, with what the node hears of it.
type invocation struct {
	job string
	// lost: the node hears an error, whether the function was reached or not; hangs:
	// it hears nothing.
	lost, hangs bool
	// A function that answers at once goes on with a token or has a verdict. So does
	// Lambda when it refuses.
	token    string
	progress engine.JobProgress
	verdict  *jobVerdict
	// voice says the token to the server, as the node's own call.
	voice *worker
	call  *jobCall
}

// invoke calls the function for a job. That it is reached gives one more worker, who
// has one job.
func (x *outside) invoke(w *world, n *node, a *attempt, j *engine.Job) *invocation {
	w.book.invoked(w, n, a, j)
	v := &invocation{job: j.ID}
	odd := !w.calm
	reached := true
	switch k := w.rng.IntN(30); {
	case odd && k < 3:
		v.lost, reached = true, k > 0
	case odd && k == 3:
		reached = false
		v.verdict = &jobVerdict{outcome: engine.Outcome{ErrorCode: "ConfigurationError", ErrorMessage: "there is no such function"}}
	case a.job.kind == functionProvider:
		x.returns(w, v, a, j)
		reached = odd && w.rng.IntN(6) == 0 // it calls back too
	}
	w.logf("%s: invokes the function for job %s with %q: reached %t, %s", n.id, short(j.ID), j.ContinuationToken, reached, v.heard())
	for reached {
		x.functions++
		w.functions = append(w.functions, &worker{name: fmt.Sprintf("f%d", x.functions), held: []*heldJob{{
			id: j.ID, kind: a.job.kind, token: j.ContinuationToken, acknowledged: true, rounds: j.Number - 1,
		}}})
		reached = odd && w.rng.IntN(8) == 0 // it is brought the same once more
	}
	return v
}

// heard describes what the node hears.
func (v *invocation) heard() string {
	switch {
	case v.lost:
		return "lost"
	case v.hangs:
		return "hangs"
	case v.token != "":
		return "returns " + v.token
	case v.verdict != nil:
		return fmt.Sprintf("returns %+v", *v.verdict)
	}
	return "delivered"
}

// returns draws what a function says that is waited for.
func (x *outside) returns(w *world, v *invocation, a *attempt, j *engine.Job) {
	x.functions++
	text := fmt.Sprintf("f%d", x.functions)
	known := w.store.pipeline(a.pipeline).history.actions[a.effect.Action]
	if w.rng.IntN(2) == 0 {
		v.progress = engine.JobProgress{Summary: "summary of " + text, ExternalExecutionID: "external-" + text}
	}
	switch {
	case !w.calm && w.rng.IntN(12) == 0:
		v.hangs = true
	case j.Number < 5 && w.rng.IntN(2) == 0:
		v.token = "token-" + text
	case w.rng.IntN(w.temper.failures) == 0:
		v.verdict = &jobVerdict{outcome: engine.Outcome{
			ErrorCode: jobFailed, ErrorMessage: "failed in " + text, ExternalExecutionID: v.progress.ExternalExecutionID,
		}}
	default:
		v.verdict = &jobVerdict{succeeded: true, outcome: engine.Outcome{
			Summary: v.progress.Summary, ExternalExecutionID: v.progress.ExternalExecutionID,
		}}
		for _, out := range known.plan.Outputs {
			v.verdict.produced = append(v.verdict.produced, out.Name)
		}
		for _, out := range known.outputs {
			x.contents[out.Bucket+"/"+out.Key] = true
		}
	}
}

// function lets one that was invoked do something: it calls back, takes its time, or
// never does.
func (w *world) function(n *node) {
	i := w.rng.IntN(len(w.functions))
	f := w.functions[i]
	switch {
	case f.call != nil:
	case len(f.held) == 0:
		w.functions = append(w.functions[:i:i], w.functions[i+1:]...)
	case !w.calm && w.rng.IntN(20) == 0:
		w.logf("function %s: ends without a word", f.name)
		f.held = nil
	case w.calm || w.rng.IntN(3) > 0:
		w.proceed(n, f, f.held[0])
	}
}
