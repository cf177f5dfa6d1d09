package db

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// session is one connection inside a transaction: what [Tx] needs of a database.
type session interface {
	exec(query string, args []any) (int64, error)
	query(query string, args []any) (cursor, error)
	now() (int64, error)
	lock(name string) error
}

// cursor is an open result set. next is false at the end and after an error,
// which close tells. close is called exactly once.
type cursor interface {
	next() bool
	scan(dest []any) error
	close() error
}

// Tx is a transaction that [DB.Write] or [DB.Read] runs. It belongs to the
// goroutine that runs the function and ends with it: afterwards every method
// returns an error. After a statement failed, the transaction is over; each
// further statement returns the first error, and so does Write even if the
// function returns nil.
type Tx struct {
	session  session // nil when the transaction is over
	rows     *Rows   // the one open result set
	failed   error   // the first failed statement
	onCommit []func()
	topics   []string
}

// Exec runs a statement and returns how many rows it changed.
func (tx *Tx) Exec(query string, args ...any) (int64, error) {
	args, err := tx.prepare(args)
	if err != nil {
		return 0, err
	}
	n, err := tx.session.exec(query, args)
	return n, tx.check(err)
}

// Query runs a query. The rows must be closed before the next statement of the
// same transaction.
func (tx *Tx) Query(query string, args ...any) (*Rows, error) {
	args, err := tx.prepare(args)
	if err != nil {
		return nil, err
	}
	c, err := tx.session.query(query, args)
	if err != nil {
		return nil, tx.check(err)
	}
	tx.rows = &Rows{tx: tx, cursor: c}
	return tx.rows, nil
}

// QueryRow runs a query that gives at most one row; errors wait for [Row.Scan],
// which must be called.
func (tx *Tx) QueryRow(query string, args ...any) *Row {
	rows, err := tx.Query(query, args...)
	return &Row{rows: rows, err: err}
}

// Now returns the database's clock in milliseconds since the epoch, UTC. All
// nodes that share a database agree on it; leases and due times are compared
// with it and with nothing else.
func (tx *Tx) Now() (int64, error) {
	if _, err := tx.prepare(nil); err != nil {
		return 0, err
	}
	ms, err := tx.session.now()
	return ms, tx.check(err)
}

// Lock waits until no other transaction holds the name, and holds it until this
// one ends: for what has no row yet that [Dialect.LockSuffix] could lock. A
// statement after it sees what the holders before have committed. SQLite has one
// writer, which needs no locks. Who locks several names does so in their order. It is
// for Write: a Read keeps seeing what it saw when it asked for the lock.
func (tx *Tx) Lock(name string) error {
	if _, err := tx.prepare(nil); err != nil {
		return err
	}
	return tx.check(tx.session.lock(name))
}

// OnCommit has f called after the commit is durable and before Write returns;
// never after a failure or an unknown outcome. Functions are called in order, on
// the goroutine that committed, so f must be short and must not use the
// database. In a Read, f is never called.
func (tx *Tx) OnCommit(f func()) {
	tx.onCommit = append(tx.onCommit, f)
}

// Notify wakes the listeners of the topic, on this node and on all others, after
// the commit. It is a hint that may be lost: listeners poll as well.
func (tx *Tx) Notify(topic string) {
	if !slices.Contains(tx.topics, topic) {
		tx.topics = append(tx.topics, topic)
	}
}

// prepare says whether a statement may run now and brings its arguments into
// the shape that means the same to both drivers.
func (tx *Tx) prepare(args []any) ([]any, error) {
	switch {
	case tx.session == nil:
		return nil, errTxOver
	case tx.failed != nil:
		return nil, fmt.Errorf("the transaction failed before: %w", tx.failed)
	case tx.rows != nil:
		return nil, errRowsOpen
	}
	for i, a := range args {
		var text string
		switch v := a.(type) {
		case string:
			text = v
		case json.RawMessage: // would be a blob to one driver and JSON to the other
			if v == nil {
				args = slices.Clone(args)
				args[i] = nil
				continue
			}
			text = string(v)
			args = slices.Clone(args)
			args[i] = text
		default:
			continue
		}
		if strings.IndexByte(text, 0) >= 0 {
			return nil, fmt.Errorf("argument $%d: %w", i+1, errNUL)
		}
	}
	return args, nil
}

// check remembers the first failed statement.
func (tx *Tx) check(err error) error {
	if err == nil {
		return nil
	}
	err = classify(err)
	if tx.failed == nil {
		tx.failed = err
	}
	return err
}

// finish closes what the function left open and ends the use of tx. It returns
// the error of the unit: the function's own, else the first failed statement's.
func (tx *Tx) finish(err error) error {
	if tx.rows != nil {
		if closeErr := tx.rows.Close(); err == nil {
			err = closeErr
		}
	}
	tx.session = nil
	if err == nil {
		err = tx.failed
	}
	return err
}
