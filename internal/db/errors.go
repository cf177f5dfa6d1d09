package db

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// The errors that callers decide on. They are found with errors.Is; the cause
// is kept in the text.
var (
	// ErrNoRows is returned by [Row.Scan] when the query gave no row.
	ErrNoRows = errors.New("no rows")

	// ErrConflict says that the transaction was rolled back because of a
	// concurrent one (serialization failure, deadlock). The caller loads again
	// and retries.
	ErrConflict = errors.New("conflict with a concurrent transaction")

	// ErrUnknownOutcome says that the commit failed or its answer was lost: what
	// the unit wrote may or may not be there. The caller drops what it holds in
	// memory and loads again.
	ErrUnknownOutcome = errors.New("unknown outcome of the commit")

	// ErrFull says that the disk (or the database's quota) is full. Writes work
	// again when there is room; reads go on.
	ErrFull = errors.New("the database is full")

	// ErrReadOnly says that the database cannot be written: a read-only file
	// system, or a write inside a Read.
	ErrReadOnly = errors.New("the database is read-only")

	// ErrIO says that the operating system failed to read or write the
	// database's files.
	ErrIO = errors.New("input or output error of the database")

	// ErrClosed is returned by everything after [DB.Close].
	ErrClosed = errors.New("the database is closed")

	// ErrInjected is the cause of every error made by [Faults].
	ErrInjected = errors.New("injected fault")

	errTxOver   = errors.New("the transaction is over")
	errRowsOpen = errors.New("the rows of an earlier query are still open")
	errNUL      = errors.New("text holds a NUL character")
	errGoexit   = errors.New("the function of a write ended its goroutine (does a test call FailNow in it?)")
)

// PanicError is what [DB.Write] returns when its function panicked: the unit was
// rolled back.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // where, as debug.Stack prints it
}

// Error gives the value and the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("panic in a transaction: %v\n%s", e.Value, e.Stack)
}

// IsUnique says whether err is the violation of a unique index or primary key.
// The transaction that met it is over; where a duplicate is expected use
// "on conflict do nothing" and look at the affected rows.
func IsUnique(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() {
		case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
			return true
		}
		return false
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23505"
}

// classify adds to an error of a driver the class that callers look for. Every
// other error is returned as it is.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if class := errorClass(err); class != nil && !errors.Is(err, class) {
		return fmt.Errorf("%w: %w", class, err)
	}
	return err
}

func errorClass(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNoRows
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return ErrConflict
		case sqlite3.SQLITE_FULL:
			return ErrFull
		case sqlite3.SQLITE_READONLY:
			return ErrReadOnly
		case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
			return ErrIO
		}
		return nil
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code {
		case "40001", "40P01": // serialization_failure, deadlock_detected
			return ErrConflict
		case "53100": // disk_full
			return ErrFull
		case "25006": // read_only_sql_transaction: also a standby
			return ErrReadOnly
		case "58030": // io_error
			return ErrIO
		}
	}
	return nil
}
