package dispatch_test

import (
	"errors"
	"testing"
	"time"

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

		if gone, _, err := b.Prune(t.Context(), 0, time.Now().Add(-time.Hour).UnixMilli()); err != nil || len(gone) != 0 {
			t.Fatalf("pruning what is young: %v, %v", gone, err)
		}
		gone, next, err := b.Prune(t.Context(), 0, time.Now().Add(time.Hour).UnixMilli())
		if err != nil || next != 0 || len(gone) != 1 {
			t.Fatalf("pruned %v, next %d, %v, want the one action of the first execution", gone, next, err)
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
