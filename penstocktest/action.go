package penstocktest

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/server"
)

// Func carries out one action. ctx ends when the action is abandoned, when its
// time is up and when the test ends; the function must return then, because the
// server waits for it. An error fails the action with code JobFailed and the
// error's text.
type Func func(ctx context.Context, a Action) (Result, error)

// WithAction makes a function the provider of an action type, such as "Deploy"
// and "ECS". A type of AWS keeps its rules: the configuration keys and the
// numbers of artifacts that it allows, also when Penstock could carry it out
// itself. Any other type belongs to the owner Custom and has version 1; it takes
// the configuration keys that are named, and up to five artifacts in and out.
func WithAction(category, provider string, run Func, keys ...string) Option {
	return func(o *options) {
		o.actions = append(o.actions, &function{category: category, provider: provider, run: run, keys: keys})
	}
}

// Action is an action to carry out, its configuration resolved.
type Action struct {
	// ID is the action execution id.
	ID            string
	Name          string
	StageName     string
	PipelineName  string
	ExecutionID   string
	Configuration map[string]string
	// Inputs and Outputs are the names of the artifacts.
	Inputs  []string
	Outputs []string
	// Log receives the output of the action, which penstock:GetActionLog shows.
	Log io.Writer

	attempt provider.Attempt
}

// Result is what an action did.
type Result struct {
	// Summary, ExternalExecutionID and Variables show in the history; other
	// actions refer to Variables by the action's namespace.
	Summary             string
	ExternalExecutionID string
	Variables           map[string]string
	// Outputs are the contents of the output artifacts by name. Each that the
	// action declares must be there.
	Outputs map[string]fs.FS
	// RevisionID and RevisionSummary are what a source action fetched.
	RevisionID      string
	RevisionSummary string
}

// Input returns the files of an input artifact.
func (a Action) Input(ctx context.Context, name string) (fs.FS, error) {
	for _, in := range a.attempt.Inputs {
		if in.Name != name {
			continue
		}
		artifact, err := a.attempt.Artifacts.Open(ctx, in.Location)
		if err != nil {
			return nil, err
		}
		defer artifact.Close()
		content, err := io.ReadAll(artifact)
		if err != nil {
			return nil, fmt.Errorf("reading input artifact %s: %w", name, err)
		}
		files, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			return nil, fmt.Errorf("reading input artifact %s: %w", name, err)
		}
		return files, nil
	}
	return nil, fmt.Errorf("action %s has no input artifact %s", a.Name, name)
}

// function is a Func as a provider.
type function struct {
	category, provider string
	run                Func
	keys               []string
	kind               pipeline.ActionType
}

var _ provider.Provider = (*function)(nil)

// providers gives each function the type that it provides.
func (o *options) providers() ([]provider.Provider, error) {
	known, err := server.ActionTypes()
	if err != nil {
		return nil, err
	}
	var list []provider.Provider
	for _, f := range o.actions {
		if f.run == nil {
			return nil, fmt.Errorf("action type %s/%s has no function", f.category, f.provider)
		}
		categories := []string{
			pipeline.CategorySource, pipeline.CategoryBuild, pipeline.CategoryTest, pipeline.CategoryDeploy,
			pipeline.CategoryInvoke, pipeline.CategoryCompute,
		}
		if !slices.Contains(categories, f.category) {
			return nil, fmt.Errorf("action type %s/%s: a function can be of category %v", f.category, f.provider, categories)
		}
		f.kind = f.describe(known)
		list = append(list, f)
	}
	return list, nil
}

func (f *function) describe(known pipeline.ActionTypes) pipeline.ActionType {
	id := pipeline.ActionTypeID{Category: f.category, Owner: pipeline.OwnerAWS, Provider: f.provider, Version: "1"}
	if kind, ok := known.ActionType(id); ok {
		kind.WhenLost = pipeline.LostFail
		return kind
	}
	id.Owner = pipeline.OwnerCustom
	const most = 5
	kind := pipeline.ActionType{ID: id, Outputs: pipeline.ArtifactBounds{Max: most}, WhenLost: pipeline.LostFail}
	if f.category != pipeline.CategorySource {
		kind.Inputs.Max = most
	}
	for _, key := range f.keys {
		kind.Properties = append(kind.Properties, pipeline.ConfigurationProperty{Name: key, Key: true})
	}
	return kind
}

// Type implements provider.Provider.
func (f *function) Type() pipeline.ActionType { return f.kind }

// Start implements provider.Provider.
func (f *function) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	result, err := f.call(ctx, actionOf(a))
	if ctx.Err() != nil {
		// Abandoned, timed out, or the end of the test: no verdict of ours.
		return provider.Report{}, context.Cause(ctx)
	}
	if err != nil {
		return provider.Failure(provider.CodeJobFailed, err.Error()), nil
	}
	produced, err := keep(ctx, a, result.Outputs)
	if err != nil {
		return provider.Failure(provider.CodeJobFailed, err.Error()), nil
	}
	report := provider.Report{
		Status: provider.Succeeded, Summary: result.Summary, ExternalExecutionID: result.ExternalExecutionID,
		OutputVariables: result.Variables, Produced: produced,
	}
	if result.RevisionID != "" {
		report.Revision = &pipeline.Revision{ID: result.RevisionID, Summary: result.RevisionSummary}
	}
	return report, nil
}

// Await implements provider.Provider. Start answers for everything it began.
func (f *function) Await(context.Context, provider.Attempt) (provider.Report, error) {
	return provider.Failure(provider.CodeSystemUnavailable, "The outcome of the function is not known."), nil
}

// Stop implements provider.Provider: the function's context ends.
func (f *function) Stop(context.Context, provider.Attempt) error { return nil }

var errGoexit = errors.New("the function ended its goroutine, as t.FailNow and t.Fatal do: return an error instead")

// call runs the function on a goroutine of its own, which a function that fails
// the test in the middle ends, and returns a panic as an error.
func (f *function) call(ctx context.Context, a Action) (result Result, err error) {
	err = errGoexit
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("the function panicked: %v", v)
			}
		}()
		result, err = f.run(ctx, a)
	}()
	<-done
	return result, err
}

func actionOf(a provider.Attempt) Action {
	action := Action{
		ID: a.ID, Name: a.ActionName, StageName: a.StageName, PipelineName: a.PipelineName, ExecutionID: a.ExecutionID,
		Configuration: maps.Clone(a.Configuration), Log: a.Log, attempt: a,
	}
	for _, in := range a.Inputs {
		action.Inputs = append(action.Inputs, in.Name)
	}
	for _, out := range a.Outputs {
		action.Outputs = append(action.Outputs, out.Name)
	}
	return action
}

// keep stores the output artifacts and returns their names.
func keep(ctx context.Context, a provider.Attempt, outputs map[string]fs.FS) ([]string, error) {
	var produced []string
	for _, out := range a.Outputs {
		files := outputs[out.Name]
		if files == nil {
			return nil, fmt.Errorf("the function did not produce output artifact %s", out.Name)
		}
		var archive bytes.Buffer
		w := zip.NewWriter(&archive)
		if err := w.AddFS(files); err != nil {
			return nil, fmt.Errorf("packing output artifact %s: %w", out.Name, err)
		}
		if err := w.Close(); err != nil {
			return nil, fmt.Errorf("packing output artifact %s: %w", out.Name, err)
		}
		if err := a.Artifacts.Put(ctx, out.Location, &archive); err != nil {
			return nil, err
		}
		produced = append(produced, out.Name)
	}
	for name := range outputs {
		if !slices.Contains(produced, name) {
			return nil, fmt.Errorf("action %s declares no output artifact %s", a.ActionName, name)
		}
	}
	return produced, nil
}
