package trigger_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/trigger"
)

func push(revision string) trigger.Push {
	return trigger.Push{Stage: "Source", Action: "Fetch", Revision: revision, By: "arn:pusher"}
}

func TestPushRevision(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		var got []string
		for _, revision := range []string{"a", "a", "b", "a", "b", "c"} {
			id, isNew, err := b.PushRevision(t.Context(), b.pipeline(), push(revision))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(revision, " ", isNew, " ", slices.Index(b.executions(), id)))
		}
		want := []string{"a true 1", "a false 1", "b true 2", "a false 2", "b false 2", "c true 3"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("revision, new, number of the execution (-want +got):\n%s", diff)
		}
		all := b.executions()
		x, err := b.dispatch.Execution(t.Context(), b.pipeline(), all[len(all)-1])
		if err != nil || x.Trigger != (engine.Trigger{Type: "PutActionRevision", Detail: "arn:pusher"}) {
			t.Errorf("trigger %+v, %v", x.Trigger, err)
		}
	})
}

// TestPushRevisionFetched pushes what the newest execution has fetched already.
func TestPushRevisionFetched(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		first := b.settle()
		id, isNew, err := b.PushRevision(t.Context(), b.pipeline(), push("r1"))
		if err != nil || isNew || id != first {
			t.Errorf("%s, %v, %v; want %s", id, isNew, err, first)
		}
	})
}

// TestPushRevisionAtOnce has many push one revision at the same time.
func TestPushRevisionAtOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		var all sync.WaitGroup
		p := b.pipeline()
		ids, isNew, errs := make([]string, 8), make([]bool, 8), make([]error, 8)
		for i := range ids {
			all.Go(func() { ids[i], isNew[i], errs[i] = b.PushRevision(t.Context(), p, push("a")) })
		}
		all.Wait()
		made, first := b.executions(), 0
		for i := range ids {
			if errs[i] != nil || ids[i] != made[1] {
				t.Errorf("%s, %v; want %s", ids[i], errs[i], made[1])
			}
			if isNew[i] {
				first++
			}
		}
		if len(made) != 2 || first != 1 {
			t.Errorf("%d executions, new %d times", len(made), first)
		}
	})
}

// TestPushRevisionFaults fails each of the two writes of a push in every way: the
// repetition starts no second execution.
func TestPushRevisionFaults(t *testing.T) {
	t.Parallel()
	dbtest.Faults(t, func(t *testing.T, d *db.DB, f *db.Faults) {
		b := newBed(t, d)
		b.freeze()
		for skip := range 2 {
			for _, fault := range []db.Fault{db.FaultBefore, db.FaultLost, db.FaultAfter} {
				name := fmt.Sprint("fault ", fault, " of write ", skip)
				before := len(b.executions())
				f.Arm(fault, skip, 1)
				_, _, firstErr := b.PushRevision(t.Context(), b.pipeline(), push(name))
				f.Arm(db.FaultNone, 0, 0)
				id, isNew, err := b.PushRevision(t.Context(), b.pipeline(), push(name))
				after := b.executions()
				if err != nil || len(after) != before+1 || id != after[before] {
					t.Errorf("%s: %v, then %s, %v, %v; %d executions more", name, firstErr, id, isNew, err, len(after)-before)
				}
			}
		}
	})
}

func TestPrune(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		for _, revision := range []string{"a", "b", "c"} {
			if _, _, err := b.PushRevision(t.Context(), b.pipeline(), push(revision)); err != nil {
				t.Fatal(err)
			}
		}
		// As if a and b had been pushed long ago, and c, the newest, a bit later.
		err := b.db.Write(t.Context(), func(tx *db.Tx) error {
			for i, revision := range []string{"a", "b", "c"} {
				if _, err := tx.Exec(`update pushed_revisions set at = $1 where revision = $2`, i+1, revision); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if more, err := b.Prune(t.Context(), 1000); err != nil || more {
			t.Errorf("more %v, %v", more, err)
		}
		var left []string
		err = b.db.Read(t.Context(), func(tx *db.Tx) error {
			rows, err := tx.Query(`select revision from pushed_revisions`)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var revision string
				if err := rows.Scan(&revision); err != nil {
					return err
				}
				left = append(left, revision)
			}
			return rows.Err()
		})
		if diff := cmp.Diff([]string{"c"}, left); diff != "" || err != nil {
			t.Errorf("%v, left (-want +got):\n%s", err, diff)
		}
	})
}
