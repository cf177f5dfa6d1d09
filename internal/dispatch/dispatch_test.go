package dispatch_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

func TestExecutionRunsToItsEnd(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		id := b.create(declaration())
		_, fetched := b.source.next(t)
		fetched(provider.Report{Status: provider.Succeeded, Revision: &pipeline.Revision{ID: "c0ffee"}})

		at, made := b.build.next(t)
		if at.Configuration["Text"] != "red" {
			t.Errorf("resolved Text = %q, want the variable's default", at.Configuration["Text"])
		}
		if len(at.Inputs) != 1 || at.Inputs[0].Revision != "c0ffee" || at.Inputs[0].Location.Bucket != "store" {
			t.Errorf("inputs = %+v", at.Inputs)
		}
		made(succeeded(map[string]string{"Version": "7"}))

		token := b.token(id)
		answer := engine.AnswerApproval{Stage: "Gate", Action: "Ask", Token: token, Approved: true, Summary: "fine", By: "arn:bob"}
		if _, err := b.AnswerApproval(t.Context(), key, answer); err != nil {
			t.Fatal(err)
		}
		at, shipped := b.build.next(t)
		if want := "7 of " + id; at.Configuration["Text"] != want {
			t.Errorf("resolved Text = %q, want %q", at.Configuration["Text"], want)
		}
		shipped(succeeded(nil))
		x := b.await(id, engine.Succeeded)
		if len(x.Revisions) != 1 || x.Revisions[0].Revision.ID != "c0ffee" {
			t.Errorf("revisions = %+v", x.Revisions)
		}

		_, err := b.AnswerApproval(t.Context(), key, answer)
		var rejection *engine.Rejection
		if !errors.As(err, &rejection) || rejection.Reason != engine.ReasonApprovalCompleted {
			t.Errorf("second answer: %v, want ApprovalCompleted", err)
		}
		actions, err := b.ActionExecutions(t.Context(), b.pipeline(), id, 0, 10)
		if err != nil || len(actions) != 4 {
			t.Fatalf("%d action executions, %v", len(actions), err)
		}
		if a := actions[1]; a.Action != "Ask" || a.UpdatedBy != "arn:bob" || a.Outcome.Summary != "fine" {
			t.Errorf("approval = %+v", a)
		}
		if a := actions[0]; a.Resolved["Text"] != "7 of "+id {
			t.Errorf("resolved configuration = %v", a.Resolved)
		}
	})
}

func TestUnresolvedReferenceFailsBeforeTheProviderIsAsked(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		d := declaration()
		d.Stages = d.Stages[:2]
		d.Stages = append(d.Stages, declaration().Stages[3])
		id := b.create(d)
		_, fetched := b.source.next(t)
		fetched(succeeded(nil))
		_, made := b.build.next(t)
		made(succeeded(nil)) // gives no Version
		b.await(id, engine.Failed)
		actions, err := b.ActionExecutions(t.Context(), b.pipeline(), id, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		if a := actions[0]; a.Action != "Ship" || a.Outcome.ErrorCode != provider.CodeConfigurationError || b.build.starts(a.ID) != 0 {
			t.Errorf("action = %+v, started %d times", a, b.build.starts(a.ID))
		}
	})
}

func TestTokenIsReplayedAcrossRestarts(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		b.create(declaration())
		start := dispatch.StartRequest{Token: "t-1", Trigger: engine.Trigger{Type: engine.TriggerStartPipelineExecution}}
		first, err := b.StartExecution(t.Context(), key, start)
		if err != nil {
			t.Fatal(err)
		}
		start.Variables = []pipeline.Variable{{Name: "Color", Value: "blue"}}
		for range 2 {
			again, err := b.StartExecution(t.Context(), key, start)
			if err != nil || again != first {
				t.Fatalf("replay = %q, %v, want %q", again, err, first)
			}
			b.restart()
		}
		start.Variables = append(start.Variables, start.Variables...)
		var violation *pipeline.Violation
		if _, err := b.StartExecution(t.Context(), key, start); !errors.As(err, &violation) {
			t.Errorf("invalid replay: %v, want a violation", err)
		}
		list, err := b.Executions(t.Context(), b.pipeline(), dispatch.Place{}, 10)
		if err != nil || len(list) != 2 {
			t.Errorf("%d executions, %v, want 2", len(list), err)
		}
	})
}

func TestRestartGoesOnWithTheSameAction(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		id := b.create(declaration())
		first, _ := b.source.next(t)
		b.restart()
		// Fetching again is harmless: the same attempt is started again.
		second, fetched := b.source.next(t)
		if first.ID != second.ID {
			t.Errorf("attempt %s was followed by %s", first.ID, second.ID)
		}
		fetched(succeeded(nil))
		at, _ := b.build.next(t)
		b.restart()
		// Making again is not: its outcome is unknown.
		b.await(id, engine.Failed)
		if n := b.build.starts(at.ID); n != 1 {
			t.Errorf("the build was started %d times", n)
		}
		actions, err := b.ActionExecutions(t.Context(), b.pipeline(), id, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := actions[0].Outcome.ErrorMessage; got != "outcome unknown: the node went away" {
			t.Errorf("message = %q", got)
		}
	})
}

func TestNamesAreFreeAfterDelete(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		id := b.create(declaration())
		_, err := b.CreatePipeline(t.Context(), key.Account, key.Region, dispatch.CreateRequest{Declaration: declaration()})
		if !errors.Is(err, dispatch.ErrNameInUse) {
			t.Fatalf("second create: %v", err)
		}
		for range 2 {
			if err := b.DeletePipeline(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.StartExecution(t.Context(), key, dispatch.StartRequest{}); !errors.Is(err, dispatch.ErrPipelineNotFound) {
			t.Fatalf("start after delete: %v", err)
		}
		if b.create(declaration()) == id {
			t.Error("the new pipeline shares its predecessor's execution")
		}
	})
}

func TestUpdateCancelsWhatWaits(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		id := b.create(declaration())
		_, fetched := b.source.next(t)
		fetched(succeeded(nil))
		_, made := b.build.next(t)
		made(succeeded(nil))
		b.token(id)
		p, err := b.UpdatePipeline(t.Context(), key.Account, key.Region, declaration())
		if err != nil || p.Version != 2 {
			t.Fatalf("update: version %d, %v", p.Version, err)
		}
		x := b.await(id, engine.Cancelled)
		if x.Summary != "Pipeline definition was updated" {
			t.Errorf("summary = %q", x.Summary)
		}
		old, err := b.Pipeline(t.Context(), key, 1)
		if err != nil || old.Declaration.Name != key.Name {
			t.Errorf("version 1: %+v, %v", old, err)
		}
		if _, err := b.Pipeline(t.Context(), key, 9); !errors.Is(err, dispatch.ErrVersionNotFound) {
			t.Errorf("version 9: %v", err)
		}
	})
}

// TestManyAttemptsOfOneEvent: a transition lets a crowd in by one event, and what
// starts after it has its place in the history behind all of them.
func TestManyAttemptsOfOneEvent(t *testing.T) {
	t.Parallel()
	b := newBed(t, dbtest.SQLite(t))
	b.Close()
	b.configure = func(c *dispatch.Config) { c.Quotas.ConcurrentExecutions = 5000 }
	b.source.started = make(chan provider.Attempt, 5000) // nobody takes them
	b.start()
	d := declaration()
	d.ExecutionMode = pipeline.ModeParallel
	twin := d.Stages[0].Actions[0]
	twin.Name, twin.OutputArtifacts = "Twin", []pipeline.OutputArtifact{{Name: "twin"}}
	d.Stages[0].Actions = append(d.Stages[0].Actions, twin)
	b.create(d)
	entrance := func(disabled bool) {
		t.Helper()
		if err := b.SetTransition(t.Context(), key, engine.SetTransition{Stage: "Source", Disabled: disabled, Reason: "crowd"}); err != nil {
			t.Fatal(err)
		}
	}
	start := func() {
		t.Helper()
		_, err := b.StartExecution(t.Context(), key, dispatch.StartRequest{Trigger: engine.Trigger{Type: engine.TriggerStartPipelineExecution}})
		if err != nil {
			t.Fatal(err)
		}
	}
	entrance(true)
	var starts sync.WaitGroup
	for range 14 {
		starts.Go(func() {
			for range 100 {
				start()
			}
		})
	}
	starts.Wait()
	entrance(false)
	for range 3 {
		start()
	}
	list, err := b.ActionExecutions(t.Context(), b.pipeline(), "", 0, 5000)
	if err != nil || len(list) != 2*(1+1400+3) {
		t.Errorf("%d action executions, %v", len(list), err)
	}
}
