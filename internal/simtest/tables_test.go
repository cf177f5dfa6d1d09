package simtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
)

// tables keep the parts of the store as rows of a real database, a commit of the
// world as one transaction. What nodes read they read from there. The store in
// memory goes along: it says how many rows each statement must change, and in the
// end every row is compared with it.
type tables struct {
	db     *db.DB
	faults *db.Faults
	// notes are the statements of the commit under way.
	notes []note
	ord   int64 // of effects and executions
}

// note is a statement with the number of rows that it must change.
type note struct {
	rows  int64
	query string
	args  []any
}

var createTables = []string{
	`create table pipelines (id text primary key, name text, version bigint, state text, deleted bigint)`,
	`create table executions (id text primary key, pipeline text, ord bigint, live bigint, content text)`,
	`create table changes (pipeline text, event text, content text, primary key (pipeline, event))`,
	`create table effects (id text primary key, ord bigint, pipeline text, due bigint, node text, begun text, content text)`,
	`create table leases (node text primary key, expires bigint)`,
	`create table tokens (pipeline text, token text, execution text, used bigint, primary key (pipeline, token))`,
	`create table jobs (id text primary key, pipeline text, action text, kind text, number bigint, available bigint,
		revision bigint, content text, unique (action, number))`,
}

var tableNames = []string{"pipelines", "executions", "changes", "effects", "leases", "tokens", "jobs"}

func newTables(ctx context.Context, d *db.DB, f *db.Faults) (*tables, error) {
	err := d.Write(ctx, func(tx *db.Tx) error {
		for _, query := range createTables {
			if _, err := tx.Exec(query); err != nil {
				return err
			}
		}
		return nil
	})
	return &tables{db: d, faults: f}, err
}

// clear empties the tables for the next seed.
func (t *tables) clear() error {
	t.ord = 0
	return t.db.Write(context.Background(), func(tx *db.Tx) error {
		for _, name := range tableNames {
			if _, err := tx.Exec("delete from " + name); err != nil {
				return err
			}
		}
		return nil
	})
}

// note adds a statement to the commit under way.
func (t *tables) note(rows int64, query string, args ...any) {
	if t != nil {
		t.notes = append(t.notes, note{rows, query, args})
	}
}

// errShort says that a statement changed another number of rows than the store
// in memory.
var errShort = errors.New("rows")

// commit makes the transaction of what was noted, with the fault that the world
// wants.
func (t *tables) commit(fault db.Fault) error {
	notes := t.notes
	t.notes = nil
	if fault == db.FaultBefore || fault == db.FaultLost || fault == db.FaultConflict {
		// What must leave no trace is as bad as can be.
		notes = []note{{-1, `delete from effects`, nil}, {-1, `update pipelines set version = -1`, nil}}
	}
	if fault != db.FaultNone {
		t.faults.Arm(fault, 0, 1)
	} else if len(notes) == 0 {
		return nil
	}
	return t.db.Write(context.Background(), func(tx *db.Tx) error {
		for _, n := range notes {
			rows, err := tx.Exec(n.query, n.args...)
			if err != nil {
				return err
			}
			if n.rows >= 0 && rows != n.rows {
				return fmt.Errorf("%w: %d changed by %s %v, in memory %d", errShort, rows, n.query, n.args, n.rows)
			}
		}
		return nil
	})
}

// commitTables brings a commit to the database and says what its answer means.
func (w *world) commitTables(fault string, wrote error) error {
	kind := map[string]db.Fault{
		"before": db.FaultBefore, "lost": db.FaultLost, "conflict": db.FaultConflict, "after": db.FaultAfter,
	}[fault]
	if errors.Is(wrote, errConflict) && kind == db.FaultAfter {
		kind = db.FaultNone // somebody was first: there is nothing to commit
	}
	err := w.tables.commit(kind)
	switch {
	case errors.Is(err, db.ErrUnknownOutcome):
		return errUnknown
	case errors.Is(err, db.ErrConflict):
		return errConflict
	case errors.Is(err, db.ErrInjected):
		return errFailed
	case err != nil:
		w.fatalf("the database: %v", err)
	}
	return wrote
}

// read runs a read-only transaction.
func (w *world) read(fn func(tx *db.Tx) error) {
	if err := w.tables.db.Read(context.Background(), fn); err != nil {
		w.fatalf("reading the database: %v", err)
	}
}

// loadState reads a pipeline's state with its version.
func (w *world) loadState(row *pipelineRow) (s *engine.State, version int64) {
	if w.tables == nil {
		return row.load(), row.version
	}
	s = &engine.State{}
	w.read(func(tx *db.Tx) error {
		var text string
		if err := tx.QueryRow(`select version, state from pipelines where id = $1`, row.id).Scan(&version, &text); err != nil {
			return err
		}
		decode(text, &s.Pipeline)
		rows, err := tx.Query(`select content from executions where pipeline = $1 and live = 1 order by ord`, row.id)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := rows.Scan(&text); err != nil {
				return err
			}
			e := &engine.Execution{}
			decode(text, e)
			s.Executions = append(s.Executions, e)
		}
		return rows.Err()
	})
	return s, version
}

// pastExecution reads an execution, live or not; nil if the pipeline has none.
func (w *world) pastExecution(row *pipelineRow, id string) (e *engine.Execution) {
	if w.tables == nil {
		return row.past(id)
	}
	w.read(func(tx *db.Tx) error {
		var text string
		err := tx.QueryRow(`select content from executions where pipeline = $1 and id = $2`, row.id, id).Scan(&text)
		if errors.Is(err, db.ErrNoRows) {
			return nil
		}
		if err == nil {
			e = &engine.Execution{}
			decode(text, e)
		}
		return err
	})
	return e
}

// appliedEvent reads what an event changed, if it was applied.
func (w *world) appliedEvent(row *pipelineRow, event string) (changes []engine.Change, applied bool) {
	if w.tables == nil {
		return row.applied(event)
	}
	w.read(func(tx *db.Tx) error {
		var text string
		err := tx.QueryRow(`select content from changes where pipeline = $1 and event = $2`, row.id, event).Scan(&text)
		if errors.Is(err, db.ErrNoRows) {
			return nil
		}
		if err == nil {
			applied = true
			decode(text, &changes)
		}
		return err
	})
	return changes, applied
}

// effectOf reads an effect; nil if it is gone.
func (w *world) effectOf(id string) (e *effectRow) {
	if w.tables == nil {
		return w.store.effect(id)
	}
	w.read(func(tx *db.Tx) error {
		row := &effectRow{id: id}
		var text string
		err := tx.QueryRow(`select pipeline, due, node, begun, content from effects where id = $1`, id).
			Scan(&row.pipeline, &row.due, &row.node, &row.begun, &text)
		if errors.Is(err, db.ErrNoRows) {
			return nil
		}
		if err == nil {
			decode(text, &row.Effect)
			e = row
		}
		return err
	})
	return e
}

// claimable reads the effects that are due and claimed by nobody, or those that
// the node claimed, in their order.
func (w *world) claimable(node string, due int64) (found []*effectRow) {
	if w.tables == nil {
		for _, e := range w.store.effects {
			if e.node == node && (node != "" || e.due <= due) {
				found = append(found, e)
			}
		}
		return found
	}
	w.read(func(tx *db.Tx) error {
		rows, err := tx.Query(`select id, pipeline, due, node, begun, content from effects
			where node = $1 and ($1 <> '' or due <= $2) order by ord`, node, due)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			row := &effectRow{}
			var text string
			if err := rows.Scan(&row.id, &row.pipeline, &row.due, &row.node, &row.begun, &text); err != nil {
				return err
			}
			decode(text, &row.Effect)
			found = append(found, row)
		}
		return rows.Err()
	})
	return found
}
