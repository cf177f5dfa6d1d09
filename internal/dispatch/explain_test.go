package dispatch_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// kinds asks for an explanation and lists the kinds of its findings, one text an
// execution.
func (b *bed) kinds(id string) string {
	b.t.Helper()
	x, err := b.Explain(b.t.Context(), b.pipeline(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	var list []string
	for _, e := range x.Executions {
		var kinds []string
		for _, f := range e.Findings {
			kinds = append(kinds, string(f.Kind))
		}
		list = append(list, fmt.Sprintf("%s %s %s", e.StageName, e.Status, strings.Join(kinds, " ")))
	}
	return strings.Join(list, "; ")
}

func (b *bed) wantKinds(what, id, want string) {
	b.t.Helper()
	if got := b.kinds(id); got != want {
		b.t.Errorf("%s: %s, want %s", what, got, want)
	}
}

// finding returns the first finding of a kind about an execution.
func (b *bed) finding(id string, kind engine.FindingKind) engine.Finding {
	b.t.Helper()
	x, err := b.Explain(b.t.Context(), b.pipeline(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range x.Executions[0].Findings {
		if f.Kind == kind {
			return f
		}
	}
	b.t.Fatalf("no %s among %s", kind, b.kinds(id))
	return engine.Finding{}
}

func (b *bed) startOne() string {
	b.t.Helper()
	id, err := b.StartExecution(b.t.Context(), key, dispatch.StartRequest{Trigger: engine.Trigger{Type: engine.TriggerStartPipelineExecution, Detail: "arn:me"}})
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// fetch ends the next source action with a revision.
func (b *bed) fetch(revision string) {
	_, end := b.source.next(b.t)
	end(provider.Report{Status: provider.Succeeded, Revision: &pipeline.Revision{ID: revision, Summary: "did " + revision}})
}

// ask polls until an execution waits for an approval that can be given.
func (b *bed) ask(id string) engine.Finding {
	b.t.Helper()
	for {
		if strings.Contains(b.kinds(id), "ApprovalPending") {
			if f := b.finding(id, engine.FoundApprovalPending); len(f.Remedies) > 0 {
				return f
			}
		}
	}
}

// TestExplain follows executions through a pipeline, on every database.
func TestExplain(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		d := declaration()
		d.Stages[2].Actions[0].Configuration = map[string]string{"CustomData": "ship #{Built.Version}?"}
		first := b.create(d)
		b.wantKinds("at work", first, "Source InProgress ActionRunning")
		b.fetch("r1")
		build(b, "1")
		asked := b.ask(first)
		if asked.Configuration["CustomData"] != "ship 1?" || len(asked.Remedies) != 2 || asked.Until == 0 {
			t.Errorf("asked: %+v", asked)
		}
		if r := asked.Releases; len(r) != 1 || r[0].Since != "" || r[0].Sources[0].To.ID != "r1" || strings.Join(r[0].Stages, " ") != "Gate Deploy" {
			t.Errorf("first releases: %+v", r)
		}
		answer(b, asked, true)
		build(b, "")
		b.await(first, engine.Succeeded)
		b.wantKinds("at the end", first, "Deploy Succeeded Succeeded")

		// The second waits for an answer, the third behind it, the fourth instead.
		second := b.startOne()
		b.fetch("r2")
		build(b, "2")
		b.ask(second)
		third := b.startOne()
		b.fetch("r3")
		build(b, "3")
		for b.kinds(third) != "Gate InProgress StageHeld ApprovalPending" {
		}
		fourth := b.startOne()
		b.fetch("r4")
		build(b, "4")
		b.await(third, engine.Superseded)
		if f := b.finding(third, engine.FoundSuperseded); f.Other != fourth || f.Stage != "Gate" {
			t.Errorf("superseded: %+v", f)
		}
		b.wantKinds("the pipeline", "", "Gate InProgress ApprovalPending; Gate InProgress StageHeld; Gate Superseded Superseded")
		answer(b, b.ask(second), false)
		b.await(second, engine.Failed)
		if f := b.finding(second, engine.FoundActionFailed); f.By != "arn:bob" || f.Outcome.Summary != "no" {
			t.Errorf("rejected: %+v", f)
		}
		r := b.ask(fourth).Releases
		want := "r1 -> r4: r2 Failed r3 Superseded"
		if got := released(r); len(r) != 1 || r[0].Since != first || got != want {
			t.Errorf("released %q since %s, want %q", got, r[0].Since, want)
		}
		_, err := b.Explain(t.Context(), b.pipeline(), "00000000-0000-4000-8000-000000000000")
		if !errors.Is(err, dispatch.ErrExecutionNotFound) {
			t.Errorf("unknown execution: %v", err)
		}
	})
}

// build ends the next build action; version is what it exports.
func build(b *bed, version string) {
	_, end := b.build.next(b.t)
	end(succeeded(map[string]string{"Version": version}))
}

func answer(b *bed, asked engine.Finding, approved bool) {
	b.t.Helper()
	summary := map[bool]string{true: "yes", false: "no"}[approved]
	_, err := b.AnswerApproval(b.t.Context(), key, engine.AnswerApproval{
		Stage: asked.Stage, Action: asked.Action, Token: asked.ActionID, Approved: approved, Summary: summary, By: "arn:bob",
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func released(list []engine.Release) string {
	var lines []string
	for _, r := range list {
		for _, c := range r.Sources {
			line := fmt.Sprintf("%s -> %s:", c.From.ID, c.To.ID)
			for _, x := range c.Carried {
				line += fmt.Sprintf(" %s %s", x.Revision.ID, x.Status)
			}
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

// TestExplainHistory: what an approval releases is found behind more executions
// than are read at a time.
func TestExplainHistory(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		d := declaration()
		d.Stages = slices.Delete(d.Stages, 1, 2)
		d.Stages[2].Actions[0].InputArtifacts[0].Name = "src"
		d.Stages[2].Actions[0].Configuration = nil
		first := b.create(d)
		b.fetch("r0")
		answer(b, b.ask(first), true)
		build(b, "")
		b.await(first, engine.Succeeded)
		if err := b.SetTransition(t.Context(), key, engine.SetTransition{Stage: "Source", Disabled: true, Reason: "freeze", By: "arn:me"}); err != nil {
			t.Fatal(err)
		}
		var last string
		for range 130 {
			last = b.startOne()
		}
		f := b.finding(last, engine.FoundTransitionDisabled)
		if f.By != "arn:me" || f.Reason != "freeze" || f.Since == 0 {
			t.Errorf("transition: %+v", f)
		}
		if err := b.SetTransition(t.Context(), key, engine.SetTransition{Stage: "Source"}); err != nil {
			t.Fatal(err)
		}
		b.fetch("r130")
		r := b.ask(last).Releases
		if got := released(r); got != "r0 -> r130:" || r[0].Since != first {
			t.Errorf("released %q since %s", got, r[0].Since)
		}
	})
}

// TestExplainQueue: places in a line, and conditions under evaluation are data
// too.
func TestExplainQueue(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		d := declaration()
		d.ExecutionMode = pipeline.ModeQueued
		first := b.create(d)
		second, third := b.startOne(), b.startOne()
		b.wantKinds("the pipeline", "", "Source InProgress ActionRunning; Source InProgress StageHeld Queued; Source InProgress StageHeld Queued")
		if f := b.finding(third, engine.FoundQueued); f.Position != 2 || f.Of != 2 {
			t.Errorf("place: %+v", f)
		}
		if f := b.finding(second, engine.FoundStageHeld); f.Other != first {
			t.Errorf("held: %+v", f)
		}
		_, end := b.source.next(t)
		end(provider.Report{Status: provider.Failed, ErrorCode: provider.CodeJobFailed, ErrorMessage: "no such branch"})
		b.await(first, engine.Failed)
		f := b.finding(first, engine.FoundActionFailed)
		if f.Outcome.ErrorMessage != "no such branch" || len(f.Remedies) != 0 {
			t.Errorf("failed: %+v: another execution entered the stage", f)
		}
	})
}

// TestExplainWindow: when a deployment window opens is what its provider keeps.
func TestExplainWindow(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		b.rule.kind.ID.Provider = "DeploymentWindow"
		b.rule.kind.Properties = []pipeline.ConfigurationProperty{{Name: "Cron"}, {Name: "TimeZone"}}
		b.restart()
		d := declaration()
		d.Stages[1].BeforeEntry = conditionOf(pipeline.ResultFail, "hours")
		hours := &d.Stages[1].BeforeEntry.Conditions[0].Rules[0]
		hours.RuleTypeID.Provider, hours.Configuration = "DeploymentWindow", map[string]string{"Cron": "* * 9-17 ? * MON-FRI *"}
		first := b.create(d)
		b.fetch("r1")
		at, end := b.rule.next(t)
		opens := time.Date(2100, 1, 4, 9, 0, 0, 0, time.UTC)
		end(provider.Report{Status: provider.InProgress, State: []byte(`{"opens":"2100-01-04T09:00:00Z"}`), LookAgain: time.Hour})
		var f engine.Finding
		for f.Until == 0 {
			f = b.finding(first, engine.FoundWindowClosed)
		}
		if f.Until != opens.UnixMilli() || f.ActionID != at.ID || f.Configuration["Cron"] != "* * 9-17 ? * MON-FRI *" || f.Gate != pipeline.GateBeforeEntry {
			t.Errorf("window: %+v", f)
		}
		if f := b.finding(first, engine.FoundConditionEvaluating); len(f.Remedies) != 1 || f.Remedies[0].Kind != engine.RemedyOverride {
			t.Errorf("condition: %+v", f)
		}
	})
}
