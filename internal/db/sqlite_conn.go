package db

import (
	"container/list"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

// sqliteConn is one SQLite connection with its prepared statements, least
// recently used last. It is used by one goroutine at a time.
//
// What is only executed goes to the driver at once: database/sql would make a
// list of arguments and a result for each of the many small writes. Rows are read
// through database/sql, which knows how to scan them.
type sqliteConn struct {
	conn   *sql.Conn
	stmts  map[string]*list.Element // of *sqliteStmt
	recent *list.List
	max    int
	args   []driver.NamedValue // room for those of the statement that runs
}

// sqliteStmt is a prepared statement, as a query or below database/sql, whichever
// it was needed as.
type sqliteStmt struct {
	text  string
	query *sql.Stmt
	exec  driver.Stmt
}

func newSQLiteConn(ctx context.Context, pool *sql.DB, maxStmts int) (*sqliteConn, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, classify(err)
	}
	return &sqliteConn{conn: conn, stmts: make(map[string]*list.Element), recent: list.New(), max: maxStmts}, nil
}

// stmt returns the statement of a text, which is prepared when it is first used.
// An evicted one cannot be in use: a transaction has at most one open result set,
// and while it is open nothing is prepared.
func (c *sqliteConn) stmt(text string) *sqliteStmt {
	if e, ok := c.stmts[text]; ok {
		c.recent.MoveToFront(e)
		return e.Value.(*sqliteStmt)
	}
	if c.recent.Len() >= c.max {
		oldest := c.recent.Remove(c.recent.Back()).(*sqliteStmt)
		delete(c.stmts, oldest.text)
		_ = c.closeStmt(oldest)
	}
	s := &sqliteStmt{text: text}
	c.stmts[text] = c.recent.PushFront(s)
	return s
}

// query runs a query. ctx interrupts it.
func (c *sqliteConn) query(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	s := c.stmt(text)
	if s.query == nil {
		stmt, err := c.conn.PrepareContext(context.Background(), text)
		if err != nil {
			return nil, err
		}
		s.query = stmt
	}
	return s.query.QueryContext(ctx, args...)
}

// exec runs a statement and returns how many rows it changed. ctx interrupts it.
func (c *sqliteConn) exec(ctx context.Context, text string, args []any) (rows int64, err error) {
	s := c.stmt(text)
	err = c.conn.Raw(func(conn any) error {
		if s.exec == nil {
			stmt, err := conn.(driver.ConnPrepareContext).PrepareContext(context.Background(), text)
			if err != nil {
				return err
			}
			s.exec = stmt
		}
		defer func() { clear(c.args) }() // whatever they point to may go
		if err := c.setArgs(args); err != nil {
			return err
		}
		result, err := s.exec.(driver.StmtExecContext).ExecContext(ctx, c.args)
		if err == nil {
			rows, err = result.RowsAffected()
		}
		return err
	})
	return rows, err
}

// setArgs brings arguments into the shape that the driver takes.
func (c *sqliteConn) setArgs(args []any) (err error) {
	c.args = c.args[:0]
	for i, a := range args {
		value := driver.Value(a)
		switch v := a.(type) {
		case string, int64:
		case int:
			value = int64(v)
		default:
			if value, err = driver.DefaultParameterConverter.ConvertValue(a); err != nil {
				return fmt.Errorf("argument $%d: %w", i+1, err)
			}
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: value})
	}
	return nil
}

// run runs a statement without arguments or result, and is not interrupted.
func (c *sqliteConn) run(text string) error {
	_, err := c.exec(context.Background(), text, nil)
	return classify(err)
}

func (c *sqliteConn) closeStmt(s *sqliteStmt) error {
	var errs []error
	if s.query != nil {
		errs = append(errs, s.query.Close())
	}
	if s.exec != nil {
		errs = append(errs, c.conn.Raw(func(any) error { return s.exec.Close() }))
	}
	return errors.Join(errs...)
}

func (c *sqliteConn) close() error {
	var errs []error
	for e := c.recent.Front(); e != nil; e = e.Next() {
		errs = append(errs, c.closeStmt(e.Value.(*sqliteStmt)))
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
	return s.conn.exec(s.ctx, query, args)
}

func (s sqliteSession) query(query string, args []any) (cursor, error) {
	rows, err := s.conn.query(s.ctx, query, args)
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

// lock has nothing to wait for: only one transaction writes.
func (s sqliteSession) lock(string) error { return nil }

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
