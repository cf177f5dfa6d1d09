package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	cp "github.com/penstock-cd/penstock/internal/api/codepipeline"
)

func isApproval(a *cp.ActionExecutionDetail) bool {
	return a.Input != nil && a.Input.ActionTypeId != nil && a.Input.ActionTypeId.Category == cp.ActionCategoryApproval
}

// resolved reports whether the references in what an approval asks have their
// values. They get them a moment after the action appears; a text that still
// looks like a reference after a while is what it should be.
func (e *follower) resolved(a *cp.ActionExecutionDetail, known *followed) bool {
	for key, declared := range a.Input.Configuration {
		if strings.Contains(declared, "#{") && a.Input.ResolvedConfiguration[key] == declared {
			return time.Since(known.first) > 2*time.Second
		}
	}
	return true
}

// ask answers an approval: by --approve, by whoever sits there, or not at all.
func (e *follower) ask(calls context.Context, a *cp.ActionExecutionDetail) error {
	what := deref(a.StageName) + "/" + deref(a.ActionName)
	e.show.approval(what, a.Input.ResolvedConfiguration["CustomData"])
	answer := func(status cp.ApprovalStatus, summary string) error {
		return e.client.answer(calls, &cp.PutApprovalResultInput{
			PipelineName: &e.rewritten.decl.Name, StageName: a.StageName, ActionName: a.ActionName, Token: a.ActionExecutionId,
			Result: &cp.ApprovalResult{Status: status, Summary: &summary},
		})
	}
	switch {
	case e.approve:
		return answer(cp.ApprovalStatusApproved, "Approved by --approve")
	case e.prompt == nil:
		return fmt.Errorf("%s waits for an approval and there is no terminal to ask at: run with --approve, or leave it out with --skip %s", what, what)
	}
	go func() {
		approved, err := e.prompt.ask("Approve " + what + "?")
		switch {
		case err != nil:
			err = fmt.Errorf("no answer to the approval %s: %w", what, err)
		case approved:
			err = answer(cp.ApprovalStatusApproved, "Approved at the terminal")
		default:
			err = answer(cp.ApprovalStatusRejected, "Rejected at the terminal")
		}
		select {
		case e.answers <- err:
		case <-calls.Done():
		}
	}()
	return nil
}
