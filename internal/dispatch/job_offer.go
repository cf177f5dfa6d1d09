package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// acknowledgeTime is how long a job that was handed out may stay unacknowledged
// (execution.md 8.2).
const acknowledgeTime = 60 * time.Second

// runJob brings an action of a type without a provider here to its end: it offers
// a job, waits without waiting, and looks again when the job's time is over.
func (d *Dispatcher) runJob(ctx context.Context, x effect, j *job) error {
	var row *jobRow
	var now int64
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		var err error
		if now, err = tx.Now(); err == nil {
			row, err = lastJob(tx, x.ActionID, "")
		}
		return err
	})
	if err != nil {
		return err
	}
	if row == nil {
		return d.offerJob(ctx, x, j)
	}
	_, decision, err := engine.StepJob(row.Job, d.jobEvent(now, engine.JobTimePassed{}))
	if err != nil {
		return err
	}
	if decision.Report == nil {
		return d.park(ctx, x, nil)
	}
	return d.finishJob(ctx, x, row)
}

// finishJob reports that the time of a job is over, unless a result came in
// between.
func (d *Dispatcher) finishJob(ctx context.Context, x effect, row *jobRow) error {
	stepped, decision, err := engine.StepJob(row.Job, d.jobEvent(row.Until, engine.JobTimePassed{}))
	if err != nil {
		return err
	}
	err = d.commitJob(ctx, row, stepped, decision)
	if errors.Is(err, errJobChanged) {
		if row.Terms.Invoked {
			return d.parkInvoked(ctx, x, nil)
		}
		return d.park(ctx, x, nil)
	}
	return err
}

// offerJob commits the first job of an action together with the action as begun.
func (d *Dispatcher) offerJob(ctx context.Context, x effect, j *job) error {
	terms, failure, err := d.jobTerms(ctx, j)
	if err != nil {
		return err
	}
	if failure == nil {
		failure, err = d.prepareBuckets(ctx, j)
	}
	if err != nil {
		return err
	}
	if failure != nil {
		return d.finish(ctx, x, *failure)
	}
	data, err := encodePart(j.jobData(x))
	if err != nil {
		return fmt.Errorf("encoding the job of action execution %s: %w", x.ActionID, err)
	}
	row := jobRow{
		pipelineID: x.PipelineID, account: j.key.Account, region: j.key.Region, kind: jobKind(j.plan.Type), data: data,
		query: j.resolved[terms.query],
	}
	return d.park(ctx, x, func(tx *db.Tx, now int64) error {
		if err := j.keepResolved(tx); err != nil {
			return err
		}
		offer := engine.OfferJob{Execution: x.ExecutionID, Action: x.ActionID, Deadline: x.Deadline, Terms: terms.JobTerms}
		if row.Job, _, err = engine.StepJob(engine.Job{}, d.jobEvent(now, offer)); err != nil {
			return err
		}
		return row.insert(tx)
	})
}

// prepareBuckets makes the buckets of a job's outputs ready; failure says that
// one cannot be.
func (d *Dispatcher) prepareBuckets(ctx context.Context, j *job) (failure *provider.Report, err error) {
	if d.PrepareBucket == nil {
		return nil, nil
	}
	ready := ""
	for _, out := range j.action.Allotted {
		if out.Bucket == ready {
			continue
		}
		err := d.PrepareBucket(ctx, out.Bucket)
		if said, ok := errors.AsType[*provider.ObjectError](err); ok {
			no := provider.Failure(provider.CodeConfigurationError,
				fmt.Sprintf("The artifact bucket %s cannot be used: %v", out.Bucket, said))
			return &no, nil
		}
		if err != nil {
			return nil, fmt.Errorf("preparing the outputs of action execution %s: %w", j.action.ID, err)
		}
		ready = out.Bucket
	}
	return nil, nil
}

// park gives the claim of an action with jobs back until its job needs attention.
// first, if not nil, runs in the same transaction.
func (d *Dispatcher) park(ctx context.Context, x effect, first func(tx *db.Tx, now int64) error) error {
	err := d.DB.Write(ctx, func(tx *db.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		if first != nil {
			if err := first(tx, now); err != nil {
				return err
			}
		}
		// Locked, so that nobody sets another time between here and the release.
		row, err := lastJob(tx, x.ActionID, d.DB.Dialect().LockSuffix)
		if err != nil {
			return err
		}
		if row == nil {
			return errVoid // it went with its execution's history
		}
		n, err := tx.Exec(sqlRelease, x.ID, d.node, row.Due(), nil)
		if err == nil && n == 0 {
			err = errVoid
		}
		return err
	})
	if errors.Is(err, errVoid) {
		return err
	}
	if err != nil {
		return fmt.Errorf("parking the job of action execution %s: %w", x.ActionID, err)
	}
	d.nudge()
	return nil
}

// jobTerms are the terms of jobs with the property that polls can ask for.
type jobTerms struct {
	engine.JobTerms
	query string
}

// jobTerms asks the action type, as it is now, for the terms of its jobs; failure
// says that there are no jobs of it.
func (d *Dispatcher) jobTerms(ctx context.Context, j *job) (terms jobTerms, failure *provider.Report, err error) {
	id := j.plan.Type
	none := provider.Failure(provider.CodeConfigurationError,
		fmt.Sprintf("No provider for action type %s is available on this server.", id))
	if !d.JobWorkers {
		return terms, &none, nil
	}
	var row actionTypeRow
	err = d.DB.Read(ctx, func(tx *db.Tx) error {
		row, err = selectActionType(tx, j.key.Account, j.key.Region, id)
		return err
	})
	if errors.Is(err, ErrActionTypeNotFound) || err == nil && row.deleted {
		gone := provider.Failure(provider.CodeConfigurationError, fmt.Sprintf("The action type %s does not exist any more.", id))
		return terms, &gone, nil
	}
	if err != nil {
		return terms, nil, err
	}
	t, err := d.actionType(id, row.definition)
	if err != nil {
		return terms, nil, err
	}
	if !t.Available {
		return terms, &none, nil
	}
	terms.Acknowledge = cmp.Or(d.JobAcknowledge, acknowledgeTime).Milliseconds()
	terms.Source = j.plan.IsSource()
	for _, out := range j.plan.Outputs {
		terms.Outputs = append(terms.Outputs, out.Name)
	}
	if id.Owner == pipeline.OwnerCustom {
		for _, p := range t.Properties {
			if p.Queryable {
				terms.query = p.Name
			}
		}
		return terms, nil, nil
	}
	declared, err := decodeDeclared(row.definition)
	if err != nil {
		return terms, nil, err
	}
	if seconds := declared.Executor.JobTimeout; seconds > 0 {
		terms.Timeout = int64(seconds) * 1000
		terms.TimeoutMessage = fmt.Sprintf("The job worker did not end the job within the time-out of %d seconds that the action type declares.", seconds)
	}
	return terms, nil, nil
}

// timeOut reports that an action's time is over, and with it that of its job: the one
// that it has by the time of the commit, whoever made it.
func (d *Dispatcher) timeOut(ctx context.Context, x effect) error {
	deadline := engine.DeadlineReached{Execution: x.ExecutionID, Action: x.ActionID}
	return d.reportWith(ctx, x, deadline, func(tx *db.Tx) error {
		row, err := lastJob(tx, x.ActionID, d.DB.Dialect().LockSuffix)
		if err != nil || row == nil {
			return err
		}
		stepped, decision, err := engine.StepJob(row.Job, d.jobEvent(x.Deadline, engine.JobTimePassed{}))
		if err != nil || !decision.Changed {
			return err
		}
		return row.update(tx, stepped)
	})
}

// withdrawJob takes the job of an action that is over from who does not have it
// yet.
func (d *Dispatcher) withdrawJob(tx *db.Tx, action string) error {
	row, err := lastJob(tx, action, d.DB.Dialect().LockSuffix)
	if err != nil || row == nil {
		return err
	}
	return d.withdraw(tx, row)
}

func (d *Dispatcher) withdraw(tx *db.Tx, row *jobRow) error {
	stepped, decision, err := engine.StepJob(row.Job, d.jobEvent(row.LastAt, engine.WithdrawJob{}))
	if err != nil || !decision.Changed {
		return err
	}
	return row.update(tx, stepped)
}
