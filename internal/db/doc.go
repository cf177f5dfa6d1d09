// Package db is the one database of a Penstock server: SQLite in the data
// directory of a single machine, or PostgreSQL shared by several nodes. It
// knows transactions, the differences between the two databases, wake-ups and
// migrations; it knows no table's meaning. Each package above owns its tables,
// its SQL and its migrations, and takes a [Tx], so that two packages can share
// one commit.
//
// # Reading and writing
//
// [DB.Write] runs a function inside a transaction and returns nil only when
// what it wrote is durable. [DB.Read] runs a function on one consistent,
// read-only snapshot. Both hand out a [Tx]. The function of a Write must be
// short, must not block on anything but the database, must not call Write or
// Read again, and runs at most once: nothing here retries it.
//
// The error of a Write tells what is known about the outcome:
//
//   - [ErrUnknownOutcome]: the commit may or may not have happened. Load again
//     before deciding anything.
//   - [ErrConflict]: rolled back because of a concurrent transaction. Load again
//     and repeat.
//   - every other error: rolled back. The error of the function itself comes
//     back as it is, [ErrFull] and [ErrReadOnly] mark a disk that takes no more.
//
// # SQLite
//
// One goroutine owns the only writing connection and commits in groups: it
// takes every unit that waits, runs them one after the other and pays one fsync
// for all. A unit that fails or panics is rolled back alone: the statements of the
// units before it are run again, their functions are not, and the units after it
// have savepoints. So the effect of a statement must follow from the database and
// its arguments; random() and the clock have no place in it. A lone unit waits for
// nobody. If COMMIT itself fails, every unit
// of the group gets ErrUnknownOutcome. The data directory is locked, so that
// two servers cannot share it.
//
// # PostgreSQL
//
// Every Write is one transaction at the isolation level read committed, every
// Read one at repeatable read, read only.
//
// # One SQL text
//
// The same statements run on both: placeholders are $1, $2, ...; ids are text,
// times bigint milliseconds since the epoch in UTC, structured values JSON in
// text columns. Migrations declare text keys with the word text_key, which makes
// them compare as bytes on both. What is left of the differences is in
// [Dialect]. So that a mistake shows on a laptop and not in production, the
// stricter database sets the rules for both: after a failed statement the
// transaction is over, the rows of one query must be closed before the next
// statement, text holds no NUL, LIKE minds case, double quotes are for names.
//
// # Faults
//
// Tests of every package inject failures through one means, [Faults]; see
// package dbtest for the databases to test on.
package db
