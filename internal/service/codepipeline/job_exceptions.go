package codepipeline

import (
	"errors"
	"fmt"

	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// jobException is the one table from the errors of jobs to public exceptions. The
// texts are those of observed.md 13 where they are recorded. A job that is over has
// no details (execution.md 8.3), so it is as if it were not there.
func jobException(id *string, err error) error {
	switch r, rejected := errors.AsType[*engine.JobRejection](err); {
	case errors.Is(err, dispatch.ErrAcknowledged):
		// By these words a worker whose acknowledgement was not answered knows that it
		// has the job: the exception is that of any other nonce, as its name is fixed.
		return &wire.InvalidNonceException{Message: fmt.Sprintf("The job with id '%s' has been acknowledged with this nonce already", text(id))}
	case rejected:
		return jobRejected(text(id), r.Reason)
	case errors.Is(err, dispatch.ErrJobNotFound), errors.Is(err, dispatch.ErrJobOver):
		return &wire.JobNotFoundException{Message: fmt.Sprintf("Job with id '%s' does not exist", text(id))}
	case errors.Is(err, dispatch.ErrClientToken):
		return &wire.InvalidClientTokenException{Message: fmt.Sprintf("The client token is not that of the client of the job with id '%s'", text(id))}
	}
	return err
}

func jobRejected(id string, reason engine.JobReason) error {
	switch reason {
	case engine.JobInvalidNonce:
		return &wire.InvalidNonceException{Message: fmt.Sprintf(
			"The nonce is not the one that the job with id '%s' was last handed out with", id)}
	case engine.JobTokenAndVariables:
		return invalid("A job can not contain both a continuation token and output variables.")
	case engine.JobVariablesTooLarge:
		return &wire.OutputVariablesSizeExceededException{Message: fmt.Sprintf(
			"The output variables exceed the maximum size of %d bytes", pipeline.MaxOutputVariables)}
	case engine.JobAnswered:
		return &wire.InvalidJobStateException{Message: fmt.Sprintf(
			"The status of job with id %s is already set to the desired value. It cannot be updated with the same status, but different result or output variables.", id)}
	case engine.JobTerminated:
		return &wire.InvalidJobStateException{Message: fmt.Sprintf("Job with id %s has already terminated", id)}
	}
	return &wire.InvalidJobStateException{Message: fmt.Sprintf(
		"Job with id %s is not in progress: it has to be acknowledged before its result", id)}
}
