package dispatch_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// BenchmarkStart measures starts without the wire: 64 callers, each with its own
// pipeline whose first stage lets nothing in, on SQLite.
func BenchmarkStart(b *testing.B) {
	const callers = 64
	d := benchDispatcher(b, dbtest.Open(b, dbtest.SQLiteURL(b), nil))
	keys := make([]dispatch.Key, callers)
	for i := range keys {
		decl := declaration()
		decl.Name = fmt.Sprintf("pipeline-%02d", i)
		keys[i] = dispatch.Key{Account: key.Account, Region: key.Region, Name: decl.Name}
		if _, err := d.CreatePipeline(b.Context(), key.Account, key.Region, dispatch.CreateRequest{Declaration: decl}); err != nil {
			b.Fatal(err)
		}
		if err := d.SetTransition(b.Context(), keys[i], engine.SetTransition{Stage: "Source", Disabled: true}); err != nil {
			b.Fatal(err)
		}
	}
	var count atomic.Int64
	done := make(chan error, callers)
	b.ResetTimer()
	for _, k := range keys {
		go func() {
			for count.Add(1) <= int64(b.N) {
				_, err := d.StartExecution(b.Context(), k, dispatch.StartRequest{
					Trigger: engine.Trigger{Type: engine.TriggerStartPipelineExecution, Detail: "arn:me"},
				})
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range keys {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "starts/s")
}

func benchDispatcher(b *testing.B, store *db.DB) *dispatch.Dispatcher {
	b.Helper()
	if err := store.Migrate(b.Context(), dispatch.Schema()); err != nil {
		b.Fatal(err)
	}
	source, build := newActor("Source", "Fetch", pipeline.LostAgain), newActor("Build", "Make", pipeline.LostFail)
	catalogue, err := provider.NewCatalogue(source, build)
	if err != nil {
		b.Fatal(err)
	}
	d := dispatch.New(dispatch.Config{
		DB: store, Catalogue: catalogue, Node: "bench", Workspaces: b.TempDir(), Exclusive: true,
		OpenLog: func(context.Context, string, []string) (dispatch.Log, error) { return discard{}, nil },
	})
	if err := d.Run(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(d.Close)
	return d
}
