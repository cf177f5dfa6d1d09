package db_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// checkFault checks that a write with the fault got the right error.
func checkFault(t *testing.T, fault db.Fault, err error) {
	t.Helper()
	type classes struct{ injected, conflict, unknown bool }
	want := map[db.Fault]classes{
		db.FaultNone:     {},
		db.FaultBefore:   {injected: true},
		db.FaultConflict: {injected: true, conflict: true},
		db.FaultLost:     {injected: true, unknown: true},
		db.FaultAfter:    {injected: true, unknown: true},
	}[fault]
	got := classes{errors.Is(err, db.ErrInjected), errors.Is(err, db.ErrConflict), errors.Is(err, db.ErrUnknownOutcome)}
	if got != want || (err == nil) != (fault == db.FaultNone) {
		t.Errorf("fault %d: error %v", fault, err)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	dbtest.Faults(t, func(t *testing.T, d *db.DB, f *db.Faults) {
		migrate(t, d)
		var want []string
		for i, fault := range []db.Fault{db.FaultNone, db.FaultBefore, db.FaultConflict, db.FaultLost, db.FaultAfter} {
			f.Arm(fault, 1, 1) // the second of three
			for n := range 3 {
				id := fmt.Sprint(i, n)
				called := false
				err := d.Write(t.Context(), func(tx *db.Tx) error {
					tx.OnCommit(func() { called = true })
					return insert(id, 1)(tx)
				})
				expected := db.FaultNone
				if n == 1 {
					expected = fault
				}
				checkFault(t, expected, err)
				if called != (err == nil) {
					t.Errorf("fault %d: OnCommit called: %t, error %v", fault, called, err)
				}
				if err == nil || expected == db.FaultAfter {
					want = append(want, id)
				}
			}
		}
		wantIDs(t, d, want...)

		// A unit that fails by itself uses up no fault.
		f.FailBefore(1)
		if err := d.Write(t.Context(), func(*db.Tx) error { return errors.New("mine") }); errors.Is(err, db.ErrInjected) {
			t.Error("a failing unit got an injected fault")
		}
		if err := d.Write(t.Context(), insert("x", 1)); !errors.Is(err, db.ErrInjected) {
			t.Errorf("error %v, want an injected fault", err)
		}
		f.FailAfter(1)
		if err := d.Write(t.Context(), insert("x", 1)); !errors.Is(err, db.ErrUnknownOutcome) {
			t.Errorf("error %v, want an unknown outcome", err)
		}
		wantIDs(t, d, append(want, "x")...)
	})
}
