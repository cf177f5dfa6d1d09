package dispatch

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
)

// commitAlso writes what belongs into the commit of a unit.
func (u *unit) commitAlso(tx *db.Tx) error {
	if u.also == nil {
		return nil
	}
	err := u.also(tx)
	if errors.Is(err, errJobChanged) {
		return &refusedError{unit: u, err: err}
	}
	return err
}

// jobEvent is an event of a job at a time of the database's clock.
func (d *Dispatcher) jobEvent(at int64, body engine.JobBody) engine.JobEvent {
	id, err := uuid.NewV7()
	if err != nil {
		panic(err) // the system has no random numbers
	}
	return engine.JobEvent{ID: id.String(), At: at, Body: body}
}

// commitJob makes durable what an event did to a job: with the pipeline's event,
// in one commit, if something is reported to it. The error is errJobChanged when
// the job is not as it was read any more.
func (d *Dispatcher) commitJob(ctx context.Context, row *jobRow, stepped engine.Job, decision engine.JobDecision) error {
	write := func(tx *db.Tx) error { return row.step(tx, stepped, decision) }
	if decision.Report == nil {
		err := d.DB.Write(ctx, write)
		if err == nil {
			d.nudge()
		}
		return err
	}
	_, err := d.apply(ctx, row.pipelineID, &unit{ev: d.event(*decision.Report), also: write})
	if errors.Is(err, ErrPipelineNotFound) {
		return d.DB.Write(ctx, write) // nobody is left to tell
	}
	return err
}
