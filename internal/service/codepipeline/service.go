// Package codepipeline answers the operations of the CodePipeline service: it
// authorizes the caller, translates between wire structures and the nouns of
// the house, and maps what went wrong to public exceptions. One operation a
// file.
//
// Every operation of the model is here. What a right request asks for and this
// version cannot do is answered with UnknownOperationException (docs/coverage.md).
package codepipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/sigv4"
	triggers "github.com/penstock-cd/penstock/internal/trigger"
)

// Authorizer says what a caller may do. Its methods return an exception unless
// the caller may.
type Authorizer interface {
	// Authorize asks for an action, such as "codepipeline:GetPipeline", on the
	// resource, an ARN.
	Authorize(caller api.Caller, action, resource string) error
	// Ask is Authorize for requests with tags and resources with tags.
	Ask(caller api.Caller, q iam.Question) error
	// AuthorizePassRole asks whether the caller may have pipelines act as a role.
	AuthorizePassRole(caller api.Caller, roleARN string) error
	// IssueSession makes temporary credentials and says when they end.
	IssueSession(session iam.Session) (sigv4.Credentials, time.Time, error)
}

// Service implements the operations on a dispatcher and the triggers.
type Service struct {
	wire.Unimplemented
	dispatch *dispatch.Dispatcher
	types    pipeline.ActionTypes
	auth     Authorizer
	triggers *triggers.Store
	rendered *rendered
}

var _ wire.Service = (*Service)(nil)

// New makes the service. types are the action types of the catalogue.
func New(d *dispatch.Dispatcher, types pipeline.ActionTypes, auth Authorizer, t *triggers.Store) *Service {
	return &Service{dispatch: d, types: types, auth: auth, triggers: t, rendered: newRendered()}
}

// Describe offers the service to the dispatcher of requests. Two exceptions are
// answered although the model does not declare them for the operation:
// PipelineNotFoundException of UpdatePipeline (execution.md 10.1), and
// ActionTypeAlreadyExistsException, which the model declares for none. A conflict
// that outlasts the retries is an exception too (see settle).
func Describe(s *Service) api.Service {
	service := wire.Describe(s)
	for operation, exception := range map[string]string{
		"UpdatePipeline":         "PipelineNotFoundException",
		"CreateCustomActionType": "ActionTypeAlreadyExistsException",
	} {
		op := service.Operations[operation]
		op.Exceptions = append(slices.Clone(op.Exceptions), exception)
		service.Operations[operation] = op
	}
	for name, op := range service.Operations { //floors:ordered each operation is changed by itself
		service.Operations[name] = settle(op)
	}
	return service
}

func keyOf(c api.Caller, name string) dispatch.Key {
	return dispatch.Key{Account: c.Account, Region: c.Region, Name: name}
}

// find authorizes an operation on a pipeline and looks the pipeline up.
func (s *Service) find(ctx context.Context, c api.Caller, operation, name string) (dispatch.Pipeline, error) {
	if err := s.allow(c, operation, name); err != nil {
		return dispatch.Pipeline{}, err
	}
	p, err := s.dispatch.Pipeline(ctx, keyOf(c, name), 0)
	return p, exception(c, name, err)
}

// exception is the one table from inner errors to public exceptions. What is
// not in it stays an inner error and becomes an internal failure.
func exception(c api.Caller, name string, err error) error {
	var violation *pipeline.Violation
	r, isRejection := rejection(err)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &violation):
		return &api.Error{Code: violation.Exception, Message: violation.Message}
	case isRejection:
		return rejected(name, r)
	case errors.Is(err, dispatch.ErrPipelineNotFound):
		return notFound("Account '%s' does not have a pipeline with name '%s'", c.Account, name)
	case errors.Is(err, dispatch.ErrVersionNotFound):
		return &wire.PipelineVersionNotFoundException{Message: fmt.Sprintf("Pipeline '%s' does not have that version", name)}
	case errors.Is(err, dispatch.ErrNameInUse):
		return &wire.PipelineNameInUseException{
			Message: fmt.Sprintf("A pipeline with the name '%s' already exists in account '%s'", name, c.Account),
		}
	}
	return err
}

// rejection tells whether an error is a request that the engine rejected.
func rejection(err error) (*engine.Rejection, bool) {
	var r *engine.Rejection
	ok := errors.As(err, &r)
	return r, ok
}

func notFound(format string, args ...any) error {
	return &wire.PipelineNotFoundException{Message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error {
	return &api.Error{Code: "ValidationException", Message: fmt.Sprintf(format, args...)}
}

// rejected is the table from the engine's reasons to exceptions. The texts are
// those of observed.md 6 and 9 where they are recorded.
func rejected(name string, r *engine.Rejection) error {
	switch r.Reason {
	case engine.ReasonStageNotFound:
		return stageNotFound(name, r.Stage)
	case engine.ReasonActionNotFound:
		return &wire.ActionNotFoundException{
			Message: fmt.Sprintf("Stage '%s' of pipeline '%s' does not have an action with name '%s'", r.Stage, name, r.Action),
		}
	case engine.ReasonNotStoppable:
		return &wire.PipelineExecutionNotStoppableException{Message: fmt.Sprintf(
			"The pipeline execution with ID '%s' in '%s' can't be stopped now. Either it does not exist in the pipeline, or the pipeline execution has no action executions in progress.",
			r.Execution, name)}
	case engine.ReasonDuplicatedStop:
		return &wire.DuplicatedStopRequestException{Message: fmt.Sprintf(
			"The execution with ID %s in %s is already in a stopping state. If you already chose to stop and wait, you cannot make that request again. You can choose to stop and abandon now, but be aware that this option can lead to failed actions. If you already chose to stop and abandon, you cannot make that request again.",
			r.Execution, name)}
	case engine.ReasonNotAnApproval:
		return invalid("Action '%s' in stage '%s' is not an approval action", r.Action, r.Stage)
	case engine.ReasonInvalidApprovalToken:
		return &wire.InvalidApprovalTokenException{Message: fmt.Sprintf(
			"The pipeline %s has been updated, and the approval request you responded to is now out of date.", name)}
	case engine.ReasonApprovalCompleted:
		return &wire.ApprovalAlreadyCompletedException{Message: fmt.Sprintf(
			"The approval action '%s' in stage '%s' has already been approved or rejected.", r.Action, r.Stage)}
	case engine.ReasonSummaryRequired:
		return &wire.InvalidApprovalTokenException{Message: fmt.Sprintf(
			"Action '%s' in stage '%s' requires a summary. Provide a summary in the approval result and try again.", r.Action, r.Stage)}
	}
	return stageRejected(name, r)
}

// stageRejected goes on with rejected: retries, rollbacks and overrides. The texts
// are those of observed.md 7 and 8.
func stageRejected(name string, r *engine.Rejection) error {
	switch r.Reason {
	case engine.ReasonLimit:
		return &wire.ConcurrentPipelineExecutionsLimitExceededException{Message: fmt.Sprintf(
			"The pipeline '%s' has reached the limit of concurrent pipeline executions.", name)}
	case engine.ReasonNotLatest:
		return &wire.NotLatestPipelineExecutionException{Message: fmt.Sprintf(
			"The pipeline execution with ID '%s' is not the latest in stage '%s' of pipeline '%s': a later execution has entered the stage.",
			r.Execution, r.Stage, name)}
	case engine.ReasonNotRetryable:
		return &wire.StageNotRetryableException{Message: fmt.Sprintf(
			"The stage named %s in the %s pipeline can't be retried now. Either it contains no failed actions, the execution '%s' is already superseded, or the pipeline definition has changed since the action(s) failed.",
			r.Stage, name, r.Execution)}
	case engine.ReasonExecutionNotFound:
		return &wire.PipelineExecutionNotFoundException{Message: fmt.Sprintf(
			"Target Pipeline Execution with id '%s' does not exist in pipeline with name '%s'", r.Execution, name)}
	case engine.ReasonNotCompleted:
		return &wire.UnableToRollbackStageException{Message: fmt.Sprintf(
			"Target Pipeline Execution with id '%s' has not completed in stage with name '%s'", r.Execution, r.Stage)}
	case engine.ReasonOutdated:
		return &wire.PipelineExecutionOutdatedException{Message: fmt.Sprintf(
			"Pipeline '%s' has been updated since the rollback request was made.", name)}
	case engine.ReasonStageRunning:
		return &wire.UnableToRollbackStageException{Message: fmt.Sprintf(
			"Pipeline '%s' cannot start rollback since stage %s is in progress.", name, r.Stage)}
	}
	return fmt.Errorf("request rejected without an exception: %w", r)
}

func stageNotFound(name, stage string) error {
	return &wire.StageNotFoundException{Message: fmt.Sprintf("Pipeline '%s' does not have a stage with name '%s'", name, stage)}
}

// recast copies between a wire structure and its twin of package pipeline: both
// have the service model's member names.
func recast[T any](from any) (T, error) {
	var to T
	text, err := json.Marshal(from)
	if err != nil {
		return to, fmt.Errorf("encoding %T: %w", from, err)
	}
	if err := json.Unmarshal(text, &to); err != nil {
		return to, fmt.Errorf("decoding %T: %w", to, err)
	}
	return to, nil
}

// text returns what a pointer names, empty for nil.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// some returns a pointer to a text, nil for the empty one: a member without a
// value is omitted.
func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
