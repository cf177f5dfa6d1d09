package db

import (
	"container/list"
	"context"
	"database/sql"
	"errors"
	"time"
)

// sqliteConn is one SQLite connection with its prepared statements, least
// recently used last. It is used by one goroutine at a time.
type sqliteConn struct {
	conn   *sql.Conn
	stmts  map[string]*list.Element // of *sqliteStmt
	recent *list.List
	max    int
}

type sqliteStmt struct {
	query string
	stmt  *sql.Stmt
}

func newSQLiteConn(ctx context.Context, pool *sql.DB, maxStmts int) (*sqliteConn, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, classify(err)
	}
	return &sqliteConn{conn: conn, stmts: make(map[string]*list.Element), recent: list.New(), max: maxStmts}, nil
}

// stmt returns the prepared statement of a query. An evicted statement cannot be
// in use: a transaction has at most one open result set, and while it is open
// nothing is prepared.
func (c *sqliteConn) stmt(query string) (*sql.Stmt, error) {
	if e, ok := c.stmts[query]; ok {
		c.recent.MoveToFront(e)
		return e.Value.(*sqliteStmt).stmt, nil
	}
	stmt, err := c.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	if c.recent.Len() >= c.max {
		oldest := c.recent.Remove(c.recent.Back()).(*sqliteStmt)
		delete(c.stmts, oldest.query)
		_ = oldest.stmt.Close()
	}
	c.stmts[query] = c.recent.PushFront(&sqliteStmt{query: query, stmt: stmt})
	return stmt, nil
}

// run runs a statement without arguments or result, and is not interrupted.
func (c *sqliteConn) run(query string) error {
	stmt, err := c.stmt(query)
	if err != nil {
		return classify(err)
	}
	_, err = stmt.ExecContext(context.Background())
	return classify(err)
}

func (c *sqliteConn) close() error {
	var errs []error
	for e := c.recent.Front(); e != nil; e = e.Next() {
		errs = append(errs, e.Value.(*sqliteStmt).stmt.Close())
	}
	return errors.Join(append(errs, c.conn.Close())...)
}

// sqliteSession is a connection inside a transaction. ctx interrupts its
// statements.
type sqliteSession struct {
	ctx  context.Context
	conn *sqliteConn
}

func (s sqliteSession) exec(query string, args []any) (int64, error) {
	stmt, err := s.conn.stmt(query)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(s.ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (s sqliteSession) query(query string, args []any) (cursor, error) {
	stmt, err := s.conn.stmt(query)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(s.ctx, args...)
	if err != nil {
		return nil, err
	}
	return sqliteCursor{rows}, nil
}

// now is the clock of the process: SQLite has no other, and everybody who uses
// the database is in this process.
func (s sqliteSession) now() (int64, error) {
	return time.Now().UnixMilli(), nil
}

type sqliteCursor struct{ rows *sql.Rows }

func (c sqliteCursor) next() bool            { return c.rows.Next() }
func (c sqliteCursor) scan(dest []any) error { return c.rows.Scan(dest...) }

func (c sqliteCursor) close() error {
	closeErr := c.rows.Close()
	if err := c.rows.Err(); err != nil {
		return err
	}
	return closeErr
}
