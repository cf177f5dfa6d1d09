package db_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// More different statements than a connection keeps prepared.
func TestManyStatements(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		run := func(tx *db.Tx) error {
			for i := range 700 {
				n := int64(i % 600)
				var got int64
				if err := tx.QueryRow(fmt.Sprintf("select %d + cast($1 as bigint)", n), 1).Scan(&got); err != nil {
					return err
				}
				if got != n+1 {
					t.Errorf("statement %d gave %d", n, got)
				}
			}
			return nil
		}
		if err := errors.Join(d.Write(t.Context(), run), d.Read(t.Context(), run)); err != nil {
			t.Error(err)
		}
	})
}

// A commit is a commit, whatever the functions that hear of it do.
func TestOnCommitPanics(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		called := false
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			tx.OnCommit(func() { panic("oh") })
			tx.OnCommit(func() { called = true })
			return insert("a", 1)(tx)
		})
		if err != nil || !called {
			t.Errorf("error %v, second function called: %t", err, called)
		}
		wantIDs(t, d, "a")
	})
}

// A read that panics gives its connection back.
func TestReadPanics(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		for range 20 {
			func() {
				defer func() {
					if v := recover(); v != "oh" {
						t.Errorf("recovered %v", v)
					}
				}()
				_ = d.Read(t.Context(), func(tx *db.Tx) error {
					if _, err := tx.Query("select id from item"); err != nil {
						t.Error(err)
					}
					panic("oh")
				})
			}()
		}
		wantIDs(t, d)
	})
}

// The end of the context interrupts a read at work, and spoils nothing.
func TestReadInterrupted(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		ctx, cancel := context.WithCancel(t.Context())
		begun := make(chan struct{})
		go func() {
			<-begun
			cancel()
		}()
		err := d.Read(ctx, func(tx *db.Tx) error {
			close(begun)
			const endless = "with recursive c (n) as (select 1 union all select (n + 1) % 10 from c) select count(*) from c"
			return tx.QueryRow(endless).Scan(new(int64))
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want Canceled", err)
		}
		wantIDs(t, d)
	})
}

func TestStatementErrors(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrate(t, d)
		units := map[string]func(*db.Tx) error{
			"prepare": func(tx *db.Tx) error {
				_, err := tx.Exec("delete from nothing")
				return err
			},
			"query": func(tx *db.Tx) error {
				_, err := tx.Query("select x from nothing")
				return err
			},
			"row": func(tx *db.Tx) error {
				return tx.QueryRow("select x from nothing").Scan(new(int64))
			},
			"missing argument": func(tx *db.Tx) error {
				_, err := tx.Exec("delete from item where id = $1")
				return err
			},
			"scan": func(tx *db.Tx) error {
				return tx.QueryRow("select id from item").Scan(new(int64))
			},
		}
		if err := d.Write(t.Context(), insert("word", 1)); err != nil {
			t.Fatal(err)
		}
		for name, unit := range units {
			if err := d.Write(t.Context(), unit); err == nil || errors.Is(err, db.ErrUnknownOutcome) || strings.Contains(err.Error(), "over") {
				t.Errorf("%s: error %v", name, err)
			}
			if err := d.Write(t.Context(), insert(name, 1)); err != nil {
				t.Errorf("after %s: %v", name, err)
			}
		}
	})
}
