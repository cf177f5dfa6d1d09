package dispatch_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// jobBed is a bed whose builds are jobs.
type jobBed struct {
	*bed
	tool    pipeline.ActionTypeID
	partner pipeline.ActionTypeID
}

func newJobBed(t *testing.T, d *db.DB) *jobBed {
	t.Helper()
	b := newBed(t, d)
	b.Close()
	b.configure = func(c *dispatch.Config) { c.JobWorkers, c.Sealer = true, glass{} }
	b.start()
	j := &jobBed{
		bed:     b,
		tool:    pipeline.ActionTypeID{Category: "Build", Owner: pipeline.OwnerCustom, Provider: "Tool", Version: "1"},
		partner: pipeline.ActionTypeID{Category: "Build", Owner: pipeline.OwnerThirdParty, Provider: "Partner", Version: "1"},
	}
	j.createTool()
	j.must(b.DeclareActionType(t.Context(), key.Account, key.Region, dispatch.ActionTypeDeclaration{
		ID: j.partner, Inputs: pipeline.ArtifactBounds{Max: 5}, Outputs: pipeline.ArtifactBounds{Max: 5},
		Executor: dispatch.ActionTypeExecutor{
			Type: dispatch.ExecutorJobWorker, JobTimeout: 1,
			Configuration: dispatch.ExecutorConfiguration{JobWorker: &dispatch.JobWorkerExecutor{PollingAccounts: []string{key.Account}}},
		},
		Properties: []dispatch.ActionTypeProperty{
			{Name: "ClientId", Key: true}, {Name: "ClientToken", Key: true, NoEcho: true},
		},
	}, nil))
	return j
}

func (b *jobBed) createTool() {
	b.t.Helper()
	b.must(b.CreateCustomActionType(b.t.Context(), key.Account, key.Region, b.tool, dispatch.ActionTypeDefinition{
		Properties: []pipeline.ConfigurationProperty{
			{Name: "Project", Required: true, Queryable: true}, {Name: "Token", Secret: true}, {Name: "Run"},
		},
		Inputs: pipeline.ArtifactBounds{Max: 5}, Outputs: pipeline.ArtifactBounds{Max: 5},
	}, nil))
}

// eachJobs runs a test on every database.
func eachJobs(t *testing.T, test func(t *testing.T, b *jobBed)) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { test(t, newJobBed(t, d)) })
}

func (b *jobBed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// jobPipeline is a source and a build that a worker does.
func (b *jobBed) jobPipeline(kind pipeline.ActionTypeID) pipeline.Declaration {
	d := small()
	a := &d.Stages[1].Actions[0]
	a.ActionTypeID, a.Namespace = kind, "built"
	a.Configuration = map[string]string{"Project": "site", "Token": "hush", "Run": "#{codepipeline.PipelineExecutionId}"}
	if kind == b.partner {
		a.Configuration = map[string]string{"ClientId": "acme", "ClientToken": "hush"}
	}
	return d
}

// toBuild starts a pipeline and brings it to the build.
func (b *jobBed) toBuild(kind pipeline.ActionTypeID) string {
	b.t.Helper()
	id := b.create(b.jobPipeline(kind))
	_, fetched := b.source.next(b.t)
	r := succeeded(nil)
	r.Revision = &pipeline.Revision{ID: "abc123"}
	fetched(r)
	return id
}

func (b *jobBed) poll(wait time.Duration) []dispatch.Job {
	b.t.Helper()
	jobs, err := b.PollJobs(b.t.Context(), b.pollOf(b.tool, wait))
	b.must(err)
	return jobs
}

func (b *jobBed) pollOf(kind pipeline.ActionTypeID, wait time.Duration) dispatch.JobPoll {
	p := dispatch.JobPoll{Account: key.Account, Region: key.Region, Type: kind, Max: 10, Wait: wait}
	if kind == b.tool {
		p.Query = "site"
	}
	return p
}

// next is the next job.
func (b *jobBed) next() dispatch.Job {
	b.t.Helper()
	for {
		if jobs := b.poll(20 * time.Second); len(jobs) > 0 {
			return jobs[0]
		}
		if b.t.Context().Err() != nil {
			b.t.Fatal("no job came")
		}
	}
}

func ref(job dispatch.Job) dispatch.JobRef {
	return dispatch.JobRef{Account: key.Account, Region: key.Region, ID: job.ID}
}

// take is next, acknowledged.
func (b *jobBed) take() dispatch.Job {
	b.t.Helper()
	job := b.next()
	b.acknowledge(job)
	return job
}

func (b *jobBed) acknowledge(job dispatch.Job) {
	b.t.Helper()
	status, err := b.AcknowledgeJob(b.t.Context(), ref(job), job.Nonce)
	if err != nil || status != engine.JobInProgress {
		b.t.Fatalf("acknowledged: %s, %v", status, err)
	}
}

// last is the newest attempt of the build.
func (b *jobBed) last(execution string) dispatch.ActionExecution {
	b.t.Helper()
	list, err := b.ActionExecutions(b.t.Context(), b.pipeline(), execution, 0, 1)
	if err != nil || len(list) != 1 {
		b.t.Fatalf("action executions: %v, %v", list, err)
	}
	return list[0]
}

// awaitEnd waits until an execution has ended.
func (b *jobBed) awaitEnd(id string) engine.Status {
	b.t.Helper()
	for {
		x, err := b.Execution(b.t.Context(), b.pipeline(), id)
		b.must(err)
		if x.Ended() {
			return x.Status
		}
	}
}

// gone is what the owner of a job that is over is told.
func (b *jobBed) wantOver(job dispatch.Job) {
	b.t.Helper()
	if _, err := b.JobDetails(b.t.Context(), ref(job)); !errors.Is(err, dispatch.ErrJobOver) {
		b.t.Errorf("details of a job that is over: %v", err)
	}
}

func wantRejected(t *testing.T, what string, err error, reason engine.JobReason) {
	t.Helper()
	if r, ok := errors.AsType[*engine.JobRejection](err); !ok || r.Reason != reason {
		t.Errorf("%s: %v, want %s", what, err, reason)
	}
}

// exec changes the database as nobody can.
func (b *jobBed) exec(query string, args ...any) {
	b.t.Helper()
	b.must(b.db.Write(context.Background(), func(tx *db.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	}))
}

// count counts rows.
func (b *jobBed) count(query string, args ...any) (n int) {
	b.t.Helper()
	b.read(func(tx *db.Tx) error { return tx.QueryRow(query, args...).Scan(&n) })
	return n
}
