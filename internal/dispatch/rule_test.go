package dispatch_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// TestRule sees a rule carried out like an action: resolved, begun and reported,
// with a row of its own, and the stage held until the condition is judged.
func TestRule(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		d := declaration()
		d.Stages[1].BeforeEntry = conditionOf(pipeline.ResultFail, "Colored")
		d.Stages[1].BeforeEntry.Conditions[0].Rules[0].Configuration["Variable"] = "#{variables.Color}"
		id := b.create(d)
		_, end := b.source.next(t)
		end(succeeded(nil))
		at, end := b.rule.next(t)
		if at.Gate != pipeline.GateBeforeEntry || at.ActionName != "Colored" || at.Configuration["Variable"] != "red" {
			t.Errorf("the rule was asked %+v", at)
		}
		if list, err := b.ActionExecutions(t.Context(), b.pipeline(), id, 0, 10); err != nil || len(list) != 1 {
			t.Errorf("%d action executions beside the rule, %v; want that of the source", len(list), err)
		}
		end(provider.Report{Status: provider.Failed, Summary: "not red enough"})
		x := b.await(id, engine.Failed)
		if g := x.Stages[1].Gates; len(g) != 1 || g[0].Status != engine.Failed {
			t.Errorf("gates %+v", g)
		}
		rules, err := b.RuleExecutions(t.Context(), b.pipeline(), "", 0, 10)
		if err != nil || len(rules) != 1 {
			t.Fatalf("%d rule executions, %v", len(rules), err)
		}
		r := rules[0]
		got := []string{r.ID, r.ExecutionID, r.Stage, r.Action, r.Gate, string(r.Status), r.Outcome.Summary, r.Resolved["Variable"]}
		want := []string{at.ID, id, "Build", "Colored", pipeline.GateBeforeEntry, "Failed", "not red enough", "red"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if name, err := b.PipelineOfAction(t.Context(), key.Account, key.Region, r.ID); err != nil || name != key.Name {
			t.Errorf("the rule execution is of pipeline %q, %v", name, err)
		}
		err = b.OverrideCondition(t.Context(), key, engine.OverrideCondition{Stage: "Build", Execution: id, Gate: pipeline.GateBeforeEntry})
		if err != nil {
			t.Fatal(err)
		}
		if at, _ := b.build.next(t); at.ActionName != "Make" {
			t.Errorf("after the override %s runs", at.ActionName)
		}
	})
}

// TestRevive retries and rolls back executions that ended before the process
// started: it reads them from their rows.
func TestRevive(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		id := b.create(twoStages())
		_, end := b.source.next(t)
		end(succeeded(nil))
		_, end = b.build.next(t)
		end(provider.Failure(provider.CodeJobFailed, "no"))
		b.await(id, engine.Failed)
		b.restart()
		err := b.RetryStage(t.Context(), key, engine.RetryStage{Stage: "Build", Execution: id})
		if err != nil {
			t.Fatal(err)
		}
		first, end := b.build.next(t)
		end(succeeded(nil))
		b.await(id, engine.Succeeded)
		b.restart()
		back, err := b.RollBack(t.Context(), key, engine.RollBack{
			Stage: "Build", Target: id, Trigger: engine.Trigger{Type: engine.TriggerManualRollback, Detail: "arn:me"},
		})
		if err != nil {
			t.Fatal(err)
		}
		again, end := b.build.next(t)
		if diff := cmp.Diff(first.Inputs, again.Inputs); diff != "" {
			t.Errorf("the rollback has other inputs: %s", diff)
		}
		end(succeeded(nil))
		x := b.await(back, engine.Succeeded)
		if x.Type != engine.Rollback || x.Target != id || len(x.Stages) != 1 {
			t.Errorf("the rollback is %+v", x)
		}
	})
}

func twoStages() pipeline.Declaration {
	d := declaration()
	d.Stages = d.Stages[:2]
	return d
}

// TestEndedInTheSameBatch retries an execution that an earlier event of the same
// batch ended: its row still shows it running.
func TestEndedInTheSameBatch(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		id := b.create(twoStages())
		first, _ := b.source.next(t)
		_, errs := b.ApplyTogether(t.Context(), key,
			engine.StopExecution{Execution: id, Abandon: true, Reason: "wrong"},
			engine.RetryStage{Stage: "Source", Execution: id})
		if errs[0] != nil || errs[1] != nil {
			t.Fatalf("stop: %v; retry: %v", errs[0], errs[1])
		}
		again, end := b.source.next(t)
		if again.ID == first.ID || again.ExecutionID != id {
			t.Errorf("after the retry %+v runs", again)
		}
		end(succeeded(nil))
		_, end = b.build.next(t)
		end(succeeded(nil))
		b.await(id, engine.Succeeded)
	})
}

// TestStartedEndedAndRetriedInOneBatch has one row for an execution that a batch
// starts, ends and brings back.
func TestStartedEndedAndRetriedInOneBatch(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		created := b.create(twoStages())
		_, end := b.source.next(t)
		end(provider.Failure(provider.CodeJobFailed, "no"))
		b.await(created, engine.Failed) // the stage is free
		start := engine.StartExecution{Trigger: engine.Trigger{Type: engine.TriggerStartPipelineExecution}}
		decisions, _ := b.ApplyTogether(t.Context(), key, start)
		first := decisions[0].ExecutionID
		decisions, errs := b.ApplyTogether(t.Context(), key, engine.StopExecution{Execution: first, Abandon: true}, start)
		if errs[1] != nil {
			t.Fatal(errs[1])
		}
		second := decisions[1].ExecutionID
		_, errs = b.ApplyTogether(t.Context(), key,
			engine.StopExecution{Execution: second, Abandon: true},
			engine.RetryStage{Stage: "Source", Execution: second},
			engine.StopExecution{Execution: second, Abandon: true},
			engine.RetryStage{Stage: "Source", Execution: second})
		for i, err := range errs {
			if err != nil {
				t.Errorf("event %d: %v", i, err)
			}
		}
		if x := b.await(second, engine.InProgress); x.Stages[0].ManualRetries != 2 {
			t.Errorf("the execution is %+v", x)
		}
	})
}

// TestStartedByAReport looks at a rollback that a failed action's report starts:
// its row is there, and so is the report in the history of both executions.
func TestStartedByAReport(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		d := twoStages()
		d.Stages[1].OnFailure = &pipeline.FailureConditions{Result: pipeline.ResultRollback}
		run := func(id string, r provider.Report) {
			_, end := b.source.next(t)
			end(succeeded(nil))
			_, end = b.build.next(t)
			end(r)
		}
		good := b.create(d)
		run(good, succeeded(nil))
		b.await(good, engine.Succeeded)
		bad, err := b.StartExecution(t.Context(), key, dispatch.StartRequest{Trigger: engine.Trigger{Type: engine.TriggerStartPipelineExecution}})
		if err != nil {
			t.Fatal(err)
		}
		run(bad, provider.Failure(provider.CodeJobFailed, "no"))
		at, end := b.build.next(t)
		end(succeeded(nil))
		back := b.await(at.ExecutionID, engine.Succeeded)
		if back.Type != engine.Rollback || back.Target != good {
			t.Errorf("the rollback is %+v", back)
		}
		failed := b.await(bad, engine.Failed)
		for _, want := range []struct {
			x    dispatch.Execution
			kind engine.ChangeKind
		}{{failed, engine.ActionEnded}, {failed, engine.StageChanged}, {back, engine.ExecutionStarted}, {back, engine.StageEntered}} {
			history, err := b.History(t.Context(), want.x)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(history, func(c engine.Change) bool { return c.Kind == want.kind }) {
				t.Errorf("the history of %s lacks %s: %v", want.x.ID, want.kind, history)
			}
		}
	})
}
