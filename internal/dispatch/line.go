package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
)

// lockAfter is the number of lost races after which the pipeline's row is
// locked for the whole of load, Step and commit.
const lockAfter = 3

// line is the queue of one pipeline's events on this node, with the state as it
// was last committed by this node. The state is a guess until the commit's
// version check proves it.
type line struct {
	id      string
	mu      sync.Mutex
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
	// retried is set when an earlier commit of the event has an unknown outcome;
	// that commit was made on top of version since.
	retried bool
	since   int64

	decision engine.Decision
	err      error
	done     chan struct{}
}

// apply queues an event for a pipeline and waits for its commit. When ctx ends
// first, the event may still be applied.
func (d *Dispatcher) apply(ctx context.Context, id string, u *unit) (engine.Decision, error) {
	u.done = make(chan struct{})
	l := d.line(id)
	l.mu.Lock()
	l.waiting = append(l.waiting, u)
	start := !l.busy
	l.busy = true
	l.mu.Unlock()
	if start {
		go d.drain(l)
	}
	select {
	case <-u.done:
		return u.decision, u.err
	case <-ctx.Done():
		return engine.Decision{}, context.Cause(ctx)
	}
}

func (d *Dispatcher) line(id string) *line {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lines[id]
	if l == nil {
		l = &line{id: id}
		d.lines[id] = l
	}
	return l
}

// drain applies what waits, batch by batch, until the line is empty.
func (d *Dispatcher) drain(l *line) {
	for {
		l.mu.Lock()
		batch := l.waiting
		l.waiting = nil
		if len(batch) == 0 {
			l.busy = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		d.applyBatch(l, batch)
		for _, u := range batch {
			close(u.done)
		}
	}
}

// applyBatch brings each unit of a batch to its answer.
func (d *Dispatcher) applyBatch(l *line, batch []*unit) {
	open := slices.Clone(batch)
	for tries := 0; len(open) > 0; tries++ {
		err := d.tryBatch(l, open, tries >= lockAfter)
		if err == nil {
			return
		}
		l.state = nil
		d.dropPlans(l.id, open)
		var replayed *replayedError
		switch {
		case errors.As(err, &replayed):
			// The start was made earlier: answer with that execution.
			replayed.unit.decision = engine.Decision{ExecutionID: replayed.execution}
			replayed.unit.err = nil
			open = slices.DeleteFunc(open, func(u *unit) bool { return u == replayed.unit })
		case errors.Is(err, db.ErrConflict) && d.ctx.Err() == nil && tries < 100:
		case errors.Is(err, db.ErrUnknownOutcome) && tries < 3:
			for _, u := range open {
				if !u.retried {
					u.retried, u.since = true, l.version
				}
			}
			// If it did commit, its effects wait for this node.
			d.nudge()
		default:
			for _, u := range open {
				u.decision, u.err = engine.Decision{}, err
			}
			d.nudge()
			return
		}
	}
}

// tryBatch loads, steps and commits once. Answers are in the units when it
// returns nil.
func (d *Dispatcher) tryBatch(l *line, batch []*unit, lock bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			// A state that no rule may produce: nothing of it is stored.
			d.Logger.Error("engine stopped on a broken invariant", "pipeline", l.id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("applying an event to pipeline %s: broken invariant", l.id)
		}
	}()
	if lock {
		l.state = nil
		var w *writes
		err := d.DB.Write(d.ctx, func(tx *db.Tx) error {
			if err := d.load(tx, l, d.DB.Dialect().LockSuffix); err != nil {
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
	if l.state == nil || slices.ContainsFunc(batch, func(u *unit) bool { return u.retried }) {
		err := d.DB.Read(d.ctx, func(tx *db.Tx) error {
			if err := d.load(tx, l, ""); err != nil {
				return err
			}
			return d.findApplied(tx, l, batch)
		})
		if err != nil {
			return err
		}
	}
	w, err := d.stepAll(nil, l, batch)
	if err != nil || w == nil {
		return err
	}
	return d.committed(l, w, d.DB.Write(d.ctx, w.commit))
}

func (d *Dispatcher) committed(l *line, w *writes, err error) error {
	if err != nil || w == nil {
		return err
	}
	l.version = w.version
	l.row.updated = w.updated
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
		changes, err := scanChanges(tx.QueryRow(sqlSelectChange, l.id, u.since, u.ev.ID))
		if errors.Is(err, db.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		u.decision = engine.Decision{Changes: changes}
		for _, c := range changes {
			if c.Kind == engine.ExecutionStarted {
				u.decision.ExecutionID = c.Execution
			}
		}
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
	w := &writes{d: d, line: l, base: l.version, version: l.version, at: d.nowMillis(), updated: l.row.updated}
	for _, u := range batch {
		if errors.Is(u.err, errApplied) {
			u.err = nil
			continue
		}
		if err := d.ensurePlans(tx, l, u); err != nil {
			return nil, err
		}
		s, decision, err := engine.Step(planSet{d, l.id}, l.state, u.past, u.ev)
		u.decision, u.err = decision, err
		if err != nil {
			continue
		}
		l.state = s
		if len(decision.Changes) > 0 || len(decision.Touched) > 0 {
			w.add(u)
		}
	}
	if len(w.units) == 0 {
		return nil, nil
	}
	return w, w.prepare()
}

// replayedError says that a start with the same token was made before.
type replayedError struct {
	unit      *unit
	execution string
}

func (e *replayedError) Error() string { return "start was made before as " + e.execution }
