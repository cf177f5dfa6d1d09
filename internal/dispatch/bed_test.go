package dispatch_test

import (
	"context"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// bed is a dispatcher on a real database with providers that a test plays.
type bed struct {
	t *testing.T
	*dispatch.Dispatcher
	db     *db.DB
	source *actor
	build  *actor
	rule   *actor
	// openLog and now replace the bed's own at the next start.
	openLog func(context.Context, string, []string) (dispatch.Log, error)
	now     func() time.Time
	// configure changes the configuration of the next start.
	configure func(*dispatch.Config)
	// lease is that of nodes that share the database; zero: there is one node.
	lease time.Duration
}

// actor is a provider whose reports a test decides. Every Start is announced on
// started; it then waits for a report on its own channel.
type actor struct {
	kind    pipeline.ActionType
	started chan provider.Attempt
	stopped chan string // action execution ids

	mu      sync.Mutex
	count   map[string]int
	reports map[string]chan provider.Report
}

func newActor(category, name string, lost pipeline.WhenLost) *actor {
	return &actor{
		kind: pipeline.ActionType{
			ID:         pipeline.ActionTypeID{Category: category, Owner: "Custom", Provider: name, Version: "1"},
			Inputs:     pipeline.ArtifactBounds{Max: 5},
			Outputs:    pipeline.ArtifactBounds{Max: 5},
			Properties: []pipeline.ConfigurationProperty{{Name: "Text"}},
			Timeout:    60 * 60_000,
			Available:  true,
			WhenLost:   lost,
		},
		started: make(chan provider.Attempt, 1000),
		stopped: make(chan string, 1000),
		count:   map[string]int{},
		reports: map[string]chan provider.Report{},
	}
}

func (a *actor) Type() pipeline.ActionType { return a.kind }

func (a *actor) report(id string) chan provider.Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.reports[id] == nil {
		a.reports[id] = make(chan provider.Report, 1)
	}
	return a.reports[id]
}

func (a *actor) Start(ctx context.Context, at provider.Attempt) (provider.Report, error) {
	a.mu.Lock()
	a.count[at.ID]++
	a.mu.Unlock()
	io.WriteString(at.Log, "started\n")
	a.started <- at
	return a.Await(ctx, at)
}

func (a *actor) Await(ctx context.Context, at provider.Attempt) (provider.Report, error) {
	select {
	case r := <-a.report(at.ID):
		return r, nil
	case <-ctx.Done():
		return provider.Report{}, ctx.Err()
	}
}

func (a *actor) Stop(_ context.Context, at provider.Attempt) error {
	a.stopped <- at.ID
	return nil
}

// next returns the next started attempt and a function that ends it.
func (a *actor) next(t *testing.T) (provider.Attempt, func(provider.Report)) {
	t.Helper()
	select {
	case at := <-a.started:
		return at, func(r provider.Report) {
			if r.Status == provider.Succeeded {
				for _, out := range at.Outputs {
					r.Produced = append(r.Produced, out.Name)
				}
			}
			a.report(at.ID) <- r
		}
	case <-t.Context().Done():
		t.Fatal("no action was started")
		return provider.Attempt{}, nil
	}
}

// starts tells how often an attempt was started.
func (a *actor) starts(id string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count[id]
}

func newBed(t *testing.T, d *db.DB) *bed {
	t.Helper()
	if err := d.Migrate(t.Context(), dispatch.Schema()); err != nil {
		t.Fatal(err)
	}
	b := &bed{t: t, db: d, source: newActor("Source", "Fetch", pipeline.LostAgain), build: newActor("Build", "Make", pipeline.LostFail)}
	b.rule = newActor(pipeline.CategoryRule, "VariableCheck", pipeline.LostAgain)
	b.rule.kind.ID.Owner = pipeline.OwnerRule
	b.start()
	return b
}

// start makes a new dispatcher on the bed's database, as a new process would.
func (b *bed) start() {
	b.t.Helper()
	catalogue, err := provider.NewCatalogue(b.source, b.build, b.rule)
	if err != nil {
		b.t.Fatal(err)
	}
	cfg := dispatch.Config{
		DB: b.db, Catalogue: catalogue, Node: "test", Workspaces: b.t.TempDir(), Exclusive: b.lease == 0, Lease: b.lease,
		OpenLog: b.openLog, Now: b.now,
	}
	if cfg.OpenLog == nil {
		cfg.OpenLog = func(context.Context, string, []string) (dispatch.Log, error) { return discard{}, nil }
	}
	if b.configure != nil {
		b.configure(&cfg)
	}
	b.Dispatcher = dispatch.New(cfg)
	if err := b.Run(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(b.Close)
}

// other makes one more node on the bed's database.
func (b *bed) other() *bed {
	b.t.Helper()
	other := *b
	other.start()
	return &other
}

// restart loses the process: what it ran is cut off, what it claimed stays.
func (b *bed) restart() {
	b.Close()
	b.start()
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close(context.Context) error { return nil }

var key = dispatch.Key{Account: "123456789012", Region: "eu-west-1", Name: "pipe"}

// declaration is source, build, approval and a last build that refers to what
// the first one gave.
func declaration() pipeline.Declaration {
	source := pipeline.ActionTypeID{Category: "Source", Owner: "Custom", Provider: "Fetch", Version: "1"}
	build := pipeline.ActionTypeID{Category: "Build", Owner: "Custom", Provider: "Make", Version: "1"}
	approval := pipeline.ActionTypeID{Category: "Approval", Owner: "AWS", Provider: "Manual", Version: "1"}
	return pipeline.Declaration{
		Name: key.Name, RoleArn: "arn:aws:iam::123456789012:role/r", PipelineType: pipeline.TypeV2,
		ArtifactStore: &pipeline.ArtifactStore{Type: "S3", Location: "store"},
		Variables:     []pipeline.VariableDeclaration{{Name: "Color", DefaultValue: new("red")}},
		Stages: []pipeline.StageDeclaration{
			{Name: "Source", Actions: []pipeline.ActionDeclaration{{
				Name: "Fetch", ActionTypeID: source, OutputArtifacts: []pipeline.OutputArtifact{{Name: "src"}},
			}}},
			{Name: "Build", Actions: []pipeline.ActionDeclaration{{
				Name: "Make", ActionTypeID: build, Namespace: "Built", InputArtifacts: []pipeline.InputArtifact{{Name: "src"}},
				OutputArtifacts: []pipeline.OutputArtifact{{Name: "bin"}},
				Configuration:   map[string]string{"Text": "#{variables.Color}"},
			}}},
			{Name: "Gate", Actions: []pipeline.ActionDeclaration{{Name: "Ask", ActionTypeID: approval}}},
			{Name: "Deploy", Actions: []pipeline.ActionDeclaration{{
				Name: "Ship", ActionTypeID: build, InputArtifacts: []pipeline.InputArtifact{{Name: "bin"}},
				Configuration: map[string]string{"Text": "#{Built.Version} of #{codepipeline.PipelineExecutionId}"},
			}}},
		},
	}
}

// conditionOf is a condition of rules that the bed's rule decides.
func conditionOf(result string, rules ...string) *pipeline.Conditions {
	c := pipeline.Condition{Result: result}
	for _, name := range rules {
		c.Rules = append(c.Rules, pipeline.RuleDeclaration{
			Name:       name,
			RuleTypeID: pipeline.RuleTypeID{Category: pipeline.CategoryRule, Owner: pipeline.OwnerRule, Provider: "VariableCheck", Version: "1"},
			Configuration: map[string]string{
				"Variable": "#{codepipeline.PipelineExecutionId}", "Operator": "NE", "Value": "x",
			},
		})
	}
	return &pipeline.Conditions{Conditions: []pipeline.Condition{c}}
}

func (b *bed) create(d pipeline.Declaration) string {
	b.t.Helper()
	p, err := b.CreatePipeline(b.t.Context(), key.Account, key.Region, dispatch.CreateRequest{Declaration: d, By: "arn:me"})
	if err != nil {
		b.t.Fatal(err)
	}
	list, err := b.Executions(b.t.Context(), p, dispatch.Place{}, 10)
	if err != nil || len(list) != 1 {
		b.t.Fatalf("executions after create: %v, %v", list, err)
	}
	return list[0].ID
}

func (b *bed) pipeline() dispatch.Pipeline {
	b.t.Helper()
	p, err := b.Pipeline(b.t.Context(), key, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// await polls the database until an execution has a status. Reports are applied
// on goroutines of the dispatcher, whose commits wake nobody in a test.
func (b *bed) await(id string, status engine.Status) dispatch.Execution {
	b.t.Helper()
	for {
		x, err := b.Execution(b.t.Context(), b.pipeline(), id)
		if err != nil {
			b.t.Fatal(err)
		}
		if x.Status == status {
			return x
		}
		if x.Ended() {
			b.t.Fatalf("execution ended as %s, want %s", x.Status, status)
		}
	}
}

// read reads the database as no caller can.
func (b *bed) read(fn func(tx *db.Tx) error) {
	b.t.Helper()
	if err := b.db.Read(b.t.Context(), fn); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) wantExecutions(n int) {
	b.t.Helper()
	list, err := b.Executions(b.t.Context(), b.pipeline(), dispatch.Place{}, 100)
	if err != nil || len(list) != n {
		b.t.Errorf("%d executions, %v, want %d", len(list), err, n)
	}
}

// token polls until an approval waits, and returns its token.
func (b *bed) token(execution string) string {
	b.t.Helper()
	for {
		list, err := b.ActionExecutions(b.t.Context(), b.pipeline(), execution, 0, 100)
		if err != nil {
			b.t.Fatal(err)
		}
		i := slices.IndexFunc(list, func(a dispatch.ActionExecution) bool { return a.Action == "Ask" })
		if i >= 0 {
			return list[i].ID
		}
	}
}

func succeeded(variables map[string]string) provider.Report {
	return provider.Report{Status: provider.Succeeded, OutputVariables: maps.Clone(variables)}
}

// each runs a test on every database.
func each(t *testing.T, test func(t *testing.T, b *bed)) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { test(t, newBed(t, d)) })
}
