package codepipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
)

// GetPipelineExecution describes one execution (observed.md 5.1).
func (s *Service) GetPipelineExecution(ctx context.Context, c api.Caller, in *wire.GetPipelineExecutionInput) (*wire.GetPipelineExecutionOutput, error) {
	p, err := s.find(ctx, c, "GetPipelineExecution", text(in.PipelineName))
	if err != nil {
		return nil, err
	}
	x, err := s.execution(ctx, p, text(in.PipelineExecutionId))
	if err != nil {
		return nil, err
	}
	out := &wire.PipelineExecution{
		PipelineName:        some(p.Name),
		PipelineVersion:     new(int32(x.Version)),
		PipelineExecutionId: some(x.ID),
		Status:              wire.PipelineExecutionStatus(x.Status),
		StatusSummary:       some(x.Summary),
		ArtifactRevisions:   []wire.ArtifactRevision{},
		Trigger:             trigger(x.Trigger),
		ExecutionMode:       wire.ExecutionMode(x.Mode),
		ExecutionType:       wire.ExecutionType(x.Type),
		RollbackMetadata:    rollbackMetadata(&x.Execution),
	}
	for _, r := range x.Revisions {
		revision := wire.ArtifactRevision{
			Name: some(r.Artifact), RevisionId: some(r.Revision.ID), RevisionSummary: some(r.Revision.Summary),
			RevisionChangeIdentifier: some(r.Revision.ChangeIdentifier), RevisionUrl: some(r.Revision.URL),
		}
		if r.Revision.Created != 0 {
			revision.Created = api.TimestampOf(r.Revision.Created)
		}
		out.ArtifactRevisions = append(out.ArtifactRevisions, revision)
	}
	for _, v := range x.Variables {
		out.Variables = append(out.Variables, wire.ResolvedPipelineVariable{Name: new(v.Name), ResolvedValue: new(v.Value)})
	}
	return &wire.GetPipelineExecutionOutput{PipelineExecution: out}, nil
}

func (s *Service) execution(ctx context.Context, p dispatch.Pipeline, id string) (dispatch.Execution, error) {
	x, err := s.dispatch.Execution(ctx, p, id)
	if errors.Is(err, dispatch.ErrExecutionNotFound) {
		return x, &wire.PipelineExecutionNotFoundException{
			Message: fmt.Sprintf("Pipeline Execution with id '%s' does not exist in pipeline with name '%s'", id, p.Name),
		}
	}
	return x, err
}

// rollbackMetadata is shown of rollbacks only, and so is their type: an ordinary
// execution has neither (observed.md 0).
func rollbackMetadata(x *engine.Execution) *wire.PipelineRollbackMetadata {
	if x.Type != engine.Rollback {
		return nil
	}
	return &wire.PipelineRollbackMetadata{RollbackTargetPipelineExecutionId: some(x.Target)}
}

func trigger(t engine.Trigger) *wire.ExecutionTrigger {
	return &wire.ExecutionTrigger{TriggerType: wire.TriggerType(t.Type), TriggerDetail: some(t.Detail)}
}

// ListPipelineExecutions lists executions, newest first (execution.md 7).
func (s *Service) ListPipelineExecutions(ctx context.Context, c api.Caller, in *wire.ListPipelineExecutionsInput) (*wire.ListPipelineExecutionsOutput, error) {
	p, err := s.find(ctx, c, "ListPipelineExecutions", text(in.PipelineName))
	if err != nil {
		return nil, err
	}
	stage := ""
	if in.Filter != nil && in.Filter.SucceededInStage != nil {
		stage = text(in.Filter.SucceededInStage.StageName)
	}
	page := pageOf(in.MaxResults, 100)
	binding := bind("ListPipelineExecutions", p.ID, stage)
	at, err := binding.openPlace(in.NextToken)
	if err != nil {
		return nil, err
	}
	list, next, err := s.executionsFrom(ctx, p, stage, at, page)
	if err != nil {
		return nil, err
	}
	out := &wire.ListPipelineExecutionsOutput{PipelineExecutionSummaries: []wire.PipelineExecutionSummary{}}
	if next != (dispatch.Place{}) {
		out.NextToken = binding.sealPlace(next)
	}
	for i := range list {
		out.PipelineExecutionSummaries = append(out.PipelineExecutionSummaries, executionSummary(&list[i]))
	}
	return out, nil
}

// executionsFrom is a page of executions, and where the next begins: all of them, or
// those that succeeded in a stage.
func (s *Service) executionsFrom(ctx context.Context, p dispatch.Pipeline, stage string, at dispatch.Place, page int) (list []engine.Execution, next dispatch.Place, err error) {
	if stage != "" {
		return s.dispatch.SucceededIn(ctx, p, stage, at, page)
	}
	if list, err = s.dispatch.Executions(ctx, p, at, page+1); err == nil && len(list) > page {
		list, next = list[:page], dispatch.PlaceOf(&list[page-1])
	}
	return list, next, err
}

func executionSummary(x *engine.Execution) wire.PipelineExecutionSummary {
	summary := wire.PipelineExecutionSummary{
		PipelineExecutionId: some(x.ID),
		Status:              wire.PipelineExecutionStatus(x.Status),
		StatusSummary:       some(x.Summary),
		StartTime:           api.TimestampOf(x.StartTime),
		LastUpdateTime:      api.TimestampOf(x.LastUpdate),
		SourceRevisions:     []wire.SourceRevision{},
		Trigger:             trigger(x.Trigger),
		ExecutionMode:       wire.ExecutionMode(x.Mode),
		ExecutionType:       wire.ExecutionType(x.Type),
		RollbackMetadata:    rollbackMetadata(x),
	}
	for _, r := range x.Revisions {
		summary.SourceRevisions = append(summary.SourceRevisions, wire.SourceRevision{
			ActionName: some(r.Action), RevisionId: some(r.Revision.ID),
			RevisionSummary: some(r.Revision.Summary), RevisionUrl: some(r.Revision.URL),
		})
	}
	if x.Stop != nil && x.Stop.Reason != "" {
		summary.StopTrigger = &wire.StopExecutionTrigger{Reason: some(x.Stop.Reason)}
	}
	return summary
}
