package dispatch_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// instant is a provider whose actions are over at once. It keeps when the last
// action of an execution ended and how long the next one took to start.
type instant struct {
	kind pipeline.ActionType
	// shipped is called when the last stage's action starts.
	shipped func(execution string)

	mu    sync.Mutex
	ended map[string]time.Time
	gaps  []time.Duration
}

func newInstant(category string) *instant {
	return &instant{
		kind: pipeline.ActionType{
			ID:     pipeline.ActionTypeID{Category: category, Owner: "Custom", Provider: "Instant", Version: "1"},
			Inputs: pipeline.ArtifactBounds{Max: 5}, Outputs: pipeline.ArtifactBounds{Max: 5},
			Timeout: 60 * 60_000, Available: true, WhenLost: pipeline.LostAgain,
		},
		ended: map[string]time.Time{},
	}
}

func (p *instant) Type() pipeline.ActionType { return p.kind }

func (p *instant) Start(_ context.Context, a provider.Attempt) (provider.Report, error) {
	r := provider.Report{Status: provider.Succeeded}
	for _, out := range a.Outputs {
		r.Produced = append(r.Produced, out.Name)
	}
	if a.StageName == "Deploy" && p.shipped != nil {
		p.shipped(a.ExecutionID)
	}
	return r, nil
}

func (p *instant) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return p.Start(ctx, a)
}

func (p *instant) Stop(context.Context, provider.Attempt) error { return nil }

// timed measures the gaps between the actions of one execution over both
// providers.
type timed struct {
	*instant
	of *instant
}

func (p timed) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	now := time.Now()
	p.of.mu.Lock()
	if end, ok := p.of.ended[a.ExecutionID]; ok {
		p.of.gaps = append(p.of.gaps, now.Sub(end))
	}
	p.of.mu.Unlock()
	r, err := p.instant.Start(ctx, a)
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.of.ended[a.ExecutionID] = time.Now()
	if a.StageName == "Deploy" {
		delete(p.of.ended, a.ExecutionID)
	}
	return r, err
}

// quick is a PARALLEL pipeline of three stages with an instant action each, or,
// with approval, an instant source and an approval.
func quick(name string, approval bool) pipeline.Declaration {
	id := func(category string) pipeline.ActionTypeID {
		return pipeline.ActionTypeID{Category: category, Owner: "Custom", Provider: "Instant", Version: "1"}
	}
	d := pipeline.Declaration{
		Name: name, RoleArn: "arn:aws:iam::123456789012:role/r", PipelineType: pipeline.TypeV2, ExecutionMode: pipeline.ModeParallel,
		ArtifactStore: &pipeline.ArtifactStore{Type: "S3", Location: "store"},
		Stages: []pipeline.StageDeclaration{{Name: "Source", Actions: []pipeline.ActionDeclaration{{
			Name: "Fetch", ActionTypeID: id("Source"), OutputArtifacts: []pipeline.OutputArtifact{{Name: "src"}},
		}}}},
	}
	if approval {
		ask := pipeline.ActionTypeID{Category: "Approval", Owner: "AWS", Provider: "Manual", Version: "1"}
		d.Stages = append(d.Stages, pipeline.StageDeclaration{Name: "Gate", Actions: []pipeline.ActionDeclaration{{Name: "Ask", ActionTypeID: ask}}})
		return d
	}
	for _, stage := range []string{"Build", "Deploy"} {
		d.Stages = append(d.Stages, pipeline.StageDeclaration{Name: stage, Actions: []pipeline.ActionDeclaration{{
			Name: "Make", ActionTypeID: id("Build"), InputArtifacts: []pipeline.InputArtifact{{Name: "src"}},
		}}})
	}
	return d
}

// parallelBed is a dispatcher with PARALLEL pipelines.
type parallelBed struct {
	*dispatch.Dispatcher
	build *instant
	keys  []dispatch.Key
}

func newParallelBed(b *testing.B, store *db.DB, pipelines int, approval bool) *parallelBed {
	b.Helper()
	bed := &parallelBed{build: newInstant("Build")}
	bed.Dispatcher = runInstant(b, store, newInstant("Source"), bed.build)
	for i := range pipelines {
		decl := quick(fmt.Sprintf("quick-%03d", i), approval)
		k := dispatch.Key{Account: key.Account, Region: key.Region, Name: decl.Name}
		if _, err := bed.CreatePipeline(b.Context(), k.Account, k.Region, dispatch.CreateRequest{Declaration: decl}); err != nil {
			b.Fatal(err)
		}
		bed.keys = append(bed.keys, k)
	}
	return bed
}

func runInstant(b *testing.B, store *db.DB, source, build *instant) *dispatch.Dispatcher {
	b.Helper()
	if err := store.Migrate(b.Context(), dispatch.Schema()); err != nil {
		b.Fatal(err)
	}
	catalogue, err := provider.NewCatalogue(timed{source, build}, timed{build, build})
	if err != nil {
		b.Fatal(err)
	}
	d := dispatch.New(dispatch.Config{
		DB: store, Catalogue: catalogue, Node: "bench", Workspaces: b.TempDir(),
		Exclusive: !strings.HasPrefix(store.Dialect().Name, "postgres"),
		OpenLog:   func(context.Context, string, []string) (dispatch.Log, error) { return discard{}, nil },
	})
	if err := d.Run(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(d.Close)
	return d
}

func (bed *parallelBed) start(b *testing.B, k dispatch.Key) string {
	id, err := bed.StartExecution(b.Context(), k, dispatch.StartRequest{
		Trigger: engine.Trigger{Type: engine.TriggerStartPipelineExecution, Detail: "arn:me"},
	})
	if err != nil {
		b.Error(err)
	}
	return id
}

// BenchmarkExecutions runs executions of 50 PARALLEL pipelines from start to
// Succeeded, with claims, begin records and reports, on a database that waits for
// its disk. commits/s are single rows written to the same database by as many
// writers, before the executions: the floor.
func BenchmarkExecutions(b *testing.B) {
	urls := map[string]func(testing.TB) string{"sqlite": dbtest.SQLiteURL, "postgres": dbtest.DurablePostgresURL}
	for _, name := range []string{"sqlite", "postgres"} {
		b.Run(name, func(b *testing.B) {
			store := dbtest.Open(b, urls[name](b), nil)
			commits := rawCommits(b, store)
			bed := newParallelBed(b, store, 50, false)
			slots := make(chan struct{}, 100)
			bed.build.shipped = func(string) { <-slots }
			for range bed.keys {
				slots <- struct{}{} // the executions that creation started
			}
			ids := make([]string, b.N)
			var starts sync.WaitGroup
			b.ResetTimer()
			for i := range ids {
				slots <- struct{}{}
				starts.Go(func() { ids[i] = bed.start(b, bed.keys[i%len(bed.keys)]) })
			}
			starts.Wait()
			bed.drain(b, ids)
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "executions/s")
			b.ReportMetric(commits, "commits/s")
		})
	}
}

// BenchmarkTransition starts executions at a steady rate, half of the load that
// BenchmarkExecutions must bear, and reports how long the next action takes to
// start when one has ended.
func BenchmarkTransition(b *testing.B) {
	for _, c := range []struct {
		name string
		rate int
		url  func(testing.TB) string
	}{{"sqlite", 150, dbtest.SQLiteURL}, {"postgres", 75, dbtest.DurablePostgresURL}} {
		b.Run(c.name, func(b *testing.B) {
			bed := newParallelBed(b, dbtest.Open(b, c.url(b), nil), 50, false)
			ids := make([]string, max(b.N, 1))
			tick := time.NewTicker(time.Second / time.Duration(c.rate))
			defer tick.Stop()
			var starts sync.WaitGroup
			b.ResetTimer()
			for i := range ids {
				<-tick.C
				starts.Go(func() { ids[i] = bed.start(b, bed.keys[i%len(bed.keys)]) })
			}
			starts.Wait()
			bed.drain(b, ids)
			b.StopTimer()
			gaps := bed.build.gaps
			slices.Sort(gaps)
			b.ReportMetric(float64(gaps[len(gaps)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(gaps[len(gaps)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

// drain waits until the executions have succeeded.
func (bed *parallelBed) drain(b *testing.B, ids []string) {
	b.Helper()
	pipelines := make([]dispatch.Pipeline, len(bed.keys))
	for i, k := range bed.keys {
		p, err := bed.Pipeline(b.Context(), k, 0)
		if err != nil {
			b.Fatal(err)
		}
		pipelines[i] = p
	}
	for i, id := range slices.Backward(ids) {
		for status := engine.InProgress; status == engine.InProgress; runtime.Gosched() {
			x, err := bed.Execution(b.Context(), pipelines[i%len(pipelines)], id)
			if err != nil {
				b.Fatal(err)
			}
			if status = x.Status; status != engine.InProgress && status != engine.Succeeded {
				b.Fatalf("execution %s is %s", id, status)
			}
		}
	}
}

// rawCommits is how many transactions of one row a second the database takes from
// 64 writers.
func rawCommits(b *testing.B, store *db.DB) float64 {
	b.Helper()
	err := store.Write(b.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("create table floor (id bigint not null primary key, body text not null)")
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	const writers = 64
	var n atomic.Int64
	var done sync.WaitGroup
	begun := time.Now()
	for range writers {
		done.Go(func() {
			for time.Since(begun) < time.Second {
				id := n.Add(1)
				err := store.Write(b.Context(), func(tx *db.Tx) error {
					_, err := tx.Exec("insert into floor (id, body) values ($1, $2)", id, "two hundred bytes, or so, of text")
					return err
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	done.Wait()
	return float64(n.Load()) / time.Since(begun).Seconds()
}

// BenchmarkWaitingApprovals measures what 10,000 waiting approvals cost: memory
// and processor time of a dispatcher that has them, and how long one that starts
// takes to be ready.
func BenchmarkWaitingApprovals(b *testing.B) {
	store := dbtest.Open(b, dbtest.SQLiteURL(b), nil)
	bed := newParallelBed(b, store, 200, true)
	var starts sync.WaitGroup
	for _, k := range bed.keys {
		starts.Go(func() {
			for range 49 { // creation started the first
				bed.start(b, k)
			}
		})
	}
	starts.Wait()
	bed.awaitApprovals(b)
	heapMB, residentMB := heap(), resident(b)
	used, begun := processorTime(b), time.Now()
	<-time.After(2 * time.Second)
	idle := 100 * (processorTime(b) - used).Seconds() / time.Since(begun).Seconds()
	bed.Close()
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		source, build := newInstant("Source"), newInstant("Build")
		b.StartTimer()
		d := runInstant(b, store, source, build)
		b.StopTimer()
		d.Close()
		b.StartTimer()
	}
	b.ReportMetric(heapMB, "heap-MB")
	b.ReportMetric(residentMB, "resident-MB")
	b.ReportMetric(idle, "idle-%cpu")
}

// awaitApprovals waits until every execution waits for its approval.
func (bed *parallelBed) awaitApprovals(b *testing.B) {
	b.Helper()
	for _, k := range bed.keys {
		p, err := bed.Pipeline(b.Context(), k, 0)
		if err != nil {
			b.Fatal(err)
		}
		for waiting := 0; waiting < 50; runtime.Gosched() {
			list, err := bed.ActionExecutions(b.Context(), p, "", 0, 200)
			if err != nil {
				b.Fatal(err)
			}
			waiting = 0
			for _, a := range list {
				if a.Action == "Ask" && a.Status == engine.InProgress {
					waiting++
				}
			}
		}
	}
}

func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1e6
}

func resident(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0 // only Linux says
	}
	var size, pages float64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		b.Fatal(err)
	}
	return pages * float64(os.Getpagesize()) / 1e6
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
