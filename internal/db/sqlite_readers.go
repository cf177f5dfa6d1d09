package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

const readerStmts = 64

// readers is the pool of reading connections. They are opened when first
// needed and kept; the one used last is used first.
type readers struct {
	pool  *sql.DB
	slots chan struct{} // one token for each read under way

	mu     sync.Mutex
	idle   []*sqliteConn
	closed bool
}

func newReaders(pool *sql.DB, size int) *readers {
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(0) // idle ones are kept here, with their statements
	return &readers{pool: pool, slots: make(chan struct{}, size)}
}

func (r *readers) acquire(ctx context.Context) (*sqliteConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.mu.Lock()
	closed := r.closed
	var c *sqliteConn
	if n := len(r.idle); n > 0 && !closed {
		c, r.idle = r.idle[n-1], r.idle[:n-1]
	}
	r.mu.Unlock()
	if c != nil {
		return c, nil
	}
	err := ErrClosed
	if !closed {
		if c, err = newSQLiteConn(ctx, r.pool, readerStmts); err == nil {
			return c, nil
		}
	}
	<-r.slots
	return nil, err
}

// release puts a connection back, or away if it is broken.
func (r *readers) release(c *sqliteConn, broken bool) {
	r.mu.Lock()
	if !broken {
		r.idle = append(r.idle, c)
	}
	r.mu.Unlock()
	if broken {
		_ = c.close()
	}
	<-r.slots
}

func (r *readers) read(ctx context.Context, fn func(*Tx) error) error {
	c, err := r.acquire(ctx)
	if err != nil {
		return err
	}
	if err := c.run("begin"); err != nil {
		r.release(c, true)
		return fmt.Errorf("beginning a read: %w", err)
	}
	tx := &Tx{session: sqliteSession{ctx: ctx, conn: c}}
	// Deferred, so that the connection comes back even if fn panics.
	defer func() {
		_ = tx.finish(nil)
		r.release(c, c.run("rollback") != nil)
	}()
	return tx.finish(fn(tx))
}

// close waits for the reads under way.
func (r *readers) close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	for range cap(r.slots) {
		r.slots <- struct{}{}
	}
	var errs []error
	for _, c := range r.idle {
		errs = append(errs, c.close())
	}
	r.idle = nil
	// Whoever still waits for a slot is told that the database is closed.
	for range cap(r.slots) {
		<-r.slots
	}
	return errors.Join(append(errs, r.pool.Close())...)
}
