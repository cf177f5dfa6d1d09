package codepipeline

import (
	"context"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/engine"
)

// PutApprovalResult approves or rejects a waiting approval (observed.md 9).
func (s *Service) PutApprovalResult(ctx context.Context, c api.Caller, in *wire.PutApprovalResultInput) (*wire.PutApprovalResultOutput, error) {
	name := text(in.PipelineName)
	if err := s.allow(c, "PutApprovalResult", name, text(in.StageName), text(in.ActionName)); err != nil {
		return nil, err
	}
	at, err := s.dispatch.AnswerApproval(ctx, keyOf(c, name), engine.AnswerApproval{
		Stage: text(in.StageName), Action: text(in.ActionName), Token: text(in.Token),
		Approved: in.Result.Status == wire.ApprovalStatusApproved, Summary: text(in.Result.Summary), By: c.ARN,
	})
	if err != nil {
		return nil, exception(c, name, err)
	}
	return &wire.PutApprovalResultOutput{ApprovedAt: api.TimestampOf(at)}, nil
}
