package invoke

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// The times of Lambda jobs (actions.md A.26).
const (
	jobTimeout        = 20 * time.Minute
	continuationPause = 30 * time.Second
)

// Lambda invokes a function for an action, or for a rule, and leaves it to the
// function to call back.
type Lambda struct {
	id        pipeline.ActionTypeID
	config    Config
	functions *functions
}

var _ provider.Invoker = (*Lambda)(nil)

// New returns the providers of Invoke/Lambda and of the rule LambdaInvoke.
func New(c Config) (action, rule *Lambda) {
	fns := newFunctions(c)
	action = &Lambda{config: c, functions: fns, id: pipeline.ActionTypeID{
		Category: pipeline.CategoryInvoke, Owner: pipeline.OwnerAWS, Provider: "Lambda", Version: "1",
	}}
	rule = &Lambda{config: c, functions: fns, id: pipeline.RuleTypeID{Provider: "LambdaInvoke"}.ActionType()}
	return action, rule
}

// Type implements provider.Provider. The jobs tell what was begun, so there is
// always a way to find out.
func (p *Lambda) Type() pipeline.ActionType {
	return pipeline.ActionType{ID: p.id, V2Only: p.id.Category == pipeline.CategoryRule, WhenLost: pipeline.LostFind}
}

// JobTerms implements provider.Invoker. An error of the function is what a rule
// after a failure waits for (execution.md 5.3).
func (p *Lambda) JobTerms(a provider.Attempt) provider.JobTerms {
	name := a.Configuration["FunctionName"]
	return provider.JobTerms{
		Timeout: jobTimeout, Pause: cmp.Or(p.config.Pause, continuationPause), ExternalExecutionID: name,
		TimeoutMessage: fmt.Sprintf("The AWS Lambda function %s failed to return a result. Check the function to verify that it has "+
			"permission to call the PutJobSuccessResult action and that it made a call to PutJobSuccessResult.", name),
		FailureHolds: a.Gate == pipeline.GateOnFailure,
	}
}

// Start invokes the function for a.Job.
func (p *Lambda) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	told := remember(&a)
	payload, err := p.config.event(&a)
	if err != nil {
		return provider.Report{}, err
	}
	name := a.Configuration["FunctionName"]
	_, err = p.functions.invoke(ctx, call{function: name, mode: event, payload: payload, attempt: &a})
	if refused, ok := errors.AsType[*refusal](err); ok {
		return told.hideIn(provider.Failure(refused.code, refused.message)), nil
	}
	if failed, ok := errors.AsType[*functionError](err); ok {
		// As at AWS: only a call, or the time-out of the job, ends the action.
		fmt.Fprintf(a.Log, "Function %s: %s\n", name, told.hide(failed.Error()))
		return provider.Report{Status: provider.InProgress}, nil
	}
	return provider.Report{Status: provider.InProgress}, err
}

// Await implements provider.Provider; jobs are only ever started.
func (p *Lambda) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return p.Start(ctx, a)
}

// Stop implements provider.Provider: a function that was invoked runs on, as at
// AWS; one of this machine ends with its invocation.
func (p *Lambda) Stop(context.Context, provider.Attempt) error { return nil }
