package server_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	"github.com/penstock-cd/penstock/internal/provider"
)

func (b *bed) retry(execution string, mode types.StageRetryMode) error {
	_, err := b.cp.RetryStageExecution(b.t.Context(), &cp.RetryStageExecutionInput{
		PipelineName: aws.String("web"), StageName: aws.String("Gate"), PipelineExecutionId: &execution, RetryMode: mode,
	})
	return err
}

// TestRetryWhileRunning asks for retries while one of two parallel actions runs
// and the other one has failed: what failed can be run again, all of it cannot,
// and what runs goes on (execution.md 4.2).
func TestRetryWhileRunning(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	hold := func(name string) types.ActionDeclaration {
		return inputs(action(name, "Test", "Custom", "Gate", nil), "App")
	}
	x := b.create(declare("web", pulseStage(), stage("Gate", hold("One"), hold("Two"))))
	count := func(status types.ActionExecutionStatus) (n int) {
		for _, a := range b.actions("web", x) {
			if aws.ToString(a.StageName) == "Gate" && a.Status == status {
				n++
			}
		}
		return n
	}
	runs := func(running, failed int) func() bool {
		return func() bool {
			return count(types.ActionExecutionStatusInProgress) == running && count(types.ActionExecutionStatusFailed) == failed
		}
	}
	refused := func(when string, mode types.StageRetryMode) {
		if err := b.retry(x, mode); !isNotRetryable(err) {
			t.Errorf("%s: %v", when, err)
		}
	}
	b.until("both actions to run", runs(2, 0))
	refused("nothing has failed", types.StageRetryModeFailedActions)
	b.gate.let(x, provider.Failure(provider.CodeJobFailed, "The gate fell."))
	b.until("one action to fail", runs(1, 1))
	refused("all actions", types.StageRetryModeAllActions)
	b.must(b.retry(x, types.StageRetryModeFailedActions))
	b.until("the failed action to run again beside the other", runs(2, 1))
	refused("nothing has failed any more", types.StageRetryModeFailedActions)
	meta := b.state("web", "Gate").RetryStageMetadata
	if meta == nil || aws.ToInt32(meta.ManualStageRetryAttempt) != 1 || meta.LatestRetryTrigger != types.RetryTriggerManualStageRetry {
		t.Errorf("retry metadata %+v", meta)
	}
	b.gate.let(x, provider.Report{Status: provider.Succeeded})
	b.until("one action to succeed", runs(1, 1))
	b.gate.let(x, provider.Report{Status: provider.Succeeded})
	b.await("web", x, types.PipelineExecutionStatusSucceeded)
	refused("all is well", types.StageRetryModeAllActions)
}

func isNotRetryable(err error) bool {
	_, ok := errors.AsType[*types.StageNotRetryableException](err)
	return ok
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
	if err := b.retry(second, types.StageRetryModeAllActions); !isNotRetryable(err) {
		t.Errorf("waiting: %v", err)
	}
	b.run(&cp.StartPipelineExecutionInput{Name: aws.String("web")})
	b.await("web", second, types.PipelineExecutionStatusSuperseded)
	if err := b.retry(second, types.StageRetryModeAllActions); !isNotRetryable(err) {
		t.Errorf("superseded: %v", err)
	}
}

// TestConcurrentExecutions counts to the limit that there is by default: waiting
// executions count too (execution.md 2.6).
func TestConcurrentExecutions(t *testing.T) {
	t.Parallel()
	for _, mode := range []types.ExecutionMode{types.ExecutionModeQueued, types.ExecutionModeParallel} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			p := declare("web", pulseStage(), gateStage("Gate"))
			p.ExecutionMode = mode
			first := b.create(p)
			start := func() error {
				_, err := b.cp.StartPipelineExecution(t.Context(), &cp.StartPipelineExecutionInput{Name: p.Name})
				return err
			}
			for range 49 {
				b.must(start())
			}
			if _, ok := errors.AsType[*types.ConcurrentPipelineExecutionsLimitExceededException](start()); !ok {
				t.Errorf("one more than fifty: %v", start())
			}
			b.gate.let(first, provider.Report{Status: provider.Succeeded})
			b.await("web", first, types.PipelineExecutionStatusSucceeded)
			b.must(start())
		})
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
