package dispatch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
)

// lockAfter is the number of lost races after which the pipeline's row is
// locked for the whole of load, Step and commit.
const lockAfter = 3

// line is the queue of one pipeline's events on this node, with the state as it
// was last loaded or committed by this node. On several nodes the state is a
// guess until a version check proves it: that of the commit, or that of prove
// when there is nothing to commit.
type line struct {
	id string
	// waiting and busy are guarded by the dispatcher's mutex.
	waiting []*unit
	busy    bool

	// Only the goroutine that drains the line uses these.
	state   *engine.State
	version int64
	row     pipelineRow
}

// unit is one event on its way into a commit.
type unit struct {
	ev   engine.Event
	past engine.Past
	// token is the client request token of a start, empty without one.
	token string
	// definition is the new version of an update.
	definition *definition
	// also, if not nil, writes what belongs into the same commit, which is made even
	// if the event decides nothing. Its errJobChanged refuses the event.
	also func(tx *db.Tx) error
	// retried is set when an earlier commit of the event has an unknown outcome;
	// that commit was made on top of version since.
	retried bool
	since   int64
	starts  string // the execution that it started by such a commit, if any
	// missing are executions that are not live and that Step asked for.
	missing []string

	decision engine.Decision
	err      error
	done     chan struct{}
}

// maxLines is the number of pipelines whose state is kept in memory when nothing
// happens in them.
const maxLines = 4096

// apply queues an event for a pipeline and waits for its commit. When ctx ends
// first, the event may still be applied. Whoever finds nobody at work on the
// line does the work, and does not heed ctx.
func (d *Dispatcher) apply(ctx context.Context, id string, u *unit) (engine.Decision, error) {
	u.done = make(chan struct{})
	if l, start := d.enqueue(id, u); start {
		d.drainOne(l)
	}
	select {
	case <-u.done:
		return u.decision, u.err
	case <-ctx.Done():
		return engine.Decision{}, context.Cause(ctx)
	}
}

// enqueue appends a unit to its line; start is set when nobody drains the line.
// Finding the line and appending are one step, so that idle lines can be dropped.
func (d *Dispatcher) enqueue(id string, u *unit) (l *line, start bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l = d.lines[id]
	if l == nil {
		l = &line{id: id}
		d.lines[id] = l
	}
	l.waiting = append(l.waiting, u)
	start = !l.busy
	l.busy = true
	return l, start
}

// dequeue takes the next batch; nil when the line has become idle. A batch ends
// before a client request token that it already holds, so that the second start
// sees what became of the first.
func (d *Dispatcher) dequeue(l *line) []*unit {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(l.waiting)
	for i, u := range l.waiting {
		same := func(earlier *unit) bool { return earlier.token == u.token }
		if u.token != "" && slices.ContainsFunc(l.waiting[:i], same) {
			n = i
			break
		}
	}
	batch := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	if len(batch) == 0 {
		l.busy, l.waiting = false, nil
		if len(d.lines) > maxLines {
			delete(d.lines, l.id)
		}
	}
	return batch
}

// drainOne applies the batch that waits on the goroutine of its first caller,
// who waits for it anyway, and leaves to another one what came meanwhile.
func (d *Dispatcher) drainOne(l *line) {
	d.drain(l, d.dequeue(l))
	if batch := d.dequeue(l); len(batch) > 0 {
		go func() {
			for ; len(batch) > 0; batch = d.dequeue(l) {
				d.drain(l, batch)
			}
		}()
	}
}

// drain applies a batch and answers it.
func (d *Dispatcher) drain(l *line, batch []*unit) {
	d.applyBatch(l, batch)
	for _, u := range batch {
		close(u.done)
	}
}

// applyBatch brings each unit of a batch to its answer.
func (d *Dispatcher) applyBatch(l *line, batch []*unit) {
	open := slices.Clone(batch)
	lost, unknown := 0, 0
	for len(open) > 0 {
		err := d.tryBatch(l, open, lost+unknown >= lockAfter)
		if err == nil {
			return
		}
		l.state = nil
		var replayed *replayedError
		var refused *refusedError
		var missing *engine.Missing
		switch {
		case errors.As(err, &refused):
			refused.unit.decision, refused.unit.err = engine.Decision{}, refused.err
			open = slices.DeleteFunc(open, func(u *unit) bool { return u == refused.unit })
		case errors.As(err, &missing):
			// The unit has noted it: it is loaded with the state.
		case errors.As(err, &replayed):
			// The start was made earlier: answer with that execution.
			replayed.unit.decision = engine.Decision{ExecutionID: replayed.execution}
			replayed.unit.err = nil
			open = slices.DeleteFunc(open, func(u *unit) bool { return u == replayed.unit })
		case errors.Is(err, db.ErrConflict) && lost < 100:
			lost++
		case errors.Is(err, db.ErrUnknownOutcome) && unknown < 3:
			unknown++
			for _, u := range open {
				// The first one still counts: its commit may come to light late.
				if !u.retried {
					u.retried, u.since = true, l.version
				}
				if id := requested(u); id != "" {
					u.starts = id
				}
			}
			d.nudge() // if it did commit, its effects wait for this node
		case errors.Is(err, errBroken) && len(open) > 1:
			// One event breaks the engine: the others must not suffer for it.
			for _, u := range open {
				d.applyBatch(l, []*unit{u})
			}
			return
		default:
			for _, u := range open {
				u.decision, u.err = engine.Decision{}, err
			}
			d.nudge()
			return
		}
	}
}

// errBroken says that an event led to a state that no rule may produce. Nothing
// of it was stored.
var errBroken = errors.New("broken invariant")

// tryBatch loads, steps and commits once. Answers are in the units when it
// returns nil.
func (d *Dispatcher) tryBatch(l *line, batch []*unit, lock bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			d.Logger.Error("engine stopped on a broken invariant", "pipeline", l.id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("applying an event to pipeline %s: %w", l.id, errBroken)
		}
	}()
	if lock {
		return d.tryLocked(l, batch)
	}
	loaded := l.state == nil || slices.ContainsFunc(batch, func(u *unit) bool { return u.retried || l.lacks(u) })
	if loaded {
		if err := d.DB.Read(d.work, func(tx *db.Tx) error { return d.loadFor(tx, l, batch, "") }); err != nil {
			return err
		}
	}
	w, err := d.stepAll(nil, l, batch)
	if err != nil {
		return err
	}
	if w == nil {
		if loaded || d.Exclusive {
			return nil
		}
		return d.prove(l)
	}
	return d.committed(l, w, d.DB.Write(d.work, w.commit))
}

// tryLocked is tryBatch in one transaction that holds the pipeline's row.
func (d *Dispatcher) tryLocked(l *line, batch []*unit) error {
	var w *writes
	err := d.DB.Write(d.work, func(tx *db.Tx) error {
		if err := d.loadFor(tx, l, batch, d.DB.Dialect().LockSuffix); err != nil {
			return err
		}
		var err error
		if w, err = d.stepAll(tx, l, batch); err != nil || w == nil {
			return err
		}
		return w.commit(tx)
	})
	return d.committed(l, w, err)
}

// prove checks that the state from which answers were given is the current one.
func (d *Dispatcher) prove(l *line) error {
	return d.DB.Read(d.work, func(tx *db.Tx) error {
		var version int64
		err := tx.QueryRow(sqlStateVersion, l.id).Scan(&version)
		if errors.Is(err, db.ErrNoRows) {
			return ErrPipelineNotFound
		}
		if err == nil && version != l.version {
			err = db.ErrConflict
		}
		return err
	})
}

func (d *Dispatcher) committed(l *line, w *writes, err error) error {
	if err != nil || w == nil {
		return err
	}
	l.version = w.version
	l.row.updated, l.row.newest = w.updated, w.newest
	for _, u := range w.units {
		if u.definition != nil {
			d.plans.put(planKey{l.id, u.definition.version}, u.definition.plan)
		}
	}
	w.follow()
	return nil
}

// findApplied answers units whose event was applied by a commit of unknown
// outcome.
func (d *Dispatcher) findApplied(tx *db.Tx, l *line, batch []*unit) error {
	for _, u := range batch {
		if !u.retried {
			continue
		}
		changes, err := scanChanges(tx.QueryRow(sqlSelectChange, l.id, u.since, u.ev.ID, u.starts))
		if errors.Is(err, db.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		u.decision = engine.Decision{Changes: named(changes, u.starts)}
		u.decision.ExecutionID = started(changes)
		u.err = errApplied
	}
	return nil
}

// errApplied marks a unit whose event was found applied; it is an answer.
var errApplied = errors.New("event was applied before")

// stepAll steps every open unit and gathers the writes; nil when there is
// nothing to write. Rejections are answers that hold only if the commit of the
// events before them does, which is why units are answered after it.
func (d *Dispatcher) stepAll(tx *db.Tx, l *line, batch []*unit) (*writes, error) {
	w := &writes{d: d, line: l, base: l.version, version: l.version, at: d.nowMillis(), updated: l.row.updated, newest: l.row.newest}
	plans := planSet{}
	var ended map[string]*engine.Execution
	for _, u := range batch {
		if errors.Is(u.err, errApplied) {
			u.err = nil
			continue
		}
		if err := d.gatherPlans(tx, l, u, plans); err != nil {
			return nil, err
		}
		past := u.past
		past.ConcurrentExecutions = d.Quotas.ConcurrentExecutions
		past.Executions = laterPast(past.Executions, ended)
		s, decision, err := engine.Step(plans, l.state, past, u.ev)
		var missing *engine.Missing
		if errors.As(err, &missing) {
			u.missing = append(u.missing, missing.Execution)
			return nil, err
		}
		u.decision, u.err = decision, err
		if err != nil {
			continue
		}
		l.state = s
		for _, e := range decision.Touched {
			if e.Ended() && u != batch[len(batch)-1] {
				if ended == nil {
					ended = map[string]*engine.Execution{}
				}
				ended[e.ID] = e
			}
		}
		if len(decision.Changes) > 0 || len(decision.Touched) > 0 || u.also != nil {
			w.add(u)
		}
	}
	if len(w.units) == 0 {
		return nil, nil
	}
	return w, w.prepare()
}

// laterPast is the past as the earlier events of a batch have made it: what they
// ended is not stored yet, and what was loaded shows it as it was before.
func laterPast(loaded, ended map[string]*engine.Execution) map[string]*engine.Execution {
	if len(ended) == 0 {
		return loaded
	}
	past := maps.Clone(loaded)
	if past == nil {
		past = make(map[string]*engine.Execution, len(ended))
	}
	maps.Copy(past, ended)
	return past
}

// replayedError says that a start with the same token was made before.
type replayedError struct {
	unit      *unit
	execution string
}

func (e *replayedError) Error() string { return "start was made before as " + e.execution }

// refusedError says that what belongs into the commit of an event forbids it.
type refusedError struct {
	unit *unit
	err  error
}

func (e *refusedError) Error() string { return e.err.Error() }
