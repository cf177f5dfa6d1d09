package dispatch_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// A worker polls, acknowledges, asks for details and succeeds; what it gave is the
// action's.
func TestJob(t *testing.T) {
	eachJobs(t, func(t *testing.T, b *jobBed) {
		id := b.toBuild(b.tool)
		job := b.next()
		a := b.last(id)
		want := dispatch.Job{
			ID: job.ID, Nonce: job.Nonce, Status: engine.JobDispatched, Account: key.Account, Region: key.Region,
			ExecutionID: id, ActionID: a.ID,
			JobData: dispatch.JobData{
				Type: b.tool, PipelineName: "pipe", StageName: "Build", ActionName: "Make",
				Configuration: map[string]string{"Project": "site", "Token": "hush", "Run": id}, Secrets: []string{"Token"},
				Inputs:  []dispatch.JobArtifact{{ArtifactLocation: a.Inputs[0], Revision: "abc123"}},
				Outputs: []dispatch.JobArtifact{{ArtifactLocation: a.Allotted[0]}},
			},
		}
		if diff := cmp.Diff(want, job); diff != "" {
			t.Errorf("job (-want +got):\n%s", diff)
		}
		if len(job.Nonce) == 0 || len(job.Nonce) > 50 {
			t.Errorf("nonce %q", job.Nonce)
		}
		if n := b.count("select count(*) from jobs where data like '%hush%' or state like '%hush%'"); n != 0 {
			t.Error("a secret is stored with the job")
		}
		if jobs := b.poll(0); len(jobs) != 0 {
			t.Errorf("polled again: %v", jobs)
		}
		b.acknowledge(job)
		_, err := b.AcknowledgeJob(t.Context(), ref(job), job.Nonce)
		wantRejected(t, "acknowledged again", err, engine.JobInvalidNonce)
		if !errors.Is(err, dispatch.ErrAcknowledged) {
			t.Errorf("acknowledged again: %v", err)
		}
		want.Status = engine.JobInProgress
		details, err := b.JobDetails(t.Context(), ref(job))
		if diff := cmp.Diff(want, details); err != nil || diff != "" {
			t.Errorf("details: %v (-want +got):\n%s", err, diff)
		}
		done := engine.SucceedJob{
			Progress:        engine.JobProgress{Summary: "built", ExternalExecutionID: "7"},
			OutputVariables: map[string]string{"Version": "1.2"},
		}
		b.must(b.SucceedJob(t.Context(), ref(job), done))
		b.must(b.SucceedJob(t.Context(), ref(job), done))
		b.await(id, engine.Succeeded)
		ended := b.last(id)
		outcome := engine.Outcome{Summary: "built", ExternalExecutionID: "7", OutputVariables: map[string]string{"Version": "1.2"}}
		if diff := cmp.Diff(outcome, ended.Outcome); diff != "" {
			t.Errorf("outcome (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(a.Allotted, ended.Outputs); diff != "" {
			t.Errorf("outputs (-want +got):\n%s", diff)
		}
		wantRejected(t, "another result", b.SucceedJob(t.Context(), ref(job), engine.SucceedJob{}), engine.JobAnswered)
		wantRejected(t, "the opposite", b.FailJob(t.Context(), ref(job), engine.FailJob{Type: "JobFailed"}), engine.JobTerminated)
		b.wantOver(job)
	})
}

// Whoever names a job that is not theirs, or is none, is told that there is none.
func TestJobOfOthers(t *testing.T) {
	eachJobs(t, func(t *testing.T, b *jobBed) {
		b.toBuild(b.tool)
		job := b.take()
		for name, change := range map[string]func(*dispatch.JobRef){
			"unknown": func(r *dispatch.JobRef) { r.ID = "11111111-2222-4333-8444-555555555555" },
			"account": func(r *dispatch.JobRef) { r.Account = "999999999999" },
			"region":  func(r *dispatch.JobRef) { r.Region = "us-east-1" },
			"partner": func(r *dispatch.JobRef) { r.Partner = true },
		} {
			other := ref(job)
			change(&other)
			if err := b.SucceedJob(t.Context(), other, engine.SucceedJob{}); !errors.Is(err, dispatch.ErrJobNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, change := range map[string]func(*dispatch.JobPoll){
			"account": func(p *dispatch.JobPoll) { p.Account = "999999999999" },
			"region":  func(p *dispatch.JobPoll) { p.Region = "us-east-1" },
			"query":   func(p *dispatch.JobPoll) { p.Query = "shop" },
			"type":    func(p *dispatch.JobPoll) { p.Type.Version = "2" },
		} {
			b.exec("update jobs set available = 1")
			p := b.pollOf(b.tool, 0)
			change(&p)
			if jobs, err := b.PollJobs(t.Context(), p); len(jobs) != 0 || err != nil {
				t.Errorf("%s: %v, %v", name, jobs, err)
			}
		}
	})
}

// A failure is the action's, in the worker's words.
func TestJobFails(t *testing.T) {
	eachJobs(t, func(t *testing.T, b *jobBed) {
		id := b.toBuild(b.tool)
		b.must(b.FailJob(t.Context(), ref(b.take()), engine.FailJob{Type: "ConfigurationError", Message: "no such project", ExternalExecutionID: "9"}))
		b.await(id, engine.Failed)
		want := engine.Outcome{ErrorCode: "ConfigurationError", ErrorMessage: "no such project", ExternalExecutionID: "9"}
		if diff := cmp.Diff(want, b.last(id).Outcome); diff != "" {
			t.Errorf("outcome (-want +got):\n%s", diff)
		}
	})
}

// Each continuation is a new job of the same action execution, at the same places,
// and what its worker says is shown meanwhile (C33).
func TestJobContinues(t *testing.T) {
	eachJobs(t, func(t *testing.T, b *jobBed) {
		id := b.toBuild(b.tool)
		first := b.take()
		half := 50
		b.must(b.SucceedJob(t.Context(), ref(first), engine.SucceedJob{
			ContinuationToken: "two", Progress: engine.JobProgress{Summary: "half", Percent: &half, ExternalExecutionID: "7"},
		}))
		wantRejected(t, "a job that went on", b.SucceedJob(t.Context(), ref(first), engine.SucceedJob{}), engine.JobAnswered)
		second := b.take()
		b.must(b.SucceedJob(t.Context(), ref(second), engine.SucceedJob{ContinuationToken: "three"}))
		third := b.take()
		if second.ContinuationToken != "two" || third.ContinuationToken != "three" || first.ID == second.ID || second.ID == third.ID {
			t.Errorf("jobs %s, %s %q, %s %q", first.ID, second.ID, second.ContinuationToken, third.ID, third.ContinuationToken)
		}
		if first.ActionID != third.ActionID || first.Nonce == third.Nonce || !cmp.Equal(first.JobData, third.JobData) {
			t.Errorf("the third job differs from the first: %s", cmp.Diff(first, third))
		}
		progress, err := b.JobProgress(t.Context(), []string{third.ActionID, "other"})
		want := map[string]engine.JobProgress{third.ActionID: {Summary: "half", Percent: &half, ExternalExecutionID: "7"}}
		if diff := cmp.Diff(want, progress); err != nil || diff != "" {
			t.Errorf("progress: %v (-want +got):\n%s", err, diff)
		}
		b.must(b.SucceedJob(t.Context(), ref(third), engine.SucceedJob{}))
		b.await(id, engine.Succeeded)
		if got := b.last(id).Outcome; got.Summary != "" || got.ExternalExecutionID != "7" {
			t.Errorf("outcome %+v", got)
		}
	})
}

// A job that is not acknowledged goes to somebody else, and the first is too late.
func TestJobIsHandedOutAgain(t *testing.T) {
	eachJobs(t, func(t *testing.T, b *jobBed) {
		b.configure = func(c *dispatch.Config) {
			c.JobWorkers, c.Sealer, c.JobAcknowledge = true, glass{}, 50*time.Millisecond
		}
		b.restart()
		id := b.toBuild(b.tool)
		first, second := b.next(), b.next()
		if first.ID != second.ID || first.Nonce == second.Nonce {
			t.Errorf("handed out %s under %s, then %s under %s", first.ID, first.Nonce, second.ID, second.Nonce)
		}
		_, err := b.AcknowledgeJob(t.Context(), ref(first), first.Nonce)
		wantRejected(t, "the first worker", err, engine.JobInvalidNonce)
		b.acknowledge(second)
		for _, nonce := range []string{first.Nonce, "3"} {
			_, err := b.AcknowledgeJob(t.Context(), ref(second), nonce)
			wantRejected(t, "a wrong nonce", err, engine.JobInvalidNonce)
			if errors.Is(err, dispatch.ErrAcknowledged) {
				t.Errorf("nonce %q: %v", nonce, err)
			}
		}
		b.must(b.SucceedJob(t.Context(), ref(first), engine.SucceedJob{}))
		b.await(id, engine.Succeeded)
	})
}

// Output variables are bounded, and do not go with a continuation (C34, C35).
func TestJobVariables(t *testing.T) {
	eachJobs(t, func(t *testing.T, b *jobBed) {
		id := b.toBuild(b.tool)
		job := b.take()
		large := func(n int) engine.SucceedJob {
			return engine.SucceedJob{OutputVariables: map[string]string{"v": strings.Repeat("x", n-1)}}
		}
		wantRejected(t, "too large", b.SucceedJob(t.Context(), ref(job), large(122881)), engine.JobVariablesTooLarge)
		both := large(2)
		both.ContinuationToken = "more"
		wantRejected(t, "both", b.SucceedJob(t.Context(), ref(job), both), engine.JobTokenAndVariables)
		b.must(b.SucceedJob(t.Context(), ref(job), large(122880)))
		b.await(id, engine.Succeeded)
	})
}

// A source that a worker carries out has the revision that the worker tells.
func TestJobOfASource(t *testing.T) {
	eachJobs(t, func(t *testing.T, b *jobBed) {
		source := b.tool
		source.Category, source.Provider = "Source", "Repo"
		b.must(b.CreateCustomActionType(t.Context(), key.Account, key.Region, source, dispatch.ActionTypeDefinition{
			Outputs: pipeline.ArtifactBounds{Min: 1, Max: 1},
		}, nil))
		d := b.jobPipeline(b.tool)
		d.Stages[0].Actions[0].ActionTypeID = source
		id := b.create(d)
		jobs, err := b.PollJobs(t.Context(), b.pollOf(source, 20*time.Second))
		if err != nil || len(jobs) != 1 {
			t.Fatalf("polled %v, %v", jobs, err)
		}
		b.acknowledge(jobs[0])
		b.must(b.SucceedJob(t.Context(), ref(jobs[0]), engine.SucceedJob{Revision: &pipeline.Revision{ID: "r1", Summary: "first"}}))
		job := b.take()
		if got := job.Inputs[0].Revision; got != "r1" {
			t.Errorf("the build gets revision %q", got)
		}
		x, err := b.Execution(t.Context(), b.pipeline(), id)
		if err != nil || len(x.Revisions) != 1 || x.Revisions[0].Revision.ID != "r1" || x.Revisions[0].Revision.Summary != "first" {
			t.Errorf("revisions %+v, %v", x.Revisions, err)
		}
	})
}
