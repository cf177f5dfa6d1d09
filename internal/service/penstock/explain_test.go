package penstock

import (
	"testing"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// TestFindingText: every kind of finding, in words.
func TestFindingText(t *testing.T) {
	t.Parallel()
	const at, then = 1767225600000, 1767229200000 // 2026-01-01, and an hour later
	for _, test := range []struct {
		finding engine.Finding
		want    string
	}{
		{engine.Finding{Kind: engine.FoundStageHeld, Stage: "Gate", Other: "b", Since: at}, "Stage Gate is held by execution b since 2026-01-01 00:00:00 UTC."},
		{engine.Finding{Kind: engine.FoundTransitionDisabled, Stage: "Gate", By: "arn:me", Since: at, Reason: "freeze"}, "The inbound transition of stage Gate is disabled by arn:me since 2026-01-01 00:00:00 UTC: freeze"},
		{engine.Finding{Kind: engine.FoundTransitionDisabled, Stage: "Gate", Since: at, Outbound: true, Expired: true}, "The outbound transition of stage Gate is disabled since 2026-01-01 00:00:00 UTC, more than 30 days, so that enabling it lets this execution in no more."},
		{engine.Finding{Kind: engine.FoundTransitionExpired, Stage: "Gate"}, "A transition into stage Gate was disabled for more than 30 days, so this execution is let in no more."},
		{engine.Finding{Kind: engine.FoundQueued, Stage: "Gate", Since: at, Position: 2, Of: 3}, "It is number 2 of 3 in the queue for stage Gate, since 2026-01-01 00:00:00 UTC."},
		{engine.Finding{Kind: engine.FoundApprovalPending, Stage: "Gate", Action: "Ask", Since: at, Until: then, Configuration: map[string]string{"CustomData": "now?"}}, "Approval Gate/Ask waits for an answer since 2026-01-01 00:00:00 UTC, until 2026-01-01 01:00:00 UTC: now?"},
		{engine.Finding{Kind: engine.FoundActionRunning, Stage: "Build", Action: "Make", Provider: "CodeBuild", Since: at, Until: then}, "Action Build/Make (CodeBuild) runs since 2026-01-01 00:00:00 UTC, until 2026-01-01 01:00:00 UTC at most."},
		{engine.Finding{Kind: engine.FoundActionRunning, Stage: "Call", Action: "It", Provider: "Lambda", Since: at, Until: then}, "Action Call/It (Lambda) runs since 2026-01-01 00:00:00 UTC, until 2026-01-01 01:00:00 UTC at most: its function has not called PutJobSuccessResult or PutJobFailureResult yet; if it failed, its log says so."},
		{engine.Finding{Kind: engine.FoundRuleRunning, Stage: "Call", Action: "ok", Provider: "LambdaInvoke", Since: at, Until: then}, "Rule Call/ok (LambdaInvoke) is judged since 2026-01-01 00:00:00 UTC, until 2026-01-01 01:00:00 UTC at most: its function has not called PutJobSuccessResult or PutJobFailureResult yet; if it failed, its log says so."},
		{engine.Finding{Kind: engine.FoundConditionEvaluating, Stage: "Prod", Gate: pipeline.GateBeforeEntry, Since: at}, "The entry condition of stage Prod is evaluated since 2026-01-01 00:00:00 UTC."},
		{engine.Finding{Kind: engine.FoundRuleRunning, Stage: "Prod", Action: "alarm", Provider: "CloudWatchAlarm", Since: at, Until: then}, "Rule Prod/alarm (CloudWatchAlarm) is judged since 2026-01-01 00:00:00 UTC, until 2026-01-01 01:00:00 UTC at most."},
		{engine.Finding{Kind: engine.FoundWindowClosed, Stage: "Prod", Action: "window", Since: at, Until: then, Configuration: map[string]string{"Cron": "* * 9-17 ? * MON-FRI *"}}, `Rule Prod/window waits since 2026-01-01 00:00:00 UTC for the deployment window "* * 9-17 ? * MON-FRI *" (UTC), which opens at 2026-01-01 01:00:00 UTC.`},
		{engine.Finding{Kind: engine.FoundStopping, By: "arn:me", Since: at, Reason: "wrong"}, "It stops when what runs has ended; that was asked for by arn:me at 2026-01-01 00:00:00 UTC: wrong"},
		{engine.Finding{Kind: engine.FoundCancelling, Version: 2}, "The definition was updated to version 2: it is cancelled when what runs has ended."},
		{engine.Finding{Kind: engine.FoundRollback, Stage: "Prod", Other: "b", Reason: "ManualRollback"}, "It rolls stage Prod back to execution b (ManualRollback)."},
		{engine.Finding{Kind: engine.FoundStageRetried, Stage: "Prod", AutoRetries: 1, ManualRetries: 2}, "Stage Prod was retried: 1 times automatically, 2 times on request."},
		{engine.Finding{Kind: engine.FoundStageSkipped, Stage: "Prod", Gate: pipeline.GateBeforeEntry, Until: at}, "Stage Prod was skipped at 2026-01-01 00:00:00 UTC, because its entry condition did not hold."},
		{engine.Finding{Kind: engine.FoundStageSkipped, Stage: "Prod", Gate: pipeline.GateOnFailure, Until: at}, "Stage Prod failed and was skipped at 2026-01-01 00:00:00 UTC."},
		{engine.Finding{Kind: engine.FoundSucceeded, Since: at}, "It succeeded at 2026-01-01 00:00:00 UTC."},
		{engine.Finding{Kind: engine.FoundSuperseded, Stage: "Gate", Other: "b", Since: at, Until: then}, "It waited for stage Gate since 2026-01-01 00:00:00 UTC and was superseded by execution b at 2026-01-01 01:00:00 UTC."},
		{engine.Finding{Kind: engine.FoundSuperseded, Stage: "Gate", Since: at, Until: then}, "It waited for stage Gate since 2026-01-01 00:00:00 UTC and was superseded by a newer execution at 2026-01-01 01:00:00 UTC."},
		{engine.Finding{Kind: engine.FoundCancelled, Stage: "Gate", Since: at, Version: 2}, "It was cancelled at 2026-01-01 00:00:00 UTC at stage Gate, because the definition was updated to version 2."},
		{engine.Finding{Kind: engine.FoundStopped, Stage: "Gate", By: "arn:me", Since: at, Reason: "wrong"}, "It was stopped at 2026-01-01 00:00:00 UTC at stage Gate by arn:me: wrong"},
		{engine.Finding{Kind: engine.FoundStartFailed, Since: at, Reason: "no values"}, "It failed at 2026-01-01 00:00:00 UTC before it began: no values"},
		{engine.Finding{Kind: engine.FoundLimitReached, Since: at, Reason: "The limit of 50"}, "It failed at 2026-01-01 00:00:00 UTC before it began: The limit of 50"},
		{engine.Finding{Kind: engine.FoundActionFailed, Stage: "Build", Action: "Make", Outcome: engine.Outcome{ErrorCode: "JobFailed", ErrorMessage: "exit status 2"}}, "Action Build/Make failed (JobFailed): exit status 2"},
		{engine.Finding{Kind: engine.FoundActionFailed, Stage: "Gate", Action: "Ask", By: "arn:bob", Outcome: engine.Outcome{Summary: "no"}}, "Approval Gate/Ask was rejected by arn:bob: no"},
		{engine.Finding{Kind: engine.FoundActionAbandoned, Stage: "Build", Action: "Make"}, "Action Build/Make was abandoned."},
		{engine.Finding{Kind: engine.FoundConditionFailed, Stage: "Prod", Gate: pipeline.GateOnSuccess, Status: engine.Failed}, "The success condition of stage Prod did not hold."},
		{engine.Finding{Kind: engine.FoundConditionFailed, Stage: "Prod", Gate: pipeline.GateOnFailure, Status: engine.Errored}, "The failure condition of stage Prod could not be evaluated."},
		{engine.Finding{Kind: engine.FoundRuleFailed, Stage: "Prod", Action: "check", Provider: "VariableCheck", Outcome: engine.Outcome{Summary: "blue is not red"}}, "Rule Prod/check (VariableCheck) did not hold: blue is not red"},
		{engine.Finding{Kind: engine.FoundRolledBack, Stage: "Prod", Other: "b", Status: engine.InProgress}, "Execution b, which is InProgress, rolled stage Prod back."},
		{engine.Finding{Kind: engine.FoundSucceeded, Execution: "c", Since: at}, "Execution c: It succeeded at 2026-01-01 00:00:00 UTC."},
	} {
		if test.finding.Execution == "" {
			test.finding.Execution = "a"
		}
		if got := findingText("a", &test.finding); got != test.want {
			t.Errorf("%s: %q, want %q", test.finding.Kind, got, test.want)
		}
	}
}

// TestCommandLine: every remedy as a command, and values that look like options.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	const web = " --pipeline-name web"
	for _, test := range []struct {
		remedy engine.Remedy
		want   string
	}{
		{engine.Remedy{Kind: engine.RemedyEnableTransition, Stage: "Prod"}, "enable-stage-transition" + web + " --stage-name Prod --transition-type Inbound"},
		{engine.Remedy{Kind: engine.RemedyEnableTransition, Stage: "-x", Outbound: true}, "enable-stage-transition" + web + " --stage-name=-x --transition-type Outbound"},
		{engine.Remedy{Kind: engine.RemedyApprove, Stage: "Gate", Action: "Ask", Token: "t"}, "put-approval-result" + web + " --stage-name Gate --action-name Ask --token t --result summary=Approved,status=Approved"},
		{engine.Remedy{Kind: engine.RemedyReject, Stage: "Gate", Action: "Ask", Token: "t"}, "put-approval-result" + web + " --stage-name Gate --action-name Ask --token t --result summary=Rejected,status=Rejected"},
		{engine.Remedy{Kind: engine.RemedyRetryFailedActions, Stage: "Prod", Execution: "e"}, "retry-stage-execution" + web + " --stage-name Prod --pipeline-execution-id e --retry-mode FAILED_ACTIONS"},
		{engine.Remedy{Kind: engine.RemedyRetryAllActions, Stage: "Prod", Execution: "e"}, "retry-stage-execution" + web + " --stage-name Prod --pipeline-execution-id e --retry-mode ALL_ACTIONS"},
		{engine.Remedy{Kind: engine.RemedyOverride, Stage: "Prod", Execution: "e", Gate: pipeline.GateBeforeEntry}, "override-stage-condition" + web + " --stage-name Prod --pipeline-execution-id e --condition-type BEFORE_ENTRY"},
		{engine.Remedy{Kind: engine.RemedyOverride, Stage: "Prod", Execution: "e", Gate: pipeline.GateOnSuccess}, "override-stage-condition" + web + " --stage-name Prod --pipeline-execution-id e --condition-type ON_SUCCESS"},
		{engine.Remedy{Kind: engine.RemedyRollBack, Stage: "Prod", Execution: "e"}, "rollback-stage" + web + " --stage-name Prod --target-pipeline-execution-id e"},
		{engine.Remedy{Kind: engine.RemedyStop, Execution: "e"}, "stop-pipeline-execution" + web + " --pipeline-execution-id e"},
		{engine.Remedy{Kind: engine.RemedyAbandon, Execution: "e"}, "stop-pipeline-execution" + web + " --pipeline-execution-id e --abandon"},
		{engine.Remedy{Kind: engine.RemedyStart}, "start-pipeline-execution --name web"},
	} {
		if got := commandLine("web", &test.remedy); got != "aws codepipeline "+test.want {
			t.Errorf("%s: %q, want %q", test.remedy.Kind, got, test.want)
		}
	}
}
