package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	cpwire "github.com/penstock-cd/penstock/internal/api/codepipeline"
)

// toolCall is one call of the conversation that each tool has with a server.
type toolCall struct {
	operation string
	// input is JSON, in which $names stand for what was kept.
	input string
	// exception is the one that is the right answer; empty for success.
	exception string
	// want is a part of the exception's text, or "PATH=VALUE" of the answer: a path
	// of members and positions, or #PATH for the length of a list.
	want string
	// keep names a kept text: "NAME=PATH".
	keep string
	// paged asks for pages of one, and for all of them.
	paged bool
	// before is run before.
	before func(*bed, map[string]string)
}

// toolReply is what a tool says of an answer.
type toolReply struct {
	Answer    any
	Exception string
	Message   string
}

const (
	toolPipeline = `{"name": "demo", "pipelineType": "V2", "roleArn": "arn:aws:iam::111122223333:role/pipeline",
		"artifactStore": {"type": "S3", "location": "artifacts"}, "stages": [
		{"name": "Source", "actions": [{"name": "Pulse", "actionTypeId": {"category": "Source", "owner": "Custom", "provider": "Pulse", "version": "1"}, "outputArtifacts": [{"name": "App"}]}]},
		{"name": "Gate", "actions": [{"name": "Review", "actionTypeId": {"category": "Approval", "owner": "AWS", "provider": "Manual", "version": "1"}}]}]}`
	// toolGated has a condition that no execution meets by itself.
	toolGated = `{"name": "gated", "pipelineType": "V2", "executionMode": "QUEUED", "roleArn": "arn:aws:iam::111122223333:role/pipeline",
		"artifactStore": {"type": "S3", "location": "artifacts"}, "stages": [
		{"name": "Source", "actions": [{"name": "Pulse", "actionTypeId": {"category": "Source", "owner": "Custom", "provider": "Pulse", "version": "1"}, "outputArtifacts": [{"name": "App"}]}]},
		{"name": "Gate", "actions": [{"name": "Review", "actionTypeId": {"category": "Approval", "owner": "AWS", "provider": "Manual", "version": "1"}}],
			"beforeEntry": {"conditions": [{"result": "FAIL", "rules": [
				{"name": "One", "ruleTypeId": {"category": "Rule", "owner": "AWS", "provider": "VariableCheck", "version": "1"}, "configuration": {"Variable": "a", "Operator": "EQ", "Value": "b"}},
				{"name": "Two", "ruleTypeId": {"category": "Rule", "owner": "AWS", "provider": "VariableCheck", "version": "1"}, "configuration": {"Variable": "a", "Operator": "NE", "Value": "b"}}]}]}}]}`
	toolBounds  = `"inputArtifactDetails": {"minimumCount": 0, "maximumCount": 1}, "outputArtifactDetails": {"minimumCount": 0, "maximumCount": 1}`
	toolMake    = `"category": "Build", "provider": "Make", "version": "1"`
	toolCheck   = `"category": "Test", "owner": "ThirdParty", "provider": "Check", "version": "1"`
	toolARN     = "arn:aws:codepipeline:" + region + ":" + account + ":demo"
	toolUnknown = `"jobId": "` + sampleID + `"`
	toolGate    = `"pipelineName": "demo", "stageName": "Gate"`
	toolHook    = `"targetPipeline": "demo", "targetAction": "Pulse", "authentication": "UNAUTHENTICATED", "authenticationConfiguration": {}, "filters": [{"jsonPath": "$.ref"}]`
)

// waitForApproval keeps the token of the newest execution's approval.
func waitForApproval(b *bed, kept map[string]string) {
	kept["$token"] = b.token("demo", b.newest("demo"))
}

// toolCalls meets every operation: with success, or with a declared exception
// that is right of a server without jobs.
func toolCalls() []toolCall {
	return slices.Concat(typeCalls(), pipelineCalls(), stageCalls(), gateCalls(), hookCalls(), jobCalls(), lastCalls())
}

func typeCalls() []toolCall {
	return []toolCall{
		{operation: "CreateCustomActionType", input: `{` + toolMake + `, ` + toolBounds + `, "tags": [{"key": "team", "value": "a"}]}`,
			want: "actionType.id.owner=Custom"},
		{operation: "CreateCustomActionType", input: `{` + toolMake + `, ` + toolBounds + `, "tags": [{"key": "aws:team", "value": "a"}]}`,
			exception: "InvalidTagsException"},
		{operation: "ListActionTypes", input: `{"actionOwnerFilter": "Custom"}`,
			paged: true, want: "#actionTypes=3"}, // and the two of the tests
		{operation: "UpdateActionType", input: `{"actionType": {"id": {` + toolCheck + `}, ` + toolBounds + `, "executor": {"type": "Lambda",
			"configuration": {"lambdaExecutorConfiguration": {"lambdaFunctionArn": "arn:aws:lambda:eu-west-1:111122223333:function:check"}}}}}`},
		{operation: "UpdateActionType", input: `{"actionType": {"id": {"category": "Source", "owner": "AWS", "provider": "S3", "version": "1"}, ` + toolBounds + `, "executor": {"type": "Lambda",
			"configuration": {"lambdaExecutorConfiguration": {"lambdaFunctionArn": "arn:aws:lambda:eu-west-1:111122223333:function:check"}}}}}`,
			exception: "RequestFailedException"},
		{operation: "GetActionType", input: `{` + toolCheck + `}`, want: "actionType.executor.type=Lambda"},
		{operation: "GetActionType", input: `{"category": "Test", "owner": "AWS", "provider": "None", "version": "1"}`,
			exception: "ActionTypeNotFoundException"},
		{operation: "ListRuleTypes", input: `{}`, want: "#ruleTypes=6"},
	}
}

func pipelineCalls() []toolCall {
	return []toolCall{
		{operation: "CreatePipeline", input: `{"pipeline": $pipeline, "tags": [{"key": "team", "value": "a"}]}`, want: "pipeline.version=1"},
		{operation: "CreatePipeline", input: `{"pipeline": $pipeline}`, exception: "PipelineNameInUseException",
			want: "A pipeline with the name 'demo' already exists in account '" + account + "'"},
		{operation: "GetPipeline", input: `{"name": "demo"}`, want: "pipeline.stages.0.actions.0.runOrder=1"},
		{operation: "GetPipeline", input: `{"name": "demo", "version": 9}`, exception: "PipelineVersionNotFoundException"},
		{operation: "GetPipelineState", input: `{"name": "demo"}`,
			before: waitForApproval, want: "stageStates.1.actionStates.0.latestExecution.token=$token", keep: "$first=stageStates.1.latestExecution.pipelineExecutionId"},
		{operation: "PutApprovalResult", input: `{` + toolGate + `, "actionName": "Review", "token": "` + sampleID + `", "result": {"summary": "no", "status": "Rejected"}}`,
			exception: "InvalidApprovalTokenException"},
		{operation: "PutApprovalResult", input: `{` + toolGate + `, "actionName": "Review", "token": "$token", "result": {"summary": "fine", "status": "Approved"}}`,
			keep: "$at=approvedAt"},
		{operation: "PutApprovalResult", input: `{` + toolGate + `, "actionName": "Review", "token": "$token", "result": {"summary": "fine", "status": "Approved"}}`,
			exception: "ApprovalAlreadyCompletedException"},
		{operation: "GetPipelineExecution", input: `{"pipelineName": "demo", "pipelineExecutionId": "$first"}`,
			want: "pipelineExecution.status=Succeeded",
			before: func(b *bed, kept map[string]string) {
				b.await("demo", kept["$first"], types.PipelineExecutionStatusSucceeded)
			}},
		{operation: "GetPipelineExecution", input: `{"pipelineName": "demo", "pipelineExecutionId": "` + sampleID + `"}`,
			exception: "PipelineExecutionNotFoundException"},
		{operation: "ListPipelineExecutions", input: `{"pipelineName": "demo", "filter": {"succeededInStage": {"stageName": "Gate"}}}`,
			paged: true, want: "pipelineExecutionSummaries.0.pipelineExecutionId=$first"},
		{operation: "UpdatePipeline", input: `{"pipeline": $pipeline}`, want: "pipeline.version=2"},
		{operation: "StartPipelineExecution", input: `{"name": "demo", "sourceRevisions": [{"actionName": "None", "revisionType": "COMMIT_ID", "revisionValue": "c"}]}`,
			exception: "ValidationException"},
		{operation: "StartPipelineExecution", input: `{"name": "demo"}`, keep: "$second=pipelineExecutionId"},
		{operation: "StopPipelineExecution", input: `{"pipelineName": "demo", "pipelineExecutionId": "$second", "abandon": true, "reason": "enough"}`,
			before: waitForApproval, want: "pipelineExecutionId=$second"},
		{operation: "StopPipelineExecution", input: `{"pipelineName": "demo", "pipelineExecutionId": "$second", "abandon": true}`,
			exception: "PipelineExecutionNotStoppableException",
			before: func(b *bed, kept map[string]string) {
				b.await("demo", kept["$second"], types.PipelineExecutionStatusStopped)
			}},
		{operation: "ListPipelineExecutions", input: `{"pipelineName": "demo"}`, paged: true, want: "#pipelineExecutionSummaries=2"},
		{operation: "ListPipelineExecutions", input: `{"pipelineName": "demo", "nextToken": "forged"}`, exception: "InvalidNextTokenException"},
		{operation: "ListActionExecutions", input: `{"pipelineName": "demo"}`,
			paged: true, want: "#actionExecutionDetails=4", keep: "$action=actionExecutionDetails.0.actionExecutionId"},
		{operation: "ListActionExecutions", input: `{"pipelineName": "demo", "filter": {"latestInPipelineExecution": {"pipelineExecutionId": "$first", "startTimeRange": "Latest"}}}`,
			paged: true, want: "#actionExecutionDetails=2"},
		{operation: "ListRuleExecutions", input: `{"pipelineName": "demo"}`, paged: true, want: "#ruleExecutionDetails=0"},
		{operation: "ListDeployActionExecutionTargets", input: `{"pipelineName": "demo", "actionExecutionId": "$action"}`,
			paged: true, want: "#targets=0"},
		{operation: "ListDeployActionExecutionTargets", input: `{"pipelineName": "demo", "actionExecutionId": "none"}`,
			exception: "ActionExecutionNotFoundException"},
	}
}

func stageCalls() []toolCall {
	return []toolCall{
		{operation: "DisableStageTransition", input: `{` + toolGate + `, "transitionType": "Inbound", "reason": "freeze"}`},
		{operation: "GetPipelineState", input: `{"name": "demo"}`, want: "stageStates.1.inboundTransitionState.disabledReason=freeze"},
		{operation: "EnableStageTransition", input: `{` + toolGate + `, "transitionType": "Inbound"}`},
		{operation: "EnableStageTransition", input: `{"pipelineName": "demo", "stageName": "None", "transitionType": "Inbound"}`,
			exception: "StageNotFoundException",
			want:      "Pipeline 'demo' does not have a stage with name 'None'"},
		{operation: "RetryStageExecution", input: `{"pipelineName": "demo", "stageName": "Source", "pipelineExecutionId": "$second", "retryMode": "FAILED_ACTIONS"}`,
			exception: "StageNotRetryableException"},
		{operation: "RetryStageExecution", input: `{` + toolGate + `, "pipelineExecutionId": "$first", "retryMode": "ALL_ACTIONS"}`,
			exception: "NotLatestPipelineExecutionException"},
		{operation: "RollbackStage", input: `{` + toolGate + `, "targetPipelineExecutionId": "$second"}`,
			exception: "UnableToRollbackStageException"},
		{operation: "RollbackStage", input: `{` + toolGate + `, "targetPipelineExecutionId": "$first"}`,
			exception: "PipelineExecutionOutdatedException"},
		{operation: "OverrideStageCondition", input: `{` + toolGate + `, "pipelineExecutionId": "$second", "conditionType": "BEFORE_ENTRY"}`,
			exception: "ConditionNotOverridableException"},
		{operation: "PutActionRevision", input: `{"pipelineName": "demo", "stageName": "Source", "actionName": "Pulse", "actionRevision": {"revisionId": "r2", "revisionChangeId": "c2", "created": "2026-01-02T03:04:05Z"}}`,
			want: "newRevision=true", keep: "$third=pipelineExecutionId"},
		{operation: "PutActionRevision", input: `{"pipelineName": "demo", "stageName": "Source", "actionName": "None", "actionRevision": {"revisionId": "r2", "revisionChangeId": "c2", "created": "2026-01-02T03:04:05Z"}}`,
			exception: "ActionNotFoundException"},
	}
}

// gateCalls retry, override and roll back the stage of another pipeline.
func gateCalls() []toolCall {
	const gate = `"pipelineName": "gated", "stageName": "Gate"`
	failed := func(b *bed, kept map[string]string) {
		kept["$barred"] = b.newest("gated")
		b.await("gated", kept["$barred"], types.PipelineExecutionStatusFailed)
	}
	return []toolCall{
		{operation: "CreatePipeline", input: `{"pipeline": $gated}`, want: "pipeline.stages.1.beforeEntry.conditions.0.result=FAIL"},
		{operation: "GetPipelineState", input: `{"name": "gated"}`, before: failed,
			want: "stageStates.1.beforeEntryConditionState.conditionStates.0.ruleStates.0.latestExecution.status=Failed"},
		{operation: "RetryStageExecution", input: `{` + gate + `, "pipelineExecutionId": "$barred", "retryMode": "ALL_ACTIONS"}`, want: "pipelineExecutionId=$barred"},
		{operation: "OverrideStageCondition", input: `{` + gate + `, "pipelineExecutionId": "$barred", "conditionType": "ON_SUCCESS"}`, before: failed,
			exception: "ConditionNotOverridableException"},
		{operation: "OverrideStageCondition", input: `{` + gate + `, "pipelineExecutionId": "$barred", "conditionType": "BEFORE_ENTRY"}`},
		{operation: "ListRuleExecutions", input: `{"pipelineName": "gated"}`, paged: true, want: "#ruleExecutionDetails=4"},
		{operation: "ListRuleExecutions", input: `{"pipelineName": "gated", "filter": {"latestInPipelineExecution": {"pipelineExecutionId": "$barred", "startTimeRange": "Latest"}}}`,
			paged: true, want: "#ruleExecutionDetails=2"},
		{operation: "RollbackStage", input: `{` + gate + `, "targetPipelineExecutionId": "$barred"}`, keep: "$back=pipelineExecutionId",
			before: func(b *bed, kept map[string]string) {
				b.approve("gated", kept["$barred"])
				b.await("gated", kept["$barred"], types.PipelineExecutionStatusSucceeded)
			}},
		{operation: "GetPipelineExecution", input: `{"pipelineName": "gated", "pipelineExecutionId": "$back"}`,
			want: "pipelineExecution.rollbackMetadata.rollbackTargetPipelineExecutionId=$barred"},
		{operation: "DeletePipeline", input: `{"name": "gated"}`},
	}
}

func hookCalls() []toolCall {
	const arn = `"resourceArn": "` + toolARN + `"`
	return []toolCall{
		{operation: "PutWebhook", input: `{"webhook": {"name": "push", ` + toolHook + `}, "tags": [{"key": "team", "value": "a"}]}`,
			want: "webhook.definition.targetAction=Pulse"},
		{operation: "PutWebhook", input: `{"webhook": {"name": "pull", ` + toolHook + `}}`},
		{operation: "PutWebhook", input: `{"webhook": {"name": "none", ` + strings.Replace(toolHook, "demo", "none", 1) + `}}`,
			exception: "PipelineNotFoundException"},
		{operation: "ListWebhooks", input: `{}`, paged: true, want: "#webhooks=2"},
		{operation: "RegisterWebhookWithThirdParty", input: `{"webhookName": "none"}`, exception: "WebhookNotFoundException"},
		{operation: "DeregisterWebhookWithThirdParty", input: `{"webhookName": "none"}`, exception: "WebhookNotFoundException"},
		{operation: "DeleteWebhook", input: `{"name": "pull"}`},
		{operation: "DeleteWebhook", input: `{"name": "pull"}`},
		{operation: "TagResource", input: `{` + arn + `, "tags": [{"key": "cost", "value": "7"}, {"key": "empty", "value": ""}]}`},
		{operation: "TagResource", input: `{"resourceArn": "arn:aws:codepipeline:eu-west-1:111122223333:none", "tags": [{"key": "cost", "value": "7"}]}`,
			exception: "ResourceNotFoundException"},
		{operation: "ListTagsForResource", input: `{` + arn + `}`, paged: true, want: "#tags=3"},
		{operation: "ListTagsForResource", input: `{"resourceArn": "arn:aws:codepipeline:eu-west-1:111122223333:/"}`,
			exception: "InvalidArnException"},
		{operation: "UntagResource", input: `{` + arn + `, "tagKeys": ["cost", "team"]}`},
		{operation: "ListTagsForResource", input: `{` + arn + `}`, want: "tags.0.key=empty"},
	}
}

func jobCalls() []toolCall {
	const failure = `"failureDetails": {"type": "JobFailed", "message": "no"}`
	list := []toolCall{
		{operation: "PollForJobs", input: `{"actionTypeId": {"owner": "Custom", ` + toolMake + `}}`, want: "#jobs=0"},
		{operation: "PollForJobs", input: `{"actionTypeId": {"owner": "Custom", "category": "Build", "provider": "None", "version": "1"}}`,
			exception: "ActionTypeNotFoundException"},
		{operation: "PollForThirdPartyJobs", input: `{"actionTypeId": {` + toolCheck + `}}`, exception: "ValidationException"},
		{operation: "PollForThirdPartyJobs", input: `{"actionTypeId": {"owner": "ThirdParty", "category": "Build", "provider": "None", "version": "1"}}`,
			exception: "ActionTypeNotFoundException"},
	}
	for _, job := range []struct{ operation, more string }{
		{"AcknowledgeJob", `, "nonce": "1"`},
		{"GetJobDetails", ``},
		{"PutJobSuccessResult", ``},
		{"PutJobFailureResult", `, ` + failure},
		{"AcknowledgeThirdPartyJob", `, "nonce": "1", "clientToken": "t"`},
		{"GetThirdPartyJobDetails", `, "clientToken": "t"`},
		{"PutThirdPartyJobSuccessResult", `, "clientToken": "t"`},
		{"PutThirdPartyJobFailureResult", `, "clientToken": "t", ` + failure},
	} {
		list = append(list, toolCall{operation: job.operation, input: `{` + toolUnknown + job.more + `}`, exception: "JobNotFoundException"})
	}
	return list
}

func lastCalls() []toolCall {
	return []toolCall{
		{operation: "ListPipelines", input: `{}`, paged: true, want: "#pipelines=2",
			before: func(b *bed, _ map[string]string) { b.create(declare("another", pulseStage(), reviewStage(nil))) }},
		{operation: "DeleteCustomActionType", input: `{` + toolMake + `}`},
		{operation: "DeletePipeline", input: `{"name": "demo"}`},
		{operation: "DeletePipeline", input: `{"name": "demo"}`},
		{operation: "GetPipeline", input: `{"name": "demo"}`,
			exception: "PipelineNotFoundException", want: "Account '" + account + "' does not have a pipeline with name 'demo'"},
		{operation: "ListPipelines", input: `{"maxResults": 1001}`,
			exception: "ValidationException", want: "1 validation error detected: Value at 'maxResults'"},
	}
}

// converse holds the conversation with a tool, and sees that no operation is
// missing from it.
func (b *bed) converse(tool func(call toolCall, input string) toolReply) {
	b.t.Helper()
	missing := cpwire.Describe(cpwire.Unimplemented{}).Operations
	kept := map[string]string{"$pipeline": toolPipeline, "$gated": toolGated}
	reveal := func(text string) string {
		for name, value := range kept {
			text = strings.ReplaceAll(text, name, value)
		}
		return text
	}
	for i, call := range toolCalls() {
		delete(missing, call.operation)
		if call.before != nil {
			call.before(b, kept)
		}
		input := reveal(call.input)
		reply := tool(call, input)
		what := fmt.Sprintf("call %d, %s %s", i, call.operation, input)
		if reply.Exception != call.exception {
			b.t.Fatalf("%s: %q %s, want %q", what, reply.Exception, reply.Message, call.exception)
		}
		want := reveal(call.want)
		if call.exception != "" {
			if !strings.Contains(reply.Message, want) || reply.Message == "" {
				b.t.Errorf("%s says %q, want %q", what, reply.Message, want)
			}
			continue
		}
		if path, value, ok := strings.Cut(want, "="); ok && at(reply.Answer, path) != value {
			b.t.Errorf("%s: %s is %q, want %q in %v", what, path, at(reply.Answer, path), value, reply.Answer)
		}
		if name, path, ok := strings.Cut(call.keep, "="); ok {
			if kept[name] = at(reply.Answer, path); kept[name] == "" {
				b.t.Fatalf("%s: no %s in %v", what, path, reply.Answer)
			}
		}
	}
	for operation := range missing {
		b.t.Errorf("nobody called %s", operation)
	}
}

// at is the text at a path of an answer, empty if there is none.
func at(answer any, path string) string {
	path, length := strings.CutPrefix(path, "#")
	for name := range strings.SplitSeq(path, ".") {
		switch v := answer.(type) {
		case map[string]any:
			answer = v[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(v) {
				return ""
			}
			answer = v[i]
		default:
			return ""
		}
	}
	list, isList := answer.([]any)
	switch {
	case length && isList:
		return strconv.Itoa(len(list))
	case answer == nil, length:
		return ""
	}
	return fmt.Sprint(answer)
}

func TestAt(t *testing.T) {
	t.Parallel()
	answer := map[string]any{"a": []any{map[string]any{"b": 1.0}, "c"}}
	for path, want := range map[string]string{"a.0.b": "1", "a.1": "c", "#a": "2", "a.2": "", "b": "", "#a.1": "", "a.x": "", "a.1.c": ""} {
		if got := at(answer, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}

// cliError is what the AWS CLI says of an exception.
var cliError = regexp.MustCompile(`An error occurred \((\w+)\) when calling the (\w+) operation[^:]*: (.*)`)

// TestOperationsCLI calls every operation with the AWS CLI.
func TestOperationsCLI(t *testing.T) {
	t.Parallel()
	c := newCLI(newBed(t))
	c.converse(func(call toolCall, input string) toolReply {
		args := []string{"codepipeline", kebab(call.operation), "--cli-input-json", input, "--output", "json"}
		if call.paged && call.operation != "ListActionTypes" { // whose pages have no size
			args = append(args, "--page-size", "1")
		}
		var reply toolReply
		out, err := c.tool(c.dir, "aws", args...)
		if err != nil {
			match := cliError.FindStringSubmatch(out)
			if match == nil || match[2] != call.operation {
				c.t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
			}
			return toolReply{Exception: match[1], Message: match[3]}
		}
		if out != "" {
			c.must(json.Unmarshal([]byte(out), &reply.Answer))
		}
		return reply
	})
}

// kebab is the CLI's name of an operation.
func kebab(operation string) string {
	var name strings.Builder
	for i, r := range operation {
		if unicode.IsUpper(r) && i > 0 {
			name.WriteByte('-')
		}
		name.WriteRune(unicode.ToLower(r))
	}
	return name.String()
}

// TestOperationsBoto3 calls every operation with boto3, whose exceptions are
// classes and whose paginators read whole lists.
func TestOperationsBoto3(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	dir := t.TempDir()
	if out, err := b.tool(dir, "python3", "-c", "import boto3"); err != nil {
		t.Skipf("boto3 is not installed: %v %s", err, out)
	}
	script, err := filepath.Abs("testdata/operations.py")
	b.must(err)
	cmd := b.toolCommand(dir, nil, "python3", script)
	requests, answers := startTool(b, cmd)
	b.converse(func(call toolCall, input string) toolReply {
		size := 0
		if call.paged {
			size = 1
		}
		line, err := json.Marshal(map[string]any{"operation": call.operation, "input": json.RawMessage(input), "pageSize": size})
		b.must(err)
		_, err = fmt.Fprintf(requests, "%s\n", line)
		b.must(err)
		if !answers.Scan() {
			t.Fatalf("boto3 says no more after %s", line)
		}
		var reply struct {
			toolReply
			Class string
		}
		b.must(json.Unmarshal(answers.Bytes(), &reply))
		if reply.Exception != reply.Class {
			t.Errorf("%s: %s is of class %s", line, reply.Exception, reply.Class)
		}
		return reply.toolReply
	})
	b.must(requests.Close())
	b.must(cmd.Wait())
}

// startTool starts a program that answers lines with lines.
func startTool(b *bed, cmd *exec.Cmd) (io.WriteCloser, *bufio.Scanner) {
	b.t.Helper()
	in, err := cmd.StdinPipe()
	b.must(err)
	out, err := cmd.StdoutPipe()
	b.must(err)
	cmd.Stderr = b.t.Output()
	b.must(cmd.Start())
	return in, bufio.NewScanner(out)
}
