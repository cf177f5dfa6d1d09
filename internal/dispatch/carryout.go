package dispatch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// errVoid says that an effect is no longer this node's to carry out.
var errVoid = errors.New("effect is void")

// anyNode stands for the beginner of an attempt whose work is remote: whoever
// claims it looks again.
const anyNode = "*"

// outcomeUnknown is the message of an attempt whose node went away.
const outcomeUnknown = "outcome unknown: the node went away"

// carryOut carries out a newly claimed effect in its own goroutine, until it is
// over or the dispatcher closes. An effect that is being carried out here already
// is left alone.
func (d *Dispatcher) carryOut(x effect) { d.carry(x, false) }

// carryOutOwn is carryOut for an effect that was read as this node's some time
// ago: it may be over by now.
func (d *Dispatcher) carryOutOwn(x effect) { d.carry(x, true) }

func (d *Dispatcher) carry(x effect, stale bool) {
	d.mu.Lock()
	if d.stopped || d.carrying[x.ID] {
		d.mu.Unlock()
		return
	}
	d.carrying[x.ID] = true
	d.running.Add(1)
	d.mu.Unlock()
	go func() {
		defer d.running.Done()
		defer d.carried(x.ID)
		var told trouble
		x.shown = &trouble{}
		for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
			err := d.refresh(&x, stale)
			if err == nil {
				err = d.carryOutOnce(d.ctx, x)
			}
			if errors.Is(err, errVoid) && d.asked.state(x.ActionID) == askedToStart {
				d.asked.forget(x.ActionID)
			}
			if err == nil || errors.Is(err, errVoid) || d.ctx.Err() != nil {
				return
			}
			if told.news(err, d.Now()) {
				d.Logger.Warn("an effect could not be carried out and is tried again", "effect", x.ID, "pipeline", x.PipelineID,
					"execution", x.ExecutionID, "stage", x.Stage, "action", x.Name, "error", err)
			}
			if !sleep(d.ctx, pause) {
				return
			}
			stale = true
		}
	}()
}

// refresh reads an effect again: only what is still this node's is carried out.
func (d *Dispatcher) refresh(x *effect, stale bool) error {
	if !stale {
		return nil
	}
	err := d.DB.Read(d.ctx, func(tx *db.Tx) error {
		return tx.QueryRow(sqlSelectEffect, x.ID, d.node).Scan(&x.BegunNode, &x.ProviderState)
	})
	if errors.Is(err, db.ErrNoRows) {
		return errVoid
	}
	if err != nil {
		return fmt.Errorf("reading effect %s: %w", x.ID, err)
	}
	return nil
}

func (d *Dispatcher) carried(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.carrying, id)
}

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (d *Dispatcher) carryOutOnce(ctx context.Context, x effect) error {
	switch x.Kind {
	case engine.RunAction:
		return d.runAction(ctx, x)
	case engine.StopAction:
		return d.stopAction(ctx, x)
	}
	return fmt.Errorf("effect %s has unknown kind %q", x.ID, x.Kind)
}

// runAction brings an action to its end: resolve, begin, start, await, report.
func (d *Dispatcher) runAction(ctx context.Context, x effect) error {
	if x.Due >= x.Deadline || d.nowMillis() >= x.Deadline {
		return d.timeOut(ctx, x)
	}
	job, err := d.prepare(ctx, x)
	if err != nil {
		return err
	}
	if job.failure != nil {
		return d.finish(ctx, x, *job.failure)
	}
	if job.plan.IsApproval() {
		return d.waitForAnswer(ctx, x, job)
	}
	p, ok := d.Catalogue.Provider(job.plan.Type)
	if !ok {
		if p, err = d.executor(ctx, job); err != nil {
			return err
		}
		if p == nil {
			return d.runJob(ctx, x, job)
		}
	}
	if invoker, ok := p.(provider.Invoker); ok {
		return d.runInvoked(ctx, x, job, invoker)
	}
	start, report := d.decide(x, p)
	if report != nil {
		return d.finish(ctx, x, *report)
	}
	// Who abandons the action must find the way to stop it before it is begun.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d.track(x.ActionID, cancel)
	defer d.track(x.ActionID, nil)
	if x.BegunNode != d.node && x.BegunNode != anyNode {
		if err := d.begin(ctx, x, job); err != nil {
			return err
		}
	}
	return d.attempt(ctx, x, job, p, start)
}

// decide says how an attempt that may have been begun goes on: by Start, by
// Await, or not at all.
func (d *Dispatcher) decide(x effect, p provider.Provider) (start bool, report *provider.Report) {
	switch {
	case x.BegunNode == "":
		return true, nil
	case x.BegunNode == anyNode:
		return false, nil
	case x.BegunNode == d.node && d.asked.state(x.ActionID) == neverAsked:
		// It was committed as begun, but the provider was never asked.
		return true, nil
	case x.BegunNode == d.node && d.asked.state(x.ActionID) == askedToStart:
		// This process began it: Await finds it, unless Start itself failed and
		// may be repeated.
		return x.ProviderState == nil && p.Type().WhenLost == pipeline.LostAgain, nil
	case p.Type().WhenLost == pipeline.LostAgain:
		return true, nil
	case p.Type().WhenLost == pipeline.LostFind:
		return false, nil
	}
	lost := provider.Failure(provider.CodeSystemUnavailable, outcomeUnknown)
	return false, &lost
}

// begin commits that the attempt is begun by this node, before its first
// outside act. Whoever loses the race does not start.
func (d *Dispatcher) begin(ctx context.Context, x effect, job *job) error {
	return d.DB.Write(ctx, func(tx *db.Tx) error {
		// The action's row before the effect's, as every commit of an event.
		if err := job.keepResolved(tx); err != nil {
			return err
		}
		n, err := tx.Exec(sqlBegin, x.ID, d.node, d.nowMillis(), x.BegunNode)
		if err != nil {
			return fmt.Errorf("beginning action execution %s: %w", x.ActionID, err)
		}
		if n == 0 {
			return errVoid
		}
		return nil
	})
}

// attempt runs the provider until its report is final, the deadline comes, or
// the attempt is made void.
func (d *Dispatcher) attempt(ctx context.Context, x effect, job *job, p provider.Provider, start bool) error {
	ctx, cancelDeadline := context.WithDeadline(ctx, time.UnixMilli(x.Deadline))
	defer cancelDeadline()
	a, closeLog, err := d.open(ctx, x, job)
	if err != nil {
		return err
	}
	defer closeLog()
	d.asked.set(x.ActionID, askedToStart)
	for {
		report, err := call(ctx, p, *a, start)
		switch {
		case errors.Is(context.Cause(ctx), errVoid):
			return errVoid
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return d.report(d.ctx, x, engine.DeadlineReached{Execution: x.ExecutionID, Action: x.ActionID})
		case err != nil:
			d.show(x, a.Log, err)
			return fmt.Errorf("%s of action type %s: %w", verb(start), job.plan.Type, err)
		case report.Status != provider.InProgress:
			return d.finish(d.ctx, x, report)
		}
		start = false
		if report.State != nil {
			a.State = report.State
		}
		if report.LookAgain > 0 {
			return d.lookAgain(ctx, x, report.LookAgain, a.State)
		}
		if report.State != nil {
			if err := d.keepStateForSure(ctx, x, report.State); err != nil {
				return err
			}
		}
	}
}

// show tells the log of an action why it is tried again, if that is news.
func (d *Dispatcher) show(x effect, log io.Writer, err error) {
	if d.ctx.Err() == nil && x.shown.news(err, d.Now()) {
		fmt.Fprintf(log, "This is not possible now and is tried again: %v\n", err)
	}
}

func verb(start bool) string {
	if start {
		return "start"
	}
	return "await"
}

// call runs the provider; a panic in it fails the attempt, not the server.
func call(ctx context.Context, p provider.Provider, a provider.Attempt, start bool) (report provider.Report, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			report = provider.Failure(provider.CodeSystemUnavailable, fmt.Sprintf("The action's provider stopped unexpectedly: %v", panicked))
			err = nil
		}
	}()
	if start {
		return p.Start(ctx, a)
	}
	return p.Await(ctx, a)
}

// track keeps how to stop an attempt that runs on this node.
func (d *Dispatcher) track(action string, cancel context.CancelCauseFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if cancel == nil {
		delete(d.attempts, action)
		return
	}
	d.attempts[action] = cancel
}

// keepStateForSure is keepState until it succeeds: the provider's newest state is
// nowhere else.
func (d *Dispatcher) keepStateForSure(ctx context.Context, x effect, state json.RawMessage) error {
	return d.forSure(ctx, x, func() error { return d.keepState(ctx, x, state) })
}

// forSure does what must be written down before anything else is done, until it
// succeeds, the effect is void or ctx ends: only this goroutine knows of it.
func (d *Dispatcher) forSure(ctx context.Context, x effect, do func() error) error {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := do()
		if err == nil || errors.Is(err, errVoid) {
			return err
		}
		d.Logger.Error("writing down what became of an action", "effect", x.ID, "execution", x.ExecutionID, "action", x.Name, "error", err)
		if !sleep(ctx, pause) {
			return err
		}
	}
}

// keepState stores what the provider needs to continue.
func (d *Dispatcher) keepState(ctx context.Context, x effect, state json.RawMessage) error {
	return d.DB.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(sqlKeepState, x.ID, d.node, string(state))
		if err != nil {
			return fmt.Errorf("keeping the state of action execution %s: %w", x.ActionID, err)
		}
		if n == 0 {
			return errVoid
		}
		return nil
	})
}

// lookAgain gives the claim back until it is time to look again.
func (d *Dispatcher) lookAgain(ctx context.Context, x effect, after time.Duration, state json.RawMessage) error {
	err := d.DB.Write(ctx, func(tx *db.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		due := min(now+after.Milliseconds(), x.Deadline)
		_, err = tx.Exec(sqlRelease, x.ID, d.node, due, cmp.Or(string(state), "null"))
		return err
	})
	if err != nil {
		return fmt.Errorf("releasing action execution %s: %w", x.ActionID, err)
	}
	d.nudge()
	return nil
}

// waitForAnswer parks an approval until its deadline: nobody waits for a person.
func (d *Dispatcher) waitForAnswer(ctx context.Context, x effect, job *job) error {
	err := d.DB.Write(ctx, func(tx *db.Tx) error {
		if err := job.keepResolved(tx); err != nil {
			return err
		}
		_, err := tx.Exec(sqlRelease, x.ID, d.node, x.Deadline, nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("parking approval %s: %w", x.ActionID, err)
	}
	d.nudge()
	return nil
}

// stopAction tells the provider of an abandoned action to stop.
func (d *Dispatcher) stopAction(ctx context.Context, x effect) error {
	d.mu.Lock()
	cancel := d.attempts[x.ActionID]
	d.mu.Unlock()
	if cancel != nil {
		cancel(errVoid)
	}
	job, err := d.prepare(ctx, x)
	if err != nil && !errors.Is(err, errVoid) {
		return err
	}
	if job != nil {
		if p, ok := d.Catalogue.Provider(job.plan.Type); ok {
			if err := p.Stop(ctx, job.attempt(d, x)); err != nil {
				return fmt.Errorf("stopping action execution %s: %w", x.ActionID, err)
			}
		}
	}
	return d.DB.Write(ctx, func(tx *db.Tx) error {
		if err := d.withdrawJob(tx, x.ActionID); err != nil {
			return err
		}
		_, err := tx.Exec(sqlDeleteEffect, x.ID)
		return err
	})
}
