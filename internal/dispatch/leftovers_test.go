package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// expired lists what is to be deleted: execution to keys.
func (b *bed) expired() map[string][]string {
	b.t.Helper()
	keys := map[string][]string{}
	for after := ""; ; {
		list, err := b.Leftovers(b.t.Context(), after, 1)
		if err != nil {
			b.t.Fatal(err)
		}
		if len(list) == 0 {
			return keys
		}
		after = list[0].Execution
		for _, at := range list[0].Artifacts {
			if at.Bucket != "store" || list[0].At == 0 {
				b.t.Errorf("expired: %+v", list[0])
			}
			keys[after] = append(keys[after], at.Key)
		}
	}
}

// keysOf are the keys of an execution's artifacts.
func (b *bed) keysOf(execution string) (keys []string) {
	b.t.Helper()
	x, err := b.Execution(b.t.Context(), b.pipeline(), execution)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, artifact := range x.Artifacts {
		keys = append(keys, artifact.Key)
	}
	return keys
}

// succeed runs an execution of a source and a build to its end.
func (b *bed) succeed() string {
	b.t.Helper()
	id, err := b.StartExecution(b.t.Context(), key, dispatch.StartRequest{})
	if err != nil {
		b.t.Fatal(err)
	}
	b.finish(id)
	return id
}

// finish plays an execution that has started: its source and its build.
func (b *bed) finish(id string) {
	b.t.Helper()
	_, end := b.source.next(b.t)
	end(succeeded(nil))
	_, end = b.build.next(b.t)
	end(succeeded(nil))
	b.await(id, engine.Succeeded)
}

func (b *bed) rollBackTo(target string) string {
	b.t.Helper()
	id, err := b.RollBack(b.t.Context(), key, engine.RollBack{
		Stage: "Build", Target: target, Trigger: engine.Trigger{Type: engine.TriggerManualRollback, Detail: "arn:me"},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	_, end := b.build.next(b.t)
	end(succeeded(nil))
	b.await(id, engine.Succeeded)
	return id
}

func TestArtifactsExpireWithTheirExecution(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		first := b.create(small())
		b.finish(first)
		keys := b.keysOf(first)
		if len(keys) != 2 {
			t.Fatalf("artifacts of the first execution: %q", keys)
		}
		last := b.succeed()
		b.pruneAll(time.Now().Add(-time.Hour))
		if got := b.expired(); len(got) != 0 {
			t.Fatalf("expired while they are young: %q", got)
		}
		for range 2 {
			b.pruneAll(time.Now().Add(time.Hour))
			if got := b.expired(); len(got) != 1 || !slices.Equal(got[first], keys) {
				t.Fatalf("expired %q, want %q of %s; the stages show %s", got, keys, first, last)
			}
		}
		for range 2 {
			if err := b.ForgetLeftovers(t.Context(), []string{first}); err != nil {
				t.Fatal(err)
			}
		}
		if got := b.expired(); len(got) != 0 {
			t.Fatalf("expired after they were forgotten: %q", got)
		}
		// What a deleted pipeline made is kept as long, and no longer.
		if err := b.DeletePipeline(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if got := b.expired(); len(got) != 0 {
			t.Fatalf("expired with the pipeline: %q", got)
		}
		b.pruneAll(time.Now().Add(time.Hour))
		if got := b.expired(); len(got) != 1 || len(got[last]) != 2 {
			t.Fatalf("expired %q, want those of %s, whose pipeline is deleted", got, last)
		}
	})
}

func TestArtifactsOfARollbackStayWithIt(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		first := b.create(small())
		b.finish(first)
		keys := b.keysOf(first)
		second := b.succeed()
		back := b.rollBackTo(first)
		if got := b.keysOf(back); !slices.Equal(got, keys) {
			t.Fatalf("the rollback has artifacts %q, its target %q", got, keys)
		}
		again := b.rollBackTo(first)
		// The stage Build shows the newest rollback, Source shows the second
		// execution; the target and the rollback before go.
		b.pruneAll(time.Now().Add(time.Hour))
		b.wantExecutions(2)
		if got := b.expired(); len(got) != 0 {
			t.Fatalf("expired %q, which the rollback %s has", got, again)
		}
		third := b.succeed()
		b.pruneAll(time.Now().Add(time.Hour))
		b.wantExecutions(1)
		got := b.expired()
		if len(got) != 2 || !slices.Equal(got[again], keys) || len(got[second]) != 2 {
			t.Fatalf("expired %q, want %q of the last rollback %s, and those of %s; %s stays", got, keys, again, second, third)
		}
		var left int
		b.read(func(tx *db.Tx) error { return tx.QueryRow("select count(*) from rollbacks").Scan(&left) })
		if left != 0 {
			t.Errorf("%d rollbacks are remembered", left)
		}
	})
}

// What a target makes after a rollback took its artifacts goes with the target.
func TestArtifactsThatARollbackDoesNotHave(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		d := declaration()
		d.ExecutionMode = pipeline.ModeParallel
		d.Stages[3].Actions[0].OutputArtifacts = []pipeline.OutputArtifact{{Name: "late"}}
		d.Stages[3].Actions[0].Configuration = nil
		first := b.create(d)
		_, end := b.source.next(t)
		end(succeeded(nil))
		_, end = b.build.next(t)
		end(succeeded(nil))
		token := b.token(first)
		back, err := b.RollBack(t.Context(), key, engine.RollBack{Stage: "Build", Target: first})
		if err != nil {
			t.Fatal(err)
		}
		b.build.next(t)
		ship := func(execution, token string) {
			_, err := b.AnswerApproval(t.Context(), key, engine.AnswerApproval{Stage: "Gate", Action: "Ask", Token: token, Approved: true})
			if err != nil {
				t.Fatal(err)
			}
			_, end := b.build.next(t)
			end(succeeded(nil))
			b.await(execution, engine.Succeeded)
		}
		ship(first, token)
		keys := b.keysOf(first)
		second, err := b.StartExecution(t.Context(), key, dispatch.StartRequest{})
		if err != nil {
			t.Fatal(err)
		}
		_, end = b.source.next(t)
		end(succeeded(nil))
		_, end = b.build.next(t)
		end(succeeded(nil))
		ship(second, b.token(second))
		b.pruneAll(time.Now().Add(time.Hour))
		if got := b.expired(); len(got) != 1 || !slices.Equal(got[first], keys[2:]) {
			t.Fatalf("expired %q, want %q of %s and nothing that %s needs", got, keys[2:], first, back)
		}
	})
}

// TestPruningInTheMiddle prunes at each moment of a rollback and of a retry at
// which the node that carries it out reads its clock: after it has read the
// execution, and before it commits.
func TestPruningInTheMiddle(t *testing.T) {
	requests := map[string]func(b *bed, target string) error{
		"rollback": func(b *bed, target string) error {
			_, err := b.RollBack(t.Context(), key, engine.RollBack{Stage: "Build", Target: target})
			return err
		},
		"retry": func(b *bed, target string) error {
			return b.RetryStage(t.Context(), key, engine.RetryStage{Stage: "Build", Execution: target})
		},
	}
	for name, request := range requests {
		for moment := range 6 {
			t.Run(fmt.Sprintf("%s %d", name, moment), func(t *testing.T) {
				each(t, func(t *testing.T, b *bed) { pruneAt(t, b, moment, name == "retry", request) })
			})
		}
	}
}

func pruneAt(t *testing.T, b *bed, moment int, fails bool, request func(b *bed, target string) error) {
	d := small()
	d.ExecutionMode = pipeline.ModeParallel
	target := b.create(d)
	if fails {
		_, end := b.source.next(t)
		end(succeeded(nil))
		_, end = b.build.next(t)
		end(provider.Failure(provider.CodeJobFailed, "no"))
		b.await(target, engine.Failed)
	} else {
		b.finish(target)
	}
	b.succeed()
	b.Close()
	b.lease = time.Minute
	pruner := b.other()
	var armed atomic.Int64
	var pruning sync.Mutex // also by what else reads the clock
	b.now = func() time.Time {
		if armed.Load() > 0 && armed.Add(-1) == 0 {
			pruning.Lock()
			defer pruning.Unlock()
			pruner.pruneAll(time.Now().Add(time.Hour))
		}
		return time.Now()
	}
	b.start()
	armed.Store(int64(moment) + 1)
	err := request(b, target)
	armed.Store(0)
	pruning.Lock()
	defer pruning.Unlock()
	var rejection *engine.Rejection
	if err != nil && !errors.As(err, &rejection) {
		t.Fatal(err)
	}
	b.keepsWhatItNeeds()
	if _, lost := b.Execution(t.Context(), b.pipeline(), target); err == nil && fails && lost != nil {
		t.Errorf("a retry was accepted, of what is gone: %v", lost)
	}
}

// TestPruningWhileOthersGoBack prunes all the time while executions are started,
// retried and gone back to: what is remembered keeps its artifacts.
func TestPruningWhileOthersGoBack(t *testing.T) {
	for _, mode := range []pipeline.ExecutionMode{pipeline.ModeSuperseded, pipeline.ModeParallel} {
		t.Run(string(mode), func(t *testing.T) {
			eachPair(t, func(t *testing.T, b, other *bed) { goBackAndPrune(t, mode, b, other) })
		})
	}
}

func goBackAndPrune(t *testing.T, mode pipeline.ExecutionMode, b, other *bed) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go play(ctx, b.source, 1)
	go play(ctx, b.build, 2)
	d := small()
	d.ExecutionMode = mode
	b.create(d)
	var clients, pruners sync.WaitGroup
	done := make(chan struct{})
	for _, node := range []*bed{b, other} {
		clients.Go(func() { node.goBack(t) })
		pruners.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					node.pruneAll(time.Now().Add(time.Hour))
				}
			}
		})
	}
	clients.Wait()
	close(done)
	pruners.Wait()
	b.drained()
	b.pruneAll(time.Now().Add(time.Hour))
	if gone := b.keepsWhatItNeeds(); gone == 0 {
		t.Error("nothing has expired")
	}
}

// keepsWhatItNeeds looks for artifacts that have expired although an execution has
// them, and returns how many have expired.
func (b *bed) keepsWhatItNeeds() int {
	b.t.Helper()
	gone := map[string]string{}
	for execution, keys := range b.expired() {
		for _, key := range keys {
			gone[key] = execution
		}
	}
	list, err := b.Executions(b.t.Context(), b.pipeline(), dispatch.Place{}, 1000)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, x := range list {
		for _, artifact := range x.Artifacts {
			if by := gone[artifact.Key]; by != "" {
				b.t.Errorf("execution %s (%s of %q) needs %s, which expired with %s", x.ID, x.Type, x.Target, artifact.Key, by)
			}
		}
	}
	return len(gone)
}

// drained waits until no execution runs.
func (b *bed) drained() {
	b.t.Helper()
	for live := 1; live > 0; {
		b.read(func(tx *db.Tx) error {
			return tx.QueryRow("select count(*) from pipeline_executions where live = 1").Scan(&live)
		})
	}
}

// goBack starts executions, and retries and goes back to some.
func (b *bed) goBack(t *testing.T) {
	for i := range 60 {
		list, err := b.Executions(t.Context(), b.pipeline(), dispatch.Place{}, 5)
		if err != nil {
			t.Error(err)
			return
		}
		switch {
		case i%3 == 0 || len(list) == 0:
			_, err = b.StartExecution(t.Context(), key, dispatch.StartRequest{Token: fmt.Sprintf("%p-%d", b, i)})
		case i%3 == 1:
			_, err = b.RollBack(t.Context(), key, engine.RollBack{Stage: "Build", Target: list[i%len(list)].ID})
		default:
			err = b.RetryStage(t.Context(), key, engine.RetryStage{Stage: "Build", Execution: list[i%len(list)].ID})
		}
		var rejection *engine.Rejection
		if err != nil && !errors.As(err, &rejection) && !errors.Is(err, db.ErrConflict) {
			t.Errorf("request: %v", err)
		}
	}
}

// Servers from before rollbacks were noted have made some: what stages still show of
// them keeps its artifacts.
func TestArtifactsOfAnOldRollbackStay(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		first := b.create(small())
		b.finish(first)
		keys := b.keysOf(first)
		b.succeed()
		back := b.rollBackTo(first)
		err := b.db.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec("delete from rollbacks")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		b.pruneAll(time.Now().Add(time.Hour))
		if got := b.expired()[first]; len(got) != 0 {
			t.Errorf("%q of %q are to be deleted, which the rollback %s has", got, keys, back)
		}
	})
}
