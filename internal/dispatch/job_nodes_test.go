package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// pair is a bed of jobs on two nodes.
func (b *jobBed) pair() (a, other *jobBed) {
	b.t.Helper()
	b.Close()
	b.lease = time.Second
	b.start()
	second := *b
	second.bed = b.bed.other()
	return b, &second
}

// On two nodes each job is handed out once, however many race for it, and every
// result counts.
func TestNodesRaceForJobs(t *testing.T) {
	eachJobs(t, func(t *testing.T, b *jobBed) {
		one, two := b.pair()
		d := b.jobPipeline(b.tool)
		d.ExecutionMode = pipeline.ModeParallel
		ids := []string{one.create(d)}
		for i := range 15 {
			node := []*jobBed{one, two}[i%2]
			id, err := node.StartExecution(t.Context(), key, dispatch.StartRequest{})
			b.must(err)
			ids = append(ids, id)
		}
		go func() {
			for range ids {
				_, fetched := b.source.next(t)
				fetched(succeeded(nil))
			}
		}()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var workers sync.WaitGroup
		var mu sync.Mutex
		handedOut, done := map[string]int{}, 0
		for i := range 6 {
			node := []*jobBed{one, two}[i%2]
			workers.Go(func() {
				for ctx.Err() == nil {
					p := b.pollOf(b.tool, 20*time.Second)
					p.Max = 1 + i%2
					jobs, err := node.PollJobs(ctx, p)
					if err != nil && ctx.Err() == nil {
						t.Error(err)
					}
					for _, job := range jobs {
						if status, err := node.AcknowledgeJob(t.Context(), ref(job), job.Nonce); err != nil || status != engine.JobInProgress {
							t.Errorf("acknowledged: %s, %v", status, err)
						}
						if err := node.SucceedJob(t.Context(), ref(job), engine.SucceedJob{}); err != nil {
							t.Error(err)
						}
						mu.Lock()
						handedOut[job.ID]++
						if done++; done == len(ids) {
							cancel()
						}
						mu.Unlock()
					}
				}
			})
		}
		for _, id := range ids {
			one.await(id, engine.Succeeded)
		}
		cancel()
		workers.Wait()
		if len(handedOut) != len(ids) || done != len(ids) {
			t.Errorf("%d jobs were handed out %d times, want %d once each", len(handedOut), done, len(ids))
		}
	})
}

// A poll that waits is answered when a job appears, also by another node, and when
// the server ends.
func TestPollWaits(t *testing.T) {
	eachJobs(t, func(t *testing.T, b *jobBed) {
		one, two := b.pair()
		found := make(chan dispatch.Job, 1)
		go func() { found <- two.next() }()
		one.toBuild(b.tool)
		job := <-found
		if job.ID == "" {
			t.Error("no job was found")
		}
		ended := make(chan error, 1)
		go func() {
			jobs, err := one.PollJobs(t.Context(), b.pollOf(b.tool, time.Hour))
			if len(jobs) > 0 {
				err = fmt.Errorf("polled %v", jobs)
			}
			ended <- err
		}()
		one.EndPolls()
		b.must(<-ended)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if jobs, _ := two.PollJobs(ctx, b.pollOf(b.tool, time.Hour)); len(jobs) > 0 {
			t.Errorf("who has gone polled %v", jobs)
		}
	})
}

// A process may end at any point: nobody does anything twice, and what was handed
// out can be done.
func TestJobsSurviveRestarts(t *testing.T) {
	eachJobs(t, func(t *testing.T, b *jobBed) {
		id := b.toBuild(b.tool)
		job := b.next()
		b.restart()
		b.acknowledge(job)
		b.restart()
		b.must(b.SucceedJob(t.Context(), ref(job), engine.SucceedJob{ContinuationToken: "more"}))
		b.restart()
		second := b.take()
		b.must(b.SucceedJob(t.Context(), ref(second), engine.SucceedJob{}))
		b.restart()
		b.await(id, engine.Succeeded)
		if n := b.count("select count(*) from jobs"); n != 2 {
			t.Errorf("%d jobs, want 2", n)
		}
	})
}

// Whatever becomes of a commit, there is one job, one acknowledgement and one
// result.
func TestJobsWithFaults(t *testing.T) {
	t.Parallel()
	kinds := map[string]db.Fault{"before": db.FaultBefore, "lost": db.FaultLost, "after": db.FaultAfter, "conflict": db.FaultConflict}
	for name, kind := range kinds {
		for write := range 6 {
			t.Run(fmt.Sprintf("%s %d", name, write), func(t *testing.T) {
				t.Parallel()
				dbtest.Faults(t, func(t *testing.T, d *db.DB, f *db.Faults) {
					b := newJobBed(t, d)
					b.Close()
					b.configure = func(c *dispatch.Config) {
						c.JobWorkers, c.Sealer, c.JobAcknowledge = true, glass{}, 20*time.Millisecond
					}
					b.start()
					id := b.create(b.jobPipeline(b.tool))
					_, fetched := b.source.next(t)
					f.Arm(kind, write, 1)
					fetched(succeeded(nil))
					b.persist(id)
					b.await(id, engine.Succeeded)
					if n := b.count("select count(*) from jobs"); n != 2 {
						t.Errorf("%d jobs, want 2", n)
					}
				})
			})
		}
	}
}

// persist is a worker that tries again whatever fails, and goes on once.
func (b *jobBed) persist(id string) {
	b.t.Helper()
	for b.t.Context().Err() == nil {
		x, err := b.Execution(b.t.Context(), b.pipeline(), id)
		b.must(err)
		if x.Ended() {
			return
		}
		jobs, err := b.PollJobs(b.t.Context(), b.pollOf(b.tool, 100*time.Millisecond))
		if err != nil || len(jobs) == 0 {
			continue
		}
		job := jobs[0]
		if _, err := b.AcknowledgeJob(b.t.Context(), ref(job), job.Nonce); err != nil {
			if !errors.Is(err, db.ErrInjected) && !errors.Is(err, db.ErrConflict) {
				b.t.Errorf("acknowledging: %v", err)
			}
			continue // it is handed out again
		}
		result := engine.SucceedJob{}
		if job.ContinuationToken == "" {
			result.ContinuationToken = "more"
		}
		for tries := 0; ; tries++ {
			if err = b.SucceedJob(b.t.Context(), ref(job), result); err == nil {
				break
			}
			if tries > 3 {
				b.t.Fatalf("a result is not accepted: %v", err)
			}
		}
	}
}

// A claim that a node finds, as after a commit of unknown outcome, is not due because
// the action has a job and is to be looked at when its time is over.
func TestFoundClaimIsNotDue(t *testing.T) {
	eachJobs(t, func(t *testing.T, b *jobBed) {
		b.Close()
		b.lease = 300 * time.Millisecond
		b.start()
		id := b.toBuild(b.tool)
		held := b.take()
		b.exec("update effects set node = (select id from nodes)")
		for b.count("select count(*) from effects where node = ''") == 0 {
			if x, err := b.Execution(t.Context(), b.pipeline(), id); err != nil || x.Ended() {
				t.Fatalf("the execution is %+v, %v", x, err)
			}
		}
		b.must(b.SucceedJob(t.Context(), ref(held), engine.SucceedJob{}))
		b.await(id, engine.Succeeded)
	})
}
