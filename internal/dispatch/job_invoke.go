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

// runInvoked brings an action of a provider that invokes somebody to its end: each
// job is brought once it is committed as in progress, and then nobody waits. What
// is not known to have been brought is brought again under the same id.
func (d *Dispatcher) runInvoked(ctx context.Context, x effect, j *job, p provider.Invoker) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d.track(x.ActionID, cancel)
	defer d.track(x.ActionID, nil)
	if x.BegunNode == "" {
		if failure, err := d.prepareBuckets(ctx, j); err != nil {
			return err
		} else if failure != nil {
			return d.finish(ctx, x, *failure)
		}
	}
	row, decision, err := d.takeInvoked(ctx, x, j, p)
	switch {
	case err != nil:
		return err
	case decision.Report != nil:
		return d.finishJob(ctx, x, row)
	case decision.HandedOut:
		return d.bring(ctx, x, j, row, p)
	case decision.Changed:
		// The time of the action is over, by a clock that this node's is behind.
		return d.timeOut(ctx, x)
	}
	return d.parkInvoked(ctx, x, row)
}

// parkInvoked is park for an action whose job is brought, or was not to be. While this
// node was taken for dead others may have begun to bring the next one: who parked that
// would leave it to nobody.
func (d *Dispatcher) parkInvoked(ctx context.Context, x effect, known *jobRow) error {
	return d.park(ctx, x, func(tx *db.Tx, _ int64) error {
		row, err := lastJob(tx, x.ActionID, d.DB.Dialect().LockSuffix)
		inProgress := err == nil && row != nil && row.Status == engine.JobInProgress
		if inProgress && (known == nil || row.ID != known.ID || known.Status != engine.JobInProgress) {
			return errVoid
		}
		return err
	})
}

// takeInvoked makes, or finds, the job that is to be brought now, and commits that
// this node is about to: Decision.HandedOut says that there is one. A report says
// that the time of the job is over.
func (d *Dispatcher) takeInvoked(ctx context.Context, x effect, j *job, p provider.Invoker) (row *jobRow, decision engine.JobDecision, err error) {
	err = d.DB.Write(ctx, func(tx *db.Tx) error {
		row, decision = nil, engine.JobDecision{}
		now, err := tx.Now()
		if err != nil {
			return err
		}
		if row, err = lastJob(tx, x.ActionID, d.DB.Dialect().LockSuffix); err != nil {
			return err
		}
		if row == nil {
			row, decision, err = d.offerInvoked(tx, x, j, p, now)
		} else {
			decision, err = d.stepInvoked(tx, x, row, now)
		}
		if err != nil {
			return err
		}
		if !decision.HandedOut {
			return d.unchanged(tx, x)
		}
		// Also if this node had begun: others may have carried on meanwhile.
		n, err := tx.Exec(sqlBegin, x.ID, d.node, now, x.BegunNode)
		if err == nil && n == 0 {
			err = errVoid
		}
		return err
	})
	if err != nil && !errors.Is(err, errVoid) && !errors.Is(err, errJobChanged) {
		err = fmt.Errorf("taking the job of action execution %s: %w", x.ActionID, err)
	}
	return row, decision, err
}

// unchanged says that an effect is this node's, and begun by whom it was.
func (d *Dispatcher) unchanged(tx *db.Tx, x effect) error {
	var begun string
	var state *string
	err := tx.QueryRow(sqlSelectEffect, x.ID, d.node).Scan(&begun, &state)
	if errors.Is(err, db.ErrNoRows) || err == nil && begun != x.BegunNode {
		return errVoid
	}
	return err
}

// offerInvoked makes the first job of an action, in progress at once.
func (d *Dispatcher) offerInvoked(tx *db.Tx, x effect, j *job, p provider.Invoker, now int64) (*jobRow, engine.JobDecision, error) {
	none := engine.JobDecision{}
	if err := j.keepResolved(tx); err != nil {
		return nil, none, err
	}
	data, err := encodePart(j.jobData(x))
	if err != nil {
		return nil, none, fmt.Errorf("encoding the job of action execution %s: %w", x.ActionID, err)
	}
	terms := p.JobTerms(j.attempt(d, x))
	offer := engine.OfferJob{Execution: x.ExecutionID, Action: x.ActionID, Deadline: x.Deadline, Terms: engine.JobTerms{
		Invoked: true, Timeout: terms.Timeout.Milliseconds(), TimeoutMessage: terms.TimeoutMessage, Pause: terms.Pause.Milliseconds(),
		ExternalExecutionID: terms.ExternalExecutionID, FailureHolds: terms.FailureHolds,
	}}
	for _, out := range j.plan.Outputs {
		offer.Terms.Outputs = append(offer.Terms.Outputs, out.Name)
	}
	row := &jobRow{
		// Whoever is invoked answers in the region where it runs.
		pipelineID: x.PipelineID, account: j.key.Account, region: cmp.Or(j.plan.Region, j.key.Region), kind: jobKind(j.plan.Type),
		data: data, needed: true,
	}
	if row.Job, _, err = engine.StepJob(engine.Job{}, d.jobEvent(now, offer)); err != nil {
		return nil, none, err
	}
	var decision engine.JobDecision
	if row.Job, decision, err = engine.StepJob(row.Job, d.jobEvent(now, engine.HandOutJob{})); err != nil {
		return nil, none, err
	}
	return row, decision, row.insert(tx)
}

// stepInvoked looks what the last job of an action needs.
func (d *Dispatcher) stepInvoked(tx *db.Tx, x effect, row *jobRow, now int64) (engine.JobDecision, error) {
	stepped, decision, err := engine.StepJob(row.Job, d.jobEvent(now, engine.JobTimePassed{}))
	if err != nil || decision.Report != nil || stepped.Ended() {
		return decision, err
	}
	if row.Status == engine.JobInProgress {
		// Parked, it was brought; else whoever began to did not get that far.
		decision.HandedOut = x.BegunNode != anyNode
		return decision, nil
	}
	stepped, decision, err = engine.StepJob(row.Job, d.jobEvent(now, engine.HandOutJob{}))
	if err != nil || !decision.HandedOut {
		return decision, err
	}
	if err := row.update(tx, stepped); err != nil {
		return decision, err
	}
	row.Job = stepped
	return decision, nil
}

// bring lets the provider bring a job to who does it.
func (d *Dispatcher) bring(ctx context.Context, x effect, j *job, row *jobRow, p provider.Invoker) error {
	until := x.Deadline
	if row.Until != 0 {
		until = min(until, row.Until)
	}
	bringing, cancel := context.WithDeadline(ctx, time.UnixMilli(until))
	defer cancel()
	a, closeLog, err := d.open(ctx, x, j)
	if err != nil {
		return err
	}
	defer closeLog()
	a.Job = &provider.Job{ID: row.ID, ContinuationToken: row.ContinuationToken}
	report, err := call(bringing, p, *a, true)
	switch {
	case errors.Is(context.Cause(ctx), errVoid):
		return errVoid
	case err != nil:
		d.show(x, a.Log, err)
		return fmt.Errorf("invoking for job %s of action type %s: %w", row.ID, j.plan.Type, err)
	case report.ContinuationToken != "":
		if err := d.forSure(ctx, x, func() error { return d.goOn(row, report) }); err != nil {
			return err
		}
	case report.Status != provider.InProgress:
		if err := d.endInvoked(ctx, x, row, report); !errors.Is(err, errJobChanged) {
			return err
		}
	}
	// Whoever was invoked must not be invoked again because this is not stored yet.
	err = d.forSure(ctx, x, func() error { return d.parkInvoked(ctx, x, row) })
	if errors.Is(err, errVoid) {
		d.nudge() // an earlier try may have parked it
	}
	return err
}

// goOn gives the job of an answer with a continuation token its successor. A
// refusal says that the job has its result, or is over, already.
func (d *Dispatcher) goOn(row *jobRow, report provider.Report) error {
	err := d.SucceedJob(d.ctx, JobRef{Account: row.account, Region: row.region, ID: row.ID}, engine.SucceedJob{
		ContinuationToken: report.ContinuationToken,
		Progress:          engine.JobProgress{Summary: report.Summary, ExternalExecutionID: report.ExternalExecutionID},
	})
	if _, rejected := errors.AsType[*engine.JobRejection](err); rejected || errors.Is(err, ErrJobNotFound) {
		return nil
	}
	return err
}

// endInvoked ends an action by a verdict that is not the result of its job. The error
// is errJobChanged if the job has its result by now: that one counts.
func (d *Dispatcher) endInvoked(ctx context.Context, x effect, row *jobRow, r provider.Report) error {
	return d.reportWith(ctx, x, verdictOf(x, r), func(tx *db.Tx) error {
		last, err := lastJob(tx, x.ActionID, d.DB.Dialect().LockSuffix)
		if err != nil {
			return err
		}
		if last == nil || last.ID != row.ID || last.Ended() {
			return errJobChanged
		}
		return d.withdraw(tx, last)
	})
}

// executor is who carries out an action of a declared type whose executor is a
// function; nil for any other type.
func (d *Dispatcher) executor(ctx context.Context, j *job) (provider.Provider, error) {
	if d.LambdaExecutor == nil || j.plan.Type.Owner == pipeline.OwnerCustom {
		return nil, nil
	}
	decl, err := d.DeclaredActionType(ctx, j.key.Account, j.key.Region, j.plan.Type)
	switch {
	case errors.Is(err, ErrActionTypeNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case decl.Executor.Type != ExecutorLambda || decl.Executor.Configuration.Lambda == nil:
		return nil, nil
	}
	return d.LambdaExecutor(decl.Executor.Configuration.Lambda.FunctionARN, time.Duration(decl.Executor.JobTimeout)*time.Second), nil
}
