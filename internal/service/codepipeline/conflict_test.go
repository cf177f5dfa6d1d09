package codepipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/provider/rule"
	"github.com/penstock-cd/penstock/internal/service/codepipeline"
	"github.com/penstock-cd/penstock/internal/sigv4"
	"github.com/penstock-cd/penstock/internal/trigger"
)

// anybody may do anything.
type anybody struct{}

func (anybody) Authorize(api.Caller, string, string) error { return nil }
func (anybody) Ask(api.Caller, iam.Question) error         { return nil }
func (anybody) AuthorizePassRole(api.Caller, string) error { return nil }
func (anybody) IssueSession(iam.Session) (sigv4.Credentials, time.Time, error) {
	return sigv4.Credentials{}, time.Time{}, nil
}

// idle is an action that goes on until the dispatcher ends.
type idle struct{ category string }

func (i idle) Type() pipeline.ActionType {
	return pipeline.ActionType{
		ID:      pipeline.ActionTypeID{Category: i.category, Owner: "Custom", Provider: "Idle", Version: "1"},
		Outputs: pipeline.ArtifactBounds{Max: 1},
	}
}

func (i idle) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return i.Await(ctx, a)
}

func (idle) Await(ctx context.Context, _ provider.Attempt) (provider.Report, error) {
	<-ctx.Done()
	return provider.Report{}, context.Cause(ctx)
}

func (idle) Stop(context.Context, provider.Attempt) error { return nil }

// instant is a source that succeeds at once.
type instant struct{}

func (instant) Type() pipeline.ActionType {
	return pipeline.ActionType{ID: pipeline.ActionTypeID{Category: "Source", Owner: "Custom", Provider: "Instant", Version: "1"}}
}

func (instant) Start(context.Context, provider.Attempt) (provider.Report, error) {
	return provider.Report{Status: provider.Succeeded}, nil
}

func (i instant) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return i.Start(ctx, a)
}

func (instant) Stop(context.Context, provider.Attempt) error { return nil }

type noLog struct{ io.Writer }

func (noLog) Close(context.Context) error { return nil }

// open seals nothing.
type open struct{}

func (open) Seal(secret []byte, _ string) (string, error) { return string(secret), nil }
func (open) Open(sealed, _ string) ([]byte, error)        { return []byte(sealed), nil }

// conflictBed is the service on a database that fails on demand.
type conflictBed struct {
	t       *testing.T
	service api.Service
}

func newConflictBed(t *testing.T, d *db.DB) *conflictBed {
	t.Helper()
	if err := d.Migrate(t.Context(), dispatch.Schema(), trigger.Schema()); err != nil {
		t.Fatal(err)
	}
	catalogue, err := provider.NewCatalogue(idle{"Source"}, idle{"Build"}, instant{}, rule.NewVariableCheck())
	if err != nil {
		t.Fatal(err)
	}
	disp := dispatch.New(dispatch.Config{
		DB: d, Catalogue: catalogue, Exclusive: true, Node: "test", Workspaces: t.TempDir(),
		OpenLog: func(context.Context, string, []string) (dispatch.Log, error) { return noLog{io.Discard}, nil },
	})
	if err := disp.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(disp.Close)
	hooks := trigger.New(trigger.Config{DB: d, Dispatch: disp, Sealer: open{}, Endpoint: "http://127.0.0.1"})
	return &conflictBed{t, codepipeline.Describe(codepipeline.New(disp, catalogue, anybody{}, hooks))}
}

// call calls an operation as the front end does.
func (b *conflictBed) call(operation string, in any) (any, error) {
	caller := api.Caller{Partition: "aws", Account: "111122223333", Region: "eu-west-1", ARN: "arn:aws:iam::111122223333:root"}
	return b.service.Operations[operation].Call(b.t.Context(), caller, in)
}

// idlePipeline is a pipeline whose source never ends.
func idlePipeline(name string) *wire.PipelineDeclaration {
	stage := func(name string, category wire.ActionCategory, outputs ...wire.OutputArtifact) wire.StageDeclaration {
		return wire.StageDeclaration{Name: new(name), Actions: []wire.ActionDeclaration{{
			Name: new("Idle"), OutputArtifacts: outputs,
			ActionTypeId: &wire.ActionTypeId{Category: category, Owner: wire.ActionOwnerCustom, Provider: new("Idle"), Version: new("1")},
		}}}
	}
	return &wire.PipelineDeclaration{
		Name: &name, RoleArn: new("arn:aws:iam::111122223333:role/pipeline"), ArtifactStore: &wire.ArtifactStore{Type: "S3", Location: new("artifacts")},
		Stages: []wire.StageDeclaration{stage("Source", wire.ActionCategorySource), stage("Build", wire.ActionCategoryBuild)},
	}
}

// TestConflictsThatOutlastRetries: requests whose every commit meets a conflict
// answer what the model has for that, and change nothing; without conflicts the
// same requests are carried out.
func TestConflictsThatOutlastRetries(t *testing.T) {
	t.Parallel()
	dbtest.Faults(t, func(t *testing.T, d *db.DB, f *db.Faults) {
		b := newConflictBed(t, d)
		if _, err := b.call("CreatePipeline", &wire.CreatePipelineInput{Pipeline: idlePipeline("demo")}); err != nil {
			t.Fatal(err)
		}
		out, err := b.call("StartPipelineExecution", &wire.StartPipelineExecutionInput{Name: new("demo")})
		if err != nil {
			t.Fatal(err)
		}
		execution := out.(*wire.StartPipelineExecutionOutput).PipelineExecutionId
		bounds := wire.ArtifactDetails{MinimumCount: new(int32(0)), MaximumCount: new(int32(1))}
		arn := new("arn:aws:codepipeline:eu-west-1:111122223333:demo")
		for _, test := range []struct {
			operation string
			in        any
			want      string
		}{
			{"StopPipelineExecution", &wire.StopPipelineExecutionInput{PipelineName: new("demo"), PipelineExecutionId: execution}, "ConflictException"},
			{"StartPipelineExecution", &wire.StartPipelineExecutionInput{Name: new("demo")}, "ConflictException"},
			{"CreatePipeline", &wire.CreatePipelineInput{Pipeline: idlePipeline("other")}, "ConcurrentModificationException"},
			{"CreateCustomActionType", &wire.CreateCustomActionTypeInput{
				Category: "Build", Provider: new("Make"), Version: new("1"), InputArtifactDetails: &bounds, OutputArtifactDetails: &bounds,
			}, "ConcurrentModificationException"},
			{"DeleteCustomActionType", &wire.DeleteCustomActionTypeInput{Category: "Build", Provider: new("Make"), Version: new("1")}, "ConcurrentModificationException"},
			{"TagResource", &wire.TagResourceInput{ResourceArn: arn, Tags: []wire.Tag{{Key: new("k"), Value: new("v")}}}, "ConcurrentModificationException"},
			{"UntagResource", &wire.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"k"}}, "ConcurrentModificationException"},
			{"PutWebhook", &wire.PutWebhookInput{Webhook: &wire.WebhookDefinition{
				Name: new("push"), TargetPipeline: new("demo"), TargetAction: new("Idle"), Filters: []wire.WebhookFilterRule{},
				Authentication: "UNAUTHENTICATED", AuthenticationConfiguration: &wire.WebhookAuthConfiguration{},
			}}, "ConcurrentModificationException"},
			{"DeleteWebhook", &wire.DeleteWebhookInput{Name: new("push")}, "ConcurrentModificationException"},
			{"UpdatePipeline", &wire.UpdatePipelineInput{Pipeline: idlePipeline("demo")}, ""},
			{"DisableStageTransition", &wire.DisableStageTransitionInput{
				PipelineName: new("demo"), StageName: new("Build"), TransitionType: "Inbound", Reason: new("no"),
			}, ""},
			{"DeletePipeline", &wire.DeletePipelineInput{Name: new("demo")}, "ConcurrentModificationException"},
		} {
			b.conflict(f, test.operation, test.in, test.want)
		}
	})
}

// conflict calls an operation while every commit meets a conflict, and then
// without.
func (b *conflictBed) conflict(f *db.Faults, operation string, in any, want string) {
	b.t.Helper()
	f.Decide(func() db.Fault { return db.FaultConflict })
	_, err := b.call(operation, in)
	f.Decide(nil)
	exception, public := errors.AsType[api.Exception](err)
	switch {
	case want == "" && (err == nil || public):
		b.t.Errorf("%s declares no exception for a conflict and answers %v, want a failure", operation, err)
	case want != "" && (!public || exception.ErrorCode() != want || exception.ErrorMessage() == ""):
		b.t.Errorf("%s answers %v, want %s", operation, err, want)
	}
	if _, err := b.call(operation, in); err != nil {
		b.t.Errorf("%s without conflicts: %v", operation, err)
	}
}

// TestConflictsOfStages is TestConflictsThatOutlastRetries for the operations on
// a stage whose condition let nobody in.
func TestConflictsOfStages(t *testing.T) {
	t.Parallel()
	dbtest.Faults(t, func(t *testing.T, d *db.DB, f *db.Faults) {
		b := newConflictBed(t, d)
		p := idlePipeline("demo")
		p.PipelineType = wire.PipelineTypeV2
		p.Stages[0].Actions[0].ActionTypeId.Provider = new("Instant")
		p.Stages[1].BeforeEntry = &wire.BeforeEntryConditions{Conditions: []wire.Condition{{
			Result: wire.ResultFail, Rules: []wire.RuleDeclaration{{
				Name: new("Never"), RuleTypeId: &wire.RuleTypeId{Category: "Rule", Owner: "AWS", Provider: new("VariableCheck"), Version: new("1")},
				Configuration: map[string]string{"Variable": "a", "Operator": "EQ", "Value": "b"},
			}},
		}}}
		if _, err := b.call("CreatePipeline", &wire.CreatePipelineInput{Pipeline: p}); err != nil {
			t.Fatal(err)
		}
		id := b.failed()
		b.conflict(f, "RetryStageExecution", &wire.RetryStageExecutionInput{
			PipelineName: new("demo"), StageName: new("Build"), PipelineExecutionId: &id, RetryMode: wire.StageRetryModeAllActions,
		}, "ConflictException")
		b.failed()
		b.conflict(f, "RollbackStage", &wire.RollbackStageInput{
			PipelineName: new("demo"), StageName: new("Source"), TargetPipelineExecutionId: &id,
		}, "ConflictException")
		b.conflict(f, "OverrideStageCondition", &wire.OverrideStageConditionInput{
			PipelineName: new("demo"), StageName: new("Build"), PipelineExecutionId: &id, ConditionType: wire.ConditionTypeBeforeEntry,
		}, "ConflictException")
	})
}

// failed waits until the oldest execution has failed, and returns its id.
func (b *conflictBed) failed() string {
	b.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := b.call("ListPipelineExecutions", &wire.ListPipelineExecutionsInput{PipelineName: new("demo")})
		if err != nil {
			b.t.Fatal(err)
		}
		list := out.(*wire.ListPipelineExecutionsOutput).PipelineExecutionSummaries
		if oldest := list[len(list)-1]; oldest.Status == wire.PipelineExecutionStatusFailed {
			return *oldest.PipelineExecutionId
		}
		select {
		case <-tick.C:
		case <-b.t.Context().Done():
			b.t.Fatal("the execution does not fail")
		}
	}
}

// unlucky is an implementation whose every operation loses every race.
type unlucky struct{ wire.Unimplemented }

// TestConflictsAreDeclared: what any of the operations makes of a conflict is
// declared for it.
func TestConflictsAreDeclared(t *testing.T) {
	t.Parallel()
	lost := fmt.Errorf("committing: %w", db.ErrConflict)
	counts := map[string]int{}
	for name, op := range wire.Describe(unlucky{}).Operations {
		op.Call = func(context.Context, api.Caller, any) (any, error) { return nil, lost }
		_, err := codepipeline.Settle(op).Call(t.Context(), api.Caller{}, op.NewInput())
		exception, public := errors.AsType[api.Exception](err)
		if !public {
			if !errors.Is(err, db.ErrConflict) {
				t.Errorf("%s: %v hides the conflict", name, err)
			}
			continue
		}
		counts[exception.ErrorCode()]++
		if !slices.Contains(op.Exceptions, exception.ErrorCode()) {
			t.Errorf("%s answers %s, which it does not declare", name, exception.ErrorCode())
		}
	}
	if counts["ConflictException"] != 5 || counts["ConcurrentModificationException"] < 8 || len(counts) != 2 {
		t.Errorf("conflicts are answered with %v, want ConflictException five times", counts)
	}
}
