package server_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/smithy-go"

	"github.com/penstock-cd/penstock/internal/provider"
)

func (b *bed) retry(execution string, mode types.StageRetryMode) error {
	_, err := b.cp.RetryStageExecution(b.t.Context(), &cp.RetryStageExecutionInput{
		PipelineName: aws.String("web"), StageName: aws.String("Gate"), PipelineExecutionId: &execution, RetryMode: mode,
	})
	return err
}

// unbuilt reports whether a good request was refused, because this version cannot
// do it.
func unbuilt(err error) bool {
	e, ok := errors.AsType[smithy.APIError](err)
	return ok && e.ErrorCode() == "UnknownOperationException" && strings.Contains(e.ErrorMessage(), "this version of Penstock cannot")
}

// TestRetryWhileRunning asks for retries while one of two parallel actions runs
// and the other one has failed: its actions that failed could be retried, all of
// them could not (execution.md 4.2).
func TestRetryWhileRunning(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	hold := func(name string) types.ActionDeclaration {
		return inputs(action(name, "Test", "Custom", "Gate", nil), "App")
	}
	x := b.create(declare("web", pulseStage(), stage("Gate", hold("One"), hold("Two"))))
	running := func() (n int) {
		for _, a := range b.actions("web", x) {
			if aws.ToString(a.StageName) == "Gate" && a.Status == types.ActionExecutionStatusInProgress {
				n++
			}
		}
		return n
	}
	b.until("both actions to run", func() bool { return running() == 2 })
	if _, ok := errors.AsType[*types.StageNotRetryableException](b.retry(x, types.StageRetryModeFailedActions)); !ok {
		t.Errorf("nothing has failed: %v", b.retry(x, types.StageRetryModeFailedActions))
	}
	b.gate.let(x, provider.Failure(provider.CodeJobFailed, "The gate fell."))
	b.until("one action to fail", func() bool { return running() == 1 })
	if err := b.retry(x, types.StageRetryModeFailedActions); !unbuilt(err) {
		t.Errorf("failed actions: %v", err)
	}
	if _, ok := errors.AsType[*types.StageNotRetryableException](b.retry(x, types.StageRetryModeAllActions)); !ok {
		t.Errorf("all actions: %v", b.retry(x, types.StageRetryModeAllActions))
	}
	b.gate.let(x, provider.Report{Status: provider.Succeeded})
	b.await("web", x, types.PipelineExecutionStatusFailed)
	if err := b.retry(x, types.StageRetryModeAllActions); !unbuilt(err) {
		t.Errorf("all actions, at the end: %v", err)
	}
}

// TestRetrySuperseded asks for a retry of an execution that never came into the
// stage.
func TestRetrySuperseded(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.create(declare("web", pulseStage(), gateStage("Gate")))
	second := b.run(&cp.StartPipelineExecutionInput{Name: aws.String("web")})
	b.until("the second execution to wait", func() bool {
		inbound := b.state("web", "Gate").InboundExecution
		return inbound != nil && aws.ToString(inbound.PipelineExecutionId) == second
	})
	if _, ok := errors.AsType[*types.StageNotRetryableException](b.retry(second, types.StageRetryModeAllActions)); !ok {
		t.Errorf("waiting: %v", b.retry(second, types.StageRetryModeAllActions))
	}
	b.run(&cp.StartPipelineExecutionInput{Name: aws.String("web")})
	b.await("web", second, types.PipelineExecutionStatusSuperseded)
	if _, ok := errors.AsType[*types.StageNotRetryableException](b.retry(second, types.StageRetryModeAllActions)); !ok {
		t.Errorf("superseded: %v", b.retry(second, types.StageRetryModeAllActions))
	}
}

// TestPutActionRevision starts executions by pushing revisions.
func TestPutActionRevision(t *testing.T) {
	t.Parallel()
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			if database == "postgres" {
				b = newBed(t, onPostgres(t))
			}
			b.create(declare("web", pulseStage(), reviewStage(nil)))
			push := func(revision string) (string, bool) {
				out, err := b.cp.PutActionRevision(t.Context(), &cp.PutActionRevisionInput{
					PipelineName: aws.String("web"), StageName: aws.String("Source"), ActionName: aws.String("Pulse"),
					ActionRevision: &types.ActionRevision{RevisionId: &revision, RevisionChangeId: aws.String("c"), Created: aws.Time(time.Unix(1_800_000_000, 0))},
				})
				b.must(err)
				return aws.ToString(out.PipelineExecutionId), out.NewRevision
			}
			first, isNew := push("abc")
			if x := b.execution("web", first); !isNew || x.Trigger.TriggerType != types.TriggerTypePutActionRevision || aws.ToString(x.Trigger.TriggerDetail) != rootARN {
				t.Errorf("new %v, %+v", isNew, x.Trigger)
			}
			b.restart()
			if again, isNew := push("abc"); isNew || again != first {
				t.Errorf("again: %s, %v; want %s", again, isNew, first)
			}
			if second, isNew := push("def"); !isNew || second == first {
				t.Errorf("another: %s, %v", second, isNew)
			}
		})
	}
}

// TestOutputVariablesTooLarge sends a job more output variables than fit.
func TestOutputVariablesTooLarge(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	send := func(size int) error {
		_, err := b.cp.PutJobSuccessResult(t.Context(), &cp.PutJobSuccessResultInput{
			JobId: aws.String(sampleID), OutputVariables: map[string]string{"a": strings.Repeat("x", size-1)},
		})
		return err
	}
	if _, ok := errors.AsType[*types.JobNotFoundException](send(122880)); !ok {
		t.Errorf("as many as fit: %v", send(122880))
	}
	if _, ok := errors.AsType[*types.OutputVariablesSizeExceededException](send(122881)); !ok {
		t.Errorf("one byte more: %v", send(122881))
	}
}
