package simtest

import (
	"errors"
	"slices"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// line is the queue of one pipeline's events on one node, with the state as the
// node believes it to be. A batch goes through two turns of the world, so that
// others may commit in between.
type line struct {
	pipeline string
	waiting  []*op
	batch    []*op // under way
	stepped  *writes
	state    *engine.State
	version  int64
}

// op is one event on its way into a commit.
type op struct {
	ev   engine.Event
	past engine.Past
	// token is the client request token of a start, name the pipeline that a
	// create makes, plan the definition of a create or update.
	token string
	name  string
	plan  *pipeline.Plan
	// job is what belongs into the commit of an event that a job reports, which is
	// made even if the event decides nothing.
	job *jobChange
	// missing are executions that are not live and that the step asked for.
	missing []string
	// unknown is set once a commit of the event had an unknown outcome.
	unknown  bool
	decision engine.Decision
	err      error
	done     func(*op) // called once, on the node, unless it dies before
}

var errNameInUse = errors.New("name in use")

// writes is what one commit holds.
type writes struct {
	ops        []*op
	base       int64
	state      string
	deleted    bool
	executions []executionRow
	void       []string
	effects    []engine.Effect
}

// turn moves a line on: it steps a batch, or commits a stepped one.
func (w *world) turn(n *node, l *line) {
	if l.stepped != nil {
		w.commitBatch(n, l)
		return
	}
	if len(l.batch) == 0 {
		l.batch, l.waiting = l.waiting, nil
	}
	w.stepBatch(n, l)
}

// stepBatch steps every op of the batch on the node's state. What changes
// nothing needs no commit, but an answer from a state that was only believed is
// not an answer.
func (w *world) stepBatch(n *node, l *line) {
	row := w.store.pipeline(l.pipeline)
	fresh := l.state == nil || slices.ContainsFunc(l.batch, func(o *op) bool { return o.unknown })
	if fresh && row != nil {
		l.state, l.version = w.loadState(row)
		w.loadMissing(l, row)
		w.findApplied(l, row)
	}
	if row == nil && len(l.batch) > 0 {
		if l.batch[0].name == "" {
			w.fatalf("an event for pipeline %s, which was never made", l.pipeline)
		}
		if w.store.named(l.batch[0].name) != nil {
			l.batch[0].err = errNameInUse
			w.answer(n, l)
			return
		}
	}
	out := &writes{base: l.version}
	touched := []*engine.Execution{}
	for i, o := range l.batch {
		w.lookBack(o, touched)
		state, decision, err := w.step(l, o)
		o.decision, o.err = decision, err
		if missing, ok := errors.AsType[*engine.Missing](err); ok {
			w.logf("%s %s: asks for %s", n.id, short(l.pipeline), short(missing.Execution))
			o.missing = append(o.missing, missing.Execution)
			l.state = nil
			return
		}
		if i == 0 && row != nil && row.version == l.version {
			w.checkAnswer(row, o)
		}
		if err != nil {
			continue
		}
		l.state = state
		if len(decision.Changes) > 0 || len(decision.Touched) > 0 || o.job != nil {
			out.add(o, &touched)
		}
	}
	if len(out.ops) > 0 {
		out.prepare(l.state, touched)
		l.stepped = out
		return
	}
	if !fresh && l.version != row.version && !w.bugs.believesCache {
		w.logf("%s %s: looks again", n.id, short(l.pipeline))
		l.state = nil
		return
	}
	w.answer(n, l)
}

// step gives an op its plan and steps it. An update learns its version here.
func (w *world) step(l *line, o *op) (*engine.State, engine.Decision, error) {
	plans := versions{}
	if row := w.store.pipeline(l.pipeline); row != nil {
		for v, plan := range row.plans { // copied: no order is observed
			plans[v] = plan
		}
	}
	if o.plan != nil {
		version := 1
		if l.state != nil {
			version = l.state.Pipeline.Version + 1
			o.ev.Body = engine.UpdatePipeline{Version: version}
		}
		plan := *o.plan
		plan.Version = version
		o.plan = &plan
		plans[version] = &plan
	}
	for _, earlier := range l.batch { // definitions of this batch
		if earlier == o {
			break
		}
		if earlier.plan != nil && earlier.err == nil {
			plans[earlier.plan.Version] = earlier.plan
		}
	}
	o.past.ConcurrentExecutions = w.limit
	return engine.Step(plans, l.state, o.past, o.ev)
}

// loadMissing gives the ops the executions that their steps asked for.
func (w *world) loadMissing(l *line, row *pipelineRow) {
	for _, o := range l.batch {
		if len(o.missing) == 0 {
			continue
		}
		o.past.Executions = map[string]*engine.Execution{}
		for _, id := range o.missing {
			o.past.Executions[id] = w.pastExecution(row, id)
		}
	}
}

// lookBack replaces what was loaded for an op by what the batch has made of it
// since.
func (w *world) lookBack(o *op, touched []*engine.Execution) {
	for _, e := range touched {
		if slices.Contains(o.missing, e.ID) && e.Ended() && !w.bugs.pastBeforeBatch {
			o.past.Executions[e.ID] = e
		}
	}
}

// checkAnswer: what the rules forbid is refused, and nothing else. History is
// exactly as far as the state that was stepped.
func (w *world) checkAnswer(row *pipelineRow, o *op) {
	if row.history.plan == nil {
		return
	}
	if permitted := row.history.permits(o.ev.Body); permitted != (o.err == nil) && !o.invalid() {
		w.fatalf("%s: %v, but permitted %t", describe(o.ev), o.err, permitted)
	}
}

// invalid reports whether the op was refused for a reason of its own.
func (o *op) invalid() bool {
	rejection, ok := errors.AsType[*engine.Rejection](o.err)
	return ok && rejection.Reason == engine.ReasonInvalid
}

func (x *writes) add(o *op, touched *[]*engine.Execution) {
	x.ops = append(x.ops, o)
	for _, e := range o.decision.Touched {
		if !slices.Contains(*touched, e) {
			*touched = append(*touched, e)
		}
	}
	x.void = append(x.void, o.decision.Void...)
	x.effects = append(x.effects, o.decision.Effects...)
}

func (x *writes) prepare(s *engine.State, touched []*engine.Execution) {
	x.state, x.deleted = encode(s.Pipeline), s.Pipeline.Deleted
	for _, e := range touched {
		x.executions = append(x.executions, executionRow{id: e.ID, live: !e.Ended(), text: encode(e)})
	}
	// An action that a later event of the batch ended is never run.
	x.effects = slices.DeleteFunc(slices.Clone(x.effects), func(e engine.Effect) bool {
		return e.Kind == engine.RunAction && slices.Contains(x.void, e.Action)
	})
}

// commitBatch writes a stepped batch, or part of it, or learns that others were
// first.
func (w *world) commitBatch(n *node, l *line) {
	x := l.stepped
	l.stepped = nil
	if w.postponeTwins(l) {
		l.state = nil
		return
	}
	if o := w.replayed(l, x); o != nil {
		// The start was made earlier: nothing of the batch is written with it.
		l.state = nil
		o.err = nil
		o.decision = engine.Decision{ExecutionID: w.store.token(l.pipeline, o.token).execution}
		l.batch = slices.DeleteFunc(l.batch, func(other *op) bool { return other == o })
		w.logf("%s %s: replay of token %s", n.id, short(l.pipeline), o.token)
		w.called(o)
		return
	}
	if o := w.refused(x); o != nil {
		l.state = nil
		o.err, o.decision = errJobChanged, engine.Decision{}
		l.batch = slices.DeleteFunc(l.batch, func(other *op) bool { return other == o })
		w.called(o)
		return
	}
	err := w.commit(n.id+" "+short(l.pipeline), func() bool { return w.write(n, l, x) })
	switch {
	case err == nil:
		l.version = x.base + int64(len(x.ops))
		w.follow(n, x)
		w.answer(n, l)
	case errors.Is(err, errUnknown) && !w.bugs.forgetsUnknown:
		l.state = nil
		for _, o := range l.batch {
			o.unknown = true
		}
	case errors.Is(err, errFailed):
		l.state = nil
		for _, o := range l.batch {
			if !w.bugs.answersEarly {
				o.err, o.decision = err, engine.Decision{}
			}
		}
		w.answer(n, l)
	default:
		l.state = nil
	}
	w.check()
}

// replayed returns the first start of the batch whose token was used.
func (w *world) replayed(l *line, x *writes) *op {
	for _, o := range x.ops {
		if o.token == "" {
			continue
		}
		if t := w.store.token(l.pipeline, o.token); t != nil && t.at >= w.now-tokenLife {
			return o
		}
	}
	return nil
}

// postponeTwins takes starts out of the batch whose token an earlier start of it
// has: they are replays of what is not durable yet.
func (w *world) postponeTwins(l *line) bool {
	seen := map[string]bool{}
	n := len(l.batch)
	l.batch = slices.DeleteFunc(l.batch, func(o *op) bool {
		twin := o.token != "" && seen[o.token]
		seen[o.token] = true
		if twin {
			l.waiting = append(l.waiting, o)
		}
		return twin
	})
	return len(l.batch) < n
}

// findApplied answers the ops that a commit of unknown outcome applied. What it
// claimed is found by the node's next tick.
func (w *world) findApplied(l *line, row *pipelineRow) {
	l.batch = slices.DeleteFunc(l.batch, func(o *op) bool {
		changes, ok := w.appliedEvent(row, o.ev.ID)
		if !o.unknown || !ok {
			o.unknown = false
			return false
		}
		o.err, o.decision = nil, engine.Decision{Changes: changes}
		for _, c := range changes {
			if c.Kind == engine.ExecutionStarted {
				o.decision.ExecutionID = c.Execution
			}
		}
		w.called(o)
		return true
	})
}

// follow starts, after the commit, what this node claimed in it.
func (w *world) follow(n *node, x *writes) {
	for _, e := range x.effects {
		id := e.Action
		if e.Kind == engine.StopAction {
			id = "stop/" + e.Action
		}
		if row := w.store.effect(id); row != nil && row.node == n.id {
			n.take(row, row.due)
		}
	}
}

// answer tells the batch what came of it.
func (w *world) answer(n *node, l *line) {
	batch := l.batch
	l.batch = nil
	for _, o := range batch {
		w.findStarted(l, o)
		w.called(o)
	}
}

// findStarted answers a start that was refused for the limit with the execution
// that its token has: the engine knows no tokens.
func (w *world) findStarted(l *line, o *op) {
	rejection, ok := errors.AsType[*engine.Rejection](o.err)
	if !ok || rejection.Reason != engine.ReasonLimit || o.token == "" || w.bugs.refusesReplays {
		return
	}
	if t := w.store.token(l.pipeline, o.token); t != nil && t.at >= w.now-tokenLife {
		o.err, o.decision = nil, engine.Decision{ExecutionID: t.execution}
		w.logf("%s: replay of token %s, at the limit", short(l.pipeline), o.token)
	}
}

func (w *world) called(o *op) {
	if o.done != nil {
		done := o.done
		o.done = nil
		done(o)
	}
}
