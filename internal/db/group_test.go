package db_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// group submits units while the writer is busy, so that they wait together and
// are committed as one group, in order. It returns their errors. It must be
// called in a synctest bubble that holds the database as well.
func group(t *testing.T, d *db.DB, units ...func(*db.Tx) error) []error {
	t.Helper()
	release := make(chan struct{})
	go func() {
		_ = d.Write(context.Background(), func(*db.Tx) error { <-release; return nil })
	}()
	synctest.Wait()
	errs := make([]error, len(units))
	for i, unit := range units {
		go func() { errs[i] = d.Write(context.Background(), unit) }()
		synctest.Wait() // queued
	}
	close(release)
	synctest.Wait()
	return errs
}

// inBubble runs fn with an SQLite database whose goroutines are in a synctest
// bubble.
func inBubble(t *testing.T, fn func(t *testing.T, d *db.DB, f *db.Faults)) {
	inBubbleURL(t, dbtest.SQLiteURL(t), fn)
}

func inBubbleURL(t *testing.T, url string, fn func(t *testing.T, d *db.DB, f *db.Faults)) {
	synctest.Test(t, func(t *testing.T) {
		f := &db.Faults{}
		d := dbtest.Open(t, url, f)
		migrate(t, d)
		fn(t, d, f)
	})
}

func TestGroupSharesOneCommit(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, d *db.DB, _ *db.Faults) {
		var order []string
		unit := func(id string) func(*db.Tx) error {
			return func(tx *db.Tx) error {
				order = append(order, "run "+id)
				tx.OnCommit(func() {
					order = append(order, "committed "+id)
					wantIDs(t, d, "a", "b", "c") // durable: a reader sees all of them
				})
				return insert(id, 1)(tx)
			}
		}
		if err := errors.Join(group(t, d, unit("a"), unit("b"), unit("c"))...); err != nil {
			t.Fatal(err)
		}
		want := []string{"run a", "run b", "run c", "committed a", "committed b", "committed c"}
		if diff := cmp.Diff(want, order); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

// Each unit of a group fails alone, whatever its way to fail.
func TestGroupUnitFailsAlone(t *testing.T) {
	t.Parallel()
	errMine := errors.New("mine")
	tests := []struct {
		name string
		unit func(*db.Tx) error
		want func(error) bool
	}{
		{"error", func(tx *db.Tx) error {
			return errors.Join(errMine, insert("bad", 1)(tx))
		}, func(err error) bool { return errors.Is(err, errMine) }},
		{"panic", func(tx *db.Tx) error {
			_ = insert("bad", 1)(tx)
			panic("oh")
		}, func(err error) bool { _, ok := errors.AsType[*db.PanicError](err); return ok }},
		{"duplicate", func(tx *db.Tx) error {
			_ = insert("bad", 1)(tx)
			return insert("a", 2)(tx)
		}, db.IsUnique},
		{"duplicate swallowed", func(tx *db.Tx) error {
			_ = insert("bad", 1)(tx)
			_ = insert("a", 2)(tx)
			return nil
		}, db.IsUnique},
		{"rows left open", func(tx *db.Tx) error {
			_ = insert("bad", 1)(tx)
			if _, err := tx.Query("select id from item"); err != nil {
				t.Error(err)
			}
			return errMine
		}, func(err error) bool { return errors.Is(err, errMine) }},
		{"syntax", func(tx *db.Tx) error {
			_ = insert("bad", 1)(tx)
			_, err := tx.Exec(`insert into item (id) values ("quoted")`)
			return err
		}, func(err error) bool { return strings.Contains(fmt.Sprint(err), "quoted") }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, d *db.DB, _ *db.Faults) {
				unit := func(tx *db.Tx) error {
					tx.OnCommit(func() { t.Error("OnCommit of a failed unit") })
					return test.unit(tx)
				}
				errs := group(t, d, insert("a", 1), unit, insert("c", 1))
				if errs[0] != nil || errs[2] != nil {
					t.Errorf("the others got %v and %v", errs[0], errs[2])
				}
				if !test.want(errs[1]) {
					t.Errorf("the unit got %v", errs[1])
				}
				wantIDs(t, d, "a", "c")
			})
		})
	}
}

// A unit that ends the writer's goroutine takes those before it along, which are
// told, and nobody after it.
// What a unit is told may rest on the units before it, as a duplicate does. It
// must not be told before those are durable, nor when they are lost.
func TestGroupTellsNothingBeforeTheCommit(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("lost=%t", lost), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, d *db.DB, _ *db.Faults) {
				told := make(chan error, 1)
				hold := make(chan struct{})
				release := make(chan struct{})
				write := func(unit func(*db.Tx) error) {
					go func() { _ = d.Write(context.Background(), unit) }()
					synctest.Wait() // queued
				}
				write(func(*db.Tx) error { <-release; return nil })
				write(insert("a", 1))
				go func() { told <- d.Write(context.Background(), insert("a", 2)) }()
				synctest.Wait()
				write(func(*db.Tx) error {
					<-hold
					if lost {
						goexit()
					}
					return nil
				})
				close(release)
				synctest.Wait()
				select {
				case err := <-told:
					t.Errorf("told before the commit: %v", err)
					told <- err
				default:
				}
				close(hold)
				if err := <-told; err == nil || db.IsUnique(err) == lost {
					t.Errorf("told %v", err)
				}
			})
		})
	}
}

// A caller may give up before its unit runs; nobody else notices.
func TestLoneUnitGivenUp(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, d *db.DB, _ *db.Faults) {
		release := make(chan struct{})
		go func() {
			_ = d.Write(context.Background(), func(*db.Tx) error { <-release; return nil })
		}()
		synctest.Wait() // the writer is busy
		ctx, giveUp := context.WithCancel(t.Context())
		told := make(chan error)
		go func() { told <- d.Write(ctx, func(*db.Tx) error { return nil }) }()
		synctest.Wait() // queued
		giveUp()
		if err := <-told; !errors.Is(err, context.Canceled) {
			t.Errorf("the unit given up: %v", err)
		}
		close(release)
		synctest.Wait()
		if err := d.Write(t.Context(), insert("a", 1)); err != nil {
			t.Errorf("the next unit: %v", err)
		}
	})
}

func TestGroupGoexit(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, d *db.DB, _ *db.Faults) {
		errs := group(t, d,
			insert("a", 1),
			func(*db.Tx) error { goexit(); return nil },
			insert("c", 1))
		if errs[0] == nil || errs[1] == nil || errs[2] != nil {
			t.Errorf("errors %v, want two and then none", errs)
		}
		wantIDs(t, d, "c")
	})
}

func TestGroupFaults(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, d *db.DB, f *db.Faults) {
		faults := []db.Fault{db.FaultNone, db.FaultBefore, db.FaultConflict, db.FaultLost, db.FaultAfter, db.FaultNone}
		// The first to be asked is the unit that keeps the writer busy.
		left := slices.Insert(slices.Clone(faults), 0, db.FaultNone)
		f.Decide(func() db.Fault {
			next := left[0]
			left = left[1:]
			return next
		})
		var committed []string
		var units []func(*db.Tx) error
		for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
			units = append(units, func(tx *db.Tx) error {
				tx.OnCommit(func() { committed = append(committed, id) })
				return insert(id, 1)(tx)
			})
		}
		for i, err := range group(t, d, units...) {
			checkFault(t, faults[i], err)
		}
		wantIDs(t, d, "a", "e", "f")
		if diff := cmp.Diff([]string{"a", "f"}, committed); diff != "" {
			t.Errorf("OnCommit (-want +got):\n%s", diff)
		}
	})
}

func TestCancelWhileQueued(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, d *db.DB, _ *db.Faults) {
		release := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		var running, queued error
		go func() {
			running = d.Write(ctx, func(tx *db.Tx) error {
				<-release
				return insert("running", 1)(tx)
			})
		}()
		synctest.Wait()
		go func() { queued = d.Write(ctx, insert("queued", 1)) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !errors.Is(queued, context.Canceled) {
			t.Errorf("the queued unit got %v before the writer was free, want Canceled", queued)
		}
		close(release)
		synctest.Wait()
		if running != nil {
			t.Errorf("the running unit got %v, want it finished", running)
		}
		wantIDs(t, d, "running")
	})
}

// Close finishes what is queued.
func TestCloseDrains(t *testing.T) {
	t.Parallel()
	url := dbtest.SQLiteURL(t)
	synctest.Test(t, func(t *testing.T) {
		d := dbtest.Open(t, url, nil)
		migrate(t, d)
		release := make(chan struct{})
		var errs [3]error
		go func() {
			errs[0] = d.Write(context.Background(), func(*db.Tx) error { <-release; return nil })
		}()
		synctest.Wait()
		go func() { errs[1] = d.Write(context.Background(), insert("queued", 1)) }()
		synctest.Wait()
		go func() { errs[2] = d.Close() }()
		synctest.Wait()
		close(release)
		synctest.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
		again := dbtest.Open(t, url, nil)
		wantIDs(t, again, "queued")
	})
}
