package codepipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// PollForThirdPartyJobs tells a partner's worker of jobs, by their ids and clients
// only (execution.md 8.4).
func (s *Service) PollForThirdPartyJobs(ctx context.Context, c api.Caller, in *wire.PollForThirdPartyJobsInput) (*wire.PollForThirdPartyJobsOutput, error) {
	if err := s.allowAll(c, "PollForThirdPartyJobs"); err != nil {
		return nil, err
	}
	id := typeID(in.ActionTypeId)
	if err := s.admitPoll(ctx, c, id); err != nil {
		return nil, err
	}
	jobs, err := s.dispatch.PollJobs(ctx, pollOf(c, id, "", in.MaxBatchSize))
	if err != nil {
		return nil, err
	}
	out := &wire.PollForThirdPartyJobsOutput{Jobs: []wire.ThirdPartyJob{}}
	for i := range jobs {
		client, _ := jobs[i].Client()
		out.Jobs = append(out.Jobs, wire.ThirdPartyJob{ClientId: some(client), JobId: some(jobs[i].ID)})
	}
	return out, nil
}

// admitPoll checks that the type has job workers and admits the caller as one. AWS
// types are polled here too, if they were declared to have job workers.
func (s *Service) admitPoll(ctx context.Context, c api.Caller, id pipeline.ActionTypeID) error {
	decl, err := s.dispatch.DeclaredActionType(ctx, c.Account, c.Region, id)
	if errors.Is(err, dispatch.ErrActionTypeNotFound) {
		// A built-in type has no jobs here, and an unknown one is not found.
		_, err := s.polledType(ctx, c, id, pipeline.OwnerThirdParty)
		return err
	}
	if err != nil {
		return err
	}
	workers := decl.Executor.Configuration.JobWorker
	if decl.Executor.Type != dispatch.ExecutorJobWorker || workers == nil {
		return invalid("The action type %s has no job workers: its executor is %s", describeType(id), decl.Executor.Type)
	}
	if !slices.Contains(workers.PollingAccounts, c.Account) {
		return &api.Error{Code: "AccessDeniedException", Message: fmt.Sprintf(
			"User: %s is not authorized to perform: codepipeline:PollForThirdPartyJobs on resource: %s because the action type does not list account %s among its polling accounts",
			c.ARN, pipeline.ActionTypeARN(c.Partition, c.Region, c.Account, id), c.Account)}
	}
	return nil
}

func partnerJob(c api.Caller, id, token *string) dispatch.JobRef {
	ref := jobOf(c, id)
	ref.Partner, ref.ClientToken = true, text(token)
	return ref
}

// AcknowledgeThirdPartyJob is a partner's word that it does a job.
func (s *Service) AcknowledgeThirdPartyJob(ctx context.Context, c api.Caller, in *wire.AcknowledgeThirdPartyJobInput) (*wire.AcknowledgeThirdPartyJobOutput, error) {
	if err := s.allowJob(c, "AcknowledgeThirdPartyJob", in.JobId); err != nil {
		return nil, err
	}
	status, err := s.dispatch.AcknowledgeJob(ctx, partnerJob(c, in.JobId, in.ClientToken), text(in.Nonce))
	if err != nil {
		return nil, jobException(in.JobId, err)
	}
	return &wire.AcknowledgeThirdPartyJobOutput{Status: wire.JobStatus(status)}, nil
}

// GetThirdPartyJobDetails describes a partner's job, with its nonce.
func (s *Service) GetThirdPartyJobDetails(ctx context.Context, c api.Caller, in *wire.GetThirdPartyJobDetailsInput) (*wire.GetThirdPartyJobDetailsOutput, error) {
	if err := s.allowJob(c, "GetThirdPartyJobDetails", in.JobId); err != nil {
		return nil, err
	}
	job, err := s.dispatch.JobDetails(ctx, partnerJob(c, in.JobId, in.ClientToken))
	if errors.Is(err, dispatch.ErrJobOver) {
		return nil, &wire.InvalidJobException{Message: fmt.Sprintf("Job with id '%s' is over", text(in.JobId))}
	}
	if err != nil {
		return nil, jobException(in.JobId, err)
	}
	data, err := s.jobData(c, &job)
	if err != nil {
		return nil, err
	}
	return &wire.GetThirdPartyJobDetailsOutput{JobDetails: &wire.ThirdPartyJobDetails{
		Id: some(job.ID), Nonce: some(job.Nonce), Data: new(wire.ThirdPartyJobData(*data)),
	}}, nil
}

// PutThirdPartyJobSuccessResult is a partner's word that a job is done.
func (s *Service) PutThirdPartyJobSuccessResult(ctx context.Context, c api.Caller, in *wire.PutThirdPartyJobSuccessResultInput) error {
	if err := s.allowJob(c, "PutThirdPartyJobSuccessResult", in.JobId); err != nil {
		return err
	}
	result := jobResult(in.ContinuationToken, in.CurrentRevision, in.ExecutionDetails)
	return jobException(in.JobId, s.dispatch.SucceedJob(ctx, partnerJob(c, in.JobId, in.ClientToken), result))
}

// PutThirdPartyJobFailureResult is a partner's word that a job failed.
func (s *Service) PutThirdPartyJobFailureResult(ctx context.Context, c api.Caller, in *wire.PutThirdPartyJobFailureResultInput) error {
	if err := s.allowJob(c, "PutThirdPartyJobFailureResult", in.JobId); err != nil {
		return err
	}
	return jobException(in.JobId, s.dispatch.FailJob(ctx, partnerJob(c, in.JobId, in.ClientToken), jobFailure(in.FailureDetails)))
}
