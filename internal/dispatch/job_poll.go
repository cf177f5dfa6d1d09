package dispatch

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// JobPoll asks for jobs.
type JobPoll struct {
	Account, Region string
	Type            pipeline.ActionTypeID
	// Query is the value of the type's queryable property; empty if it has none.
	Query string
	// Max is how many jobs to hand out at most.
	Max int
	// Wait is how long to wait for a job if there is none; zero: not at all.
	Wait time.Duration
}

// MaxJobs is how many jobs one poll hands out at most.
const MaxJobs = 100

// PollJobs hands out jobs, in the order in which they became available. Each is
// handed out to nobody else until it was not acknowledged for a while. A poll that
// finds nothing writes nothing.
func (d *Dispatcher) PollJobs(ctx context.Context, p JobPoll) ([]Job, error) {
	p.Max = min(max(p.Max, 1), MaxJobs)
	var wake <-chan struct{}
	if p.Wait > 0 {
		var stop func()
		wake, stop = d.DB.Listen(jobTopic(p.Account, p.Region, jobKind(p.Type)))
		defer stop()
	}
	end := d.Now().Add(p.Wait)
	for {
		jobs, next, err := d.lookForJobs(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("polling for jobs of %s: %w", p.Type, err)
		}
		left := end.Sub(d.Now())
		if len(jobs) > 0 || p.Wait == 0 || left <= 0 {
			return jobs, nil
		}
		if !d.waitForJobs(ctx, wake, min(left, next)) {
			return nil, nil
		}
	}
}

// EndPolls answers every poll that waits, as those that wait keep a server from
// shutting down. Later polls do not wait.
func (d *Dispatcher) EndPolls() { d.endPolls() }

// waitForJobs waits until it is worth another look; false when it no longer is.
func (d *Dispatcher) waitForJobs(ctx context.Context, wake <-chan struct{}, atMost time.Duration) bool {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-wake:
	case <-timer.C:
	case <-ctx.Done():
		return false
	case <-d.polls.Done():
		return false
	}
	return true
}

// lookForJobs hands out what is available; next is how long there will be nothing
// more, as far as is known.
func (d *Dispatcher) lookForJobs(ctx context.Context, p JobPoll) (jobs []Job, next time.Duration, err error) {
	var now, available int64
	err = d.DB.Read(ctx, func(tx *db.Tx) error {
		if now, err = tx.Now(); err != nil {
			return err
		}
		return tx.QueryRow(sqlNextJob, p.Account, p.Region, jobKind(p.Type), p.Query).Scan(&available)
	})
	switch {
	case err != nil:
		return nil, 0, err
	case available == 0:
		return nil, maxPoll, nil
	case available > now:
		return nil, min(maxPoll, time.Duration(available-now)*time.Millisecond), nil
	}
	err = d.DB.Write(ctx, func(tx *db.Tx) error {
		jobs, err = d.handOut(tx, p)
		return err
	})
	// Others may have taken all that was available: look again soon, but not at once.
	return jobs, 10 * time.Millisecond, err
}

// handOut gives out the jobs that are available. Those of actions that are over
// are withdrawn on the way.
func (d *Dispatcher) handOut(tx *db.Tx, p JobPoll) ([]Job, error) {
	now, err := tx.Now()
	if err != nil {
		return nil, err
	}
	var rows []jobRow
	err = each(tx, func(row scanner) error {
		r, err := scanJob(row)
		rows = append(rows, r)
		return err
	}, sqlAvailableJobs+d.DB.Dialect().ClaimSuffix, p.Account, p.Region, jobKind(p.Type), p.Query, now, p.Max)
	if err != nil {
		return nil, err
	}
	var jobs []Job
	for i := range rows {
		row := &rows[i]
		if !row.needed {
			if err := d.withdraw(tx, row); err != nil {
				return nil, err
			}
			continue
		}
		stepped, decision, err := engine.StepJob(row.Job, d.jobEvent(now, engine.HandOutJob{}))
		if err != nil {
			return nil, err
		}
		if !decision.HandedOut {
			continue
		}
		job, err := d.openJob(tx, row, stepped)
		if err != nil {
			// It must not keep the others back: it is handed to nobody, and comes
			// again because nobody acknowledges it.
			d.Logger.Error("opening a job", "job", row.ID, "execution", row.Execution, "error", err)
		} else {
			jobs = append(jobs, job)
		}
		if err := row.update(tx, stepped); err != nil {
			return nil, err
		}
	}
	return jobs, nil
}
