package trigger_test

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/trigger"
)

const (
	account = "123456789012"
	region  = "eu-west-1"
)

// bed is a store on a real database, with a pipeline "web" to start.
type bed struct {
	*trigger.Store
	t        testing.TB
	db       *db.DB
	dispatch *dispatch.Dispatcher
}

func newBed(t testing.TB, d *db.DB, change ...func(*trigger.Config)) *bed {
	t.Helper()
	if err := d.Migrate(t.Context(), dispatch.Schema(), trigger.Schema()); err != nil {
		t.Fatal(err)
	}
	catalogue, err := provider.NewCatalogue(source{}, s3Source{}, build{})
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{t: t, db: d, dispatch: dispatch.New(dispatch.Config{
		DB: d, Catalogue: catalogue, Node: "test", Workspaces: t.TempDir(), Exclusive: true,
		OpenLog: func(context.Context, string, []string) (dispatch.Log, error) { return discard{}, nil },
	})}
	t.Cleanup(b.dispatch.Close)
	cfg := trigger.Config{DB: d, Dispatch: b.dispatch, Sealer: sealer{}, Endpoint: "http://127.0.0.1:8700"}
	for _, c := range change {
		c(&cfg)
	}
	b.Store = trigger.New(cfg)
	_, err = b.dispatch.CreatePipeline(t.Context(), account, region, dispatch.CreateRequest{Declaration: declaration(), By: "arn:me"})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// each runs a test on every database.
func each(t *testing.T, test func(t *testing.T, b *bed)) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { test(t, newBed(t, d)) })
}

func (b *bed) pipeline() dispatch.Pipeline {
	b.t.Helper()
	p, err := b.dispatch.Pipeline(b.t.Context(), key("web"), 0)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// executions are the ids of all executions of the pipeline, oldest first.
func (b *bed) executions() []string {
	b.t.Helper()
	list, err := b.dispatch.Executions(b.t.Context(), b.pipeline(), dispatch.Place{}, 100)
	if err != nil {
		b.t.Fatal(err)
	}
	var ids []string
	for _, x := range list {
		ids = append(ids, x.ID)
	}
	slices.Reverse(ids)
	return ids
}

// settle waits until the first execution has succeeded, and returns its id.
// Reports are applied on goroutines of the dispatcher, whose commits wake nobody
// in a test.
func (b *bed) settle() string {
	b.t.Helper()
	first := b.executions()[0]
	for {
		x, err := b.dispatch.Execution(b.t.Context(), b.pipeline(), first)
		if err != nil {
			b.t.Fatal(err)
		}
		if x.Status == engine.Succeeded {
			return first
		}
	}
}

// freeze keeps further executions from running, so that nothing but the test
// writes to the database.
func (b *bed) freeze() {
	b.t.Helper()
	b.settle()
	if err := b.dispatch.SetTransition(b.t.Context(), key("web"), engine.SetTransition{Stage: "Source", Disabled: true}); err != nil {
		b.t.Fatal(err)
	}
}

func key(name string) dispatch.Key { return dispatch.Key{Account: account, Region: region, Name: name} }

func declaration() pipeline.Declaration {
	return pipeline.Declaration{
		Name: "web", RoleArn: "arn:aws:iam::123456789012:role/r", PipelineType: pipeline.TypeV2,
		ArtifactStore: &pipeline.ArtifactStore{Type: "S3", Location: "store"},
		Stages: []pipeline.StageDeclaration{
			{Name: "Source", Actions: []pipeline.ActionDeclaration{{
				Name: "Fetch", ActionTypeID: source{}.Type().ID, OutputArtifacts: []pipeline.OutputArtifact{{Name: "src"}},
				Configuration: map[string]string{"Branch": "main"},
			}}},
			{Name: "Build", Actions: []pipeline.ActionDeclaration{{
				Name: "Make", ActionTypeID: build{}.Type().ID, InputArtifacts: []pipeline.InputArtifact{{Name: "src"}},
			}}},
		},
	}
}

// source fetches revision r1 at once.
type source struct{}

func (source) Type() pipeline.ActionType {
	return pipeline.ActionType{
		ID:         pipeline.ActionTypeID{Category: "Source", Owner: "Custom", Provider: "Fetch", Version: "1"},
		Properties: []pipeline.ConfigurationProperty{{Name: "Branch"}},
		Outputs:    pipeline.ArtifactBounds{Min: 1, Max: 1}, WhenLost: pipeline.LostAgain,
	}
}

func (source) Start(_ context.Context, a provider.Attempt) (provider.Report, error) {
	return provider.Report{
		Status: provider.Succeeded, Produced: []string{a.Outputs[0].Name}, Revision: &pipeline.Revision{ID: "r1"},
	}, nil
}

func (s source) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return s.Start(ctx, a)
}

func (source) Stop(context.Context, provider.Attempt) error { return nil }

// build succeeds at once.
type build struct{}

func (build) Type() pipeline.ActionType {
	return pipeline.ActionType{
		ID:     pipeline.ActionTypeID{Category: "Build", Owner: "Custom", Provider: "Make", Version: "1"},
		Inputs: pipeline.ArtifactBounds{Max: 1}, WhenLost: pipeline.LostAgain,
	}
}

func (build) Start(context.Context, provider.Attempt) (provider.Report, error) {
	return provider.Report{Status: provider.Succeeded}, nil
}

func (s build) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return s.Start(ctx, a)
}

func (build) Stop(context.Context, provider.Attempt) error { return nil }

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close(context.Context) error { return nil }

// sealer hides nothing from those who look closely, but ties what it seals to
// its purpose, as the real one does.
type sealer struct{}

func (sealer) Seal(secret []byte, about string) (string, error) {
	return about + "|" + hex.EncodeToString(secret), nil
}

func (sealer) Open(sealed, about string) ([]byte, error) {
	text, ok := strings.CutPrefix(sealed, about+"|")
	if !ok {
		return nil, errors.New("sealed for something else")
	}
	return hex.DecodeString(text)
}
