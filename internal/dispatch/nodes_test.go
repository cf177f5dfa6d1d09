package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// eachPair runs a test with two nodes on every database.
func eachPair(t *testing.T, test func(t *testing.T, a, b *bed)) {
	each(t, func(t *testing.T, a *bed) {
		a.Close()
		a.lease = time.Second
		a.start()
		test(t, a, a.other())
	})
}

// A stop that one node accepts reaches the provider on the node that runs the
// action.
func TestStopReachesTheNodeThatRuns(t *testing.T) {
	eachPair(t, func(t *testing.T, a, b *bed) {
		id := a.create(small())
		at, _ := a.source.next(t)
		if err := b.StopExecution(t.Context(), key, engine.StopExecution{Execution: id, Abandon: true}); err != nil {
			t.Fatal(err)
		}
		if got := <-a.source.stopped; got != at.ID {
			t.Errorf("stopped %s, want %s", got, at.ID)
		}
	})
}

// A node that has not seen what another one did neither refuses a request nor
// drops a verdict because of it.
func TestAnswersComeFromTheCurrentState(t *testing.T) {
	eachPair(t, func(t *testing.T, a, b *bed) {
		first := a.create(small())
		_, fetched := a.source.next(t)
		second, err := b.StartExecution(t.Context(), key, dispatch.StartRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.StopExecution(t.Context(), key, engine.StopExecution{Execution: second}); err != nil {
			t.Fatalf("stopping what the other node started: %v", err)
		}
		hold := engine.SetTransition{Stage: "Build", Disabled: true, Reason: "wait", By: "arn:me"}
		if err := a.SetTransition(t.Context(), key, hold); err != nil {
			t.Fatal(err)
		}
		fetched(succeeded(nil))
		a.awaitArrival(first)
		hold.Disabled = false
		if err := b.SetTransition(t.Context(), key, hold); err != nil {
			t.Fatal(err)
		}
		at, _ := b.build.next(t)
		b.Close()
		// The other node takes over what cannot be done again, and says so.
		a.await(first, engine.Failed)
		if n := a.build.starts(at.ID); n != 1 {
			t.Errorf("the build was started %d times", n)
		}
	})
}

// Claims of a node whose lease is gone are free, also those made without one.
func TestClaimsWithoutLeaseAreFreed(t *testing.T) {
	eachPair(t, func(t *testing.T, a, b *bed) {
		id := b.create(small())
		b.source.next(t)
		err := b.db.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec("delete from nodes")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		b.Close()
		_, fetched := a.source.next(t)
		fetched(provider.Failure(provider.CodeJobFailed, "no"))
		a.await(id, engine.Failed)
	})
}

// A node that remembers a pipeline's predecessor deletes the pipeline that is
// there now.
func TestDeleteOfARecreatedPipeline(t *testing.T) {
	eachPair(t, func(t *testing.T, a, b *bed) {
		a.create(small())
		if _, err := a.StartExecution(t.Context(), key, dispatch.StartRequest{}); err != nil { // remembers its id
			t.Fatal(err)
		}
		if err := b.DeletePipeline(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		b.create(small())
		if err := a.DeletePipeline(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Pipeline(t.Context(), key, 0); !errors.Is(err, dispatch.ErrPipelineNotFound) {
			t.Errorf("after the second delete: %v, want it gone", err)
		}
	})
}

// Starts with one token that arrive together make one execution, and none of
// them is told of one that is not there, whatever becomes of the commit.
func TestTokensOfOneBatch(t *testing.T) {
	eachFaulty(t, func(t *testing.T, b *bed, f *db.Faults) {
		b.create(small())
		b.source.next(t)
		faults := []db.Fault{db.FaultNone, db.FaultBefore, db.FaultConflict, db.FaultLost, db.FaultAfter}
		var others atomic.Int32 // executions without a token: the fault may be theirs
		for round, kind := range faults {
			start := dispatch.StartRequest{Token: fmt.Sprintf("token-%d", round)}
			release := b.holdWrites()
			answers := make(chan string, 21)
			ask := func(r dispatch.StartRequest) {
				id, err := b.StartExecution(t.Context(), key, r)
				if err != nil && !errors.Is(err, db.ErrInjected) {
					t.Error(err)
				}
				if r.Token == "" {
					if err == nil {
						others.Add(1)
					}
					id = ""
				}
				answers <- id
			}
			go ask(dispatch.StartRequest{}) // waits for the writer; the others queue behind it
			b.passTime()
			for range cap(answers) - 1 {
				go ask(start)
			}
			b.passTime()
			f.Arm(kind, 2, 1) // what holds and the first start pass
			release()
			promised := map[string]bool{}
			for range cap(answers) {
				if id := <-answers; id != "" {
					promised[id] = true
				}
			}
			f.Arm(db.FaultNone, 0, 0)
			id, err := b.StartExecution(t.Context(), key, start)
			if err != nil {
				t.Fatal(err)
			}
			promised[id] = true
			if len(promised) != 1 {
				t.Errorf("fault %d: one token gave the executions %v", kind, promised)
			}
		}
		b.wantExecutions(1 + len(faults) + int(others.Load()))
	})
}

// A token that started an execution gives it again also while the limit of
// concurrent executions lets nothing new in, through any node.
func TestTokenBeyondTheLimit(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		b.Close()
		b.configure = func(c *dispatch.Config) { c.Quotas.ConcurrentExecutions = 2 }
		b.start()
		d := small()
		d.ExecutionMode = pipeline.ModeQueued
		b.create(d)
		trigger := engine.Trigger{Type: engine.TriggerStartPipelineExecution, Detail: "arn:me"}
		once := dispatch.StartRequest{Trigger: trigger, Token: "once"}
		first, err := b.StartExecution(t.Context(), key, once)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := b.StartExecution(t.Context(), key, once); err != nil || again != first {
			t.Errorf("the same token: %q, %v, want %s", again, err, first)
		}
		refused := func(r dispatch.StartRequest) {
			t.Helper()
			var rejection *engine.Rejection
			if _, err := b.StartExecution(t.Context(), key, r); !errors.As(err, &rejection) || rejection.Reason != engine.ReasonLimit {
				t.Errorf("start with token %q: %v, want the limit", r.Token, err)
			}
		}
		refused(dispatch.StartRequest{Trigger: trigger})
		refused(dispatch.StartRequest{Trigger: trigger, Token: "another"})
		err = b.db.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec("update start_tokens set at = at - $1", (24 * time.Hour).Milliseconds())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		refused(once)
		b.wantExecutions(2)
	})
}

// Executions that are over are loaded together, however many requests of a batch
// name them, and not one by one under the lock of the pipeline.
func TestEndedExecutionsOfOneBatch(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		b.create(small())
		var bodies []engine.Body
		for i := range 30 {
			id, err := b.StartExecution(t.Context(), key, dispatch.StartRequest{})
			if err != nil {
				t.Fatal(err)
			}
			switch i % 3 { // the next start supersedes it
			case 0:
				bodies = append(bodies, engine.RetryStage{Stage: "Source", Execution: id})
			case 1:
				bodies = append(bodies, engine.RollBack{Stage: "Source", Target: id})
			case 2:
				bodies = append(bodies, engine.OverrideCondition{Stage: "Source", Execution: id, Gate: pipeline.GateBeforeEntry})
			}
		}
		bodies = bodies[:len(bodies)-1]
		release := b.holdWrites()
		answered := make(chan []error, 1)
		go func() {
			_, errs := b.ApplyTogether(t.Context(), key, bodies...)
			answered <- errs
		}()
		select {
		case errs := <-answered:
			release()
			for i, err := range errs {
				var rejection *engine.Rejection
				if !errors.As(err, &rejection) || rejection.Reason == engine.ReasonExecutionNotFound {
					t.Errorf("%T: %v", bodies[i], err)
				}
			}
		case <-time.After(10 * time.Second):
			t.Error("nothing is to be written, and the lock is waited for")
			release()
		}
	})
}

// holdWrites makes every write of a pipeline wait until release is called.
func (b *bed) holdWrites() (release func()) {
	held, hold, over := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		over <- b.db.Write(context.Background(), func(tx *db.Tx) error {
			_, err := tx.Exec("update pipelines set name = name")
			close(held)
			<-hold
			return err
		})
	}()
	<-held
	return func() {
		close(hold)
		if err := <-over; err != nil {
			b.t.Error(err)
		}
	}
}

// passTime lets other goroutines get to where they block. A test that needs it
// is true without it, but proves less.
func (b *bed) passTime() {
	for range 200 {
		b.pipeline()
	}
}

// awaitArrival polls until an execution waits at its second stage.
func (b *bed) awaitArrival(id string) {
	b.t.Helper()
	for {
		x, err := b.Execution(b.t.Context(), b.pipeline(), id)
		if err != nil {
			b.t.Fatal(err)
		}
		if x.Stage == 1 && !x.Inside {
			return
		}
	}
}
