package simtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// store is the durable side: what survives every crash. State is kept as text,
// as it is in a database, so that nothing lives on in memory by accident.
type store struct {
	pipelines []*pipelineRow // in the order of their creation
	effects   []*effectRow
	leases    []*leaseRow
	tokens    []*tokenRow
	jobs      []*jobRow
}

// pipelineRow is a pipeline with all that is keyed by it.
type pipelineRow struct {
	id, name   string
	version    int64 // of the state
	state      string
	deleted    bool
	plans      versions
	executions []*executionRow // by their starts
	changes    []changesRow
	history    *history
}

// versions are compiled definitions; they never change.
type versions map[int]*pipeline.Plan

func (v versions) Plan(version int) *pipeline.Plan { return v[version] }

type executionRow struct {
	id      string
	live    bool
	text    string
	checked bool // since it was written
}

// changesRow is one applied event.
type changesRow struct {
	event   string
	changes []engine.Change
}

// effectRow is an obligation with who claimed it and who began it.
type effectRow struct {
	engine.Effect
	id       string
	pipeline string
	due      int64
	node     string
	begun    string
	// runner is the node that a stop was for, as long as its claims are its own.
	runner string
}

type leaseRow struct {
	node    string
	expires int64
}

type tokenRow struct {
	pipeline, token, execution string
	at                         int64
}

// anyNode is the beginner of work that any node may look for.
const anyNode = "*"

// tokenLife is how long a client request token is remembered.
const tokenLife = day

func (s *store) pipeline(id string) *pipelineRow {
	for _, p := range s.pipelines {
		if p.id == id {
			return p
		}
	}
	return nil
}

// named returns the live pipeline with the name.
func (s *store) named(name string) *pipelineRow {
	for _, p := range s.pipelines {
		if p.name == name && !p.deleted {
			return p
		}
	}
	return nil
}

func (s *store) effect(id string) *effectRow {
	for _, e := range s.effects {
		if e.id == id {
			return e
		}
	}
	return nil
}

func (w *world) deleteEffect(id string) {
	s := &w.store
	if s.effect(id) == nil {
		w.tables.note(0, `delete from effects where id = $1`, id)
		return
	}
	w.tables.note(1, `delete from effects where id = $1`, id)
	s.effects = slices.DeleteFunc(s.effects, func(e *effectRow) bool { return e.id == id })
}

// insertEffect stores an effect.
func (w *world) insertEffect(e *effectRow) {
	w.store.effects = append(w.store.effects, e)
	if t := w.tables; t != nil {
		t.ord++
		t.note(1, `insert into effects (id, ord, pipeline, due, node, begun, content) values ($1, $2, $3, $4, $5, $6, $7)`,
			e.id, t.ord, e.pipeline, e.due, e.node, e.begun, encode(e.Effect))
	}
}

// setEffect changes who has an effect and when it is due. before is what it was.
func (w *world) setEffect(e *effectRow, node, begun string, due int64) {
	w.tables.note(1, `update effects set node = $2, begun = $3, due = $4 where id = $1 and node = $5 and begun = $6`,
		e.id, node, begun, due, e.node, e.begun)
	e.node, e.begun, e.due = node, begun, due
}

// setLease makes a lease, or renews it.
func (w *world) setLease(node string, expires int64) {
	if l := w.store.lease(node); l != nil {
		l.expires = expires
	} else {
		w.store.leases = append(w.store.leases, &leaseRow{node, expires})
	}
	w.tables.note(1, `insert into leases (node, expires) values ($1, $2) on conflict (node) do update set expires = excluded.expires`,
		node, expires)
}

func (s *store) lease(node string) *leaseRow {
	for _, l := range s.leases {
		if l.node == node {
			return l
		}
	}
	return nil
}

func (s *store) token(pipeline, token string) *tokenRow {
	for _, t := range s.tokens {
		if t.pipeline == pipeline && t.token == token {
			return t
		}
	}
	return nil
}

func (p *pipelineRow) execution(id string) *executionRow {
	for _, e := range p.executions {
		if e.id == id {
			return e
		}
	}
	return nil
}

// applied returns what an event changed, if it was applied.
func (p *pipelineRow) applied(event string) ([]engine.Change, bool) {
	for _, c := range slices.Backward(p.changes) {
		if c.event == event {
			return c.changes, true
		}
	}
	return nil, false
}

// load decodes the state from its parts.
func (p *pipelineRow) load() *engine.State {
	s := &engine.State{}
	decode(p.state, &s.Pipeline)
	for _, row := range p.executions {
		if row.live {
			e := &engine.Execution{}
			decode(row.text, e)
			s.Executions = append(s.Executions, e)
		}
	}
	return s
}

// past returns a stored execution, nil if the pipeline has none with the id.
func (p *pipelineRow) past(id string) *engine.Execution {
	row := p.execution(id)
	if row == nil {
		return nil
	}
	e := &engine.Execution{}
	decode(row.text, e)
	return e
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encoding %T: %v", v, err))
	}
	return string(b)
}

func decode(text string, v any) {
	if err := json.Unmarshal([]byte(text), v); err != nil {
		panic(fmt.Sprintf("decoding %s: %v", text, err))
	}
}

// What a commit may answer.
var (
	errFailed   = errors.New("rolled back")
	errConflict = errors.New("somebody else was first")
	errUnknown  = errors.New("unknown outcome")
)

// commit makes a transaction: write checks and writes, and reports false for a
// lost race, in which case it must not have written anything.
func (w *world) commit(what string, write func() bool) error {
	fault := "ok"
	if !w.calm && w.rng.IntN(w.temper.faults) == 0 {
		fault = [...]string{"before", "lost", "after", "conflict"}[w.rng.IntN(4)]
	}
	err := error(nil)
	switch fault {
	case "before":
		err = errFailed
	case "conflict":
		err = errConflict
	case "lost":
		err = errUnknown
	default:
		if !write() {
			err = errConflict
		}
	}
	if w.tables != nil {
		err = w.commitTables(fault, err)
	} else if fault == "after" && err == nil {
		err = errUnknown
	}
	if fault != "ok" || err != nil {
		w.logf("commit %s: fault %s: %v", what, fault, err)
	}
	return err
}
