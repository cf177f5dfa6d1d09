package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"modernc.org/sqlite"
)

const (
	sqliteFile = "penstock.db"
	lockFile   = "penstock.lock"

	// Pages of 4 KiB stay in the page cache of the operating system anyway, so the
	// caches of the connections are small. The writer's holds the pages that many
	// pipelines write to in turn: looking one up in the log costs a search.
	writerCacheKiB = 8192
	readerCacheKiB = 512
)

// sqliteDB is the SQLite backend: one writer, a pool of readers and the lock on
// the directory.
type sqliteDB struct {
	dir     string
	lock    *os.File
	pool    *sql.DB // hands out the writer's connection
	writer  *writer
	readers *readers

	closeOnce sync.Once
	closeErr  error
}

func openSQLite(ctx context.Context, dir string, cfg Config, h *hub) (_ *sqliteDB, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory: %w", err)
	}
	s := &sqliteDB{dir: dir}
	if s.lock, err = lockDirectory(ctx, filepath.Join(dir, lockFile)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = unlockDirectory(s.lock)
		}
	}()
	if err := touchPrivate(filepath.Join(dir, sqliteFile)); err != nil {
		return nil, err
	}
	pool, err := sqlitePool(dir, writerCacheKiB, "_txlock=immediate")
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(2) // the writer's, and one for migrations
	pool.SetMaxIdleConns(0)
	s.pool = pool
	conn, err := openWriter(ctx, pool)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	readPool, err := sqlitePool(dir, readerCacheKiB, "_query_only=1")
	if err != nil {
		return nil, errors.Join(err, conn.close(), pool.Close())
	}
	s.readers = newReaders(readPool, min(8, max(4, runtime.GOMAXPROCS(0))))
	s.writer = newWriter(pool, conn, cfg, h)
	return s, nil
}

// touchPrivate makes the file readable by its owner only; SQLite gives its
// companions (-wal, -shm) the same mode.
func touchPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return explainOpen(err)
	}
	return f.Close()
}

// explainOpen says in words why the directory cannot hold a database.
func explainOpen(err error) error {
	if errors.Is(err, fs.ErrPermission) || isReadOnlyFS(err) {
		return fmt.Errorf("%w: the directory is not writable: %w", ErrReadOnly, err)
	}
	if isNoSpace(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// sqlitePool opens nothing yet.
func sqlitePool(dir string, cacheKiB int, option string) (*sql.DB, error) {
	name := url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(dir, sqliteFile))}
	name.RawQuery = option + "&_dqs=0&_error_rc=1" +
		"&_pragma=busy_timeout(10000)" +
		"&_pragma=synchronous(FULL)" +
		"&_pragma=foreign_keys(ON)" +
		"&_pragma=case_sensitive_like(ON)" + // as PostgreSQL does
		"&_pragma=temp_store(MEMORY)" +
		"&_pragma=journal_size_limit(16777216)" +
		// The log is as long as it may stay on disk, in pages: most pages are
		// written to it many times before they are copied once.
		"&_pragma=wal_autocheckpoint(4000)" +
		fmt.Sprintf("&_pragma=cache_size(-%d)", cacheKiB)
	connector, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// openWriter opens the connection that writes, and with it the database: it is
// the first to use the file. It turns the write-ahead log on, which the file
// remembers.
func openWriter(ctx context.Context, pool *sql.DB) (*sqliteConn, error) {
	c, err := newSQLiteConn(ctx, pool, writerStmts)
	if err != nil {
		return nil, err
	}
	var mode string
	if err := c.conn.QueryRowContext(ctx, "pragma journal_mode=wal").Scan(&mode); err != nil {
		return nil, errors.Join(fmt.Errorf("turning on the write-ahead log: %w", classify(err)), c.close())
	}
	if mode != "wal" {
		return nil, errors.Join(fmt.Errorf("this file system cannot hold a write-ahead log (journal mode %s): use a local disk", mode), c.close())
	}
	// A first read opens the log and the memory shared between connections; from
	// here on it stays open, so that a full disk cannot keep readers out.
	var tables int64
	if err := c.conn.QueryRowContext(ctx, "select count(*) from sqlite_schema").Scan(&tables); err != nil {
		return nil, errors.Join(fmt.Errorf("reading the database: %w", classify(err)), c.close())
	}
	return c, nil
}

func (s *sqliteDB) write(ctx context.Context, fn func(*Tx) error) error {
	return s.writer.submit(ctx, fn)
}

func (s *sqliteDB) read(ctx context.Context, fn func(*Tx) error) error {
	return s.readers.read(ctx, fn)
}

// migrate keeps the writer from beginning a group meanwhile.
func (s *sqliteDB) migrate(_ context.Context, fn func(*sql.DB) error) error {
	s.writer.pause.Lock()
	defer s.writer.pause.Unlock()
	return fn(s.pool)
}

func (s *sqliteDB) listening() {}

func (s *sqliteDB) close() error {
	s.closeOnce.Do(func() {
		s.writer.close()
		s.closeErr = errors.Join(s.readers.close(), s.pool.Close(), unlockDirectory(s.lock))
	})
	return s.closeErr
}
