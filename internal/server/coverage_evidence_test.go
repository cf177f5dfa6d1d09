package server_test

// What docs/coverage.md says that the source does not: see TestCoverage, which
// fails when any of it is not needed any more, or names a test that is not there.

// operationNotes say what an operation does and does not.
func operationNotes() map[string]string {
	return map[string]string{
		"CreatePipeline":                   "structural rules; unavailable providers, of rules too, and, unless `inertTriggers` is set, triggers are refused",
		"UpdatePipeline":                   "as CreatePipeline",
		"StartPipelineExecution":           "variables, client token, source revisions of all four types; SUPERSEDED, QUEUED and PARALLEL",
		"StopPipelineExecution":            "wait and abandon",
		"RetryStageExecution":              "failed and stopped stages; what failed also while the rest of the stage runs",
		"RollbackStage":                    "any stage, in every mode",
		"OverrideStageCondition":           "a condition that is evaluated, or that failed the stage or rolled it back",
		"GetPipelineState":                 "every mode; retries, rollbacks, conditions, whoever waits",
		"ListRuleExecutions":               "paging and both filters",
		"ListDeployActionExecutionTargets": "empty: no provider deploys to single targets",
		"TagResource":                      "pipelines, custom action types, webhooks",
		"ListActionTypes":                  "built-in types that this server can run, and every custom one",
		"GetActionType":                    "types that UpdateActionType declared, with both executors",
		"UpdateActionType":                 "creates types of owner ThirdParty too",
		"ListRuleTypes":                    "rule types that this server can run",
		"PutActionRevision":                "one execution a revision, however often it is pushed",
		"PutWebhook":                       "records, URLs, sealed secrets; requests to the URLs are answered 404 so far",
		"RegisterWebhookWithThirdParty":    "nothing is registered with GitHub",
		"DeregisterWebhookWithThirdParty":  "as RegisterWebhookWithThirdParty",
		"GetJobDetails":                    "a job that is over has none",
		"PollForThirdPartyJobs":            "clients are known by the properties ClientId and ClientToken of the type",
	}
}

// onlyChecked lists operations that succeed and yet do no work.
func onlyChecked() []string { return nil }

// evidence is what shows an exception that no wire conversation shows: a test,
// or the reason why nothing can raise it.
type evidence struct{ test, why string }

// exceptionEvidence is keyed by operation and exception; * is any operation.
func exceptionEvidence() map[string]evidence {
	conflicts := evidence{test: "TestConflictsThatOutlastRetries"}
	return map[string]evidence{
		"* ConcurrentModificationException":                        conflicts,
		"StartPipelineExecution ConflictException":                 conflicts,
		"StopPipelineExecution ConflictException":                  conflicts,
		"RetryStageExecution ConflictException":                    {test: "TestConflictsOfStages"},
		"RollbackStage ConflictException":                          {test: "TestConflictsOfStages"},
		"OverrideStageCondition ConflictException":                 {test: "TestConflictsOfStages"},
		"PutJobSuccessResult OutputVariablesSizeExceededException": {test: "TestOutputVariablesTooLarge"},
		"ListRuleTypes InvalidNextTokenException":                  {why: "its request has no token"},
		"UpdatePipeline LimitExceededException":                    {why: "an update adds nothing that a quota counts; too many stages or actions break S2, S8 and S9"},
	}
}

// common is an exception of every operation, when it comes, and what shows it.
type common struct {
	exception, when string
	evidence
}

// commonEvidence are the exceptions that the model does not declare, because any
// request may meet them.
func commonEvidence() []common {
	return []common{
		{"AccessDeniedException", "the principal's policies do not allow it", evidence{test: "TestOperationsAskForTheirAction"}},
		{"IncompleteSignatureException", "a part of the signature is missing or malformed", evidence{test: "TestIntruders"}},
		{"InternalFailure", "the server broke", evidence{test: "TestErrors"}},
		{"InvalidSignatureException", "the signature does not fit the request, or is too old", evidence{test: "TestIntruders"}},
		{"MissingAuthenticationTokenException", "there is no signature", evidence{test: "TestIntruders"}},
		{"SerializationException", "the body is no JSON of the operation's shape", evidence{test: "TestMalformedBodies"}},
		{"ServiceUnavailableException", "the database is read-only or full", evidence{test: "TestReadOnlyDisk"}},
		{"UnknownOperationException", "the operation is not of this service, or not built", evidence{test: "TestRoutes"}},
		{"UnrecognizedClientException", "the access key is not known", evidence{test: "TestIntruders"}},
		{"ThrottlingException", "too many requests", evidence{why: "the server does not throttle"}},
	}
}

// providerEvidence is what shows that the actions of an available type work.
func providerEvidence() map[string]struct{ test, says string } {
	return map[string]struct{ test, says string }{
		"Source CodeStarSourceConnection": {"TestConnection", "git over https, ssh or a local folder; `CODE_ZIP` and `CODEBUILD_CLONE_REF`"},
		"Source CodeCommit":               {"TestCodeCommit", "git over https, ssh or a local folder; `CODE_ZIP` and `CODEBUILD_CLONE_REF`"},
		"Source S3":                       {"TestS3", "buckets of this server, or an external S3 endpoint"},
		"Build CodeBuild":                 {"internal/provider/build TestSuites", "buildspec 0.2 phases, environment, exported variables, primary artifacts; on the host"},
		"Test CodeBuild":                  {"internal/provider/build TestSuites", "as in a Build action"},
		"Compute Commands":                {"TestCommandsAction", "on the host; Linux only"},
		"Approval Manual":                 {"wire/approval", "token, time-out, summary; `NotificationArn` is refused"},
		"Invoke Lambda":                   {"TestLambdaPython", "AWS, the endpoint that `lambda.endpoint` names, or functions of this machine"},
		"Deploy S3":                       {"TestDeploys", "buckets of this server, or an external S3 endpoint"},
	}
}

// ruleEvidence is what shows that the rules of an available type are judged.
func ruleEvidence() map[string]struct{ test, says string } {
	return map[string]struct{ test, says string }{
		"CloudWatchAlarm":  {"TestAlarmRule", "CloudWatch, or the endpoint that `cloudWatch.endpoint` names"},
		"DeploymentWindow": {"wire/conditions_waiting", "waits for the window; AWS cron and time zones"},
		"VariableCheck":    {"wire/conditions_entry", "`EQ`, `NE`, `CONTAINS`, `MATCHES` with Java's syntax as far as it can be had"},
		"CodeBuild":        {"TestBuildRules", "as the Build action"},
		"LambdaInvoke":     {"TestLambdaRule", "as the Lambda action; after a failure it holds if the function fails"},
		"Commands":         {"TestBuildRules", "as the Compute action; Linux only"},
	}
}
