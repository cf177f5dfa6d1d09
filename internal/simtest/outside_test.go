package simtest

import (
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// outside is where actions really run. Work of a process dies with its node;
// remote work goes on and is found by its key.
type outside struct {
	works     []*work
	starts    map[string]int // by action execution
	functions int
	// contents are the places that hold an artifact.
	contents map[string]bool
}

// work is one provider's doing for an action execution.
type work struct {
	action   string
	pipeline string
	node     string // empty: remote
	live     bool
	verdict  *verdict
	rule     bool
	outputs  []pipeline.ArtifactLocation
}

// verdict is what a provider says in the end. Only a rule's error differs from a
// failure.
type verdict struct{ succeeded, errored bool }

// find returns the work that this node runs, or that runs remotely under the key.
func (x *outside) find(action, node string, kind pipeline.WhenLost) *work {
	if kind == pipeline.LostFind {
		node = ""
	}
	for _, k := range x.works {
		if k.action == action && k.node == node {
			return k
		}
	}
	return nil
}

// start is the provider's Start. The action execution id is its idempotency key:
// a remote system that was asked before does nothing again.
func (x *outside) start(w *world, n *node, a *attempt) {
	kind := lost(w.actionPlan(a))
	where := n.id
	if kind == pipeline.LostFind {
		where = ""
		if known := x.find(a.effect.Action, n.id, kind); known != nil {
			a.work = known
			return
		}
	}
	x.starts[a.effect.Action]++
	if kind != pipeline.LostAgain && x.starts[a.effect.Action] > 1 {
		w.fatalf("action execution %s (%s) was started %d times", a.id, kind, x.starts[a.effect.Action])
	}
	if known := x.find(a.effect.Action, n.id, kind); known != nil && known.live {
		w.fatalf("action execution %s runs twice on %s", a.id, n.id)
	}
	row := w.store.pipeline(a.pipeline)
	known := row.history.actions[a.effect.Action]
	x.checkInputs(w, a, known)
	a.work = &work{
		action: a.effect.Action, pipeline: a.pipeline, node: where, live: true, outputs: known.outputs, rule: known.gate != "",
	}
	x.works = append(x.works, a.work)
	w.logf("%s: start %s %s/%s (%s)", n.id, short(a.id), a.effect.Stage, a.effect.Name, kind)
}

// finish ends a work with a random verdict; a success has written its outputs.
func (x *outside) finish(w *world, k *work) {
	v := verdict{succeeded: w.rng.IntN(w.temper.failures) > 0}
	if k.rule {
		v.succeeded = w.rng.IntN(3+w.temper.failures/6) > 0
		v.errored = !v.succeeded && w.rng.IntN(2) == 0
	}
	k.verdict, k.live = &v, false
	if v.succeeded {
		for _, out := range k.outputs {
			x.contents[out.Bucket+"/"+out.Key] = true
		}
	}
	w.logf("outside: %s ends, succeeded %t", short(k.action), v.succeeded)
}

// checkInputs: nothing starts before its inputs exist.
func (x *outside) checkInputs(w *world, a *attempt, known *action) {
	if len(known.inputs) != len(known.plan.Inputs) {
		w.fatalf("%s starts with %d of its inputs", a.id, len(known.inputs))
	}
	for _, in := range known.inputs {
		if !x.contents[in.Bucket+"/"+in.Key] {
			w.fatalf("%s starts before its input %s exists", a.id, in.Name)
		}
	}
}

// finishRemote ends some remote work by itself. In the end only what is waited
// for ends, so that what nobody stopped is seen.
func (x *outside) finishRemote(w *world) {
	var remote []*work
	for _, k := range x.works {
		waited := !w.calm || running(w.store.pipeline(k.pipeline).history.actions[k.action])
		if k.node == "" && k.live && waited {
			remote = append(remote, k)
		}
	}
	if len(remote) > 0 {
		x.finish(w, remote[w.rng.IntN(len(remote))])
	}
}

// stop is the provider's Stop, called on a node.
func (x *outside) stop(w *world, action, node string) {
	for _, k := range x.works {
		if k.action == action && k.live && (k.node == "" || k.node == node) {
			k.live = false
			k.verdict = &verdict{}
			w.logf("outside: %s is stopped", short(action))
		}
	}
}

// nodeGone cuts off what ran on a node.
func (x *outside) nodeGone(node string) {
	for _, k := range x.works {
		if k.node == node {
			k.live = false
		}
	}
}
