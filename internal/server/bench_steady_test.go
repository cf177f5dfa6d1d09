package server_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
	cpwire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/awsjson"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/server"
)

// steady is an action that writes a line, puts an empty artifact for each of its
// outputs, and succeeds at once. It is a source or a build.
type steady struct{ category string }

func (s steady) Type() pipeline.ActionType {
	t := pipeline.ActionType{
		ID:         pipeline.ActionTypeID{Category: s.category, Owner: "Custom", Provider: "Steady", Version: "1"},
		Outputs:    pipeline.ArtifactBounds{Max: 1},
		Properties: []pipeline.ConfigurationProperty{{Name: "Location"}, {Name: "Parameters"}},
		WhenLost:   pipeline.LostAgain,
	}
	if s.category == "Source" {
		t.Outputs.Min = 1
	} else {
		t.Inputs = pipeline.ArtifactBounds{Min: 1, Max: 1}
	}
	return t
}

func (s steady) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	r := provider.Report{Status: provider.Succeeded, Summary: "done", ExternalExecutionID: a.ID}
	for _, out := range a.Outputs {
		if err := a.Artifacts.Put(ctx, out.Location, strings.NewReader("PK\x05\x06"+strings.Repeat("\x00", 18))); err != nil {
			return provider.Report{}, err
		}
		r.Produced = append(r.Produced, out.Name)
	}
	if s.category == "Source" {
		r.Revision = &pipeline.Revision{ID: "0c1a2b3d4e5f60718293a4b5c6d7e8f901234567", Summary: "Let the door open in time"}
	}
	_, err := io.WriteString(a.Log, "all is well\n")
	return r, err
}

func (s steady) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return s.Start(ctx, a)
}

func (steady) Stop(context.Context, provider.Attempt) error { return nil }

// steadyPipeline is three actions in three stages, each with 200 bytes of
// configuration: keys and values together.
func steadyPipeline(name string) raw {
	location := "https://git.example.com/" + name
	config := raw{"Location": location, "Parameters": strings.Repeat("p", 200-len("LocationParameters")-len(location))}
	return rawPipeline(name,
		rawStage("Source", rawAction("Fetch", "Source", "Custom", "Steady", raw{
			"configuration": config, "outputArtifacts": []raw{{"name": "Fetched"}},
		})),
		rawStage("Build", rawAction("Make", "Build", "Custom", "Steady", raw{
			"configuration": config, "inputArtifacts": []raw{{"name": "Fetched"}}, "outputArtifacts": []raw{{"name": "Made"}},
		})),
		rawStage("Deploy", rawAction("Ship", "Build", "Custom", "Steady", raw{
			"configuration": config, "inputArtifacts": []raw{{"name": "Made"}},
		})))
}

// steadyPipelines makes pipelines and waits until the execution that creation
// started has succeeded in each.
func steadyPipelines(b testing.TB, c *awsjson.Client, n int) []string {
	b.Helper()
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("pipeline-%03d", i)
		steadyCall(b, c, "CreatePipeline", steadyPipeline(names[i]), nil)
	}
	for i := range names {
		steadyAwait(b, c, names[i])
	}
	return names
}

// steadyAwait waits until the newest execution of a pipeline has succeeded.
func steadyAwait(b testing.TB, c *awsjson.Client, name string) {
	b.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; {
		var out cpwire.ListPipelineExecutionsOutput
		steadyCall(b, c, "ListPipelineExecutions", raw{"pipelineName": name, "maxResults": 1}, &out)
		if list := out.PipelineExecutionSummaries; len(list) == 1 && list[0].Status == "Succeeded" {
			return
		}
		if time.Now().After(end) {
			b.Fatalf("in vain for %v: pipeline %s", patience, name)
		}
		<-tick.C
	}
}

func steadyCall(b testing.TB, c *awsjson.Client, operation string, in, out any) {
	b.Helper()
	if err := c.Call(b.Context(), operation, in, out); err != nil {
		b.Fatalf("%s: %v", operation, err)
	}
}

// steadyOptions are those of a server with steady actions.
func steadyOptions(more ...api.Service) server.Options {
	return server.Options{Version: "bench", Providers: []provider.Provider{steady{"Source"}, steady{"Build"}}, Services: more}
}
