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

// What was abandoned is not handed out, and a result that comes late is accepted
// and revives nothing (observed.md 13).
func TestJobIsAbandoned(t *testing.T) {
	eachJobs(t, func(t *testing.T, b *jobBed) {
		abandon := func(id string) {
			t.Helper()
			b.must(b.StopExecution(t.Context(), key, engine.StopExecution{Execution: id, Abandon: true}))
			b.await(id, engine.Stopped)
		}
		first := b.toBuild(b.tool)
		held := b.take()
		abandon(first)
		b.wantOver(held)
		more := engine.SucceedJob{ContinuationToken: "more"}
		b.must(b.SucceedJob(t.Context(), ref(held), more))
		b.must(b.SucceedJob(t.Context(), ref(held), more))
		if n := b.count("select count(*) from jobs where execution_id = $1", first); n != 1 {
			t.Errorf("%d jobs after a continuation of what is over", n)
		}

		second, err := b.StartExecution(t.Context(), key, dispatch.StartRequest{})
		b.must(err)
		_, fetched := b.source.next(t)
		fetched(succeeded(nil))
		polled := b.next()
		abandon(second)
		if status, err := b.AcknowledgeJob(t.Context(), ref(polled), polled.Nonce); err != nil || status != engine.JobFailed {
			t.Errorf("acknowledged what is over: %s, %v", status, err)
		}
		wantRejected(t, "a result without an acknowledgement", b.SucceedJob(t.Context(), ref(polled), engine.SucceedJob{}), engine.JobTerminated)
		b.exec("update jobs set available = 1 where execution_id = $1", second) // as if it were not withdrawn yet
		if jobs := b.poll(0); len(jobs) != 0 {
			t.Errorf("handed out %v", jobs)
		}
		for _, id := range []string{first, second} {
			if status := b.awaitEnd(id); status != engine.Stopped {
				t.Errorf("execution is %s", status)
			}
		}
		b.must(b.DeletePipeline(t.Context(), key))
		b.must(b.SucceedJob(t.Context(), ref(held), more))
	})
}

// A job of a type that declares a time-out fails its action when it takes longer,
// and its worker is too late then.
func TestJobTimesOut(t *testing.T) {
	eachJobs(t, func(t *testing.T, b *jobBed) {
		id := b.toBuild(b.partner)
		jobs, err := b.PollJobs(t.Context(), b.pollOf(b.partner, 20*time.Second))
		if err != nil || len(jobs) != 1 {
			t.Fatalf("polled %v, %v", jobs, err)
		}
		mine := ref(jobs[0])
		mine.Partner = true
		for _, token := range []string{"", "wrong", "acme"} {
			mine.ClientToken = token
			if _, err := b.AcknowledgeJob(t.Context(), mine, jobs[0].Nonce); !errors.Is(err, dispatch.ErrClientToken) {
				t.Errorf("client token %q: %v", token, err)
			}
		}
		mine.ClientToken = "hush"
		if client, token := jobs[0].Client(); client != "acme" || token != "hush" {
			t.Errorf("client %q, %q", client, token)
		}
		if status, err := b.AcknowledgeJob(t.Context(), mine, jobs[0].Nonce); err != nil || status != engine.JobInProgress {
			t.Fatalf("acknowledged: %s, %v", status, err)
		}
		b.await(id, engine.Failed) // after a second
		if o := b.last(id).Outcome; o.ErrorCode != "JobFailed" || !strings.Contains(o.ErrorMessage, "time-out of 1 seconds") {
			t.Errorf("outcome %+v", o)
		}
		wantRejected(t, "a late result", b.SucceedJob(t.Context(), mine, engine.SucceedJob{}), engine.JobTerminated)
		if status, err := b.AcknowledgeJob(t.Context(), mine, jobs[0].Nonce); err != nil || status != engine.JobTimedOut {
			t.Errorf("status %s, %v", status, err)
		}
		b.must(b.DeletePipeline(t.Context(), key)) // and the token with it
		if err := b.SucceedJob(t.Context(), mine, engine.SucceedJob{}); !errors.Is(err, dispatch.ErrJobNotFound) {
			t.Errorf("after the deletion: %v", err)
		}
	})
}

// After 24 hours the action fails, whoever has the job, or nobody.
func TestActionWithAJobTimesOut(t *testing.T) {
	for name, taken := range map[string]bool{"taken": true, "waiting": false} {
		t.Run(name, func(t *testing.T) {
			eachJobs(t, func(t *testing.T, b *jobBed) {
				id := b.toBuild(b.tool)
				job := b.next()
				if taken {
					b.acknowledge(job)
				}
				b.Close()
				b.now = func() time.Time { return time.Now().Add(24 * time.Hour) }
				b.exec("update effects set due = 1")
				b.start()
				b.await(id, engine.Failed)
				if o := b.last(id).Outcome; o.ErrorCode != "JobFailed" || !strings.Contains(o.ErrorMessage, "time-out of 1440 minutes") {
					t.Errorf("outcome %+v", o)
				}
				wantRejected(t, "a late result", b.SucceedJob(t.Context(), ref(job), engine.SucceedJob{}), engine.JobTerminated)
				if status, err := b.AcknowledgeJob(t.Context(), ref(job), job.Nonce); err != nil || status != engine.JobTimedOut {
					t.Errorf("status %s, %v", status, err)
				}
			})
		})
	}
}

// Who uses a type that is deleted ends what runs; the next run fails before anybody
// is asked. The same definition brings it back.
func TestJobOfADeletedType(t *testing.T) {
	eachJobs(t, func(t *testing.T, b *jobBed) {
		first := b.toBuild(b.tool)
		job := b.next()
		b.must(b.DeleteCustomActionType(t.Context(), key.Account, key.Region, b.tool))
		b.acknowledge(job)
		if _, err := b.JobDetails(t.Context(), ref(job)); err != nil {
			t.Error(err)
		}
		b.must(b.SucceedJob(t.Context(), ref(job), engine.SucceedJob{}))
		b.await(first, engine.Succeeded)
		again := func() string {
			id, err := b.StartExecution(t.Context(), key, dispatch.StartRequest{})
			b.must(err)
			_, fetched := b.source.next(t)
			fetched(succeeded(nil))
			return id
		}
		second := again()
		b.await(second, engine.Failed)
		if o := b.last(second).Outcome; o.ErrorCode != "ConfigurationError" || !strings.Contains(o.ErrorMessage, "does not exist any more") {
			t.Errorf("outcome %+v", o)
		}
		b.createTool()
		third := again()
		b.must(b.SucceedJob(t.Context(), ref(b.take()), engine.SucceedJob{}))
		b.await(third, engine.Succeeded)
	})
}

// Types whose jobs nobody can poll for are not available.
func TestLambdaExecutorIsUnavailable(t *testing.T) {
	eachJobs(t, func(t *testing.T, b *jobBed) {
		id := b.partner
		id.Version = "2"
		b.must(b.DeclareActionType(t.Context(), key.Account, key.Region, dispatch.ActionTypeDeclaration{
			ID: id, Executor: dispatch.ActionTypeExecutor{Type: dispatch.ExecutorLambda},
		}, nil))
		for kind, want := range map[pipeline.ActionTypeID]bool{id: false, b.partner: true, b.tool: true} {
			got, err := b.ActionType(t.Context(), key.Account, key.Region, kind)
			if err != nil || got.Available != want {
				t.Errorf("%s is available: %t, %v, want %t", kind, got.Available, err, want)
			}
		}
	})
}

// Jobs go with the history of their executions.
func TestJobsArePruned(t *testing.T) {
	eachJobs(t, func(t *testing.T, b *jobBed) {
		id := b.toBuild(b.tool)
		job := b.take()
		b.must(b.SucceedJob(t.Context(), ref(job), engine.SucceedJob{}))
		b.await(id, engine.Succeeded)
		b.must(b.DeletePipeline(t.Context(), key))
		b.pruneAll(time.Now().Add(time.Hour))
		if n := b.count("select count(*) from jobs"); n != 0 {
			t.Errorf("%d jobs are left", n)
		}
		if err := b.SucceedJob(t.Context(), ref(job), engine.SucceedJob{}); !errors.Is(err, dispatch.ErrJobNotFound) {
			t.Errorf("a job that is forgotten: %v", err)
		}
	})
}

// A partner's type without a secret of its own knows its client by the account.
func TestClientWithoutASecret(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		configuration map[string]string
		id, token     string
	}{
		{nil, "123456789012", "123456789012"},
		{map[string]string{"ClientId": "acme"}, "acme", "acme"},
		{map[string]string{"ClientToken": "hush"}, "123456789012", "hush"},
		{map[string]string{"ClientId": "acme", "ClientToken": "hush"}, "acme", "hush"},
	} {
		job := dispatch.Job{Account: key.Account, JobData: dispatch.JobData{Configuration: tt.configuration}}
		id, token := job.Client()
		if diff := cmp.Diff([]string{tt.id, tt.token}, []string{id, token}); diff != "" {
			t.Errorf("%v: %s", tt.configuration, diff)
		}
	}
}
