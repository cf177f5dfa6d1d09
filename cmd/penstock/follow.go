package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
	cp "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/api/penstock"
)

// follower runs one execution and shows it until its end.
type follower struct {
	client    *client
	rewritten *rewritten
	show      show
	approve   bool
	// prompt asks people; nil if there is nobody to ask.
	prompt *prompter

	id      string
	started time.Time
	changed time.Time            // when something new was last seen
	seen    map[string]*followed // by action execution id
	answers chan error
	// current says that all there is was shown, impatient that ends are shown
	// without waiting for the lines before them.
	current, impatient bool
}

// followed is an action execution as last seen.
type followed struct {
	action string
	first  time.Time // when it was first seen
	over   time.Time // when it was first seen to have ended
	asked  bool
	ended  bool // that it ended was shown
	// logged is closed when all lines of the action were shown; nil for one
	// without a log.
	logged chan struct{}
}

// The server is in the same process: it is looked at often while things happen,
// and less often while a long action runs.
const (
	pollMin = 15 * time.Millisecond
	pollMax = 200 * time.Millisecond
)

const (
	// orderGrace is how long the last lines of an ended action hold back what
	// follows it, so that things are shown in their order.
	orderGrace = 2 * time.Second
	// logGrace is how long the lines of a stopped action are waited for.
	logGrace = 15 * time.Second
)

// execute creates the pipeline, follows its execution and turns its end into an
// exit status.
func (e *follower) execute(ctx context.Context) error {
	e.seen, e.answers, e.started = map[string]*followed{}, make(chan error), time.Now()
	// The server answers to the end, also after Ctrl-C.
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	if err := e.begin(calls); err != nil {
		return err
	}
	e.show.begin(e.rewritten.decl.Name, e.id, e.rewritten.notes)
	status, err := e.follow(ctx, calls)
	if err != nil {
		return err
	}
	if err := e.rolledBack(ctx, calls, status); err != nil {
		return err
	}
	e.show.end(result{
		Status: string(status.Status), Summary: deref(status.StatusSummary), Elapsed: time.Since(e.started), NotRun: e.rewritten.notRun,
	})
	switch {
	case ctx.Err() != nil:
		return &exitError{status: exitInterrupt}
	case status.Status != cp.PipelineExecutionStatusSucceeded:
		return &exitError{status: exitFailed}
	case len(e.rewritten.notRun) > 0:
		return &exitError{status: exitIncomplete}
	}
	return nil
}

// rolledBack follows the execution that rolls a failed one back, if one does: the
// command ends when nothing runs any more, and the status remains the first one's.
func (e *follower) rolledBack(ctx, calls context.Context, status *cp.PipelineExecution) error {
	if status.Status != cp.PipelineExecutionStatusFailed || ctx.Err() != nil {
		return nil
	}
	id, err := e.client.rollbackOf(calls, e.rewritten.decl.Name, e.id)
	if err != nil || id == "" {
		return err
	}
	e.show.note(fmt.Sprintf("Execution %s failed and is rolled back by execution %s.", e.id, id))
	e.id = id
	back, err := e.follow(ctx, calls)
	if err != nil {
		return err
	}
	e.show.note(fmt.Sprintf("Rollback %s.", back.Status))
	return nil
}

// begin creates the pipeline, which starts the execution; in a data directory
// that has it already, it is updated and started.
func (e *follower) begin(ctx context.Context) error {
	text, err := json.Marshal(e.rewritten.decl)
	if err != nil {
		return fmt.Errorf("encoding the pipeline: %w", err)
	}
	declaration := &cp.PipelineDeclaration{}
	if err := json.Unmarshal(text, declaration); err != nil {
		return fmt.Errorf("encoding the pipeline: %w", err)
	}
	name := e.rewritten.decl.Name
	err = e.client.createPipeline(ctx, &cp.CreatePipelineInput{Pipeline: declaration})
	switch {
	case err == nil:
		e.id, err = e.client.newest(ctx, name)
		if errors.Is(err, errNoExecution) { // a poll would have started it
			e.id, err = e.client.start(ctx, name)
		}
	case isCode(err, "PipelineNameInUseException"):
		e.id, err = e.again(ctx, declaration)
	}
	if refused, ok := errors.AsType[*api.Error](err); ok && refused.Code != "InternalFailure" {
		return refuse("%s: %w", e.rewritten.file, err)
	}
	return err
}

// again updates and starts a pipeline that an earlier run left in the data
// directory. Nobody follows an execution that a killed run left behind, and it
// would hold its stage: it is stopped.
func (e *follower) again(ctx context.Context, declaration *cp.PipelineDeclaration) (string, error) {
	name := *declaration.Name
	left, err := e.client.unfinished(ctx, name)
	if err != nil {
		return "", err
	}
	for _, id := range left {
		err := e.client.stop(ctx, name, id, "Left over from an earlier run")
		if err != nil && !isCode(err, "PipelineExecutionNotStoppableException") && !isCode(err, "DuplicatedStopRequestException") {
			return "", err
		}
		e.rewritten.notes = append(e.rewritten.notes, fmt.Sprintf("execution %s, left over from an earlier run, is stopped", id))
	}
	if err := e.client.updatePipeline(ctx, &cp.UpdatePipelineInput{Pipeline: declaration}); err != nil {
		return "", err
	}
	return e.client.start(ctx, name)
}

// follow shows the execution until it has ended. When ctx ends it is stopped.
func (e *follower) follow(ctx, calls context.Context) (*cp.PipelineExecution, error) {
	name, stopping := e.rewritten.decl.Name, false
	stop := func(why, reason string) error {
		stopping = true
		e.show.note(why)
		err := e.client.stop(calls, name, e.id, reason)
		if isCode(err, "PipelineExecutionNotStoppableException") {
			return nil // it has ended
		}
		return err
	}
	interrupted := ctx.Done()
	for e.changed = time.Now(); ; {
		status, err := e.client.execution(calls, name, e.id)
		if err != nil {
			return nil, err
		}
		unanswered, err := e.look(calls, stopping)
		if err != nil {
			return nil, err
		}
		if over(status.Status) {
			return status, e.finish(calls)
		}
		if unanswered != nil {
			if err := stop(unanswered.Error(), "No answer to an approval"); err != nil {
				return nil, err
			}
		}
		select {
		case <-interrupted:
			interrupted = nil
			err = stop("Stopping; once more Ctrl-C ends at once.", "Interrupted")
		case answer := <-e.answers:
			if answer != nil && !stopping {
				err = stop(answer.Error(), "No answer to an approval")
			}
		case <-time.After(min(max(time.Since(e.changed)/20, pollMin), pollMax)):
			e.show.tick(time.Since(e.started))
		}
		if err != nil {
			return nil, err
		}
	}
}

func over(s cp.PipelineExecutionStatus) bool {
	return s != cp.PipelineExecutionStatusInProgress && s != cp.PipelineExecutionStatusStopping
}

// finish shows what is still to come of an execution that has ended: the last
// lines of its actions and how they ended.
func (e *follower) finish(calls context.Context) error {
	for deadline := time.Now().Add(logGrace); ; {
		_, err := e.look(calls, true)
		if err != nil || e.current {
			return err
		}
		if time.Now().After(deadline) {
			e.show.note("an action goes on writing after its end; its last lines are not shown")
			deadline = time.Now().Add(logGrace)
			e.impatient = true
		}
		time.Sleep(pollMin)
	}
}

// look shows what is new among the actions. Unanswered says why an approval gets
// no answer.
func (e *follower) look(calls context.Context, stopping bool) (unanswered, err error) {
	list, err := e.attempts(calls)
	if err != nil {
		return nil, err
	}
	e.current = true
	for i := range list {
		a := &list[i]
		id := deref(a.ActionExecutionId)
		known := e.seen[id]
		if known == nil {
			e.changed = time.Now()
			known = &followed{action: deref(a.StageName) + "/" + deref(a.ActionName), first: e.changed}
			e.seen[id] = known
			e.show.started(known.action, id)
			if !isApproval(a) {
				e.followLog(calls, known, id)
			}
		}
		inProgress := a.Status == cp.ActionExecutionStatusInProgress
		if inProgress && isApproval(a) && !known.asked && !stopping && e.resolved(a, known) {
			known.asked = true
			unanswered = errors.Join(unanswered, e.ask(calls, a))
		}
		if inProgress || known.ended {
			continue
		}
		if known.over.IsZero() {
			e.changed = time.Now()
			known.over = e.changed
		}
		switch {
		case known.told() || e.impatient:
			known.ended = true
			e.show.ended(known.action, id, ending(a))
		case time.Since(known.over) < orderGrace:
			e.current = false
			return unanswered, nil // what follows it is shown behind its end
		default:
			e.current = false
		}
	}
	return unanswered, nil
}

// attempts lists what the execution has carried out, its rules among its actions,
// in the order in which they started.
func (e *follower) attempts(calls context.Context) ([]cp.ActionExecutionDetail, error) {
	name := e.rewritten.decl.Name
	list, err := e.client.actions(calls, name, e.id)
	if err != nil || !hasRules(e.rewritten.decl) {
		return list, err
	}
	rules, err := e.client.rules(calls, name, e.id)
	if err != nil {
		return nil, err
	}
	for i := range rules {
		r := &rules[i]
		a := cp.ActionExecutionDetail{
			ActionExecutionId: r.RuleExecutionId, StageName: r.StageName, ActionName: r.RuleName,
			Status: cp.ActionExecutionStatus(r.Status), StartTime: r.StartTime, LastUpdateTime: r.LastUpdateTime,
		}
		if r.Output != nil && r.Output.ExecutionResult != nil {
			a.Output = &cp.ActionExecutionOutput{ExecutionResult: &cp.ActionExecutionResult{
				ExternalExecutionSummary: r.Output.ExecutionResult.ExternalExecutionSummary,
			}}
		}
		list = append(list, a)
	}
	slices.SortStableFunc(list, func(a, b cp.ActionExecutionDetail) int {
		return a.StartTime.Time().Compare(b.StartTime.Time())
	})
	return list, nil
}

func hasRules(d declaration) bool {
	for _, s := range d.Stages {
		if s.BeforeEntry != nil || s.OnSuccess != nil || s.OnFailure != nil && len(s.OnFailure.Conditions) > 0 {
			return true
		}
	}
	return false
}

// told reports whether all lines of the action were shown.
func (f *followed) told() bool {
	if f.logged == nil {
		return true
	}
	select {
	case <-f.logged:
		return true
	default:
		return false
	}
}

func ending(a *cp.ActionExecutionDetail) actionEnd {
	end := actionEnd{
		Status:  string(a.Status),
		Elapsed: a.LastUpdateTime.Time().Sub(a.StartTime.Time()),
	}
	if a.Output != nil && a.Output.ExecutionResult != nil {
		end.Summary = deref(a.Output.ExecutionResult.ExternalExecutionSummary)
	}
	return end
}

// followLog shows the lines of an action as they come.
func (e *follower) followLog(ctx context.Context, known *followed, id string) {
	known.logged = make(chan struct{})
	go func() {
		defer close(known.logged)
		in := &penstock.GetActionLogInput{
			PipelineName: &e.rewritten.decl.Name, ActionExecutionId: &id, NextLine: new(int64(0)), WaitSeconds: new(int32(20)),
		}
		for {
			page, err := e.client.log(ctx, in)
			if err != nil {
				if ctx.Err() == nil {
					e.show.note(fmt.Sprintf("the log of %s cannot be read: %v", known.action, err))
				}
				return
			}
			for _, l := range page.Lines {
				e.show.line(known.action, deref(l.Text))
			}
			in.NextLine = page.NextLine
			if deref(page.Complete) {
				return
			}
		}
	}()
}
