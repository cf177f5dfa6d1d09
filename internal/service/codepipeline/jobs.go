package codepipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// Pipelines with actions that job workers carry out are refused so far, so there
// are no jobs: polling finds none, and every other operation on a job answers
// that it does not exist. What is wrong with a request itself is told before.

// PollForJobs hands jobs of a custom action type to a worker (execution.md 8.3).
func (s *Service) PollForJobs(ctx context.Context, c api.Caller, in *wire.PollForJobsInput) (*wire.PollForJobsOutput, error) {
	id := typeID(in.ActionTypeId)
	if err := s.auth.Authorize(c, "codepipeline:PollForJobs", pipeline.ActionTypeARN(c.Partition, c.Region, c.Account, id)); err != nil {
		return nil, err
	}
	kind, err := s.polledType(ctx, c, id, pipeline.OwnerCustom)
	if err != nil {
		return nil, err
	}
	if err := checkQuery(kind, in.QueryParam); err != nil {
		return nil, err
	}
	return &wire.PollForJobsOutput{Jobs: []wire.Job{}}, nil
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

// checkQuery checks that a query names the queryable property of a type, if it
// has one, and is empty if not.
func checkQuery(kind pipeline.ActionType, query map[string]string) error {
	queryable := ""
	for _, p := range kind.Properties {
		if p.Queryable {
			queryable = p.Name
		}
	}
	if queryable == "" {
		if len(query) > 0 {
			return invalid("queryParam must be empty: the action type has no queryable property")
		}
		return nil
	}
	if _, ok := query[queryable]; !ok {
		return invalid("queryParam must have the queryable property '%s' of the action type as its key", queryable)
	}
	return nil
}

// AcknowledgeJob is a worker's word that it does a job.
func (s *Service) AcknowledgeJob(_ context.Context, c api.Caller, in *wire.AcknowledgeJobInput) (*wire.AcknowledgeJobOutput, error) {
	return nil, s.noJob(c, "AcknowledgeJob", in.JobId)
}

// GetJobDetails describes a job.
func (s *Service) GetJobDetails(_ context.Context, c api.Caller, in *wire.GetJobDetailsInput) (*wire.GetJobDetailsOutput, error) {
	return nil, s.noJob(c, "GetJobDetails", in.JobId)
}

// PutJobSuccessResult is a worker's word that a job is done, or goes on under a
// continuation token.
func (s *Service) PutJobSuccessResult(_ context.Context, c api.Caller, in *wire.PutJobSuccessResultInput) error {
	if err := s.allowAll(c, "PutJobSuccessResult"); err != nil {
		return err
	}
	if in.ContinuationToken != nil && len(in.OutputVariables) > 0 {
		return invalid("A job can not contain both a continuation token and output variables.")
	}
	if size := pipeline.OutputVariablesSize(in.OutputVariables); size > pipeline.MaxOutputVariables {
		return &wire.OutputVariablesSizeExceededException{Message: fmt.Sprintf(
			"The output variables have %d bytes; the maximum is %d", size, pipeline.MaxOutputVariables)}
	}
	return jobNotFound(in.JobId)
}

// PutJobFailureResult is a worker's word that a job failed.
func (s *Service) PutJobFailureResult(_ context.Context, c api.Caller, in *wire.PutJobFailureResultInput) error {
	return s.noJob(c, "PutJobFailureResult", in.JobId)
}

// noJob authorizes an operation on a job and answers that there is none.
func (s *Service) noJob(c api.Caller, operation string, id *string) error {
	if err := s.allowAll(c, operation); err != nil {
		return err
	}
	return jobNotFound(id)
}

func jobNotFound(id *string) error {
	return &wire.JobNotFoundException{Message: fmt.Sprintf("Job with id '%s' does not exist", text(id))}
}
