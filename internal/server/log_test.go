package server_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/api/penstock"
	"github.com/penstock-cd/penstock/internal/provider"
)

// log reads a log with one call.
func (b *bed) log(in penstock.GetActionLogInput) penstock.GetActionLogOutput {
	b.t.Helper()
	var out penstock.GetActionLogOutput
	b.must(b.penstock.Call(b.t.Context(), "GetActionLog", &in, &out))
	return out
}

// lines shows an answer: its lines, where the next begins, whether there is more.
func lines(out penstock.GetActionLogOutput) string {
	var text strings.Builder
	for _, l := range out.Lines {
		fmt.Fprintf(&text, "%d %s|", *l.Number, *l.Text)
	}
	return fmt.Sprintf("%s next %d, complete %t", text.String(), *out.NextLine, *out.Complete)
}

// TestActionLog follows the output of an action: nothing yet, live, at its end,
// and after a restart.
func TestActionLog(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	id := b.create(declare("demo", pulseStage(), gateStage("Check")))
	var action string
	b.until("the gate to begin", func() bool {
		list := b.actions("demo", id)
		action = aws.ToString(list[0].ActionExecutionId)
		return aws.ToString(list[0].ActionName) == "Hold"
	})
	of := func(next int64, wait, most int32) penstock.GetActionLogInput {
		return penstock.GetActionLogInput{PipelineName: new("demo"), ActionExecutionId: &action, NextLine: &next, WaitSeconds: &wait, MaxLines: &most}
	}
	want := func(what, want string, in penstock.GetActionLogInput) {
		t.Helper()
		if got := lines(b.log(in)); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	want("waiting for the first line", "0 the gate is closed| next 1, complete false", of(0, 20, 10))
	want("not waiting", " next 1, complete false", of(1, 0, 10))
	live := make(chan string, 1)
	go func() {
		var out penstock.GetActionLogOutput
		in := of(1, 20, 10)
		if err := b.penstock.Call(t.Context(), "GetActionLog", &in, &out); err != nil {
			t.Error(err)
		}
		live <- lines(out)
	}()
	b.gate.let(id, provider.Report{Status: provider.Succeeded})
	if got := <-live; !strings.HasPrefix(got, "1 the gate opens|") {
		t.Errorf("live: %s", got)
	}
	b.await("demo", id, "Succeeded")
	all := "0 the gate is closed|1 the gate opens|2 without a last newline| next 3, complete true"
	want("at the end", all, of(0, 20, 10))
	want("a part", "1 the gate opens| next 2, complete false", of(1, 20, 1))
	want("past the end", " next 3, complete true", of(3, 20, 10))
	b.restart()
	want("after a restart", all, of(0, 20, 10))
}

// TestExecutionLog follows what becomes of an execution until its end.
func TestExecutionLog(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	id := b.create(declare("demo", pulseStage(), reviewStage(nil)))
	follow := make(chan string, 1)
	go func() {
		var all strings.Builder
		for next, complete := int64(0), false; !complete; {
			var out penstock.GetActionLogOutput
			in := penstock.GetActionLogInput{PipelineName: new("demo"), PipelineExecutionId: &id, NextLine: &next, WaitSeconds: new(int32(20))}
			if err := b.penstock.Call(t.Context(), "GetActionLog", &in, &out); err != nil {
				t.Error(err)
				break
			}
			for _, l := range out.Lines {
				fmt.Fprintln(&all, *l.Text)
			}
			next, complete = *out.NextLine, *out.Complete
		}
		follow <- all.String()
	}()
	token := b.token("demo", id)
	_, err := b.answer("demo", token, "Rejected", "not\ntoday")
	b.must(err)
	actions := b.actions("demo", id)
	want := strings.Join([]string{
		"Execution started.", "Stage Source entered.",
		"Action Source/Pulse started as " + aws.ToString(actions[1].ActionExecutionId) + ".", "Action Source/Pulse is Succeeded: beat", "Stage Source is Succeeded.",
		"Stage Gate entered.", "Action Gate/Review started as " + token + ".", "Action Gate/Review is Failed: not today", "Stage Gate is Failed.",
		"Execution is Failed.", "",
	}, "\n")
	if got := <-follow; got != want {
		t.Errorf("followed\n%swant\n%s", got, want)
	}
}

// TestInertTriggers refuses triggers, unless they may be inert: then they are
// kept as they were sent, and the log of every execution tells it.
func TestInertTriggers(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	declared := declare("web", sourceConnection(), reviewStage(nil))
	declared.Triggers = []types.PipelineTriggerDeclaration{{
		ProviderType: types.PipelineTriggerProviderTypeCodeStarSourceConnection,
		GitConfiguration: &types.GitConfiguration{
			SourceActionName: aws.String("Clone"),
			Push:             []types.GitPushFilter{{Branches: &types.GitBranchFilterCriteria{Includes: []string{"main"}}}},
		},
	}}
	_, err := b.cp.CreatePipeline(t.Context(), &cp.CreatePipelineInput{Pipeline: declared})
	if e, ok := errors.AsType[*types.InvalidStructureException](err); !ok || !strings.Contains(e.ErrorMessage(), "the trigger on source action 'Clone' (the setting inertTriggers permits") {
		t.Fatalf("created: %v", err)
	}
	b.cfg.InertTriggers = true
	b.restart()
	id := b.create(declared)
	got, err := b.cp.GetPipeline(t.Context(), &cp.GetPipelineInput{Name: aws.String("web")})
	b.must(err)
	if diff := cmp.Diff(declared.Triggers, got.Pipeline.Triggers, sameWire); diff != "" {
		t.Errorf("triggers (-sent +got):\n%s", diff)
	}
	b.await("web", id, types.PipelineExecutionStatusFailed)
	read := func(id string, next int64) string {
		out := b.log(penstock.GetActionLogInput{PipelineName: new("web"), PipelineExecutionId: &id, NextLine: &next, MaxLines: new(int32(2))})
		return lines(out)
	}
	const note = "1 Triggers are not watched: this version of Penstock starts no execution because of them.|"
	if got, want := read(id, 0), "0 Execution started.|"+note+" next 2, complete false"; got != want {
		t.Errorf("log %s, want %s", got, want)
	}
	if got, want := read(id, 1), note+"2 Stage Source entered.| next 3, complete false"; got != want {
		t.Errorf("log %s, want %s", got, want)
	}
	// A version without triggers has nothing to tell; the execution of the other
	// one still has.
	declared.Triggers = nil
	_, err = b.cp.UpdatePipeline(t.Context(), &cp.UpdatePipelineInput{Pipeline: declared})
	b.must(err)
	second := b.run(&cp.StartPipelineExecutionInput{Name: aws.String("web")})
	if got, want := read(second, 0), "0 Execution started.|1 Stage Source entered.| next 2, complete false"; got != want {
		t.Errorf("log %s, want %s", got, want)
	}
	if got, want := read(id, 1), note+"2 Stage Source entered.| next 3, complete false"; got != want {
		t.Errorf("log %s, want %s", got, want)
	}
}

// sourceConnection is a source stage that no connection leads anywhere.
func sourceConnection() types.StageDeclaration {
	return stage("Source", outputs(action("Clone", "Source", "AWS", "CodeStarSourceConnection", map[string]string{
		"ConnectionArn":    "arn:aws:codeconnections:" + region + ":" + account + ":connection/" + sampleID,
		"FullRepositoryId": "octo/site", "BranchName": "main",
	}), "App"))
}
