package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/penstock-cd/penstock/internal/api"
	cp "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/api/penstock"
	"github.com/penstock-cd/penstock/internal/awsjson"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// client calls a server: CodePipeline's operations and Penstock's own.
type client struct {
	codepipeline awsjson.Client
	penstock     awsjson.Client
}

func newClient(endpoint, region string, credentials sigv4.Credentials) *client {
	return &client{
		codepipeline: awsjson.Client{
			Endpoint: endpoint, Region: region, Service: "codepipeline", TargetPrefix: "CodePipeline_20150709", Credentials: credentials,
		},
		penstock: awsjson.Client{
			Endpoint: endpoint, Region: region, Service: "penstock", TargetPrefix: "Penstock_2026", Credentials: credentials,
		},
	}
}

// errNoRegion says what an environment lacks that has an endpoint and keys.
var errNoRegion = refuse("the server's address and keys are in the environment, but no region: set AWS_REGION too")

// environmentClient makes a client from the environment that penstock env sets,
// or from the data directory of a server on this machine.
func environmentClient(data string) (*client, error) {
	endpoint, region := os.Getenv("AWS_ENDPOINT_URL"), os.Getenv("AWS_REGION")
	credentials := environmentKeys()
	if data == "" && endpoint != "" && credentials.AccessKeyID != "" {
		if region = cmp.Or(region, os.Getenv("AWS_DEFAULT_REGION")); region == "" {
			return nil, errNoRegion
		}
		return newClient(endpoint, region, credentials), nil
	}
	env, err := readEnvironment(data)
	if err != nil {
		return nil, err
	}
	return newClient(env.Endpoint, env.Region, env.Credentials), nil
}

// environmentKeys are the keys that AWS tools take from the environment.
func environmentKeys() sigv4.Credentials {
	return sigv4.Credentials{
		AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
	}
}

func (c *client) createPipeline(ctx context.Context, in *cp.CreatePipelineInput) error {
	return c.codepipeline.Call(ctx, "CreatePipeline", in, nil)
}

func (c *client) updatePipeline(ctx context.Context, in *cp.UpdatePipelineInput) error {
	return c.codepipeline.Call(ctx, "UpdatePipeline", in, nil)
}

func (c *client) start(ctx context.Context, name string) (string, error) {
	var out cp.StartPipelineExecutionOutput
	err := c.codepipeline.Call(ctx, "StartPipelineExecution", &cp.StartPipelineExecutionInput{Name: &name}, &out)
	return deref(out.PipelineExecutionId), err
}

// errNoExecution says that nothing has started yet.
var errNoExecution = errors.New("there is no execution")

// newest returns the id of the execution that started last.
func (c *client) newest(ctx context.Context, name string) (string, error) {
	var out cp.ListPipelineExecutionsOutput
	in := &cp.ListPipelineExecutionsInput{PipelineName: &name, MaxResults: new(int32(1))}
	if err := c.codepipeline.Call(ctx, "ListPipelineExecutions", in, &out); err != nil {
		return "", err
	}
	if len(out.PipelineExecutionSummaries) == 0 {
		return "", fmt.Errorf("pipeline %s: %w", name, errNoExecution)
	}
	return deref(out.PipelineExecutionSummaries[0].PipelineExecutionId), nil
}

// unfinished returns the ids of the executions that have not ended.
func (c *client) unfinished(ctx context.Context, name string) ([]string, error) {
	var ids []string
	in := &cp.ListPipelineExecutionsInput{PipelineName: &name}
	for {
		var out cp.ListPipelineExecutionsOutput
		if err := c.codepipeline.Call(ctx, "ListPipelineExecutions", in, &out); err != nil {
			return nil, err
		}
		for _, x := range out.PipelineExecutionSummaries {
			if !over(x.Status) {
				ids = append(ids, deref(x.PipelineExecutionId))
			}
		}
		if out.NextToken == nil {
			return ids, nil
		}
		in.NextToken = out.NextToken
	}
}

func (c *client) execution(ctx context.Context, name, id string) (*cp.PipelineExecution, error) {
	var out cp.GetPipelineExecutionOutput
	in := &cp.GetPipelineExecutionInput{PipelineName: &name, PipelineExecutionId: &id}
	if err := c.codepipeline.Call(ctx, "GetPipelineExecution", in, &out); err != nil {
		return nil, err
	}
	if out.PipelineExecution == nil {
		return nil, fmt.Errorf("GetPipelineExecution %s: the answer is empty", id)
	}
	return out.PipelineExecution, nil
}

// actions lists all action executions of an execution, oldest first.
func (c *client) actions(ctx context.Context, name, id string) ([]cp.ActionExecutionDetail, error) {
	var list []cp.ActionExecutionDetail
	in := &cp.ListActionExecutionsInput{PipelineName: &name, Filter: &cp.ActionExecutionFilter{PipelineExecutionId: &id}}
	for {
		var out cp.ListActionExecutionsOutput
		if err := c.codepipeline.Call(ctx, "ListActionExecutions", in, &out); err != nil {
			return nil, err
		}
		list = append(list, out.ActionExecutionDetails...)
		if out.NextToken == nil {
			break
		}
		in.NextToken = out.NextToken
	}
	slices.Reverse(list)
	return list, nil
}

// rules lists all rule executions of an execution, oldest first.
func (c *client) rules(ctx context.Context, name, id string) ([]cp.RuleExecutionDetail, error) {
	var list []cp.RuleExecutionDetail
	in := &cp.ListRuleExecutionsInput{PipelineName: &name, Filter: &cp.RuleExecutionFilter{PipelineExecutionId: &id}}
	for {
		var out cp.ListRuleExecutionsOutput
		if err := c.codepipeline.Call(ctx, "ListRuleExecutions", in, &out); err != nil {
			return nil, err
		}
		list = append(list, out.RuleExecutionDetails...)
		if out.NextToken == nil {
			break
		}
		in.NextToken = out.NextToken
	}
	slices.Reverse(list)
	return list, nil
}

// rollbackOf returns the id of the execution that rolls a failed one back, empty
// if there is none.
func (c *client) rollbackOf(ctx context.Context, name, failed string) (string, error) {
	var out cp.ListPipelineExecutionsOutput
	if err := c.codepipeline.Call(ctx, "ListPipelineExecutions", &cp.ListPipelineExecutionsInput{PipelineName: &name}, &out); err != nil {
		return "", err
	}
	for _, x := range out.PipelineExecutionSummaries {
		automatic := x.Trigger != nil && x.Trigger.TriggerType == cp.TriggerTypeAutomatedRollback
		if automatic && strings.Contains(deref(x.Trigger.TriggerDetail), failed) {
			return deref(x.PipelineExecutionId), nil
		}
	}
	return "", nil
}

func (c *client) answer(ctx context.Context, in *cp.PutApprovalResultInput) error {
	return c.codepipeline.Call(ctx, "PutApprovalResult", in, nil)
}

func (c *client) stop(ctx context.Context, name, id, reason string) error {
	return c.codepipeline.Call(ctx, "StopPipelineExecution", &cp.StopPipelineExecutionInput{
		PipelineName: &name, PipelineExecutionId: &id, Abandon: new(true), Reason: &reason,
	}, nil)
}

func (c *client) log(ctx context.Context, in *penstock.GetActionLogInput) (*penstock.GetActionLogOutput, error) {
	var out penstock.GetActionLogOutput
	err := c.penstock.Call(ctx, "GetActionLog", in, &out)
	return &out, err
}

// isCode reports whether an error is the named exception.
func isCode(err error, code string) bool {
	e, ok := errors.AsType[*api.Error](err)
	return ok && e.Code == code
}

func deref[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}
