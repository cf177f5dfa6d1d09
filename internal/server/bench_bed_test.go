package server_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/penstock-cd/penstock/internal/api"
	cpwire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/awsjson"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/server"
)

// The echo operation has names as long as those of the one it is compared with.
const (
	pipelineTarget = "CodePipeline_20150709"
	echoTarget     = "CodePipelineEcho_2015"
	startOperation = "StartPipelineExecution"
	echoOperation  = "EchoPipelineExecution1"
)

// echoService is what the benchmarks compare with: the HTTP, the signature check
// and the JSON of StartPipelineExecution, and nothing behind them.
func echoService() api.Service {
	id := "00000000-0000-4000-8000-000000000000"
	return api.Service{
		TargetPrefix: echoTarget, SigningName: "codepipeline", JSONVersion: "1.1",
		Operations: map[string]api.Operation{echoOperation: {
			Name:     echoOperation,
			NewInput: func() any { return &cpwire.StartPipelineExecutionInput{} },
			Call: func(context.Context, api.Caller, any) (any, error) {
				return &cpwire.StartPipelineExecutionOutput{PipelineExecutionId: &id}, nil
			},
		}},
	}
}

// benchServer is a server with a database on disk, and the echo beside it.
func benchServer(b *testing.B, more ...provider.Provider) *server.Server {
	b.Helper()
	s, err := server.Start(b.Context(), server.Config{
		Listen: "127.0.0.1:0", Data: filepath.Join(b.TempDir(), "data"), Account: account, Region: region,
	}, server.Options{Version: "bench", Providers: more, Services: []api.Service{echoService()}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	return s
}

// benchClient calls a service over connections that stay open.
func benchClient(b *testing.B, s *server.Server, target string) *awsjson.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	b.Cleanup(transport.CloseIdleConnections)
	return &awsjson.Client{
		Endpoint: s.Endpoint(), Region: region, Service: "codepipeline", TargetPrefix: target, Credentials: s.Root(),
		HTTP: &http.Client{Transport: transport},
	}
}

// benchPipelines makes pipelines of two stages. The first stage of closed ones
// lets nothing in, so that a start runs no action.
func benchPipelines(b *testing.B, c *awsjson.Client, n int, closed bool) []string {
	b.Helper()
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("pipeline-%02d", i)
		benchCall(b, c, "CreatePipeline", rawPipeline(names[i],
			rawStage("Source", rawAction("Pulse", "Source", "Custom", "Pulse", raw{"outputArtifacts": []raw{{"name": "App"}}})),
			rawStage("Build", rawAction("Hold", "Test", "Custom", "Gate", raw{"inputArtifacts": []raw{{"name": "App"}}}))))
		if closed {
			benchCall(b, c, "DisableStageTransition", raw{
				"pipelineName": names[i], "stageName": "Source", "transitionType": "Inbound", "reason": "measuring",
			})
		}
	}
	return names
}

func benchCall(b *testing.B, c *awsjson.Client, operation string, in any) {
	b.Helper()
	if err := c.Call(b.Context(), operation, in, nil); err != nil {
		b.Fatalf("%s: %v", operation, err)
	}
}

// raw is JSON as it goes over the wire.
type raw = map[string]any

// rawPipeline is the input of CreatePipeline.
func rawPipeline(name string, stages ...raw) raw {
	return raw{"pipeline": raw{
		"name": name, "pipelineType": "V2", "roleArn": "arn:aws:iam::" + account + ":role/pipeline",
		"artifactStore": raw{"type": "S3", "location": "artifacts"}, "stages": stages,
	}}
}

func rawStage(name string, actions ...raw) raw { return raw{"name": name, "actions": actions} }

func rawAction(name, category, owner, provider string, more raw) raw {
	a := raw{"name": name, "actionTypeId": raw{"category": category, "owner": owner, "provider": provider, "version": "1"}}
	maps.Copy(a, more)
	return a
}
