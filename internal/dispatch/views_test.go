package dispatch_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// reader is a dispatcher on the bed's database that carries nothing out and has
// seen nothing yet.
func (b *bed) reader() *bed {
	b.t.Helper()
	catalogue, err := provider.NewCatalogue(b.source, b.build)
	if err != nil {
		b.t.Fatal(err)
	}
	other := *b
	other.Dispatcher = dispatch.New(dispatch.Config{DB: b.db, Catalogue: catalogue, Node: "reader"})
	b.t.Cleanup(other.Close)
	return &other
}

// views is everything that reads show of the bed's pipelines.
func (b *bed) views() any {
	b.t.Helper()
	list, err := b.Pipelines(b.t.Context(), key.Account, key.Region, "", 100)
	if err != nil {
		b.t.Fatal(err)
	}
	all := []any{list}
	for _, p := range list {
		whole, err := b.Pipeline(b.t.Context(), p.Key, 0)
		if err != nil {
			b.t.Fatal(err)
		}
		found, state, err := b.PipelineState(b.t.Context(), p.Key)
		if err != nil {
			b.t.Fatal(err)
		}
		again, err := b.State(b.t.Context(), found)
		if err != nil {
			b.t.Fatal(err)
		}
		if diff := cmp.Diff(state, again); diff != "" {
			b.t.Errorf("State after PipelineState (-first +second):\n%s", diff)
		}
		all = append(all, whole, found, state)
	}
	return all
}

// TestViewsAreTrue looks at the same database with a dispatcher that has seen
// everything and remembers, and with one that has seen nothing, after every step
// of pipelines that are made, run, changed and deleted by another one.
func TestViewsAreTrue(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		reader, steps := b.reader(), 0
		look := func(what string) {
			t.Helper()
			steps++
			if diff := cmp.Diff(b.reader().views(), reader.views()); diff != "" {
				t.Errorf("after %s (-new reader +old reader):\n%s", what, diff)
			}
		}
		look("nothing")
		id := b.create(declaration())
		_, end := b.source.next(t)
		look("the first start")
		end(succeeded(nil))
		_, end = b.build.next(t)
		look("a resolved action")
		end(succeeded(map[string]string{"Version": "7"}))
		token := b.token(id)
		look("an approval")
		_, err := b.AnswerApproval(t.Context(), key, engine.AnswerApproval{
			Stage: "Gate", Action: "Ask", Token: token, Approved: true, By: "arn:me",
		})
		if err != nil {
			t.Fatal(err)
		}
		_, end = b.build.next(t)
		look("the approval's answer")
		end(succeeded(nil))
		b.await(id, engine.Succeeded)
		look("the end")
		if err := b.SetTransition(t.Context(), key, engine.SetTransition{Stage: "Source", Disabled: true, Reason: "lunch"}); err != nil {
			t.Fatal(err)
		}
		look("a closed transition")
		changed := declaration()
		changed.Stages = changed.Stages[:2]
		if _, err := b.UpdatePipeline(t.Context(), key.Account, key.Region, changed); err != nil {
			t.Fatal(err)
		}
		look("an update")
		second := declaration()
		second.Name = "another"
		if _, err := b.CreatePipeline(t.Context(), key.Account, key.Region, dispatch.CreateRequest{Declaration: second}); err != nil {
			t.Fatal(err)
		}
		b.source.next(t)
		look("another pipeline")
		if err := b.DeletePipeline(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		look("a deletion")
		b.create(declaration())
		b.source.next(t)
		look("the same name again")
		if want := 11; steps != want {
			t.Errorf("%d steps, want %d", steps, want)
		}
	})
}

// A configuration is resolved without an event, so the version of the state does
// not tell: until then the state is read again each time.
func TestViewsOfAnUnresolvedAction(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		id := b.create(declaration())
		_, end := b.source.next(t)
		end(succeeded(nil))
		at, _ := b.build.next(t)
		resolve := func(text any) {
			t.Helper()
			err := b.db.Write(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec("update action_executions set resolved = $2 where id = $1", at.ID, text)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		reader := b.reader()
		look := func(settled bool, want map[string]string) {
			t.Helper()
			_, s, err := reader.PipelineState(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if s.Settled != settled {
				t.Errorf("settled is %v, want %v", s.Settled, settled)
			}
			if diff := cmp.Diff(want, s.Actions["Build"][0].Resolved); diff != "" {
				t.Errorf("resolved configuration of execution %s (-want +got):\n%s", id, diff)
			}
		}
		resolve(nil)
		look(false, nil)
		resolve(`{"Text":"red"}`)
		look(true, map[string]string{"Text": "red"})
		look(true, map[string]string{"Text": "red"})
	})
}

// More is asked for than is remembered: what went is read again.
func TestViewsOfManyLists(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		b.create(declaration())
		b.source.next(t)
		for limit := 1; limit <= 200; limit++ {
			list, err := b.Pipelines(t.Context(), key.Account, key.Region, "", limit)
			if err != nil || len(list) != 1 || list[0].Name != key.Name {
				t.Fatalf("list with limit %d: %v, %v", limit, list, err)
			}
		}
	})
}

// TestStateHoldsWhatItShows: of the executions only those are read that stages name
// or that wait at them. Parallel ones have no common state.
func TestStateHoldsWhatItShows(t *testing.T) {
	for mode, want := range map[pipeline.ExecutionMode]int{pipeline.ModeParallel: 0, pipeline.ModeQueued: 4, pipeline.ModeSuperseded: 2} {
		t.Run(string(mode), func(t *testing.T) {
			each(t, func(t *testing.T, b *bed) {
				decl := small()
				decl.ExecutionMode = mode
				first := b.create(decl)
				b.source.next(t)
				for range 3 {
					if _, err := b.StartExecution(t.Context(), key, dispatch.StartRequest{}); err != nil {
						t.Fatal(err)
					}
				}
				_, state, err := b.PipelineState(t.Context(), key)
				if err != nil || len(state.Executions) != want {
					t.Fatalf("%d executions, %v; want %d", len(state.Executions), err, want)
				}
				for _, st := range state.Pipeline.Stages {
					for _, id := range append([]string{st.Latest, st.LastInbound}, st.Waiting...) {
						if _, ok := state.Executions[id]; id != "" && !ok {
							t.Errorf("stage %s shows %s, which is missing", st.Name, id)
						}
					}
				}
				if _, ok := state.Executions[first]; ok == (mode == pipeline.ModeParallel) {
					t.Errorf("the first execution is there: %v", ok)
				}
			})
		})
	}
}
