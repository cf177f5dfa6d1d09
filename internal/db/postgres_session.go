package db

import (
	"context"
	"hash/fnv"

	"github.com/jackc/pgx/v5"
)

// postgresSession is a connection inside a transaction. pgx prepares each
// statement once per connection.
type postgresSession struct {
	ctx  context.Context
	conn *pgx.Conn
}

func (s postgresSession) exec(query string, args []any) (int64, error) {
	tag, err := s.conn.Exec(s.ctx, query, args...)
	return tag.RowsAffected(), err
}

func (s postgresSession) query(query string, args []any) (cursor, error) {
	rows, err := s.conn.Query(s.ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return postgresCursor{rows}, nil
}

// now reads the clock, not the time at which the transaction began.
func (s postgresSession) now() (int64, error) {
	var ms int64
	err := s.conn.QueryRow(s.ctx, "select floor(extract(epoch from clock_timestamp()) * 1000)::bigint").Scan(&ms)
	return ms, err
}

// lock takes an advisory lock, whose name is a number: two names that have the
// same one wait for each other without need.
func (s postgresSession) lock(name string) error {
	number := fnv.New64a()
	_, _ = number.Write([]byte(name)) // never fails
	_, err := s.conn.Exec(s.ctx, "select pg_advisory_xact_lock($1)", int64(number.Sum64()))
	return err
}

type postgresCursor struct{ rows pgx.Rows }

func (c postgresCursor) next() bool            { return c.rows.Next() }
func (c postgresCursor) scan(dest []any) error { return c.rows.Scan(dest...) }

func (c postgresCursor) close() error {
	c.rows.Close()
	return c.rows.Err()
}
