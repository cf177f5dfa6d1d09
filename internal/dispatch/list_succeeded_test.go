package dispatch_test

import (
	"slices"
	"testing"

	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
)

// searched is how many executions a page of those that succeeded in a stage may look at.
const searched = 1000

// succeededIn lists all executions that succeeded in a stage, page by page. No page
// goes further back than a bound.
func (b *bed) succeededIn(stage string, limit int) (pages [][]string) {
	b.t.Helper()
	newest, err := b.Executions(b.t.Context(), b.pipeline(), dispatch.Place{}, 1)
	if err != nil {
		b.t.Fatal(err)
	}
	behind := newest[0].Seq + 1
	for at := (dispatch.Place{}); ; {
		list, next, err := b.SucceededIn(b.t.Context(), b.pipeline(), stage, at, limit)
		if err != nil {
			b.t.Fatal(err)
		}
		var page []string
		for i := range list {
			page = append(page, list[i].ID)
		}
		pages = append(pages, page)
		if len(list) > limit {
			b.t.Fatalf("a page of %d executions, want at most %d", len(list), limit)
		}
		if next == (dispatch.Place{}) {
			if behind > searched+1 {
				b.t.Errorf("the last page of %s goes from %d to the beginning", stage, behind)
			}
			return pages
		}
		if next.Seq >= behind || next.Seq < behind-searched {
			b.t.Fatalf("a page of %s goes from %d to %d", stage, behind, next.Seq)
		}
		at, behind = next, next.Seq
	}
}

// TestSucceededInIsBounded has a few executions that succeeded far from each other: a
// page reads no more than its bound, and the pages together have all of them.
func TestSucceededInIsBounded(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		first := b.create(small())
		b.finish(first)
		want := []string{first}
		for _, between := range []int{1499, 2, 1000, 0} {
			b.hold(true)
			startMany(t, b.Dispatcher, between)
			newest, err := b.StartExecution(t.Context(), key, dispatch.StartRequest{})
			if err != nil {
				t.Fatal(err)
			}
			b.hold(false) // it superseded the others
			b.finish(newest)
			want = append(want, newest)
		}
		slices.Reverse(want)
		for _, limit := range []int{1, 2, 3, 100} {
			if pages := b.succeededIn("Build", limit); !slices.Equal(slices.Concat(pages...), want) {
				t.Errorf("in pages of %d: %q, want %q", limit, pages, want)
			}
		}
		if pages := b.succeededIn("Nowhere", 100); len(pages) != 3 || len(slices.Concat(pages...)) != 0 {
			t.Errorf("succeeded in no stage: %q, want three empty pages", pages)
		}
	})
}

// hold disables or enables the transition into the first stage.
func (b *bed) hold(disabled bool) {
	b.t.Helper()
	err := b.SetTransition(b.t.Context(), key, engine.SetTransition{Stage: "Source", Disabled: disabled})
	if err != nil {
		b.t.Fatal(err)
	}
}

// startMany starts executions in a few commits.
func startMany(t testing.TB, d *dispatch.Dispatcher, n int) {
	t.Helper()
	for n > 0 {
		starts := make([]engine.Body, min(n, 250))
		for i := range starts {
			starts[i] = engine.StartExecution{}
		}
		_, errs := d.ApplyTogether(t.Context(), key, starts...)
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
		n -= len(starts)
	}
}

// What succeeded in a stage is listed to go back to, and nobody can go back to a
// rollback.
func TestRollbacksAreNotToGoBackTo(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		first := b.create(small())
		b.finish(first)
		second := b.succeed()
		back := b.rollBackTo(first)
		for limit := 1; limit <= 3; limit++ {
			pages := b.succeededIn("Build", limit)
			if got := slices.Concat(pages...); !slices.Equal(got, []string{second, first}) || len(pages) != (3-min(limit, 2)) {
				t.Errorf("succeeded in Build: %q; want %q without the rollback %s", pages, []string{second, first}, back)
			}
		}
	})
}
