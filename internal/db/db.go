package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
)

// Config says which database to open.
type Config struct {
	// URL is "sqlite:<directory>" or a PostgreSQL URL, "postgres://..." (also
	// "postgresql://..."), whose parameters are those of libpq and of pgxpool
	// (pool_max_conns and others).
	URL string

	// Logger is told what has no caller to return to: a lost listening
	// connection, a panic in an OnCommit function. Default: slog.Default().
	Logger *slog.Logger

	// Faults makes writes fail in tests; nil for none.
	Faults *Faults
}

// backend is one of the two databases.
type backend interface {
	// write runs fn in a transaction and commits.
	write(ctx context.Context, fn func(*Tx) error) error
	// read runs fn on a snapshot.
	read(ctx context.Context, fn func(*Tx) error) error
	// migrate calls fn with a connection while no other node or goroutine
	// migrates.
	migrate(ctx context.Context, fn func(*sql.DB) error) error
	// listening is called before the first wake-up is awaited.
	listening()
	close() error
}

// DB is an open database. Its methods may be called from any goroutine.
type DB struct {
	dialect Dialect
	backend backend
	hub     *hub
}

// Open opens the database and checks that it can be used; it creates no tables.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	h := &hub{}
	kind, rest, _ := strings.Cut(cfg.URL, ":")
	switch kind {
	case "sqlite":
		if rest == "" {
			return nil, errors.New(`opening the database: the URL "sqlite:" names no directory`)
		}
		b, err := openSQLite(ctx, rest, cfg, h)
		if err != nil {
			return nil, fmt.Errorf("opening the database in %s: %w", rest, err)
		}
		return &DB{dialect: sqliteDialect(), backend: b, hub: h}, nil
	case "postgres", "postgresql":
		b, err := openPostgres(ctx, cfg, h)
		if err != nil {
			return nil, fmt.Errorf("opening the PostgreSQL database: %w", err)
		}
		return &DB{dialect: postgresDialect(), backend: b, hub: h}, nil
	}
	// The URL may hold a password, so it is not quoted.
	return nil, errors.New(`opening the database: the URL must start with "sqlite:" or "postgres://"`)
}

// Close waits for the reads and writes under way, refuses further ones and
// closes all connections. A second call does nothing.
func (d *DB) Close() error { return d.backend.close() }

// Dialect returns what differs between the databases.
func (d *DB) Dialect() Dialect { return d.dialect }

// Write runs fn in a transaction and returns nil when its writes are durable.
// If fn returns an error or panics, everything it wrote is rolled back and Write
// returns that error (a [*PanicError]). Ending ctx takes a unit out that has not
// begun; on SQLite a unit that runs is finished, on PostgreSQL it is rolled back
// unless it is committing already. See the package comment for the errors.
func (d *DB) Write(ctx context.Context, fn func(*Tx) error) error {
	return d.backend.write(ctx, fn)
}

// Read runs fn on one consistent snapshot and returns its error. fn cannot
// write, and must not call Write or Read.
func (d *DB) Read(ctx context.Context, fn func(*Tx) error) error {
	return d.backend.read(ctx, fn)
}

// Listen returns a channel that receives after commits that called
// [Tx.Notify] with the topic, on whichever node. Several wake-ups may become
// one, one may come without cause, and after a lost connection one may be late;
// so the listener polls as well. cancel ends it; the channel is never closed.
func (d *DB) Listen(topic string) (wake <-chan struct{}, cancel func()) {
	c, cancel := d.hub.listen(topic)
	d.backend.listening()
	return c, cancel
}

// runUnit runs fn and turns a panic into an error. finished is false only when
// fn ended its goroutine (runtime.Goexit, as testing's FailNow does), in which
// case runUnit does not return: finished is for the caller's deferred functions.
func runUnit(tx *Tx, fn func(*Tx) error, finished *bool) (err error) {
	defer func() {
		if *finished {
			return
		}
		v := recover()
		if v == nil {
			_ = tx.finish(errGoexit)
			return
		}
		*finished = true
		err = tx.finish(&PanicError{Value: v, Stack: debug.Stack()})
	}()
	err = fn(tx)
	*finished = true
	return tx.finish(err)
}

// runCallbacks calls OnCommit functions. The commit is done: a panic in one of
// them must neither be reported as a failed write nor end the writer.
func runCallbacks(logger *slog.Logger, callbacks []func()) {
	for _, f := range callbacks {
		func() {
			defer func() {
				if v := recover(); v != nil {
					logger.Error("panic in an OnCommit function", "panic", v, "stack", string(debug.Stack()))
				}
			}()
			f()
		}()
	}
}
