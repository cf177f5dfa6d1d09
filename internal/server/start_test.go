package server_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/server"
)

// TestStartTokens starts with a few tokens from many clients at once, twice with
// a restart between: each token has one execution, and each answer names it.
func TestStartTokens(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.create(declare("demo", pulseStage(), reviewStage(nil)))
	ids := map[string]string{}
	for range 2 {
		var mu sync.Mutex
		var clients sync.WaitGroup
		for i := range 24 {
			clients.Go(func() {
				token := fmt.Sprint("token-", i%3)
				out, err := b.cp.StartPipelineExecution(t.Context(), &cp.StartPipelineExecutionInput{Name: aws.String("demo"), ClientRequestToken: &token})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if id := aws.ToString(out.PipelineExecutionId); ids[token] == "" {
					ids[token] = id
				} else if ids[token] != id {
					t.Errorf("token %s gave %s and %s", token, ids[token], id)
				}
			})
		}
		clients.Wait()
		b.restart()
	}
	out, err := b.cp.ListPipelineExecutions(t.Context(), &cp.ListPipelineExecutionsInput{PipelineName: aws.String("demo")})
	b.must(err)
	if n := len(out.PipelineExecutionSummaries); n != 1+3 {
		t.Errorf("%d executions, want the first and 3", n)
	}
	for token, id := range ids {
		b.execution("demo", id)
		if again := b.run(&cp.StartPipelineExecutionInput{Name: aws.String("demo"), ClientRequestToken: &token}); again != id {
			t.Errorf("token %s gave %s, later %s", token, id, again)
		}
	}
}

// TestTokenOfOnePipeline: a token belongs to one pipeline, and not to the next
// one of the same name.
func TestTokenOfOnePipeline(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	token := aws.String("deploy-7")
	seen := map[string]bool{}
	for _, name := range []string{"demo", "other", "demo"} {
		b.create(declare(name, pulseStage(), reviewStage(nil)))
		seen[b.run(&cp.StartPipelineExecutionInput{Name: &name, ClientRequestToken: token})] = true
		if name == "demo" {
			_, err := b.cp.DeletePipeline(t.Context(), &cp.DeletePipelineInput{Name: &name})
			b.must(err)
		}
	}
	if len(seen) != 3 {
		t.Errorf("three pipelines shared an execution: %v", seen)
	}
}

// repository makes a git repository below base with two commits on main, and
// returns their ids.
func repository(t *testing.T, base, name string) (first, second string) {
	t.Helper()
	dir := filepath.Join(base, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("init", "-q", "-b", "main")
	for _, text := range []string{"first", "second"} {
		if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		run("add", ".")
		run("commit", "-q", "-m", text+" commit")
	}
	return run("rev-parse", "HEAD~1"), run("rev-parse", "HEAD")
}

// TestCommitOverride starts with COMMIT_ID: the git sources take that commit,
// and one that does not exist fails the action, visibly.
func TestCommitOverride(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	first, second := repository(t, filepath.Join(base, "owner"), "site")
	b := newBed(t, func(c *server.Config) {
		c.CodeCommit = filepath.Join(base, "owner")
		c.Connections = map[string]server.Connection{"*": {URL: base}}
	})
	b.bucket("live")
	sources := map[string]types.StageDeclaration{
		"codecommit": stage("Source", outputs(action("Fetch", "Source", "AWS", "CodeCommit", map[string]string{"RepositoryName": "site", "BranchName": "main"}), "App")),
		"connection": stage("Source", outputs(action("Fetch", "Source", "AWS", "CodeStarSourceConnection", map[string]string{
			"ConnectionArn":    "arn:aws:codestar-connections:eu-west-1:111122223333:connection/11111111-2222-3333-4444-555555555555",
			"FullRepositoryId": "owner/site", "BranchName": "main",
		}), "App")),
	}
	for name, source := range sources {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := b.on(t)
			id := b.create(declare(name, source, deployS3("live", map[string]string{"ObjectKey": name})))
			x := b.await(name, id, types.PipelineExecutionStatusSucceeded)
			if got := aws.ToString(x.ArtifactRevisions[0].RevisionId); got != second {
				t.Errorf("without an override the revision is %s, want %s", got, second)
			}
			override := func(commit string) string {
				return b.run(&cp.StartPipelineExecutionInput{Name: &name, SourceRevisions: []types.SourceRevisionOverride{
					{ActionName: aws.String("Fetch"), RevisionType: types.SourceRevisionTypeCommitId, RevisionValue: &commit},
				}})
			}
			x = b.await(name, override(first), types.PipelineExecutionStatusSucceeded)
			if got := x.ArtifactRevisions[0]; aws.ToString(got.RevisionId) != first || !strings.Contains(aws.ToString(got.RevisionSummary), "first commit") {
				t.Errorf("with an override the revision is %s %q", aws.ToString(got.RevisionId), aws.ToString(got.RevisionSummary))
			}
			summaries, err := b.cp.ListPipelineExecutions(t.Context(), &cp.ListPipelineExecutionsInput{PipelineName: &name})
			b.must(err)
			if got := summaries.PipelineExecutionSummaries[0].SourceRevisions; len(got) != 1 || aws.ToString(got[0].RevisionId) != first {
				t.Errorf("the summary shows %+v", got)
			}
			for _, absent := range []string{strings.Repeat("0", 40), "main", "--upload-pack=x"} {
				failed := override(absent)
				if x := b.await(name, failed, types.PipelineExecutionStatusFailed); len(x.ArtifactRevisions) != 0 {
					t.Errorf("revision %q: shown as %+v", absent, x.ArtifactRevisions)
				}
				details := b.actions(name, failed)[0].Output.ExecutionResult.ErrorDetails
				if aws.ToString(details.Code) != provider.CodeRevisionUnavailable {
					t.Errorf("revision %q: error %s", absent, aws.ToString(details.Code))
				}
			}
		})
	}
}

// TestRegions: what a caller sees is its account's, in the region its signature
// names.
func TestRegions(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.create(declare("demo", pulseStage(), reviewStage(nil)))
	there := cp.NewFromConfig(b.config("nowhere-9"))
	list, err := there.ListPipelines(t.Context(), &cp.ListPipelinesInput{})
	b.must(err)
	if len(list.Pipelines) != 0 {
		t.Errorf("another region shows %+v", list.Pipelines)
	}
	_, err = there.CreatePipeline(t.Context(), &cp.CreatePipelineInput{Pipeline: declare("demo", pulseStage(), reviewStage(nil))})
	b.must(err)
	got, err := there.GetPipeline(t.Context(), &cp.GetPipelineInput{Name: aws.String("demo")})
	b.must(err)
	if arn := aws.ToString(got.Metadata.PipelineArn); arn != "arn:aws:codepipeline:nowhere-9:"+account+":demo" {
		t.Errorf("ARN %s", arn)
	}
	id := b.newest("demo")
	_, err = there.GetPipelineExecution(t.Context(), &cp.GetPipelineExecutionInput{PipelineName: aws.String("demo"), PipelineExecutionId: &id})
	if err == nil {
		t.Error("another region shows an execution of this one")
	}
}

// TestPaging reads lists page by page while new entries come in: everything that
// was there at the beginning comes once, in order.
func TestPaging(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	name := aws.String("demo")
	want := []string{b.create(declare("demo", pulseStage(), reviewStage(nil)))}
	for range 6 {
		want = append(want, b.run(&cp.StartPipelineExecutionInput{Name: name}))
	}
	b.until("the last source action to end", func() bool {
		s := b.state("demo", "Source")
		return s.LatestExecution.Status == types.StageExecutionStatusSucceeded && aws.ToString(s.LatestExecution.PipelineExecutionId) == want[6]
	})
	slices.Reverse(want)
	var actions, executions []string
	for _, a := range allActions(b, 100, nil) {
		actions = append(actions, aws.ToString(a.ActionExecutionId))
	}
	disturb := func() { b.run(&cp.StartPipelineExecutionInput{Name: name}) }
	pages := cp.NewListPipelineExecutionsPaginator(b.cp, &cp.ListPipelineExecutionsInput{PipelineName: name, MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		b.must(err)
		if len(page.PipelineExecutionSummaries) > 2 {
			t.Errorf("a page of %d", len(page.PipelineExecutionSummaries))
		}
		for _, x := range page.PipelineExecutionSummaries {
			executions = append(executions, aws.ToString(x.PipelineExecutionId))
		}
		disturb()
	}
	if !slices.Equal(executions, want) {
		t.Errorf("executions\n%v, want\n%v", executions, want)
	}
	// The first page of the actions may begin with what came since.
	var got []string
	for _, a := range allActions(b, 3, disturb) {
		got = append(got, aws.ToString(a.ActionExecutionId))
	}
	if len(got) < len(actions) || !slices.Equal(got[len(got)-len(actions):], actions) {
		t.Errorf("actions\n%v, want at the end\n%v", got, actions)
	}
}

// allActions lists all action executions by pages; between runs between them.
func allActions(b *bed, page int32, between func()) []types.ActionExecutionDetail {
	b.t.Helper()
	var list []types.ActionExecutionDetail
	pages := cp.NewListActionExecutionsPaginator(b.cp, &cp.ListActionExecutionsInput{PipelineName: aws.String("demo"), MaxResults: &page})
	for pages.HasMorePages() {
		out, err := pages.NextPage(b.t.Context())
		b.must(err)
		list = append(list, out.ActionExecutionDetails...)
		if between != nil {
			between()
		}
	}
	return list
}

// TestPagingPipelines lists pipelines by name while others come and go.
func TestPagingPipelines(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for _, name := range []string{"delta", "Alpha", "charlie", "bravo", "alpha"} {
		b.create(declare(name, pulseStage(), reviewStage(nil)))
	}
	var got []string
	pages := cp.NewListPipelinesPaginator(b.cp, &cp.ListPipelinesInput{MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(t.Context())
		b.must(err)
		for _, p := range out.Pipelines {
			got = append(got, aws.ToString(p.Name))
		}
		if len(got) == 2 {
			b.create(declare("aaa", pulseStage(), reviewStage(nil)))
			_, err := b.cp.DeletePipeline(t.Context(), &cp.DeletePipelineInput{Name: aws.String("alpha")})
			b.must(err)
		}
	}
	if want := []string{"Alpha", "alpha", "bravo", "charlie", "delta"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
