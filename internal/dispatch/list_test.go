package dispatch_test

import (
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
)

// ids lists all executions of a pipeline, so many with each call.
func ids(t *testing.T, b *bed, page int) (all []string) {
	t.Helper()
	for at := (dispatch.Place{}); len(all) < 1000; {
		list, err := b.Executions(t.Context(), b.pipeline(), at, page)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			return all
		}
		for i := range list {
			all = append(all, list[i].ID)
		}
		at = dispatch.PlaceOf(&list[len(list)-1])
	}
	t.Fatal("the list has no end")
	return nil
}

// Lists go from each execution to the one before it, also where those between have
// been forgotten.
func TestListsOverGaps(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		running := b.create(declaration())
		b.source.next(t)
		if err := b.SetTransition(t.Context(), key, engine.SetTransition{Stage: "Source", Disabled: true}); err != nil {
			t.Fatal(err)
		}
		started := []string{running}
		for range 7 {
			id, err := b.StartExecution(t.Context(), key, dispatch.StartRequest{})
			if err != nil {
				t.Fatal(err)
			}
			started = append(started, id)
		}
		slices.Reverse(started)
		for _, page := range []int{1, 2, 3, 8, 100} {
			if got := ids(t, b, page); !slices.Equal(got, started) {
				t.Fatalf("in pages of %d: %q, want %q", page, got, started)
			}
		}
		b.pruneAll(time.Now().Add(time.Hour))
		left := []string{started[0], running}
		for _, page := range []int{1, 2, 100} {
			if got := ids(t, b, page); !slices.Equal(got, left) {
				t.Fatalf("after pruning, in pages of %d: %q, want %q: the one that waits and the one that runs", page, got, left)
			}
		}
		// The place in a list may be forgotten between two pages.
		list, err := b.Executions(t.Context(), b.pipeline(), dispatch.Place{ID: started[3], Seq: 5}, 10)
		if err != nil || len(list) != 1 || list[0].ID != running {
			t.Errorf("behind one that is gone: %v, %v; want the one that runs", list, err)
		}
		next, err := b.StartExecution(t.Context(), key, dispatch.StartRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if got := ids(t, b, 2); !slices.Equal(got, append([]string{next}, left...)) {
			t.Errorf("after a start: %q, want %q before %q", got, next, left)
		}
	})
}

// Ids do not tell the order of starts: those of one millisecond are in any order, and
// clocks go back.
func TestListsOfAMoment(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		p, err := b.CreatePipeline(t.Context(), key.Account, key.Region, dispatch.CreateRequest{Declaration: declaration(), By: "arn:me", Polled: true})
		if err != nil {
			t.Fatal(err)
		}
		const n = 6
		starts := make([]engine.Body, n)
		for i := range starts {
			starts[i] = engine.StartExecution{}
		}
		decisions, errs := b.ApplyTogether(t.Context(), key, starts...)
		var want []string
		for i := range starts {
			if errs[i] != nil {
				t.Fatal(errs[i])
			}
			want = append(want, decisions[i].ExecutionID)
		}
		slices.Reverse(want)
		for _, page := range []int{1, 2, 100} {
			if got := ids(t, b, page); !slices.Equal(got, want) {
				t.Fatalf("in pages of %d: %q, want %q", page, got, want)
			}
		}
		for _, stage := range []string{"Source", "Build"} {
			if list, next, err := b.SucceededIn(t.Context(), p, stage, dispatch.Place{}, 1); err != nil || len(list) != 0 || next.ID != "" {
				t.Errorf("succeeded in %s: %v, %v, %v; want none", stage, list, next, err)
			}
		}
	})
}

// What ended a superseded execution is the start of another one; its log tells it
// all the same.
func TestHistoryOfASuperseded(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		b.create(declaration())
		b.source.next(t)
		if err := b.SetTransition(t.Context(), key, engine.SetTransition{Stage: "Source", Disabled: true}); err != nil {
			t.Fatal(err)
		}
		id, err := b.StartExecution(t.Context(), key, dispatch.StartRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.StartExecution(t.Context(), key, dispatch.StartRequest{}); err != nil {
			t.Fatal(err)
		}
		x, err := b.Execution(t.Context(), b.pipeline(), id)
		if err != nil {
			t.Fatal(err)
		}
		history, err := b.History(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		last := history[len(history)-1]
		want := engine.Change{Kind: engine.ExecutionChanged, At: x.LastUpdate, Execution: id, Status: engine.Superseded}
		if len(history) != 2 || history[0].Kind != engine.ExecutionStarted || last.Kind != want.Kind || last.At != want.At ||
			last.Execution != want.Execution || last.Status != want.Status {
			t.Errorf("history %+v, want a start and %+v", history, want)
		}
	})
}

// Executions from before they named the one before are listed as they were.
func TestMigrationOfLists(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		all := dispatch.Schema()
		names, err := fs.Glob(all.Files, "*.sql")
		if err != nil {
			t.Fatal(err)
		}
		before := fstest.MapFS{}
		for _, name := range names {
			if name < "0008" {
				text, err := fs.ReadFile(all.Files, name)
				if err != nil {
					t.Fatal(err)
				}
				before[name] = &fstest.MapFile{Data: text}
			}
		}
		if err := d.Migrate(t.Context(), db.Schema{Name: all.Name, Files: before}); err != nil {
			t.Fatal(err)
		}
		exec := func(query string, args ...any) {
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(query, args...)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range []string{"p", "q", "none"} {
			exec(`insert into pipelines (id, account, region, name, version, state_version, state, created, updated)
				values ($1, 'a', 'r', $1, 1, 1, '{}', 1, 1)`, p)
		}
		for _, x := range []struct {
			id, pipeline string
			seq          int
		}{{"c", "p", 3}, {"a", "p", 1}, {"x", "q", 1}, {"b", "p", 2}} {
			exec(`insert into pipeline_executions (id, pipeline_id, seq, live, start_time, first_change, last_change, state)
				values ($1, $2, $3, 0, 1, 1, 1, $4)`, x.id, x.pipeline, x.seq, `{"format":1,"part":{"id":"`+x.id+`"}}`)
		}
		if err := d.Migrate(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		lists := dispatch.New(dispatch.Config{DB: d})
		for pipeline, want := range map[string][]string{"p": {"c", "b", "a"}, "q": {"x"}, "none": nil} { //floors:ordered each by itself
			list, err := lists.Executions(t.Context(), dispatch.Pipeline{ID: pipeline}, dispatch.Place{}, 10)
			var got []string
			for i := range list {
				got = append(got, list[i].ID)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("pipeline %s: %q, %v; want %q", pipeline, got, err, want)
			}
		}
	})
}
