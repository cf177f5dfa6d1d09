package invoke

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// executorTimeout is how long a job of a declared type may take if the type does
// not say: as long as a function may (execution.md 8.5).
const executorTimeout = MaxTimeout

// executor carries out the actions of a declared action type by a function, which
// answers by what it returns (actions.md A.11).
type executor struct {
	config    Config
	functions *functions
	arn       string
	timeout   time.Duration
}

var _ provider.Invoker = (*executor)(nil)

// NewExecutors returns what makes the provider of a declared action type, whose
// executor is a function and whose jobs may take a time; zero: the usual one.
func NewExecutors(c Config) func(functionARN string, timeout time.Duration) provider.Invoker {
	fns := newFunctions(c)
	return func(functionARN string, timeout time.Duration) provider.Invoker {
		if timeout == 0 {
			timeout = executorTimeout
		}
		return &executor{config: c, functions: fns, arn: functionARN, timeout: timeout}
	}
}

// Type implements provider.Provider; the catalogue does not ask it.
func (*executor) Type() pipeline.ActionType { return pipeline.ActionType{WhenLost: pipeline.LostFind} }

// JobTerms implements provider.Invoker.
func (e *executor) JobTerms(provider.Attempt) provider.JobTerms {
	return provider.JobTerms{
		Timeout: e.timeout, Pause: cmp.Or(e.config.Pause, continuationPause),
		TimeoutMessage: fmt.Sprintf("The function %s did not end the job within the time-out of %d seconds.", e.arn, int(e.timeout.Seconds())),
	}
}

// Await and Stop implement provider.Provider, as those of Lambda.
func (e *executor) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return e.Start(ctx, a)
}

func (*executor) Stop(context.Context, provider.Attempt) error { return nil }

// request is what the function is told.
type request struct {
	JobID     string      `json:"jobId"`
	AccountID string      `json:"accountId"`
	Data      requestData `json:"data"`
}

type requestData struct {
	ActionConfiguration map[string]string `json:"actionConfiguration"`
	EncryptionKey       *encryptionKey    `json:"encryptionKey,omitempty"`
	InputArtifacts      []artifact        `json:"inputArtifacts"`
	OutputArtifacts     []artifact        `json:"outputArtifacts"`
	ActionCredentials   credentials       `json:"actionCredentials"`
	ActionExecutionID   string            `json:"actionExecutionId"`
	// ContinuationToken is what the function gave, as it gave it.
	ContinuationToken json.RawMessage `json:"continuationToken,omitempty"`
}

// answer is what the function returns.
type answer struct {
	Result       string
	FailureType  string
	Continuation json.RawMessage
	Status       struct{ ExternalExecutionID, Summary string }
	// OutputVariables are null unless the result is Success.
	OutputVariables map[string]string
}

// Start invokes the function and reads what it returns.
func (e *executor) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	told := remember(&a)
	issued, err := e.config.artifactCredentials(&a)
	if err != nil {
		return provider.Report{}, err
	}
	issued.ExpirationTime = 0
	payload, err := encode(request{JobID: a.Job.ID, AccountID: a.Account, Data: requestData{
		ActionConfiguration: a.Configuration, EncryptionKey: keyOf(&a), InputArtifacts: inputs(&a), OutputArtifacts: outputs(&a),
		ActionCredentials: issued, ActionExecutionID: a.ID, ContinuationToken: json.RawMessage(a.Job.ContinuationToken),
	}})
	if err != nil {
		return provider.Report{}, err
	}
	returned, err := e.functions.invoke(ctx, call{function: e.arn, mode: requestResponse, payload: payload, attempt: &a})
	if refused, ok := errors.AsType[*refusal](err); ok {
		return told.hideIn(provider.Failure(refused.code, refused.message)), nil
	}
	if failed, ok := errors.AsType[*functionError](err); ok {
		return told.hideIn(provider.Failure(provider.CodeJobFailed, fmt.Sprintf("The function %s failed: %v", e.arn, failed))), nil
	}
	if err != nil {
		return provider.Report{}, err
	}
	return told.hideIn(judge(returned, &a)), nil
}

// judge reads what a function returned. What is no answer fails the action: the
// function would return the same again.
func judge(returned []byte, a *provider.Attempt) provider.Report {
	wrong := func(format string, args ...any) provider.Report {
		return provider.Failure(provider.CodeJobFailed, "The function returned no valid result: "+fmt.Sprintf(format, args...))
	}
	var got answer
	if err := json.Unmarshal(returned, &got); err != nil {
		return wrong("%v", err)
	}
	if string(got.Continuation) == "null" {
		got.Continuation = nil
	}
	r := provider.Report{Summary: got.Status.Summary, ExternalExecutionID: got.Status.ExternalExecutionID}
	result := strings.ToLower(got.Result)
	switch {
	case (got.Continuation != nil) != (result == "continue"):
		return wrong("there is a continuation with the result Continue, and only then")
	case (got.FailureType != "") != (result == "fail"):
		return wrong("there is a failureType with the result Fail, and only then")
	case result != "success" && len(got.OutputVariables) > 0:
		return wrong("there are outputVariables with the result Success only")
	}
	switch result {
	case "continue":
		var token bytes.Buffer
		if err := json.Compact(&token, got.Continuation); err != nil || token.Len() > maxToken {
			return wrong("the continuation is longer than %d bytes", maxToken)
		}
		r.Status, r.ContinuationToken = provider.InProgress, token.String()
	case "fail":
		code := got.FailureType
		if code == "PermissionsError" {
			code = provider.CodePermissionError
		}
		if !slices.Contains(failureTypes(), code) {
			return wrong("the failureType %q is not known", got.FailureType)
		}
		r.Status, r.ErrorCode, r.ErrorMessage = provider.Failed, code, got.Status.Summary
		if r.ErrorMessage == "" {
			r.ErrorMessage = "The function said that the job failed."
		}
	case "success":
		if size := pipeline.OutputVariablesSize(got.OutputVariables); size > pipeline.MaxOutputVariables {
			return wrong("the output variables have %d bytes; the maximum is %d", size, pipeline.MaxOutputVariables)
		}
		r.Status, r.OutputVariables = provider.Succeeded, got.OutputVariables
		for _, out := range a.Outputs {
			r.Produced = append(r.Produced, out.Name)
		}
	default:
		return wrong("the result %q is none of Success, Continue and Fail", got.Result)
	}
	return r
}

// maxToken is the length of a continuation token (execution.md 8.3).
const maxToken = 2048

func failureTypes() []string {
	return []string{
		provider.CodeConfigurationError, provider.CodeJobFailed, provider.CodePermissionError,
		provider.CodeRevisionOutOfSync, provider.CodeRevisionUnavailable, provider.CodeSystemUnavailable,
	}
}
