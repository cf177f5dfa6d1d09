package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	cp "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/api/penstock"
)

// follower runs one execution and shows it until its end.
type follower struct {
	client    *client
	rewritten *rewritten
	show      show
	approve   bool
	// prompt is where to ask people; nil if there is nobody to ask.
	prompt io.Reader

	id      string
	started time.Time
	seen    map[string]*followed // by action execution id
	order   []string
	logs    sync.WaitGroup
	answers chan error
}

// followed is an action execution as last seen.
type followed struct {
	action  string
	status  cp.ActionExecutionStatus
	asked   bool
	logDone chan struct{}
}

// pollEvery is how often the execution is looked at. The server is in the same
// process.
const pollEvery = 15 * time.Millisecond

// execute creates the pipeline, follows its execution and turns its end into an
// exit status.
func (e *follower) execute(ctx context.Context) error {
	e.seen, e.answers, e.started = map[string]*followed{}, make(chan error, 16), time.Now()
	if err := e.begin(ctx); err != nil {
		return err
	}
	e.show.begin(e.rewritten.decl.Name, e.id, e.rewritten.notes)
	status, err := e.follow(ctx)
	if err != nil {
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
	case isCode(err, "PipelineNameInUseException"):
		if err = e.client.updatePipeline(ctx, &cp.UpdatePipelineInput{Pipeline: declaration}); err == nil {
			e.id, err = e.client.start(ctx, name)
		}
	}
	if err != nil {
		return &exitError{exitUsage, err}
	}
	return nil
}

// follow shows the execution until it has ended. When ctx ends it is stopped.
func (e *follower) follow(ctx context.Context) (*cp.PipelineExecution, error) {
	name, stopping := e.rewritten.decl.Name, false
	// The server answers to the end, also after Ctrl-C.
	calls := context.WithoutCancel(ctx)
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		status, err := e.client.execution(calls, name, e.id)
		if err != nil {
			return nil, err
		}
		if err := e.look(calls, stopping); err != nil {
			return nil, err
		}
		if over(status.Status) {
			e.logs.Wait()
			return status, nil
		}
		done := ctx.Done()
		if stopping {
			done = nil
		}
		select {
		case <-done:
			stopping = true
			e.show.note("stopping the execution")
			err := e.client.stop(calls, name, e.id, "Interrupted")
			if err != nil && !isCode(err, "PipelineExecutionNotStoppableException") {
				return nil, err
			}
		case err := <-e.answers:
			if err != nil {
				e.show.note(err.Error())
				if err := e.client.stop(calls, name, e.id, "No answer to an approval"); err != nil {
					return nil, err
				}
				stopping = true
			}
		case <-ticker.C:
			e.show.tick(time.Since(e.started))
		}
	}
}

func over(s cp.PipelineExecutionStatus) bool {
	return s != cp.PipelineExecutionStatusInProgress && s != cp.PipelineExecutionStatusStopping
}

// look shows what is new among the actions.
func (e *follower) look(ctx context.Context, stopping bool) error {
	list, err := e.client.actions(ctx, e.rewritten.decl.Name, e.id)
	if err != nil {
		return err
	}
	for i := range list {
		a := &list[i]
		id := deref(a.ActionExecutionId)
		known := e.seen[id]
		if known == nil {
			known = &followed{action: deref(a.StageName) + "/" + deref(a.ActionName)}
			e.seen[id] = known
			e.order = append(e.order, id)
			e.show.started(known.action, id)
			if !isApproval(a) {
				e.followLog(ctx, known, id)
			}
		}
		if isApproval(a) && a.Status == cp.ActionExecutionStatusInProgress && !known.asked && !stopping {
			known.asked = true
			e.ask(ctx, a)
		}
		if a.Status != known.status && a.Status != cp.ActionExecutionStatusInProgress {
			if known.logDone != nil {
				<-known.logDone
			}
			e.show.ended(known.action, ending(a))
		}
		known.status = a.Status
	}
	return nil
}

func isApproval(a *cp.ActionExecutionDetail) bool {
	return a.Input != nil && a.Input.ActionTypeId != nil && a.Input.ActionTypeId.Category == cp.ActionCategoryApproval
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
	known.logDone = make(chan struct{})
	e.logs.Go(func() {
		defer close(known.logDone)
		in := &penstock.GetActionLogInput{
			PipelineName: &e.rewritten.decl.Name, ActionExecutionId: &id, NextLine: new(int64(0)), WaitSeconds: new(int32(20)),
		}
		for {
			page, err := e.client.log(ctx, in)
			if err != nil {
				e.show.note(fmt.Sprintf("the log of %s cannot be read: %v", known.action, err))
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
	})
}

// ask answers an approval: by --approve, by whoever sits there, or not at all.
func (e *follower) ask(ctx context.Context, a *cp.ActionExecutionDetail) {
	what := deref(a.StageName) + "/" + deref(a.ActionName)
	custom := ""
	if a.Input != nil {
		custom = a.Input.ResolvedConfiguration["CustomData"]
	}
	e.show.approval(what, custom)
	answer := func(approved bool, summary string) error {
		in := &cp.PutApprovalResultInput{
			PipelineName: &e.rewritten.decl.Name, StageName: a.StageName, ActionName: a.ActionName, Token: a.ActionExecutionId,
			Result: &cp.ApprovalResult{Status: cp.ApprovalStatusRejected, Summary: &summary},
		}
		if approved {
			in.Result.Status = cp.ApprovalStatusApproved
		}
		return e.client.answer(ctx, in)
	}
	switch {
	case e.approve:
		e.answers <- answer(true, "Approved by --approve")
	case e.prompt == nil:
		e.answers <- fmt.Errorf("%s waits for an approval and there is no terminal to ask at: run with --approve, or leave it out with --skip %s", what, what)
	default:
		go func() { e.answers <- e.askPerson(what, answer) }()
	}
}

// askPerson asks at the terminal until there is an answer.
func (e *follower) askPerson(what string, answer func(bool, string) error) error {
	lines := bufio.NewScanner(e.prompt)
	for {
		e.show.question(fmt.Sprintf("Approve %s? [y/n] ", what))
		if !lines.Scan() {
			return errors.Join(errors.New("no answer to the approval "+what), lines.Err())
		}
		switch strings.ToLower(strings.TrimSpace(lines.Text())) {
		case "y", "yes":
			return answer(true, "Approved at the terminal")
		case "n", "no":
			return answer(false, "Rejected at the terminal")
		}
	}
}
