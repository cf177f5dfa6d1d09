package db

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	maxGroup    = 256 // units that share one commit
	writerStmts = 256
)

// unit is one Write that waits for the writer.
type unit struct {
	fn    func(*Tx) error
	taken atomic.Bool // by the writer, which runs it, or by its caller, who gave up
	err   error       // the outcome, before done is closed
	done  chan struct{}

	after    error // a fault to report although the commit worked
	onCommit []func()
	topics   []string
}

// take claims the unit: true for the first caller only.
func (u *unit) take() bool { return u.taken.CompareAndSwap(false, true) }

func (u *unit) finish(err error) {
	u.err = err
	close(u.done)
}

// writer owns the only connection that writes. Its goroutine takes all units
// that wait, up to maxGroup, and commits them together.
type writer struct {
	pool   *sql.DB
	logger *slog.Logger
	faults *Faults
	hub    *hub

	pause sync.Mutex    // held while a group runs; migrations hold it too
	wake  chan struct{} // holds one: there may be something in queue
	ended chan struct{} // closed when the goroutine is gone

	mu     sync.Mutex
	queue  []*unit
	closed bool

	conn *sqliteConn // nil when it must be opened (again); guarded by pause
	redo redo        // of the group that runs; guarded by pause
}

func newWriter(pool *sql.DB, conn *sqliteConn, cfg Config, h *hub) *writer {
	w := &writer{
		pool: pool, conn: conn, logger: cfg.Logger, faults: cfg.Faults, hub: h,
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	go w.loop()
	return w
}

// submit queues fn and waits for its outcome.
func (w *writer) submit(ctx context.Context, fn func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	u := &unit{fn: fn, done: make(chan struct{})}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return ErrClosed
	}
	w.queue = append(w.queue, u)
	w.mu.Unlock()
	w.nudge()
	select {
	case <-u.done:
		return u.err
	case <-ctx.Done():
	}
	if u.take() {
		return ctx.Err()
	}
	<-u.done
	return u.err
}

func (w *writer) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// close lets the queue drain and ends the goroutine.
func (w *writer) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.nudge()
	<-w.ended
}

func (w *writer) loop() {
	ok := false
	defer func() {
		if !ok { // a unit ended the goroutine; the others are not to suffer
			w.nudge()
			go w.loop()
			return
		}
		close(w.ended)
	}()
	for range w.wake {
		for {
			w.gather()
			group, closed := w.next()
			if len(group) > 0 {
				w.runGroup(group)
				continue
			}
			if !closed {
				break
			}
			if w.conn != nil {
				_ = w.conn.close()
			}
			ok = true
			return
		}
	}
}

// gather lets those run first who are about to write: what a commit costs is
// shared by its units. On an idle machine nobody is, and no time goes by.
func (w *writer) gather() {
	for n, before := w.waiting(), 0; n > before && n < maxGroup; n, before = w.waiting(), n {
		runtime.Gosched()
	}
}

func (w *writer) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue)
}

// next takes the units that wait.
func (w *writer) next() (group []*unit, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.queue), maxGroup)
	group = w.queue[:n:n]
	if w.queue = w.queue[n:]; len(w.queue) == 0 {
		w.queue = nil
	}
	return group, w.closed
}

// runGroup runs and commits the units. It begins anew with those that are left
// when a transaction is lost half-way.
func (w *writer) runGroup(group []*unit) {
	w.pause.Lock()
	defer w.pause.Unlock()
	for len(group) > 0 {
		group = w.runTransaction(group)
	}
}

// runTransaction runs units in one transaction and answers them; it returns
// those that it did not get to.
func (w *writer) runTransaction(group []*unit) (left []*unit) {
	if err := w.begin(); err != nil {
		for _, u := range group {
			if u.take() {
				u.finish(fmt.Errorf("beginning a write: %w", err))
			}
		}
		return nil
	}
	g := &groupRun{writer: w, alone: len(group) == 1, redo: &w.redo}
	defer g.redo.clear()
	defer func() { g.abandon(left) }()
	for i, u := range group {
		left = group[i+1:]
		if !u.take() {
			continue
		}
		if err := g.run(u); err != nil {
			g.lost(err)
			return left
		}
	}
	g.commit()
	return nil
}

// begin opens a transaction, and before it the connection if there is none.
func (w *writer) begin() error {
	if w.conn == nil {
		conn, err := openWriter(context.Background(), w.pool)
		if err != nil {
			return err
		}
		w.conn = conn
	}
	err := w.conn.run("begin immediate")
	if err != nil {
		w.drop()
	}
	return err
}

// rollback ends the transaction. A connection that cannot even do that is
// replaced; closing it rolls back.
func (w *writer) rollback() {
	if w.conn != nil && w.conn.run("rollback") != nil {
		w.drop()
	}
}

func (w *writer) drop() {
	_ = w.conn.close()
	w.conn = nil
}

// groupRun is one transaction of the writer.
type groupRun struct {
	writer  *writer
	alone   bool    // one unit: the transaction is its savepoint
	redo    *redo   // what the others wrote, should one fail
	careful bool    // one failed: those after it have savepoints
	written []*unit // succeeded so far, to be committed
	refused []refusal
	running *unit
}

// refusal is a unit that failed alone. It may rest on what the units before it
// wrote, as a duplicate does, so that it is told only when that is durable.
type refusal struct {
	unit *unit
	err  error
}

// run runs one unit. It returns an error if the whole transaction is lost, which
// the unit has been told already.
func (g *groupRun) run(u *unit) error {
	conn, savepoint := g.writer.conn, g.careful
	if savepoint {
		if err := conn.run("savepoint unit"); err != nil {
			u.finish(err)
			return err
		}
	}
	g.running = u
	finished := false
	before := g.redo.begin()
	tx := &Tx{session: g.session()}
	err := runUnit(tx, u.fn, &finished)
	g.running = nil
	if err == nil {
		err, u.after = g.writer.faults.next().split()
	}
	if err != nil {
		if lost := g.undo(savepoint, before); lost != nil {
			u.finish(err)
			return cmp.Or(tx.failed, lost) // the failed statement says why
		}
		g.refused = append(g.refused, refusal{u, err})
		return nil
	}
	if savepoint {
		if err := conn.run("release unit"); err != nil {
			u.finish(err)
			return err
		}
	}
	u.onCommit, u.topics = tx.onCommit, tx.topics
	g.written = append(g.written, u)
	return nil
}

// session is what a unit of the group writes with.
func (g *groupRun) session() session {
	plain := sqliteSession{ctx: context.Background(), conn: g.writer.conn}
	if g.alone || g.careful {
		return plain
	}
	return redoSession{plain, g.redo}
}

// undo takes back what the running unit wrote. It fails when the transaction is
// lost, as it is when SQLite has rolled back everything by itself because the
// disk is full.
func (g *groupRun) undo(savepoint bool, before redoMark) error {
	g.redo.forget(before)
	w := g.writer
	switch {
	case g.alone:
		w.rollback()
		return nil
	case savepoint:
		if err := w.conn.run("rollback to unit"); err != nil {
			return err
		}
		return w.conn.run("release unit")
	}
	// One that fails may be one of many: the next have savepoints.
	g.careful = true
	if !g.redo.touched {
		return nil
	}
	w.rollback()
	if err := w.begin(); err != nil {
		return err
	}
	return g.redo.run(w.conn)
}

// commit makes the units durable and answers them.
func (g *groupRun) commit() {
	w := g.writer
	if len(g.written) == 0 {
		// A lone unit that failed has rolled back already; one whose caller gave up
		// was never run.
		if !g.alone || len(g.refused) == 0 {
			w.rollback()
		}
		g.refuse()
		return
	}
	if err := w.conn.run("commit"); err != nil {
		w.rollback()
		g.fail(fmt.Errorf("%w: %w", ErrUnknownOutcome, err))
		return
	}
	for _, u := range g.written {
		if u.after == nil {
			runCallbacks(w.logger, u.onCommit)
			w.hub.wake(u.topics...)
		}
	}
	for _, u := range g.written {
		u.finish(u.after)
	}
	g.refuse()
}

// refuse answers the units that failed alone.
func (g *groupRun) refuse() {
	for _, r := range g.refused {
		r.unit.finish(r.err)
	}
}

// fail gives every unit that ran the same answer, whatever its own was.
func (g *groupRun) fail(err error) {
	for _, u := range g.written {
		u.finish(err)
	}
	for _, r := range g.refused {
		r.unit.finish(err)
	}
}

// lost answers the units of a transaction that is gone: they are rolled back,
// and it is known.
func (g *groupRun) lost(cause error) {
	g.writer.rollback()
	g.fail(fmt.Errorf("rolled back with its group: %w", cause))
}

// abandon is for a unit that ended the goroutine: it answers those that ran and
// queues the others again, so that nobody waits for ever.
func (g *groupRun) abandon(left []*unit) {
	if g.running == nil {
		return
	}
	g.running.finish(errGoexit)
	g.lost(errGoexit)
	w := g.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(slices.Clone(left), w.queue...)
}
