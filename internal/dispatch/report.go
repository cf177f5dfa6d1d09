package dispatch

import (
	"context"
	"errors"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/provider"
)

// finish reports an attempt's verdict to the engine.
func (d *Dispatcher) finish(ctx context.Context, x effect, r provider.Report) error {
	return d.report(ctx, x, verdictOf(x, r))
}

// verdictOf is the event of a final report.
func verdictOf(x effect, r provider.Report) engine.ActionReported {
	return engine.ActionReported{
		Execution: x.ExecutionID, Action: x.ActionID, Succeeded: r.Status == provider.Succeeded,
		Produced: r.Produced, Revision: r.Revision,
		Outcome: engine.Outcome{
			Summary: r.Summary, ExternalExecutionID: r.ExternalExecutionID, ExternalExecutionURL: r.ExternalExecutionURL,
			OutputVariables: r.OutputVariables, ErrorCode: r.ErrorCode, ErrorMessage: r.ErrorMessage,
		},
	}
}

// reportGrace is how long a verdict may still be brought to the engine while the
// dispatcher closes.
const reportGrace = 5 * time.Second

// report applies an event until it is applied: a verdict is never lost while
// this process lives. Repeating it is harmless.
func (d *Dispatcher) report(ctx context.Context, x effect, body engine.Body) error {
	return d.reportWith(ctx, x, body, nil)
}

// reportWith is report with what belongs into the same commit.
func (d *Dispatcher) reportWith(ctx context.Context, x effect, body engine.Body, also func(tx *db.Tx) error) error {
	ev := d.event(body)
	if _, ok := body.(engine.DeadlineReached); ok {
		// The database's clock said so; this node's may be behind it.
		ev.At = max(ev.At, x.Deadline)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(d.ctx, func() { time.AfterFunc(reportGrace, cancel) })
	defer stop()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		_, err := d.apply(ctx, x.PipelineID, &unit{ev: ev, also: also})
		if err == nil {
			d.asked.forget(x.ActionID)
			return nil
		}
		if errors.Is(err, ErrPipelineNotFound) {
			return errVoid
		}
		if errors.Is(err, errJobChanged) {
			return err // it is not to be reported any more
		}
		if ctx.Err() != nil {
			return context.Cause(ctx) // closing: what follows is decided at the next start
		}
		d.Logger.Error("reporting an action", "effect", x.ID, "execution", x.ExecutionID, "action", x.Name, "error", err)
		if !sleep(ctx, pause) {
			return context.Cause(ctx)
		}
	}
}
