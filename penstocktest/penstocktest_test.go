package penstocktest_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/penstock-cd/penstock/penstocktest"
)

type (
	action = penstocktest.Action
	result = penstocktest.Result
)

// shelf is a source that gives what it is asked for.
func shelf() penstocktest.Option {
	return penstocktest.WithAction("Source", "Shelf", func(context.Context, action) (result, error) {
		return result{RevisionID: "r7", RevisionSummary: "seven", Outputs: map[string]fs.FS{"App": fstest.MapFS{"a.txt": {Data: []byte("a")}}}}, nil
	}, "Product")
}

// deployed runs the shop's pipeline to its end with a deploy function and
// returns the execution and its newest action.
func deployed(t *testing.T, run penstocktest.Func) (*types.PipelineExecution, types.ActionExecutionDetail) {
	t.Helper()
	p := penstocktest.Start(t, shelf(), penstocktest.WithAction("Deploy", "ECS", run))
	client := codepipeline.NewFromConfig(p.Config)
	if _, err := client.CreatePipeline(t.Context(), &codepipeline.CreatePipelineInput{Pipeline: shop()}); err != nil {
		t.Fatal(err)
	}
	id, err := release(t.Context(), client, "1")
	if err != nil {
		t.Fatal(err)
	}
	execution, err := p.Wait(t.Context(), "shop", id)
	if err != nil {
		t.Fatal(err)
	}
	actions, err := client.ListActionExecutions(t.Context(), &codepipeline.ListActionExecutionsInput{
		PipelineName: aws.String("shop"), Filter: &types.ActionExecutionFilter{PipelineExecutionId: &id},
	})
	if err != nil {
		t.Fatal(err)
	}
	return execution, actions.ActionExecutionDetails[0]
}

// TestNeverGreen: an action whose function did not do the work does not succeed,
// and says why.
func TestNeverGreen(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		run  penstocktest.Func
		want string
	}{
		{"error", func(context.Context, action) (result, error) {
			return result{Summary: "done"}, errors.New("no capacity")
		}, "no capacity"},
		{"panic", func(context.Context, action) (result, error) { panic("oh") }, "the function panicked: oh"},
		{"goexit", func(context.Context, action) (result, error) { runtime.Goexit(); return result{}, nil }, "the function ended its goroutine"},
		{"outputs nobody asked for", func(context.Context, action) (result, error) {
			return result{Outputs: map[string]fs.FS{"Extra": fstest.MapFS{}}}, nil
		}, "action Roll declares no output artifact Extra"},
		{"no such input", func(ctx context.Context, a action) (result, error) {
			_, err := a.Input(ctx, "Other")
			return result{}, err
		}, "action Roll has no input artifact Other"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			x, a := deployed(t, test.run)
			got := a.Output.ExecutionResult
			if x.Status != types.PipelineExecutionStatusFailed || aws.ToString(got.ErrorDetails.Code) != "JobFailed" ||
				!strings.HasPrefix(aws.ToString(got.ExternalExecutionSummary), test.want) {
				t.Errorf("execution %s, action %s: %s", x.Status, a.Status, aws.ToString(got.ExternalExecutionSummary))
			}
		})
	}
}

// TestWithoutOutput: a declared output that was not produced fails its action.
func TestWithoutOutput(t *testing.T) {
	t.Parallel()
	p := penstocktest.Start(t, penstocktest.WithAction("Source", "Shelf", func(context.Context, action) (result, error) {
		return result{Summary: "nothing"}, nil
	}, "Product"), penstocktest.WithAction("Deploy", "ECS", func(context.Context, action) (result, error) {
		return result{}, nil
	}))
	client := codepipeline.NewFromConfig(p.Config)
	if _, err := client.CreatePipeline(t.Context(), &codepipeline.CreatePipelineInput{Pipeline: shop()}); err != nil {
		t.Fatal(err)
	}
	id, err := release(t.Context(), client, "1")
	if err != nil {
		t.Fatal(err)
	}
	if x, err := p.Wait(t.Context(), "shop", id); err != nil || x.Status != types.PipelineExecutionStatusFailed {
		t.Errorf("execution %+v, %v", x, err)
	}
}

// TestResult: what a function returns shows in the history.
func TestResult(t *testing.T) {
	t.Parallel()
	var seen action
	x, a := deployed(t, func(_ context.Context, a action) (result, error) {
		seen = a
		fmt.Fprintln(a.Log, "rolling")
		return result{Summary: "rolled out", ExternalExecutionID: "d-1", Variables: map[string]string{"Task": "7"}}, nil
	})
	got := a.Output
	if a.Status != types.ActionExecutionStatusSucceeded || aws.ToString(got.ExecutionResult.ExternalExecutionId) != "d-1" ||
		aws.ToString(got.ExecutionResult.ExternalExecutionSummary) != "rolled out" || got.OutputVariables["Task"] != "7" {
		t.Errorf("%s %+v %v", a.Status, got.ExecutionResult, got.OutputVariables)
	}
	if r := x.ArtifactRevisions; len(r) != 1 || aws.ToString(r[0].RevisionId) != "r7" || aws.ToString(r[0].RevisionSummary) != "seven" {
		t.Errorf("revisions %+v", r)
	}
	if seen.Name != "Roll" || seen.StageName != "Deploy" || seen.PipelineName != "shop" || seen.ID != aws.ToString(a.ActionExecutionId) ||
		seen.ExecutionID != aws.ToString(x.PipelineExecutionId) || len(seen.Inputs) != 1 || len(seen.Outputs) != 0 {
		t.Errorf("the function saw %+v", seen)
	}
}

// TestAbandoned: the context of a function ends when its action is abandoned.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	begun, ended := make(chan struct{}), make(chan error, 1)
	p := penstocktest.Start(t, shelf(), penstocktest.WithAction("Deploy", "ECS", func(ctx context.Context, _ action) (result, error) {
		close(begun)
		<-ctx.Done()
		ended <- ctx.Err()
		return result{Summary: "too late"}, nil
	}))
	client := codepipeline.NewFromConfig(p.Config)
	if _, err := client.CreatePipeline(t.Context(), &codepipeline.CreatePipelineInput{Pipeline: shop()}); err != nil {
		t.Fatal(err)
	}
	id, err := release(t.Context(), client, "1")
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if x, err := p.Wait(impatient, "shop", id); err == nil {
		t.Errorf("Wait returned %s while the action runs", x.Status)
	}
	_, err = client.StopPipelineExecution(t.Context(), &codepipeline.StopPipelineExecutionInput{PipelineName: aws.String("shop"), PipelineExecutionId: &id, Abandon: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the context ended with %v", err)
	}
	if x, err := p.Wait(t.Context(), "shop", id); err != nil || x.Status != types.PipelineExecutionStatusStopped {
		t.Errorf("execution %+v, %v", x, err)
	}
}

// TestReplaced: a function can stand for a type that Penstock carries out
// itself, and keeps its rules.
func TestReplaced(t *testing.T) {
	t.Parallel()
	p := penstocktest.Start(t, shelf(), penstocktest.WithAccount("111122223333"), penstocktest.WithRegion("eu-west-1"),
		penstocktest.WithAction("Deploy", "S3", func(_ context.Context, a action) (result, error) {
			return result{Summary: "would write to " + a.Configuration["BucketName"]}, nil
		}))
	client := codepipeline.NewFromConfig(p.Config)
	declared := shop()
	roll := &declared.Stages[1].Actions[0]
	roll.ActionTypeId.Provider = aws.String("S3")
	roll.Configuration = map[string]string{"BucketName": "site"}
	_, err := client.CreatePipeline(t.Context(), &codepipeline.CreatePipelineInput{Pipeline: declared})
	if err == nil || !strings.Contains(err.Error(), "Action configuration for action 'Roll' is missing required configuration 'Extract'") {
		t.Errorf("without Extract: %v", err)
	}
	roll.Configuration["Extract"] = "true"
	if _, err := client.CreatePipeline(t.Context(), &codepipeline.CreatePipelineInput{Pipeline: declared}); err != nil {
		t.Fatal(err)
	}
	id, err := release(t.Context(), client, "1")
	if err != nil {
		t.Fatal(err)
	}
	if x, err := p.Wait(t.Context(), "shop", id); err != nil || x.Status != types.PipelineExecutionStatusSucceeded {
		t.Errorf("execution %+v, %v", x, err)
	}
	got, err := client.GetPipeline(t.Context(), &codepipeline.GetPipelineInput{Name: aws.String("shop")})
	if err != nil || aws.ToString(got.Metadata.PipelineArn) != "arn:aws:codepipeline:eu-west-1:111122223333:shop" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := p.Wait(t.Context(), "absent", id); err == nil {
		t.Error("Wait found an execution of a pipeline that is not there")
	}
}

// TestS3: the same configuration makes S3 clients.
func TestS3(t *testing.T) {
	t.Parallel()
	p := penstocktest.Start(t)
	client := s3.NewFromConfig(p.Config)
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("upload")}); err != nil {
		t.Fatal(err)
	}
	_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("upload"), Key: aws.String("k"), Body: strings.NewReader("content")})
	if err != nil {
		t.Fatal(err)
	}
}

// recorder is a testing.TB that is told off instead of the test.
type recorder struct {
	testing.TB
	fatal string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// TestRefused: what cannot be a provider ends the test at once.
func TestRefused(t *testing.T) {
	t.Parallel()
	nothing := func(context.Context, action) (result, error) { return result{}, nil }
	for want, opt := range map[string]penstocktest.Option{
		"action type Approval/Manual: a function can be of category": penstocktest.WithAction("Approval", "Manual", nothing),
		"action type deploy/ECS: a function can be of category":      penstocktest.WithAction("deploy", "ECS", nothing),
		"action type Deploy/ECS has no function":                     penstocktest.WithAction("Deploy", "ECS", nil),
		"account \"12\" is not twelve digits":                        penstocktest.WithAccount("12"),
	} {
		r := &recorder{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			penstocktest.Start(r, opt)
		}()
		if <-done; !strings.Contains(r.fatal, want) {
			t.Errorf("%q, want %q", r.fatal, want)
		}
	}
}
