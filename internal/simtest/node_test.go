package simtest

import (
	"fmt"
	"slices"

	"github.com/penstock-cd/penstock/internal/engine"
)

// leaseLife is how long a node's claims outlive its last sign of life.
const leaseLife = 15 * second

// maxSkew is how far a node's clock may be off.
const maxSkew = 5 * minute

// node is one process. All of it is memory: a crash loses it.
type node struct {
	id       string // of this incarnation
	name     string
	skew     int64 // of its clock against the database's
	paused   int64 // until then it does nothing
	down     bool
	lines    []*line
	attempts []*attempt
	calls    []*jobCall
}

// start brings a node up as a new incarnation, which shows that it lives before
// it does anything.
func (w *world) start(n *node) {
	w.incarnations++
	*n = node{name: n.name, id: fmt.Sprintf("%s.%d", n.name, w.incarnations), skew: n.skew}
	w.setLease(n.id, w.now+leaseLife)
	if w.tables != nil {
		if err := w.commitTables("ok", nil); err != nil {
			w.fatalf("a node does not come up: %v", err)
		}
	}
	w.logf("%s: up", n.id)
}

// crash loses a node: what it runs is cut off, what it claimed stays.
func (w *world) crash(n *node) {
	w.logf("%s: crash", n.id)
	n.down = true
	for _, l := range n.lines {
		for _, o := range append(l.batch, l.waiting...) {
			w.clients.lost(o)
		}
	}
	for _, c := range n.calls {
		w.unheard(c)
	}
	n.lines, n.attempts, n.calls = nil, nil, nil
	w.outside.nodeGone(n.id)
}

func (w *world) clock(n *node) int64 { return w.now + n.skew }

// event makes an event on a node.
func (w *world) event(n *node, body engine.Body) engine.Event {
	w.events++
	return engine.Event{ID: fmt.Sprintf("event-%d", w.events), At: w.clock(n), Body: body}
}

// submit queues an op.
func (w *world) submit(n *node, pipeline string, o *op) {
	for _, l := range n.lines {
		if l.pipeline == pipeline {
			l.waiting = append(l.waiting, o)
			return
		}
	}
	n.lines = append(n.lines, &line{pipeline: pipeline, waiting: []*op{o}})
}

// busy returns the lines that have something to do.
func (n *node) busy() []*line {
	var lines []*line
	for _, l := range n.lines {
		if len(l.waiting) > 0 || len(l.batch) > 0 {
			lines = append(lines, l)
		}
	}
	return lines
}

// tick is a node's loop: renew the lease, free what dead nodes had claimed,
// claim what is due.
func (w *world) tick(n *node) {
	w.commit(n.id+" renew", func() bool {
		w.setLease(n.id, w.now+leaseLife)
		return true
	})
	w.commit(n.id+" release", func() bool {
		w.releaseExpired(n)
		return true
	})
	w.claim(n)
}

// releaseExpired frees every claim that no living lease stands behind. A node
// that lost its lease may claim again before it renews, so a claim without any
// lease counts too.
func (w *world) releaseExpired(n *node) {
	gone := map[string]bool{}
	w.store.leases = slices.DeleteFunc(w.store.leases, func(l *leaseRow) bool {
		gone[l.node] = l.expires < w.now && l.node != n.id
		if gone[l.node] {
			w.tables.note(1, `delete from leases where node = $1 and expires < $2`, l.node, w.now)
		}
		return gone[l.node]
	})
	for _, e := range w.store.effects {
		orphan := w.store.lease(e.node) == nil && !w.bugs.orphansClaims
		if e.node != "" && (gone[e.node] || orphan) {
			w.logf("%s: frees %s of %s", n.id, short(e.id), e.node)
			e.runner = ""
			w.setEffect(e, "", e.begun, e.due)
		}
	}
}

// claim takes what is due. Then it looks for claims that nobody here carries
// out: stops from other nodes, and what a commit of unknown outcome claimed.
func (w *world) claim(n *node) {
	var claimed []*effectRow
	err := w.commit(n.id+" claim", func() bool {
		claimed = w.claimable("", w.now)
		for _, found := range claimed {
			e := w.store.effect(found.id)
			w.setEffect(e, n.id, e.begun, e.due)
		}
		return true
	})
	if err != nil {
		return // what it claimed it finds the next time
	}
	for _, e := range claimed {
		n.take(e, e.due)
	}
	if w.bugs.neverAdopts {
		return
	}
	for _, e := range w.claimable(n.id, 0) {
		due := int64(0) // others may have set it since it was claimed
		if w.bugs.adoptsDue {
			due = e.due
		}
		n.take(e, due)
	}
}

// take begins to carry out a claimed effect, unless it is under way already. due is
// when it fell due.
func (n *node) take(row *effectRow, due int64) {
	if n.attempt(row.id) == nil {
		n.attempts = append(n.attempts, &attempt{id: row.id, effect: row.Effect, pipeline: row.pipeline, due: due})
	}
}

func (n *node) attempt(id string) *attempt {
	for _, a := range n.attempts {
		if a.id == id {
			return a
		}
	}
	return nil
}

func (n *node) drop(a *attempt) {
	n.attempts = slices.DeleteFunc(n.attempts, func(other *attempt) bool { return other == a })
}
