package server_test

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
)

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
