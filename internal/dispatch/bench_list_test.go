package dispatch_test

import (
	"testing"

	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// BenchmarkSucceededInNoStage asks a pipeline with 5000 executions which of them
// succeeded in a stage that none reached: one page.
func BenchmarkSucceededInNoStage(b *testing.B) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": dbtest.SQLiteURL, "postgres": dbtest.PostgresURL} {
		b.Run(name, func(b *testing.B) {
			d := benchDispatcher(b, dbtest.Open(b, url(b), nil))
			p, err := d.CreatePipeline(b.Context(), key.Account, key.Region, dispatch.CreateRequest{Declaration: declaration()})
			if err != nil {
				b.Fatal(err)
			}
			if err := d.SetTransition(b.Context(), key, engine.SetTransition{Stage: "Source", Disabled: true}); err != nil {
				b.Fatal(err)
			}
			startMany(b, d, 5000)
			for b.Loop() {
				list, next, err := d.SucceededIn(b.Context(), p, "Deploy", dispatch.Place{}, 100)
				if err != nil || len(list) != 0 || next.ID == "" {
					b.Fatalf("%v, %v", list, err)
				}
			}
		})
	}
}

// BenchmarkStateOfParallel reads the state of a PARALLEL pipeline with 50 executions
// under way after each event.
func BenchmarkStateOfParallel(b *testing.B) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": dbtest.SQLiteURL, "postgres": dbtest.PostgresURL} {
		b.Run(name, func(b *testing.B) {
			d := benchDispatcher(b, dbtest.Open(b, url(b), nil))
			decl := declaration()
			decl.ExecutionMode = pipeline.ModeParallel
			if _, err := d.CreatePipeline(b.Context(), key.Account, key.Region, dispatch.CreateRequest{Declaration: decl}); err != nil {
				b.Fatal(err)
			}
			startMany(b, d, 49)
			for i := range b.N {
				b.StopTimer()
				hold := engine.SetTransition{Stage: "Deploy", Disabled: i%2 == 0}
				if err := d.SetTransition(b.Context(), key, hold); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if _, _, err := d.PipelineState(b.Context(), key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
