package dispatch

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// Errors of requests that name a job.
var (
	// ErrJobNotFound says that an account and region have no such job.
	ErrJobNotFound = errors.New("job not found")
	// ErrJobOver says that a job is not to be done any more.
	ErrJobOver = errors.New("job is over")
	// ErrClientToken says that the token is not that of the job's client.
	ErrClientToken = errors.New("wrong client token")
	// ErrAcknowledged comes with the rejection of a nonce with which the job was
	// acknowledged: each is handed out once, so it was by who asks.
	ErrAcknowledged = errors.New("acknowledged with this nonce already")
)

// JobRef names a job as its worker does.
type JobRef struct {
	Account, Region, ID string
	// Partner is set for jobs of a partner's action types, which other operations
	// serve than custom ones; ClientToken then proves that the worker knows the
	// client.
	Partner     bool
	ClientToken string
}

// findJob reads the job that a worker names.
func (d *Dispatcher) findJob(tx *db.Tx, ref JobRef) (*jobRow, error) {
	row, err := scanJob(tx.QueryRow(sqlSelectJob, ref.ID))
	if errors.Is(err, db.ErrNoRows) {
		return nil, ErrJobNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading job %s: %w", ref.ID, err)
	}
	var data JobData
	if err := decodePart(row.data, &data); err != nil {
		return nil, fmt.Errorf("decoding job %s: %w", ref.ID, err)
	}
	partner := data.Type.Owner != pipeline.OwnerCustom && !row.Terms.Invoked
	if row.account != ref.Account || row.region != ref.Region || partner != ref.Partner {
		return nil, ErrJobNotFound
	}
	if partner {
		return &row, d.checkClient(tx, &row, ref.ClientToken)
	}
	return &row, nil
}

// jobTries is how often a change of a job is tried when others change it too.
const jobTries = 20

// changeJob applies a worker's word to a job. The error is one of those above, or
// an *engine.JobRejection.
func (d *Dispatcher) changeJob(ctx context.Context, ref JobRef, body engine.JobBody) (engine.Job, error) {
	ev := d.jobEvent(0, body)
	for try := 1; ; try++ {
		var row *jobRow
		err := d.DB.Read(ctx, func(tx *db.Tx) error {
			var err error
			if ev.At, err = tx.Now(); err == nil {
				row, err = d.findJob(tx, ref)
			}
			return err
		})
		if err != nil {
			return engine.Job{}, err
		}
		current := row.Job
		if !row.needed && current.Event != ev.ID {
			// The job may not have been withdrawn yet. What was committed with an unknown
			// outcome counts, though.
			if current, _, err = engine.StepJob(current, d.jobEvent(ev.At, engine.WithdrawJob{})); err != nil {
				return current, err
			}
		}
		stepped, decision, err := engine.StepJob(current, ev)
		if err != nil || !decision.Changed {
			return stepped, err
		}
		err = d.commitJob(ctx, row, stepped, decision)
		again := errors.Is(err, errJobChanged) || errors.Is(err, db.ErrConflict) || errors.Is(err, db.ErrUnknownOutcome)
		if err == nil {
			return stepped, nil
		}
		if !again || try == jobTries {
			return engine.Job{}, fmt.Errorf("changing job %s: %w", ref.ID, err)
		}
	}
}

// AcknowledgeJob is a worker's word that it does a job; the status tells whether it
// still is to be done.
func (d *Dispatcher) AcknowledgeJob(ctx context.Context, ref JobRef, nonce string) (engine.JobStatus, error) {
	j, err := d.changeJob(ctx, ref, engine.AcknowledgeJob{Nonce: nonce})
	r, rejected := errors.AsType[*engine.JobRejection](err)
	if rejected && r.Reason == engine.JobInvalidNonce && j.Status == engine.JobInProgress && nonce != "" && nonce == j.Nonce {
		err = fmt.Errorf("%w: %w", ErrAcknowledged, err)
	}
	return j.Status, err
}

// SucceedJob is a worker's word that a job is done, or goes on.
func (d *Dispatcher) SucceedJob(ctx context.Context, ref JobRef, result engine.SucceedJob) error {
	_, err := d.changeJob(ctx, ref, result)
	return err
}

// FailJob is a worker's word that a job failed.
func (d *Dispatcher) FailJob(ctx context.Context, ref JobRef, result engine.FailJob) error {
	_, err := d.changeJob(ctx, ref, result)
	return err
}

// JobDetails describes a job that is to be done. The error is ErrJobOver if it no
// longer is.
func (d *Dispatcher) JobDetails(ctx context.Context, ref JobRef) (Job, error) {
	var job Job
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		row, err := d.findJob(tx, ref)
		if err != nil {
			return err
		}
		if row.Ended() || row.Withdrawn || !row.needed {
			return ErrJobOver
		}
		job, err = d.openJob(tx, row, row.Job)
		return err
	})
	return job, err
}

// JobProgress returns what workers said of the actions that have jobs and are not
// over, by action execution.
func (d *Dispatcher) JobProgress(ctx context.Context, actions []string) (map[string]engine.JobProgress, error) {
	progress := map[string]engine.JobProgress{}
	if len(actions) == 0 {
		return progress, nil
	}
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		for _, action := range actions {
			row, err := lastJob(tx, action, "")
			if err != nil {
				return err
			}
			if row != nil {
				progress[action] = row.Progress
			}
		}
		return nil
	})
	return progress, err
}
