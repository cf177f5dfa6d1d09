package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/penstock-cd/penstock/internal/awsjson"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/server"
)

// maybe draws a value or its absence.
func maybe[V any](t *rapid.T, label string, value V) V {
	if !rapid.Bool().Draw(t, label) {
		var none V
		return none
	}
	return value
}

// anyText draws texts of one line that are hard to carry: marked up, quoted,
// long, beyond ASCII.
func anyText(t *rapid.T, label string) string {
	return rapid.SampledFrom([]string{"a", " b\t", "<é&>", `"\`, "#{ not.a }", "𝄞", strings.Repeat("x", 200)}).Draw(t, label)
}

func typed(category, owner, provider string) pipeline.ActionTypeID {
	return pipeline.ActionTypeID{Category: category, Owner: owner, Provider: provider, Version: "1"}
}

// drawAction draws a valid action that has the artifacts and variables of the
// action Fetch before it. Names come from a number.
func drawAction(t *rapid.T, n int) pipeline.ActionDeclaration {
	a := pipeline.ActionDeclaration{
		Name: fmt.Sprint("A", n), RunOrder: rapid.SampledFrom([]int{0, 1, 2, 999}).Draw(t, "order"),
		RoleArn: maybe(t, "role", "arn:aws:iam::"+account+":role/action"), Region: maybe(t, "region", region),
		Namespace: maybe(t, "namespace", fmt.Sprint("N", n)),
	}
	switch rapid.IntRange(0, 3).Draw(t, "type") {
	case 0:
		a.ActionTypeID = typed("Approval", "AWS", "Manual")
		a.TimeoutInMinutes = rapid.SampledFrom([]int{0, 5, 86400}).Draw(t, "minutes")
		a.Configuration = rapid.SampledFrom([]map[string]string{nil, {}, {"CustomData": anyText(t, "data") + "\n\u2028"}, {"CustomData": "#{F.VersionId}"}}).Draw(t, "configuration")
		a.InputArtifacts = rapid.SampledFrom([][]pipeline.InputArtifact{nil, {}}).Draw(t, "inputs")
	case 1:
		a.ActionTypeID = typed("Compute", "AWS", "Commands")
		a.Commands = rapid.SliceOfN(rapid.SampledFrom([]string{"true", "echo '#{codepipeline.PipelineExecutionId}'"}), 1, 3).Draw(t, "commands")
		a.InputArtifacts = []pipeline.InputArtifact{{Name: "App"}}
		a.OutputVariables = maybe(t, "variables", []string{"V", "W"})
		a.OutputArtifacts = maybe(t, "outputs", []pipeline.OutputArtifact{{Name: fmt.Sprint("O", n), Files: []string{"a/**", "b"}}})
		a.EnvironmentVariables = maybe(t, "environment", []pipeline.EnvironmentVariable{{Name: "E", Value: "#{F.ETag}"}, {Name: "P", Value: "plain", Type: "PLAINTEXT"}})
	case 2:
		a.ActionTypeID = typed("Build", "AWS", "CodeBuild")
		a.Configuration = map[string]string{"ProjectName": "app", "EnvironmentVariables": `[{"name":"A","value":"<&>"}]`}
		a.InputArtifacts = []pipeline.InputArtifact{{Name: "App"}}
		a.OutputArtifacts = rapid.SampledFrom([][]pipeline.OutputArtifact{nil, {}, {{Name: fmt.Sprint("O", n)}}}).Draw(t, "outputs")
	case 3:
		a.ActionTypeID = typed("Deploy", "AWS", "S3")
		a.Configuration = map[string]string{"BucketName": "site", "Extract": "false", "ObjectKey": anyText(t, "key")}
		a.InputArtifacts = []pipeline.InputArtifact{{Name: "App"}}
	}
	return a
}

// drawDeclaration draws a declaration that every rule admits. An approval after
// the sources keeps what is drawn from being run.
func drawDeclaration(t *rapid.T, name string) pipeline.Declaration {
	d := pipeline.Declaration{
		Name: name, RoleArn: "arn:aws:iam::" + account + ":role/pipeline", PipelineType: pipeline.TypeV2,
		ExecutionMode: maybe(t, "mode", pipeline.ModeSuperseded),
		Variables: rapid.SampledFrom([][]pipeline.VariableDeclaration{
			nil, {}, {{Name: "A@-_1"}, {Name: "B", DefaultValue: new(anyText(t, "default")), Description: new(anyText(t, "description"))}},
		}).Draw(t, "variables"),
		Stages: []pipeline.StageDeclaration{
			{Name: "Source", Actions: []pipeline.ActionDeclaration{{
				Name: "Fetch", ActionTypeID: typed("Source", "AWS", "S3"), Namespace: "F",
				Configuration:   map[string]string{"S3Bucket": "sources", "S3ObjectKey": "app.zip", "PollForSourceChanges": "false"},
				OutputArtifacts: []pipeline.OutputArtifact{{Name: "App"}},
			}}},
			{Name: "Hold", Actions: []pipeline.ActionDeclaration{{Name: "Hold", ActionTypeID: typed("Approval", "AWS", "Manual")}}},
		},
	}
	store := pipeline.ArtifactStore{Type: "S3", Location: "artifacts", EncryptionKey: maybe(t, "key", &pipeline.EncryptionKey{ID: "alias/k", Type: "KMS"})}
	if rapid.Bool().Draw(t, "stores") {
		d.ArtifactStores = map[string]pipeline.ArtifactStore{region: store, "us-east-1": {Type: "S3", Location: "there"}}
	} else {
		d.ArtifactStore = &store
	}
	if rapid.Bool().Draw(t, "trigger") {
		d.Stages[0].Actions = append(d.Stages[0].Actions, pipeline.ActionDeclaration{
			Name: "Git", ActionTypeID: typed("Source", "AWS", "CodeStarSourceConnection"), OutputArtifacts: []pipeline.OutputArtifact{{Name: "Code"}},
			Configuration: map[string]string{"ConnectionArn": "arn:aws:codeconnections:eu-west-1:111122223333:connection/c", "FullRepositoryId": "o/r", "BranchName": "main"},
		})
		d.Triggers = []pipeline.TriggerDeclaration{{ProviderType: "CodeStarSourceConnection", GitConfiguration: pipeline.GitConfiguration{
			SourceActionName: "Git", Push: maybe(t, "push", []pipeline.PushFilter{{
				Branches: &pipeline.GlobFilter{Includes: []string{"main", "r/*"}}, FilePaths: maybe(t, "paths", &pipeline.GlobFilter{Excludes: []string{"**.md"}}),
			}}),
			PullRequest: maybe(t, "pulls", []pipeline.PullRequestFilter{{Events: []string{"OPEN", "CLOSED"}, Branches: &pipeline.GlobFilter{Includes: []string{"main"}}}}),
		}}}
	}
	for s := range rapid.IntRange(0, 2).Draw(t, "stages") {
		stage := pipeline.StageDeclaration{Name: fmt.Sprint("S", s), Blockers: maybe(t, "blockers", []pipeline.BlockerDeclaration{})}
		for i := range rapid.IntRange(1, 3).Draw(t, "actions") {
			stage.Actions = append(stage.Actions, drawAction(t, 10*s+i))
		}
		d.Stages = append(d.Stages, stage)
	}
	return d
}

// TestDeclarationsSurvive: any valid declaration comes back from the server as
// it was sent but for what answers fill in; what GetPipeline answers, sent to
// UpdatePipeline, changes nothing but the version; and the first version stays
// readable.
func TestDeclarationsSurvive(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *server.Config) { c.InertTriggers = true })
	types, err := server.ActionTypes()
	b.must(err)
	client := &awsjson.Client{
		Endpoint: b.Endpoint(), Region: region, Service: "codepipeline", TargetPrefix: "CodePipeline_20150709", Credentials: b.Root(),
	}
	type message struct {
		Pipeline pipeline.Declaration `json:"pipeline"`
	}
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		name := fmt.Sprint("p", n)
		sent := drawDeclaration(t, name)
		call := func(operation string, in any) pipeline.Declaration {
			var out message
			if err := client.Call(b.t.Context(), operation, in, &out); err != nil {
				t.Fatalf("%s: %v", operation, err)
			}
			return out.Pipeline
		}
		want := pipeline.Normalise(sent, types)
		same := func(what string, version int, got pipeline.Declaration) {
			want.Version = version
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s (-sent +answered):\n%s", what, diff)
			}
		}
		same("created", 1, call("CreatePipeline", message{sent}))
		got := call("GetPipeline", map[string]any{"name": name})
		same("stored", 1, got)
		same("updated", 2, call("UpdatePipeline", message{got}))
		same("stored again", 2, call("GetPipeline", map[string]any{"name": name}))
		same("the first version", 1, call("GetPipeline", map[string]any{"name": name, "version": 1}))
		if err := client.Call(b.t.Context(), "DeletePipeline", map[string]any{"name": name}, nil); err != nil {
			t.Fatal(err)
		}
	})
}
