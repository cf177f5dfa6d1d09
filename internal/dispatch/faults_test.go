package dispatch_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// eachFaulty runs a test on every database with writes that fail on demand.
func eachFaulty(t *testing.T, test func(t *testing.T, b *bed, f *db.Faults)) {
	t.Parallel()
	dbtest.Faults(t, func(t *testing.T, d *db.DB, f *db.Faults) { test(t, newBed(t, d), f) })
}

// small is a source and a build.
func small() pipeline.Declaration {
	d := declaration()
	d.Stages = d.Stages[:2]
	return d
}

// A commit that worked although its answer was lost is followed up: what it asks
// for is done, once.
func TestUnknownOutcomeIsFollowedUp(t *testing.T) {
	for name, kind := range map[string]db.Fault{"committed": db.FaultAfter, "rolled back": db.FaultLost} {
		t.Run(name, func(t *testing.T) {
			eachFaulty(t, func(t *testing.T, b *bed, f *db.Faults) {
				first := b.create(small())
				at, fetched := b.source.next(t)
				f.Arm(kind, 0, 1) // the report of the source
				fetched(succeeded(nil))
				_, made := b.build.next(t)
				made(succeeded(nil))
				b.await(first, engine.Succeeded)
				if n := b.source.starts(at.ID); n != 1 {
					t.Errorf("the source was started %d times", n)
				}

				f.Arm(kind, 0, 1) // the start
				second, err := b.StartExecution(t.Context(), key, dispatch.StartRequest{})
				if err != nil {
					t.Fatal(err)
				}
				_, fetched = b.source.next(t)
				fetched(provider.Failure(provider.CodeJobFailed, "no"))
				b.await(second, engine.Failed)
				b.wantExecutions(2)
			})
		})
	}
}

// However often the outcome is unknown, and also under the row's lock, an event
// is applied once.
func TestUnknownOutcomesInARow(t *testing.T) {
	for name, faults := range map[string][]db.Fault{
		"lost, lost, committed":         {db.FaultLost, db.FaultLost, db.FaultAfter},
		"conflict, conflict, committed": {db.FaultConflict, db.FaultConflict, db.FaultAfter},
		"conflicts, then lost":          {db.FaultConflict, db.FaultConflict, db.FaultConflict, db.FaultLost},
		"conflicts, then committed":     {db.FaultConflict, db.FaultConflict, db.FaultConflict, db.FaultAfter},
	} {
		t.Run(name, func(t *testing.T) {
			eachFaulty(t, func(t *testing.T, b *bed, f *db.Faults) {
				b.create(small())
				b.source.next(t)
				left := faults // each database has its own
				f.Decide(func() db.Fault {
					if len(left) == 0 {
						return db.FaultNone
					}
					fault := left[0]
					left = left[1:]
					return fault
				})
				// The first stage is busy, so that nothing else is written.
				const token = "the same start"
				id, err := b.StartExecution(t.Context(), key, dispatch.StartRequest{Token: token})
				if errors.Is(err, db.ErrUnknownOutcome) { // an honest answer: the client asks again
					id, err = b.StartExecution(t.Context(), key, dispatch.StartRequest{Token: token})
				}
				if err != nil {
					t.Fatal(err)
				}
				b.wantExecutions(2)
				if _, err := b.Execution(t.Context(), b.pipeline(), id); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Creation is one commit as well.
func TestUnknownOutcomeOfCreate(t *testing.T) {
	eachFaulty(t, func(t *testing.T, b *bed, f *db.Faults) {
		f.FailAfter(1)
		_, err := b.CreatePipeline(t.Context(), key.Account, key.Region, dispatch.CreateRequest{Declaration: small()})
		if err != nil && !errors.Is(err, db.ErrUnknownOutcome) {
			t.Fatal(err)
		}
		// Whatever the caller was told: the pipeline is there, and its execution runs.
		at, fetched := b.source.next(t)
		fetched(provider.Failure(provider.CodeJobFailed, "no"))
		b.await(at.ExecutionID, engine.Failed)
	})
}

// What was begun but not started is started, by the process that began it; what
// was started is not started again.
func TestBegunIsStartedOnce(t *testing.T) {
	for name, kind := range map[string]db.Fault{"committed": db.FaultAfter, "rolled back": db.FaultLost, "failed": db.FaultBefore} {
		t.Run(name, func(t *testing.T) {
			eachFaulty(t, func(t *testing.T, b *bed, f *db.Faults) {
				id := b.create(small())
				_, fetched := b.source.next(t)
				f.Arm(kind, 1, 1) // the source's report passes, the begin of the build fails
				fetched(succeeded(nil))
				at, made := b.build.next(t)
				made(succeeded(nil))
				b.await(id, engine.Succeeded)
				if n := b.build.starts(at.ID); n != 1 {
					t.Errorf("the build was started %d times", n)
				}
			})
		})
	}
}

// A log that cannot be opened at first is no reason to lose the attempt.
func TestLogFailsAtFirst(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		fails := make(chan struct{}, 1)
		b.openLog = func(context.Context, string, []string) (dispatch.Log, error) {
			select {
			case <-fails:
				return nil, errors.New("no log today")
			default:
				return discard{}, nil
			}
		}
		b.restart()
		id := b.create(small())
		_, fetched := b.source.next(t)
		fails <- struct{}{} // for the build
		fetched(succeeded(nil))
		_, made := b.build.next(t)
		made(succeeded(nil))
		b.await(id, engine.Succeeded)
	})
}

// Executions that were started by one commit each know their own history.
func TestHistoryBeginsWithTheStart(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		b.create(small())
		b.source.next(t)
		ids := make(chan string, 20)
		for range cap(ids) {
			go func() {
				id, err := b.StartExecution(t.Context(), key, dispatch.StartRequest{})
				if err != nil {
					t.Error(err)
				}
				ids <- id
			}()
		}
		for range cap(ids) {
			id := <-ids
			x, err := b.Execution(t.Context(), b.pipeline(), id)
			if err != nil {
				t.Fatal(err)
			}
			history, err := b.History(t.Context(), x)
			if err != nil {
				t.Fatal(err)
			}
			found := slices.ContainsFunc(history, func(c engine.Change) bool { return c.Kind == engine.ExecutionStarted })
			if !found {
				t.Errorf("the start of %s is not between its changes %d and %d", id, x.FirstChange, x.LastChange)
			}
		}
	})
}

// A time-out that came while the node's clock was set back still comes.
func TestDeadlineWithAClockSetBack(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		b.now = func() time.Time { return time.Now().Add(-30 * 24 * time.Hour) }
		b.restart()
		b.source.kind.Timeout = 200 // milliseconds
		b.restart()
		id := b.create(small())
		b.await(id, engine.Failed)
	})
}
