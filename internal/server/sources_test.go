package server_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/server"
)

// TestSourceChanges writes versions of an S3 source: each starts one execution,
// which fetches that version, also those whose server was stopped meanwhile.
func TestSourceChanges(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T) func(*server.Config){
		"sqlite": func(*testing.T) func(*server.Config) { return func(*server.Config) {} }, "postgres": onPostgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, change(t))
			sources, site := b.bucket("sources"), b.bucket("site")
			write := func(text string) string {
				return b.put(sources, "app.zip", zipped(t, map[string]string{"index.html": text}))
			}
			first := write("0")
			p := declare("demo", sourceS3(sources, "app.zip", map[string]string{"PollForSourceChanges": "true"}), deployS3(site, nil))
			p.ExecutionMode = types.ExecutionModeQueued
			b.create(p)
			b.create(declare("off", sourceS3(sources, "app.zip", nil), deployS3(site, nil)))
			want := []string{"PollForSourceChanges Fetch " + first}
			for i := range 6 {
				if i == 3 {
					b.restart()
				}
				want = append(want, "PollForSourceChanges Fetch "+write(fmt.Sprint(i)))
			}
			var got []string
			b.until("all executions", func() bool {
				got = nil
				out, err := b.cp.ListPipelineExecutions(t.Context(), &cp.ListPipelineExecutionsInput{PipelineName: aws.String("demo")})
				b.must(err)
				for i := len(out.PipelineExecutionSummaries) - 1; i >= 0; i-- {
					x := out.PipelineExecutionSummaries[i]
					if x.Status != types.PipelineExecutionStatusSucceeded {
						return false
					}
					got = append(got, fmt.Sprintf("%s %s %s", x.Trigger.TriggerType, *x.Trigger.TriggerDetail, *x.SourceRevisions[0].RevisionId))
				}
				return len(got) >= len(want)
			})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("executions (-want +got):\n%s", diff)
			}
			out, err := b.cp.ListPipelineExecutions(t.Context(), &cp.ListPipelineExecutionsInput{PipelineName: aws.String("off")})
			b.must(err)
			if n := len(out.PipelineExecutionSummaries); n != 1 {
				t.Errorf("%d executions of a pipeline that does not poll", n)
			}
		})
	}
}

// TestNewestVersion asks another server for the newest version, as polls do.
func TestNewestVersion(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	sources, key := b.bucket("sources"), b.Root()
	external, err := provider.NewExternalS3(t.Context(), provider.ExternalS3Config{
		Endpoint: b.Endpoint(), Region: region, PathStyle: true, AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey,
	})
	b.must(err)
	for _, want := range []func() string{
		func() string { return "" },
		func() string { return b.put(sources, "app.zip", "1") },
		func() string { return b.put(sources, "app.zip", "1") },
	} {
		version := want()
		if got, err := external.Newest(t.Context(), sources, "app.zip"); got != version || err != nil {
			t.Errorf("newest is %q, %v, want %q", got, err, version)
		}
	}
	if got, err := external.Newest(t.Context(), "nowhere", "app.zip"); got != "" || err != nil {
		t.Errorf("newest in no bucket is %q, %v", got, err)
	}
}

// TestPolledFromTheStart makes and changes pipelines whose sources are in an S3
// elsewhere: what they name is looked at soon, not only when it is due.
func TestPolledFromTheStart(t *testing.T) {
	t.Parallel()
	elsewhere := newBed(t)
	sources, root := elsewhere.bucket("sources"), elsewhere.Root()
	b := newBed(t, func(c *server.Config) {
		c.S3 = server.ExternalS3{
			Endpoint: elsewhere.Endpoint(), Region: region, PathStyle: true, AccessKeyID: root.AccessKeyID, SecretAccessKey: root.SecretAccessKey,
		}
	})
	polled := func(key string) *types.PipelineDeclaration {
		return declare("demo", sourceS3(sources, key, map[string]string{"PollForSourceChanges": "true"}), gateStage("Gate"))
	}
	newest := func() string {
		out, err := b.cp.ListPipelineExecutions(t.Context(), &cp.ListPipelineExecutionsInput{PipelineName: aws.String("demo")})
		b.must(err)
		if len(out.PipelineExecutionSummaries) == 0 || len(out.PipelineExecutionSummaries[0].SourceRevisions) == 0 {
			return ""
		}
		x := out.PipelineExecutionSummaries[0]
		return fmt.Sprint(len(out.PipelineExecutionSummaries), " ", x.Trigger.TriggerType, " ", *x.SourceRevisions[0].RevisionId)
	}
	_, err := b.cp.CreatePipeline(t.Context(), &cp.CreatePipelineInput{Pipeline: polled("none.zip")})
	b.must(err)
	b.until("the failure of the poll", func() bool {
		failed := b.state("demo", "Source").ActionStates[0].LatestExecution
		return failed != nil && failed.Status == types.ActionExecutionStatusFailed && aws.ToString(failed.ErrorDetails.Code) == "ConfigurationError"
	})
	if got := newest(); got != "" {
		t.Errorf("an execution without an object: %s", got)
	}
	for i, key := range []string{"a.zip", "b.zip"} {
		want := fmt.Sprint(i+1, " PollForSourceChanges ", elsewhere.put(sources, key, key))
		_, err := b.cp.UpdatePipeline(t.Context(), &cp.UpdatePipelineInput{Pipeline: polled(key)})
		b.must(err)
		b.until(want, func() bool { return newest() == want })
	}
}
