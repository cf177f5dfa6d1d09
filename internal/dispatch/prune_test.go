package dispatch_test

import (
	"errors"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/provider"
)

func TestPruneForgetsOldExecutionsButTheLatest(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		first := b.create(declaration())
		_, fetched := b.source.next(t)
		fetched(provider.Failure(provider.CodeJobFailed, "no"))
		b.await(first, engine.Failed)
		second, err := b.StartExecution(t.Context(), key, dispatch.StartRequest{})
		if err != nil {
			t.Fatal(err)
		}
		_, fetched = b.source.next(t)
		fetched(provider.Failure(provider.CodeJobFailed, "no"))
		b.await(second, engine.Failed)

		b.pruneAll(time.Now().Add(-time.Hour))
		if left, err := b.Leftovers(t.Context(), "", 10); err != nil || len(left) != 0 {
			t.Fatalf("pruning what is young: %v, %v", left, err)
		}
		b.pruneAll(time.Now().Add(time.Hour))
		if left, err := b.Leftovers(t.Context(), "", 10); err != nil || len(left) != 1 || len(left[0].Attempts) != 1 {
			t.Fatalf("pruned %v, %v, want the one action of the first execution", left, err)
		}
		if _, err := b.Execution(t.Context(), b.pipeline(), first); !errors.Is(err, dispatch.ErrExecutionNotFound) {
			t.Errorf("the first execution: %v", err)
		}
		// The second is what the stage still shows.
		if _, err := b.Execution(t.Context(), b.pipeline(), second); err != nil {
			t.Errorf("the second execution: %v", err)
		}
		if _, err := b.State(t.Context(), b.pipeline()); err != nil {
			t.Errorf("state after pruning: %v", err)
		}
	})
}

// pruneAll prunes in as many batches as it takes.
func (b *bed) pruneAll(before time.Time) {
	b.t.Helper()
	for next, batches := "", 0; ; batches++ {
		then, err := b.Prune(b.t.Context(), next, before.UnixMilli())
		if err != nil {
			b.t.Fatal(err)
		}
		if then == "" {
			return
		}
		if then == next || batches > 100 {
			b.t.Fatalf("pruning does not come to an end: %q after %q", then, next)
		}
		next = then
	}
}

func TestPruneGoesThroughAllPipelines(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		var starts int
		for _, name := range []string{"one", "two", "three"} {
			decl := declaration()
			decl.Name = name
			k := dispatch.Key{Account: key.Account, Region: key.Region, Name: name}
			if _, err := b.CreatePipeline(t.Context(), k.Account, k.Region, dispatch.CreateRequest{Declaration: decl}); err != nil {
				t.Fatal(err)
			}
			if err := b.SetTransition(t.Context(), k, engine.SetTransition{Stage: "Source", Disabled: true}); err != nil {
				t.Fatal(err)
			}
			// More than one batch: each start supersedes the one before.
			for range 210 {
				if _, err := b.StartExecution(t.Context(), k, dispatch.StartRequest{}); err != nil {
					t.Fatal(err)
				}
				starts++
			}
		}
		b.pruneAll(time.Now().Add(time.Hour))
		var left int64
		err := b.db.Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow("select count(*) from pipeline_executions").Scan(&left)
		})
		// Of each pipeline there stay the one that runs and the one that waits.
		if err != nil || left != 6 {
			t.Errorf("%d executions are left of %d, %v; want 6", left, starts, err)
		}
		err = b.db.Read(t.Context(), func(tx *db.Tx) error { return tx.QueryRow("select count(*) from changes").Scan(&left) })
		if err != nil || left != 0 {
			t.Errorf("%d changes are left, %v; want none", left, err)
		}
		if _, err := b.Prune(t.Context(), "nowhere", 0); err == nil {
			t.Error("pruning begins at nowhere")
		}
	})
}
