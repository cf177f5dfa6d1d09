package db

import (
	"context"
	"fmt"
	"strings"
)

// redo is what the units of a group have written so far, so that it can be
// written again. A savepoint for each unit would cost a copy of every page that
// it touches, for a failure that hardly ever comes: when it comes, the
// transaction is rolled back and the statements of the units before are run once
// more. They find the same rows, since nobody else writes, and do the same.
type redo struct {
	statements []redoStatement
	args       []any // of all statements, one after the other
	touched    bool  // by the running unit
}

type redoStatement struct {
	query string
	end   int   // of its arguments in args
	rows  int64 // that it changed; unknown is -1
}

// unknownRows is for statements whose rows were read.
const unknownRows = -1

// clear forgets everything, and keeps the room for the next group unless it is
// unusually large.
func (r *redo) clear() {
	if cap(r.args) > 64*maxGroup {
		*r = redo{}
		return
	}
	clear(r.args)
	r.statements, r.args, r.touched = r.statements[:0], r.args[:0], false
}

// mark is a place in a redo to go back to.
type redoMark struct{ statements, args int }

// begin notes that another unit runs.
func (r *redo) begin() redoMark {
	r.touched = false
	return redoMark{len(r.statements), len(r.args)}
}

// forget drops what came after the mark.
func (r *redo) forget(m redoMark) {
	r.statements, r.args = r.statements[:m.statements], r.args[:m.args]
}

// add keeps a statement. Callers may use the slice again.
func (r *redo) add(query string, args []any, rows int64) {
	r.args = append(r.args, args...)
	r.statements = append(r.statements, redoStatement{query, len(r.args), rows})
}

// run writes everything again.
func (r *redo) run(conn *sqliteConn) error {
	session, begin := sqliteSession{context.Background(), conn}, 0
	for _, s := range r.statements {
		rows, err := session.exec(s.query, r.args[begin:s.end])
		if err != nil {
			return fmt.Errorf("writing again: %w", classify(err))
		}
		if s.rows != unknownRows && rows != s.rows {
			return fmt.Errorf("writing again changed %d rows, before %d", rows, s.rows)
		}
		begin = s.end
	}
	return nil
}

// redoSession is a session that keeps what it writes.
type redoSession struct {
	sqliteSession
	redo *redo
}

func (s redoSession) exec(query string, args []any) (int64, error) {
	s.redo.touched = true // a failed statement may even have ended the transaction
	rows, err := s.sqliteSession.exec(query, args)
	if err == nil {
		s.redo.add(query, args, rows)
	}
	return rows, err
}

func (s redoSession) query(query string, args []any) (cursor, error) {
	if readsOnly(query) {
		c, err := s.sqliteSession.query(query, args)
		s.redo.touched = s.redo.touched || err != nil
		return c, err
	}
	s.redo.touched = true
	c, err := s.sqliteSession.query(query, args)
	if err == nil {
		s.redo.add(query, args, unknownRows)
	}
	return c, err
}

// readsOnly reports whether a statement surely writes nothing. What it takes for
// writing is at worst read again.
func readsOnly(query string) bool {
	query = strings.TrimLeft(query, " \t\r\n")
	return len(query) >= 6 && strings.EqualFold(query[:6], "select")
}
