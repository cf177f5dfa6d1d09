package codepipeline

import (
	"context"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// PollForThirdPartyJobs hands jobs of a partner's action type to its worker
// (execution.md 8.4).
func (s *Service) PollForThirdPartyJobs(ctx context.Context, c api.Caller, in *wire.PollForThirdPartyJobsInput) (*wire.PollForThirdPartyJobsOutput, error) {
	if err := s.allowAll(c, "PollForThirdPartyJobs"); err != nil {
		return nil, err
	}
	if _, err := s.polledType(ctx, c, typeID(in.ActionTypeId), pipeline.OwnerThirdParty); err != nil {
		return nil, err
	}
	return &wire.PollForThirdPartyJobsOutput{Jobs: []wire.ThirdPartyJob{}}, nil
}

// AcknowledgeThirdPartyJob is a partner's word that it does a job.
func (s *Service) AcknowledgeThirdPartyJob(_ context.Context, c api.Caller, in *wire.AcknowledgeThirdPartyJobInput) (*wire.AcknowledgeThirdPartyJobOutput, error) {
	return nil, s.noJob(c, "AcknowledgeThirdPartyJob", in.JobId)
}

// GetThirdPartyJobDetails describes a partner's job.
func (s *Service) GetThirdPartyJobDetails(_ context.Context, c api.Caller, in *wire.GetThirdPartyJobDetailsInput) (*wire.GetThirdPartyJobDetailsOutput, error) {
	return nil, s.noJob(c, "GetThirdPartyJobDetails", in.JobId)
}

// PutThirdPartyJobSuccessResult is a partner's word that a job is done.
func (s *Service) PutThirdPartyJobSuccessResult(_ context.Context, c api.Caller, in *wire.PutThirdPartyJobSuccessResultInput) error {
	return s.noJob(c, "PutThirdPartyJobSuccessResult", in.JobId)
}

// PutThirdPartyJobFailureResult is a partner's word that a job failed.
func (s *Service) PutThirdPartyJobFailureResult(_ context.Context, c api.Caller, in *wire.PutThirdPartyJobFailureResultInput) error {
	return s.noJob(c, "PutThirdPartyJobFailureResult", in.JobId)
}
