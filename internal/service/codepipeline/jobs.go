package codepipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// PollForJobs hands jobs of a custom action type to a worker (execution.md 8.3).
// A caller that says so waits until there is one.
func (s *Service) PollForJobs(ctx context.Context, c api.Caller, in *wire.PollForJobsInput) (*wire.PollForJobsOutput, error) {
	id := typeID(in.ActionTypeId)
	if err := s.auth.Authorize(c, "codepipeline:PollForJobs", pipeline.ActionTypeARN(c.Partition, c.Region, c.Account, id)); err != nil {
		return nil, err
	}
	kind, err := s.polledType(ctx, c, id, pipeline.OwnerCustom)
	if err != nil {
		return nil, err
	}
	query, err := queryOf(kind, in.QueryParam)
	if err != nil {
		return nil, err
	}
	jobs, err := s.dispatch.PollJobs(ctx, pollOf(c, id, query, in.MaxBatchSize))
	if err != nil {
		return nil, err
	}
	out := &wire.PollForJobsOutput{Jobs: []wire.Job{}}
	for i := range jobs {
		data, err := s.jobData(c, &jobs[i])
		if err != nil {
			return nil, err
		}
		out.Jobs = append(out.Jobs, wire.Job{
			Id: some(jobs[i].ID), Nonce: some(jobs[i].Nonce), AccountId: some(jobs[i].Account), Data: data,
		})
	}
	return out, nil
}

func pollOf(c api.Caller, id pipeline.ActionTypeID, query string, most *int32) dispatch.JobPoll {
	p := dispatch.JobPoll{Account: c.Account, Region: c.Region, Type: id, Query: query, Max: 1, Wait: c.Wait}
	if most != nil {
		p.Max = int(*most)
	}
	return p
}

func typeID(in *wire.ActionTypeId) pipeline.ActionTypeID {
	return pipeline.ActionTypeID{
		Category: string(in.Category), Owner: string(in.Owner), Provider: text(in.Provider), Version: text(in.Version),
	}
}

// polledType finds the action type of a poll, which is for one owner's types.
func (s *Service) polledType(ctx context.Context, c api.Caller, id pipeline.ActionTypeID, owner string) (pipeline.ActionType, error) {
	if id.Owner != owner {
		return pipeline.ActionType{}, invalid("Jobs can be polled here for action types with owner '%s' only, not '%s'", owner, id.Owner)
	}
	kind, err := s.dispatch.ActionType(ctx, c.Account, c.Region, id)
	if errors.Is(err, dispatch.ErrActionTypeNotFound) {
		return kind, &wire.ActionTypeNotFoundException{Message: fmt.Sprintf(
			"The account with id '%s' does not include an action type with category '%s', owner '%s', provider '%s' and version '%s'",
			c.Account, id.Category, id.Owner, id.Provider, id.Version)}
	}
	return kind, err
}

// queryOf returns the value of a query, which has to name the queryable property
// of a type, if it has one, and is empty if not.
func queryOf(kind pipeline.ActionType, query map[string]string) (string, error) {
	queryable := ""
	for _, p := range kind.Properties {
		if p.Queryable {
			queryable = p.Name
		}
	}
	if queryable == "" {
		if len(query) > 0 {
			return "", invalid("queryParam must be empty: the action type has no queryable property")
		}
		return "", nil
	}
	value, ok := query[queryable]
	if !ok {
		return "", invalid("queryParam must have the queryable property '%s' of the action type as its key", queryable)
	}
	return value, nil
}

func jobOf(c api.Caller, id *string) dispatch.JobRef {
	return dispatch.JobRef{Account: c.Account, Region: c.Region, ID: text(id)}
}

// AcknowledgeJob is a worker's word that it does a job.
func (s *Service) AcknowledgeJob(ctx context.Context, c api.Caller, in *wire.AcknowledgeJobInput) (*wire.AcknowledgeJobOutput, error) {
	if err := s.allowJob(c, "AcknowledgeJob", in.JobId); err != nil {
		return nil, err
	}
	status, err := s.dispatch.AcknowledgeJob(ctx, jobOf(c, in.JobId), text(in.Nonce))
	if err != nil {
		return nil, jobException(in.JobId, err)
	}
	return &wire.AcknowledgeJobOutput{Status: wire.JobStatus(status)}, nil
}

// GetJobDetails describes a job, with credentials that are new each time.
func (s *Service) GetJobDetails(ctx context.Context, c api.Caller, in *wire.GetJobDetailsInput) (*wire.GetJobDetailsOutput, error) {
	if err := s.allowJob(c, "GetJobDetails", in.JobId); err != nil {
		return nil, err
	}
	job, err := s.dispatch.JobDetails(ctx, jobOf(c, in.JobId))
	if err != nil {
		return nil, jobException(in.JobId, err)
	}
	data, err := s.jobData(c, &job)
	if err != nil {
		return nil, err
	}
	return &wire.GetJobDetailsOutput{JobDetails: &wire.JobDetails{Id: some(job.ID), AccountId: some(job.Account), Data: data}}, nil
}

// PutJobSuccessResult is a worker's word that a job is done, or goes on under a
// continuation token.
func (s *Service) PutJobSuccessResult(ctx context.Context, c api.Caller, in *wire.PutJobSuccessResultInput) error {
	if err := s.allowJob(c, "PutJobSuccessResult", in.JobId); err != nil {
		return err
	}
	result := jobResult(in.ContinuationToken, in.CurrentRevision, in.ExecutionDetails)
	result.OutputVariables = in.OutputVariables
	// What is wrong with a result by itself is told before the job is looked for.
	if err := engine.CheckJobResult(result); err != nil {
		return jobException(in.JobId, err)
	}
	return jobException(in.JobId, s.dispatch.SucceedJob(ctx, jobOf(c, in.JobId), result))
}

func jobResult(continuation *string, revision *wire.CurrentRevision, details *wire.ExecutionDetails) engine.SucceedJob {
	result := engine.SucceedJob{ContinuationToken: text(continuation)}
	if details != nil {
		result.Progress = engine.JobProgress{Summary: text(details.Summary), ExternalExecutionID: text(details.ExternalExecutionId)}
		if details.PercentComplete != nil {
			percent := int(*details.PercentComplete)
			result.Progress.Percent = &percent
		}
	}
	if revision != nil {
		result.Revision = &pipeline.Revision{
			ID: text(revision.Revision), ChangeIdentifier: text(revision.ChangeIdentifier), Summary: text(revision.RevisionSummary),
		}
		if revision.Created != nil {
			result.Revision.Created = int64(*revision.Created)
		}
	}
	return result
}

// PutJobFailureResult is a worker's word that a job failed.
func (s *Service) PutJobFailureResult(ctx context.Context, c api.Caller, in *wire.PutJobFailureResultInput) error {
	if err := s.allowJob(c, "PutJobFailureResult", in.JobId); err != nil {
		return err
	}
	return jobException(in.JobId, s.dispatch.FailJob(ctx, jobOf(c, in.JobId), jobFailure(in.FailureDetails)))
}

func jobFailure(details *wire.FailureDetails) engine.FailJob {
	return engine.FailJob{
		Type: string(details.Type), Message: text(details.Message), ExternalExecutionID: text(details.ExternalExecutionId),
	}
}
