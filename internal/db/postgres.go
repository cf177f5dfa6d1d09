package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"runtime"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// commitTimeout bounds the wait for the answer to a COMMIT. The caller's
	// context does not apply to it: giving up would only lose the outcome.
	commitTimeout = 30 * time.Second

	// migrationLock is the advisory lock that one migrating node holds.
	migrationLock = 0x70656e73746f636b // "penstock"
)

// postgresDB is the PostgreSQL backend.
type postgresDB struct {
	pool     *pgxpool.Pool
	logger   *slog.Logger
	faults   *Faults
	hub      *hub
	notifier *notifier

	mu       sync.Mutex
	listener *listener // nil until somebody listens
	closed   bool
}

func openPostgres(ctx context.Context, cfg Config, h *hub) (*postgresDB, error) {
	poolConfig, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, err // hides the password by itself
	}
	// The pool's own default is too small for a server that waits for the network
	// more than it computes.
	if u, err := url.Parse(cfg.URL); err == nil && !u.Query().Has("pool_max_conns") {
		poolConfig.MaxConns = int32(max(16, 4*runtime.GOMAXPROCS(0)))
	}
	if params := poolConfig.ConnConfig.RuntimeParams; params["application_name"] == "" {
		params["application_name"] = "penstock"
	}
	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return nil, err
	}
	var encoding string
	if err := pool.QueryRow(ctx, "show server_encoding").Scan(&encoding); err != nil {
		pool.Close()
		return nil, classify(err)
	}
	if encoding != "UTF8" {
		pool.Close()
		return nil, fmt.Errorf("the database's encoding is %s: create it with encoding UTF8", encoding)
	}
	return &postgresDB{
		pool: pool, logger: cfg.Logger, faults: cfg.Faults, hub: h,
		notifier: newNotifier(poolConfig.ConnConfig, cfg.Logger),
	}, nil
}

func (p *postgresDB) write(ctx context.Context, fn func(*Tx) error) error {
	conn, err := p.begin(ctx, "begin isolation level read committed")
	if err != nil {
		return fmt.Errorf("beginning a write: %w", err)
	}
	tx := &Tx{session: postgresSession{ctx: ctx, conn: conn.Conn()}}
	finished := false
	defer func() {
		if !finished { // fn ended the goroutine
			end(conn)
		}
		conn.Release()
	}()
	err = runUnit(tx, fn, &finished)
	var after error
	if err == nil {
		err, after = p.faults.next().split()
	}
	if err != nil {
		end(conn)
		return err
	}
	if err := commit(ctx, conn); err != nil {
		return err
	}
	if after != nil {
		return after
	}
	runCallbacks(p.logger, tx.onCommit)
	if len(tx.topics) > 0 {
		p.hub.wake(tx.topics...)
		p.notifier.add(tx.topics)
	}
	return nil
}

func (p *postgresDB) read(ctx context.Context, fn func(*Tx) error) error {
	conn, err := p.begin(ctx, "begin isolation level repeatable read read only")
	if err != nil {
		return fmt.Errorf("beginning a read: %w", err)
	}
	tx := &Tx{session: postgresSession{ctx: ctx, conn: conn.Conn()}}
	defer func() { // also if fn panics
		_ = tx.finish(nil)
		end(conn)
		conn.Release()
	}()
	return tx.finish(fn(tx))
}

// begin takes a connection from the pool and opens a transaction. A connection
// that turns out to be dead is replaced: nothing was run on it yet.
func (p *postgresDB) begin(ctx context.Context, statement string) (*pgxpool.Conn, error) {
	for attempt := int32(0); ; attempt++ {
		conn, err := p.pool.Acquire(ctx)
		if p.isClosed() {
			if err == nil {
				conn.Release()
			}
			return nil, ErrClosed
		}
		if err != nil {
			return nil, classify(err)
		}
		if _, err = conn.Exec(ctx, statement); err == nil {
			return conn, nil
		}
		dead := conn.Conn().IsClosed()
		conn.Release()
		if !dead || ctx.Err() != nil || attempt > p.pool.Config().MaxConns {
			return nil, classify(err)
		}
	}
}

func (p *postgresDB) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// commit commits and says what is known if that fails.
func commit(ctx context.Context, conn *pgxpool.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	tag, err := conn.Exec(ctx, "commit")
	switch {
	case err == nil && tag.String() == "ROLLBACK":
		return errors.New("commit: the server rolled the transaction back")
	case err == nil:
		return nil
	case pgconn.SafeToRetry(err): // COMMIT was never sent
		return fmt.Errorf("commit: %w", classify(err))
	}
	// An ERROR is the server's word that it rolled back. A FATAL one, as every
	// other failure, leaves it open whether the commit was done before.
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.SeverityUnlocalized == "ERROR" {
		return fmt.Errorf("commit: %w", classify(err))
	}
	return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
}

// end rolls back. If that fails the pool throws the connection away, and with it
// the transaction.
func end(conn *pgxpool.Conn) {
	if conn.Conn().IsClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	if _, err := conn.Exec(ctx, "rollback"); err != nil {
		_ = conn.Conn().Close(ctx)
	}
}

// migrate uses connections of its own, so that it works with the smallest pool.
func (p *postgresDB) migrate(ctx context.Context, fn func(*sql.DB) error) error {
	config := p.pool.Config().ConnConfig
	locker, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer locker.Close(context.WithoutCancel(ctx)) // gives the lock back
	if _, err := locker.Exec(ctx, "select pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return fmt.Errorf("waiting for other nodes that migrate: %w", err)
	}
	conns := stdlib.OpenDB(*config)
	return errors.Join(fn(conns), conns.Close())
}

func (p *postgresDB) listening() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == nil && !p.closed {
		p.listener = startListener(p.pool.Config().ConnConfig, p.notifier.node, p.hub, p.logger)
	}
}

func (p *postgresDB) close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	l := p.listener
	p.mu.Unlock()
	if l != nil {
		l.close()
	}
	p.pool.Close() // waits for the connections in use
	p.notifier.close()
	return nil
}
