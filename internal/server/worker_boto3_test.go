package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	"github.com/penstock-cd/penstock/internal/server"
	"github.com/penstock-cd/penstock/internal/sigv4/sigv4test"
)

// workerEvent is what testdata/worker.py says.
type workerEvent struct {
	Worker, Event, Job, Status, Token string
	Wrong                             []string
}

// workerBed is a server with an action type that job workers carry out.
type workerBed struct {
	*bed
	script string
	events chan workerEvent
}

func newWorkerBed(t *testing.T, change ...func(*server.Config)) *workerBed {
	t.Helper()
	b := newBed(t, change...)
	sigv4test.Boto3(t)
	script, err := filepath.Abs("testdata/worker.py")
	b.must(err)
	b.bucket("store")
	bounds := &types.ArtifactDetails{MinimumCount: 0, MaximumCount: 5}
	_, err = b.cp.CreateCustomActionType(t.Context(), &cp.CreateCustomActionTypeInput{
		Category: types.ActionCategoryBuild, Provider: aws.String("Boto"), Version: aws.String("1"),
		InputArtifactDetails: bounds, OutputArtifactDetails: bounds,
	})
	b.must(err)
	return &workerBed{bed: b, script: script, events: make(chan workerEvent, 1000)}
}

// worker runs a worker; stop kills it.
func (b *workerBed) worker(args ...string) (stop func()) {
	b.t.Helper()
	cmd := b.toolCommand(b.t.TempDir(), nil, "python3", append([]string{b.script}, args...)...)
	cmd.Stderr = b.t.Output()
	stdin, err := cmd.StdinPipe() // open as long as the test holds it
	b.must(err)
	stdout, err := cmd.StdoutPipe()
	b.must(err)
	b.must(cmd.Start())
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			var e workerEvent
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				b.events <- e
			}
		}
	}()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cmd.Process.Kill()
			stdin.Close()
			cmd.Wait()
		}
	}
	b.t.Cleanup(stop)
	return stop
}

// next is the next thing that a worker says.
func (b *workerBed) next(within time.Duration) workerEvent {
	b.t.Helper()
	select {
	case e := <-b.events:
		return e
	case <-time.After(within):
		b.t.Fatalf("the workers say nothing for %v", within)
	}
	return workerEvent{}
}

// pipelineOf is a source and a build by workers.
func (b *workerBed) pipelineOf(name string) *types.PipelineDeclaration {
	action := func(name string, category types.ActionCategory, provider string) types.ActionDeclaration {
		return types.ActionDeclaration{Name: &name, ActionTypeId: &types.ActionTypeId{
			Category: category, Owner: types.ActionOwnerCustom, Provider: &provider, Version: aws.String("1"),
		}}
	}
	source, build := action("Pulse", types.ActionCategorySource, "Pulse"), action("Make", types.ActionCategoryBuild, "Boto")
	source.OutputArtifacts = []types.OutputArtifact{{Name: aws.String("App")}}
	build.InputArtifacts = []types.InputArtifact{{Name: aws.String("App")}}
	build.OutputArtifacts = []types.OutputArtifact{{Name: aws.String("Made")}}
	return &types.PipelineDeclaration{
		Name: &name, RoleArn: aws.String("arn:aws:iam::" + account + ":role/pipeline"),
		ArtifactStore: &types.ArtifactStore{Type: types.ArtifactStoreTypeS3, Location: aws.String("store")},
		Stages: []types.StageDeclaration{
			{Name: aws.String("Source"), Actions: []types.ActionDeclaration{source}},
			{Name: aws.String("Build"), Actions: []types.ActionDeclaration{build}},
		},
	}
}

// TestWorkerBoto3 has a pipeline built by a worker of boto3, with nothing but the
// job's own credentials for its artifacts.
func TestWorkerBoto3(t *testing.T) {
	t.Parallel()
	b := newWorkerBed(t)
	id := b.create(b.pipelineOf("demo"))
	b.worker("one")
	b.await("demo", id, types.PipelineExecutionStatusSucceeded)
	var jobs []string
	for _, want := range []string{"polled", "acknowledged", "went on", "polled", "acknowledged", "succeeded"} {
		e := b.next(patience)
		if e.Event != want || len(e.Wrong) > 0 {
			t.Errorf("the worker says %+v, want %s", e, want)
		}
		jobs = append(jobs, e.Job)
	}
	if jobs[0] != jobs[2] || jobs[3] != jobs[5] || jobs[0] == jobs[3] {
		t.Errorf("jobs %v, want two", jobs)
	}
	made := b.actions("demo", id)[0]
	if got := made.Output.OutputVariables["Worker"]; got != "one" {
		t.Errorf("variables %v", made.Output.OutputVariables)
	}
	if r := made.Output.ExecutionResult; aws.ToString(r.ExternalExecutionId) != jobs[3] || aws.ToString(r.ExternalExecutionSummary) != "verified" {
		t.Errorf("result %s, %s", aws.ToString(r.ExternalExecutionId), aws.ToString(r.ExternalExecutionSummary))
	}
	at := made.Output.OutputArtifacts[0].S3location
	_, content, err := b.Buckets().GetObject(t.Context(), *at.Bucket, *at.Key, "")
	b.must(err)
	content.Close()
}

// TestWorkerBoto3Killed kills a worker in the middle of a job, which is then in its
// hands for good: nobody else gets it, others are done, and the execution goes on
// when a retry makes another job. The word of the dead changes nothing any more.
func TestWorkerBoto3Killed(t *testing.T) {
	t.Parallel()
	b := newWorkerBed(t)
	id := b.create(b.pipelineOf("demo"))
	kill := b.worker("victim", "hang")
	var held workerEvent
	for held.Event != "working" {
		held = b.next(patience)
	}
	kill()
	b.worker("other")
	other := b.create(b.pipelineOf("other"))
	b.await("other", other, types.PipelineExecutionStatusSucceeded)
	if _, err := b.cp.GetJobDetails(t.Context(), &cp.GetJobDetailsInput{JobId: &held.Job}); err != nil {
		t.Errorf("the job of the victim: %v", err)
	}
	_, err := b.cp.StopPipelineExecution(t.Context(), &cp.StopPipelineExecutionInput{
		PipelineName: aws.String("demo"), PipelineExecutionId: &id, Abandon: true,
	})
	b.must(err)
	b.await("demo", id, types.PipelineExecutionStatusStopped)
	_, err = b.cp.PutJobSuccessResult(t.Context(), &cp.PutJobSuccessResultInput{JobId: &held.Job})
	b.must(err) // it is taken, but for nobody
	if status := b.execution("demo", id).Status; status != types.PipelineExecutionStatusStopped {
		t.Errorf("after the late word of the victim it is %s", status)
	}
	_, err = b.cp.RetryStageExecution(t.Context(), &cp.RetryStageExecutionInput{
		PipelineName: aws.String("demo"), StageName: aws.String("Build"), PipelineExecutionId: &id, RetryMode: types.StageRetryModeFailedActions,
	})
	b.must(err)
	b.await("demo", id, types.PipelineExecutionStatusSucceeded)
	for succeeded := 0; succeeded < 2; {
		e := b.next(patience)
		if e.Job == held.Job || len(e.Wrong) > 0 {
			t.Errorf("%+v", e)
		}
		if e.Event == "succeeded" {
			succeeded++
		}
	}
}

// TestWorkersBoto3Race has two workers race for jobs while a third is killed with
// one in its hands: nobody does a job twice, and that one is done after a minute.
func TestWorkersBoto3Race(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a job that is not acknowledged waits for a minute")
	}
	b := newWorkerBed(t)
	ids := map[string]string{"p0": b.create(b.pipelineOf("p0"))}
	kill := b.worker("victim", "stall")
	held := b.next(patience)
	if held.Event != "polled" {
		t.Fatalf("the victim says %+v", held)
	}
	kill()
	for i := 1; i < 6; i++ {
		name := fmt.Sprintf("p%d", i)
		ids[name] = b.create(b.pipelineOf(name))
	}
	b.worker("one")
	b.worker("two")
	acknowledged, ended := map[string]string{}, 0
	for ended < len(ids) {
		e := b.next(2 * patience)
		switch e.Event {
		case "acknowledged":
			if other := acknowledged[e.Job]; other != "" {
				t.Errorf("job %s was given to %s and %s", e.Job, other, e.Worker)
			}
			acknowledged[e.Job] = e.Worker
		case "succeeded":
			ended++
		}
		if len(e.Wrong) > 0 {
			t.Errorf("the worker could %v", e.Wrong)
		}
	}
	if len(acknowledged) != 2*len(ids) || acknowledged[held.Job] == "" {
		t.Errorf("%d jobs were done, that of the victim by %q", len(acknowledged), acknowledged[held.Job])
	}
	for name, id := range ids {
		b.await(name, id, types.PipelineExecutionStatusSucceeded)
	}
}
