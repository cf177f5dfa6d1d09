package server_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	pswire "github.com/penstock-cd/penstock/internal/api/penstock"
	"github.com/penstock-cd/penstock/internal/awsjson"
	"github.com/penstock-cd/penstock/internal/provider"
)

// explain asks about an execution of a pipeline; empty for all of them.
func explain(t testing.TB, client *awsjson.Client, name, id string) (pswire.ExplainOutput, error) {
	t.Helper()
	in := pswire.ExplainInput{PipelineName: &name}
	if id != "" {
		in.PipelineExecutionId = &id
	}
	var out pswire.ExplainOutput
	err := client.Call(t.Context(), "Explain", &in, &out)
	return out, err
}

// finding returns the first finding of a kind about an execution, if there is one.
func (b *bed) finding(t testing.TB, name, id string, kind pswire.FindingKind) (pswire.Finding, bool) {
	t.Helper()
	out, err := explain(t, b.penstock, name, id)
	b.must(err)
	for _, f := range out.Executions[0].Findings {
		if f.Kind == kind {
			return f, true
		}
	}
	return pswire.Finding{}, false
}

// awaitFinding waits for a finding that has commands.
func (b *bed) awaitFinding(t testing.TB, name, id string, kind pswire.FindingKind) pswire.Finding {
	t.Helper()
	var f pswire.Finding
	b.until(string(kind)+" of "+id, func() bool {
		f, _ = b.finding(t, name, id, kind)
		return len(f.Commands) > 0
	})
	return f
}

// TestExplainAsksForRights: the operation asks for its own action on the
// pipeline, with its tags, and tells the token of an approval only to those who
// may answer it.
func TestExplainAsksForRights(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	id := b.create(declare("web", pulseStage(), reviewStage(nil)), types.Tag{Key: aws.String("team"), Value: aws.String("web")})
	token := *b.awaitFinding(t, "web", id, pswire.FindingKindApprovalPending).Token
	alice := b.principal("alice")
	_, err := explain(t, alice.penstock(), "web", id)
	wantRefusal(t, "without a policy", err, "AccessDeniedException", "penstock:Explain on resource: "+arnPrefix+"web")
	_, err = explain(t, alice.penstock(), "none", "")
	wantRefusal(t, "of no pipeline, without a policy", err, "AccessDeniedException", "penstock:Explain on resource: "+arnPrefix+"none")

	explains := statementFor("penstock:Explain", "*").when(`{"StringEquals":{"aws:ResourceTag/team":"web"}}`)
	told := func(statements ...policyStatement) bool {
		t.Helper()
		alice.allow(statements...)
		out, err := explain(t, alice.penstock(), "web", id)
		b.must(err)
		f := out.Executions[0].Findings[0]
		if f.Kind != pswire.FindingKindApprovalPending || f.Since == nil || f.Until == nil {
			t.Fatalf("%+v", f)
		}
		knows := f.Token != nil || f.ActionExecutionId != nil || len(f.Commands) > 0
		if knows && (*f.Token != token || len(f.Commands) != 2) {
			t.Errorf("half told: %+v", f)
		}
		return knows
	}
	if told(explains) || told(explains, statementFor("codepipeline:PutApprovalResult", arnPrefix+"web/Gate/Other")) {
		t.Error("the token is told to who may not answer")
	}
	if !told(explains, statementFor("codepipeline:PutApprovalResult", arnPrefix+"web/Gate/Review")) {
		t.Error("the token is not told to who may answer")
	}
	// The tags count for logs just as well.
	read := func() error {
		in := &pswire.GetActionLogInput{PipelineName: aws.String("web"), PipelineExecutionId: aws.String(id)}
		return alice.penstock().Call(t.Context(), "GetActionLog", in, nil)
	}
	logs := statementFor("penstock:GetActionLog", "*")
	alice.allow(logs.when(`{"StringEquals":{"aws:ResourceTag/team":"web"}}`))
	b.must(read())
	alice.allow(logs.when(`{"StringNotEquals":{"aws:ResourceTag/team":"web"}}`))
	wantRefusal(t, "a log of others", read(), "AccessDeniedException", "penstock:GetActionLog on resource: "+arnPrefix+"web")
	_, err = explain(t, b.penstock, "none", "")
	wantRefusal(t, "no pipeline", err, "PipelineNotFoundException", "none")
	_, err = explain(t, b.penstock, "web", "00000000-0000-4000-8000-000000000000")
	wantRefusal(t, "no execution", err, "PipelineExecutionNotFoundException", "00000000-0000-4000-8000-000000000000")
}

func wantRefusal(t *testing.T, what string, err error, exception, text string) {
	t.Helper()
	if code(err) != exception || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: error is %v, want %s with %q", what, err, exception, text)
	}
}

// TestExplainCommands goes from one obstacle to the next, each time with the
// command that the explanation tells.
func TestExplainCommands(t *testing.T) {
	t.Parallel()
	c := newCLI(newBed(t))
	follow := func(f pswire.Finding, purpose pswire.CommandPurpose) {
		t.Helper()
		i := slices.IndexFunc(f.Commands, func(c pswire.Command) bool { return c.Purpose == purpose })
		if i < 0 {
			t.Fatalf("no command to %s: %+v", purpose, f)
		}
		c.run(strings.Fields(strings.TrimPrefix(*f.Commands[i].Line, "aws "))...)
	}
	id := c.create(declare("web", pulseStage(), gateStage("Check"), reviewStage(nil)))
	_, err := c.cp.DisableStageTransition(t.Context(), &cp.DisableStageTransitionInput{
		PipelineName: aws.String("web"), StageName: aws.String("Gate"), TransitionType: types.StageTransitionTypeInbound, Reason: aws.String("freeze"),
	})
	c.must(err)
	c.gate.let(id, provider.Report{Status: provider.Failed, ErrorCode: provider.CodeJobFailed, ErrorMessage: "a flake"})
	c.await("web", id, "Failed")
	f := c.awaitFinding(t, "web", id, pswire.FindingKindActionFailed)
	if *f.ErrorMessage != "a flake" || *f.StageName != "Check" || *f.ActionName != "Hold" {
		t.Errorf("failed: %+v", f)
	}
	c.gate.let(id, provider.Report{Status: provider.Succeeded})
	follow(f, pswire.CommandPurposeRetryFailedActions)
	f = c.awaitFinding(t, "web", id, pswire.FindingKindTransitionDisabled)
	if *f.Reason != "freeze" || *f.By != rootARN || *f.TransitionType != "Inbound" || *f.StageName != "Gate" {
		t.Errorf("disabled: %+v", f)
	}
	follow(f, pswire.CommandPurposeEnableTransition)
	f = c.awaitFinding(t, "web", id, pswire.FindingKindApprovalPending)
	if to := f.Releases[0].Sources[0].To; *to.RevisionId != "r1" || *to.RevisionSummary != "beat" {
		t.Errorf("releases %+v", to)
	}
	follow(f, pswire.CommandPurposeApprove)
	c.await("web", id, "Succeeded")

	// Another waits behind one that hangs.
	hangs := c.bed.run(&cp.StartPipelineExecutionInput{Name: aws.String("web")})
	c.until("the stage to be held", func() bool { return c.inCheck(hangs) })
	waits := c.bed.run(&cp.StartPipelineExecutionInput{Name: aws.String("web")})
	f = c.awaitFinding(t, "web", waits, pswire.FindingKindStageHeld)
	if *f.OtherPipelineExecutionId != hangs || *f.StageName != "Check" {
		t.Errorf("held: %+v", f)
	}
	follow(f, pswire.CommandPurposeAbandon)
	c.await("web", hangs, "Stopped")
	c.until("the stage to be entered", func() bool { return c.inCheck(waits) })
}

// inCheck reports whether an execution is inside the stage Check.
func (c cli) inCheck(id string) bool {
	f, ok := c.finding(c.t, "web", id, pswire.FindingKindActionRunning)
	return ok && *f.StageName == "Check"
}
