package server_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// tokenSource is a source of GitHub, version 1, that tells which token it was
// given, and needs no GitHub.
type tokenSource struct {
	pulse
	given chan string
}

func (tokenSource) Type() pipeline.ActionType {
	return pipeline.ActionType{
		ID:       pipeline.ActionTypeID{Category: "Source", Owner: "ThirdParty", Provider: "GitHub", Version: "1"},
		WhenLost: pipeline.LostAgain,
	}
}

func (s tokenSource) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	s.given <- a.Configuration["OAuthToken"]
	return s.pulse.Start(ctx, a)
}

// TestSecretConfiguration: a secret is masked in every answer, kept by the mask
// if nothing else of its action changes (C36), given to the action, and nowhere
// to be read in the data directory, whose database has an encrypted copy.
func TestSecretConfiguration(t *testing.T) {
	t.Parallel()
	const token = "ghp-0f5b9c36d1e2"
	b := newBed(t)
	b.stop()
	source := tokenSource{given: make(chan string, 10)}
	b.more = []provider.Provider{source}
	b.start()
	ctx := t.Context()
	declared := declare("web", stage("Source", outputs(action("Pull", "Source", "ThirdParty", "GitHub", map[string]string{
		"Owner": "octo", "Repo": "site", "Branch": "main", "OAuthToken": token, "PollForSourceChanges": "false",
	}), "App")), reviewStage(nil))
	shown := func(what string, d *types.PipelineDeclaration, branch string) {
		t.Helper()
		want := map[string]string{"Owner": "octo", "Repo": "site", "Branch": branch, "OAuthToken": "****", "PollForSourceChanges": "false"}
		if diff := cmp.Diff(want, d.Stages[0].Actions[0].Configuration); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	created, err := b.cp.CreatePipeline(ctx, &cp.CreatePipelineInput{Pipeline: declared})
	b.must(err)
	shown("created", created.Pipeline, "main")
	first := b.newest("web")
	b.token("web", first) // the source is done
	if got := <-source.given; got != token {
		t.Errorf("the action was given %q", got)
	}
	for _, a := range b.actions("web", first) {
		if *a.ActionName == "Pull" && (a.Input.Configuration["OAuthToken"] != "****" || a.Input.ResolvedConfiguration["OAuthToken"] != "****") {
			t.Errorf("history shows %v, %v", a.Input.Configuration, a.Input.ResolvedConfiguration)
		}
	}

	got, err := b.cp.GetPipeline(ctx, &cp.GetPipelineInput{Name: aws.String("web")})
	b.must(err)
	shown("got", got.Pipeline, "main")
	updated, err := b.cp.UpdatePipeline(ctx, &cp.UpdatePipelineInput{Pipeline: got.Pipeline})
	b.must(err)
	shown("updated", updated.Pipeline, "main")
	second := b.run(&cp.StartPipelineExecutionInput{Name: aws.String("web")})
	if got := <-source.given; got != token {
		t.Errorf("after an update with the mask the action was given %q", got)
	}
	const lost = "Action configuration for action 'Pull' is missing required configuration 'OAuthToken'"
	for what, change := range map[string]func(*types.PipelineDeclaration){
		"another value changed": func(d *types.PipelineDeclaration) { d.Stages[0].Actions[0].Configuration["Branch"] = "next" },
		"stage renamed":         func(d *types.PipelineDeclaration) { d.Stages[0].Name = aws.String("Sources") },
	} {
		changed, err := b.cp.GetPipeline(ctx, &cp.GetPipelineInput{Name: aws.String("web")})
		b.must(err)
		change(changed.Pipeline)
		_, err = b.cp.UpdatePipeline(ctx, &cp.UpdatePipelineInput{Pipeline: changed.Pipeline})
		if exceptionOf(err) != "InvalidActionDeclarationException" || !strings.Contains(err.Error(), lost) {
			t.Errorf("%s: %v", what, err)
		}
	}
	got.Pipeline.Stages[0].Actions[0].Configuration["Branch"] = "next"
	got.Pipeline.Stages[0].Actions[0].Configuration["OAuthToken"] = token + "-new"
	updated, err = b.cp.UpdatePipeline(ctx, &cp.UpdatePipelineInput{Pipeline: got.Pipeline})
	b.must(err)
	shown("new value", updated.Pipeline, "next")
	old, err := b.cp.GetPipeline(ctx, &cp.GetPipelineInput{Name: aws.String("web"), Version: aws.Int32(1)})
	b.must(err)
	shown("old version", old.Pipeline, "main")

	// A source that the restart cuts off would be started again.
	b.await("web", second, types.PipelineExecutionStatusCancelled)
	b.restart()
	b.run(&cp.StartPipelineExecutionInput{Name: aws.String("web")})
	if got := <-source.given; got != token+"-new" {
		t.Errorf("after a restart the action was given %q", got)
	}
	b.stop()
	nowhere(t, b.cfg.Data, token)
}

// nowhere looks for a text in all files of a directory.
func nowhere(t *testing.T, dir, text string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text)) {
			t.Errorf("%s holds the secret", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
