package db_test

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

func TestDeadlockIsConflict(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t)
	migrate(t, d)
	for _, id := range []string{"a", "b"} {
		if err := d.Write(t.Context(), insert(id, 0)); err != nil {
			t.Fatal(err)
		}
	}
	locked := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	errs := make(chan error, 2)
	for i := range 2 {
		go func() {
			order := [2]string{"a", "b"}
			errs <- d.Write(context.Background(), func(tx *db.Tx) error {
				const add = "update item set n = n + 1 where id = $1"
				if _, err := tx.Exec(add, order[i]); err != nil {
					return err
				}
				close(locked[i])
				<-locked[1-i]
				_, err := tx.Exec(add, order[1-i])
				return err
			})
		}()
	}
	first, second := <-errs, <-errs
	if first != nil {
		first, second = second, first
	}
	if first != nil || !errors.Is(second, db.ErrConflict) {
		t.Errorf("errors %v and %v, want none and ErrConflict", first, second)
	}
}

// commitTrigger has a statement run when a transaction that inserted the item
// commits.
func commitTrigger(t *testing.T, d *db.DB, item, statement string) {
	t.Helper()
	err := d.Migrate(t.Context(), schema("trigger_"+item, map[string]string{"00001_a.sql": `-- +goose Up
-- +goose StatementBegin
create function at_commit_` + item + `() returns trigger language plpgsql as $$
begin
	` + statement + `;
	return null;
end $$;
-- +goose StatementEnd
create constraint trigger at_commit_` + item + ` after insert on item deferrable initially deferred
	for each row when (new.id = '` + item + `') execute function at_commit_` + item + `();
`}))
	if err != nil {
		t.Fatal(err)
	}
}

func TestConnectionLostAtCommit(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t)
	migrate(t, d)
	commitTrigger(t, d, "killer", "perform pg_terminate_backend(pg_backend_pid())")
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		tx.OnCommit(func() { t.Error("OnCommit after a lost commit") })
		return insert("killer", 1)(tx)
	})
	if !errors.Is(err, db.ErrUnknownOutcome) {
		t.Errorf("error %v, want ErrUnknownOutcome", err)
	}
	if err := d.Write(t.Context(), insert("next", 1)); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, d, "next")
}

// An ERROR at COMMIT is the server's word: rolled back, no unknown outcome.
func TestRefusedCommit(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t)
	migrate(t, d)
	commitTrigger(t, d, "refused", "raise exception 'no'")
	commitTrigger(t, d, "serial", "raise exception 'again' using errcode = '40001'")
	for id, want := range map[string]error{"refused": nil, "serial": db.ErrConflict} {
		err := d.Write(t.Context(), insert(id, 1))
		if err == nil || errors.Is(err, db.ErrUnknownOutcome) || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: error %v", id, err)
		}
	}
	wantIDs(t, d)
}

// A lost connection before COMMIT means rolled back, and the next unit gets a
// working one.
func TestConnectionsLost(t *testing.T) {
	t.Parallel()
	url := dbtest.PostgresURL(t)
	d := dbtest.Open(t, url, nil)
	migrate(t, d)
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		if err := insert("a", 1)(tx); err != nil {
			return err
		}
		terminateOthers(t, url)
		return insert("b", 1)(tx)
	})
	if err == nil || errors.Is(err, db.ErrUnknownOutcome) {
		t.Errorf("error %v, want one that is known to be a roll-back", err)
	}
	for _, id := range []string{"c", "d"} { // idle connections break, too
		if err := d.Write(t.Context(), insert(id, 1)); err != nil {
			t.Errorf("%s: %v", id, err)
		}
		terminateOthers(t, url)
	}
	wantIDs(t, d, "c", "d")
}

// Ending the context rolls back a unit that waits for a lock.
func TestCancelWhileWaitingForLock(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t)
	migrate(t, d)
	if err := d.Write(t.Context(), insert("a", 0)); err != nil {
		t.Fatal(err)
	}
	const add = "update item set n = n + 1 where id = 'a'"
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec(add); err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(t.Context())
		waiting := make(chan error)
		begun := make(chan struct{})
		go func() {
			waiting <- d.Write(ctx, func(tx *db.Tx) error {
				close(begun)
				_, err := tx.Exec(add)
				return err
			})
		}()
		<-begun
		cancel()
		if err := <-waiting; !errors.Is(err, context.Canceled) {
			t.Errorf("the waiting unit got %v, want Canceled", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	if err := d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow("select n from item where id = 'a'").Scan(&n)
	}); err != nil || n != 1 {
		t.Errorf("n = %d, %v; want 1", n, err)
	}
}

// Who waits for a name sees what its holder committed, and another name is free.
func TestLock(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		if err := d.Write(t.Context(), insert("a", 0)); err != nil {
			t.Fatal(err)
		}
		var g errgroup.Group
		for n := range 40 {
			g.Go(func() error {
				return d.Write(t.Context(), func(tx *db.Tx) error {
					if err := tx.Lock("other " + strconv.Itoa(n)); err != nil {
						return err
					}
					if err := tx.Lock("name"); err != nil {
						return err
					}
					var n int64
					if err := tx.QueryRow("select n from item where id = 'a'").Scan(&n); err != nil {
						return err
					}
					_, err := tx.Exec("update item set n = $1 where id = 'a'", n+1)
					return err
				})
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		var n int64
		if err := d.Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow("select n from item where id = 'a'").Scan(&n)
		}); err != nil || n != 40 {
			t.Errorf("%d were added up, %v; want 40", n, err)
		}
	})
}

// A pool of one connection is enough for everything but nesting.
func TestSmallestPool(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.PostgresURL(t)+"&pool_max_conns=1", nil)
	migrate(t, d)
	wake, cancel := d.Listen("a")
	defer cancel()
	if err := d.Write(t.Context(), notifying("a", "a")); err != nil {
		t.Fatal(err)
	}
	awaitWake(t, wake, "the only connection")
}
