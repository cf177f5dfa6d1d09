package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// breach is a declaration that breaks one rule.
type breach struct {
	rule      string
	name      string
	change    func(*Declaration)
	exception string
	message   string
}

func gateOf(result string, providers ...string) *Conditions {
	configurations := map[string]map[string]string{
		"VariableCheck":   {"Variable": "a", "Value": "a", "Operator": "EQ"},
		"CloudWatchAlarm": {"AlarmName": "alarm"},
		"LambdaInvoke":    {"FunctionName": "judge"},
	}
	var rules []RuleDeclaration
	for _, p := range providers {
		rules = append(rules, RuleDeclaration{Name: p, RuleTypeID: RuleTypeID{Category: "Rule", Provider: p}, Configuration: configurations[p]})
	}
	return condition(result, rules...)
}

func condition(result string, rules ...RuleDeclaration) *Conditions {
	return &Conditions{Conditions: []Condition{{Result: result, Rules: rules}}}
}

func trigger(action string) TriggerDeclaration {
	return TriggerDeclaration{ProviderType: "CodeStarSourceConnection", GitConfiguration: GitConfiguration{SourceActionName: action}}
}

// connected makes the source a connection with the given triggers.
func connected(triggers ...TriggerDeclaration) func(*Declaration) {
	return func(d *Declaration) {
		d.Stages[0].Actions[0].ActionTypeID = awsType(CategorySource, "CodeStarSourceConnection")
		d.Stages[0].Actions[0].Configuration = nil
		d.Triggers = triggers
	}
}

func manyActions(n int) []ActionDeclaration {
	actions := make([]ActionDeclaration, n)
	for i := range actions {
		actions[i] = ActionDeclaration{Name: fmt.Sprintf("A%d", i), ActionTypeID: awsType(CategoryInvoke, "Anything")}
	}
	return actions
}

func manyStages(n, actions int) []StageDeclaration {
	stages := []StageDeclaration{validDeclaration().Stages[0]}
	for i := 1; i < n; i++ {
		stages = append(stages, StageDeclaration{Name: fmt.Sprintf("S%d", i), Actions: manyActions(actions)})
	}
	return stages
}

func structureBreaches() []breach {
	return []breach{
		{"S1", "one stage", func(d *Declaration) { d.Stages = d.Stages[:1] },
			invalidStructure, "Pipeline has only 1 stage(s). There should be a minimum of 2 stages in a pipeline"},
		{"S1", "no stage", func(d *Declaration) { d.Stages = nil },
			invalidStructure, "Pipeline has only 0 stage(s). There should be a minimum of 2 stages in a pipeline"},
		{"S2", "51 stages", func(d *Declaration) { d.Stages = manyStages(51, 1) },
			invalidStructure, "Pipeline has too many stages. There can only be up to 50 stages in a pipeline"},
		{"S3", "a build first", func(d *Declaration) {
			d.Stages[0].Actions = append(d.Stages[0].Actions, manyActions(1)...)
		}, invalidStructure, "Pipeline should start with a stage that only contains source actions"},
		{"S3", "nothing first", func(d *Declaration) { d.Stages[0].Actions = nil },
			invalidStructure, "Pipeline should start with a stage that only contains source actions"},
		{"S4", "a source second", func(d *Declaration) {
			d.Stages[1].Actions[1] = d.Stages[0].Actions[0]
		}, invalidStructure, "Source actions can only be included in the first stage of the pipeline"},
		{"S5", "only sources", func(d *Declaration) {
			d.Stages = []StageDeclaration{d.Stages[0], {Name: "More", Actions: d.Stages[0].Actions}}
		}, invalidStructure, "Pipeline should contain at least 1 action whose category is not Source"},
		{"S6", "stages of one name", func(d *Declaration) { d.Stages[2].Name = "Build" },
			invalidStage, "Stage name 'Build' is used more than once"},
		{"S7", "actions of one name", func(d *Declaration) { d.Stages[1].Actions[1].Name = "Compile" },
			invalidAction, "Action name 'Compile' is used more than once in stage 'Build'"},
		{"S8", "no action", func(d *Declaration) { d.Stages[2].Actions = nil },
			invalidStage, "Stage 'Release' does not contain any action. There should be a minimum of 1 action in a stage"},
		{"S8", "51 actions", func(d *Declaration) { d.Stages[2].Actions = manyActions(51) },
			invalidStage, "Stage 'Release' has too many actions. There can only be up to 50 actions in a stage"},
		{"S9", "501 actions", func(d *Declaration) {
			d.Stages = append(manyStages(11, 50), StageDeclaration{Name: "X", Actions: manyActions(1)})
		},
			invalidStructure, "Pipeline has too many actions. There can only be up to 500 actions in a pipeline"},
		{"S11", "a blocker", func(d *Declaration) { d.Stages[1].Blockers = []BlockerDeclaration{{Name: "B", Type: "Schedule"}} },
			invalidBlocker, "Stage 'Build' declares a blocker. Blockers are reserved for future use"},
		{"S12", "queued V1", func(d *Declaration) { d.PipelineType, d.ExecutionMode, d.Variables = TypeV1, ModeQueued, nil },
			invalidStructure, "QUEUED or PARALLEL mode can only be used with V2 pipelines"},
		{"S13", "variables in V1", func(d *Declaration) { d.PipelineType = TypeV1 },
			invalidStructure, "Pipeline variable can only be used with V2 pipelines"},
		{"S14", "trigger in V1", func(d *Declaration) {
			d.PipelineType, d.Variables, d.Triggers = TypeV1, nil, []TriggerDeclaration{trigger("Fetch")}
		}, invalidStructure, "Triggers on tag can only be used with V2 pipelines"},
		{"S15", "conditions in V1", func(d *Declaration) {
			d.PipelineType, d.Variables = TypeV1, nil
			d.Stages[1].OnSuccess = gateOf(ResultFail, "VariableCheck")
		}, invalidStage, "Stage level conditions can only be used with V2 pipelines."},
		{"S18", "parallel rollback", func(d *Declaration) {
			d.ExecutionMode = ModeParallel
			d.Stages[1].OnFailure = &FailureConditions{Result: ResultRollback}
		}, invalidStage, "Failure conditions with rollback result type cannot be added to a PARALLEL pipeline."},
		{"S45", "parallel rollback after success", func(d *Declaration) {
			d.ExecutionMode = ModeParallel
			d.Stages[1].OnSuccess = gateOf(ResultRollback, "VariableCheck")
		}, invalidStage, "The onSuccess condition of stage 'Build' cannot have the result ROLLBACK in a PARALLEL pipeline"},
		{"S19", "result and conditions", func(d *Declaration) {
			d.Stages[1].OnFailure = &FailureConditions{Result: ResultRetry, Conditions: gateOf(ResultRollback, "CloudWatchAlarm").Conditions}
		}, invalidStage, "The following stage cannot have a failure exit gate configured with both top level result and conditions: 'Build"},
		{"S44", "skip by alarm", func(d *Declaration) { d.Stages[1].BeforeEntry = gateOf(ResultSkip, "VariableCheck", "CloudWatchAlarm") },
			invalidStage, "An entry condition with the result SKIP can only have LambdaInvoke and VariableCheck rules: rule 'CloudWatchAlarm' of stage 'Build'"},
		{"S45", "skip after success", func(d *Declaration) { d.Stages[1].OnSuccess = gateOf(ResultSkip, "VariableCheck") },
			invalidStage, "The onSuccess condition of stage 'Build' cannot have the result SKIP"},
		{"S45", "rollback at entry", func(d *Declaration) { d.Stages[1].BeforeEntry = gateOf(ResultRollback, "VariableCheck") },
			invalidStage, "The beforeEntry condition of stage 'Build' cannot have the result ROLLBACK"},
		{"S46", "source stage rolls back", func(d *Declaration) { d.Stages[0].OnFailure = &FailureConditions{Result: ResultRollback} },
			invalidStage, "The first stage of a pipeline cannot be rolled back: 'Source'"},
	}
}

func actionBreaches() []breach {
	approval := func(arn string) func(*Declaration) {
		return func(d *Declaration) { d.Stages[2].Actions[0].Configuration["NotificationArn"] = arn }
	}
	return []breach{
		{"S16", "Commands in V1", func(d *Declaration) {
			d.PipelineType, d.Variables = TypeV1, nil
			d.Stages[1].Actions[0].ActionTypeID = awsType(CategoryCompute, "Commands")
		}, invalidAction, "Commands Action can only be used with V2 pipelines."},
		{"S27", "unknown type", func(d *Declaration) { d.Stages[1].Actions[0].ActionTypeID.Version = "2" },
			invalidAction, "ActionType (Category: 'Build', Provider: 'CodeBuild', Owner: 'AWS', Version: '2') in action 'Compile' is not available in region 'US_EAST_1'"},
		{"S27", "unavailable type, other region", func(d *Declaration) {
			d.Stages[2].Actions[0] = ActionDeclaration{Name: "Out", ActionTypeID: awsType(CategoryDeploy, "Elsewhere"), Region: "ap-northeast-1"}
			d.ArtifactStores = map[string]ArtifactStore{"us-east-1": *d.ArtifactStore, "ap-northeast-1": *d.ArtifactStore}
			d.ArtifactStore = nil
		}, invalidAction, "ActionType (Category: 'Deploy', Provider: 'Elsewhere', Owner: 'AWS', Version: '1') in action 'Out' is not available in region 'AP_NORTHEAST_1'"},
		{"S28", "too few inputs", func(d *Declaration) { d.Stages[1].Actions[0].InputArtifacts = nil },
			invalidAction, "Action Compile declares 0 input artifacts which is less than the minimum count (1)"},
		{"S28", "too many inputs", func(d *Declaration) { d.Stages[2].Actions[0].InputArtifacts = []InputArtifact{{Name: "App"}} },
			invalidAction, "Action Approve declares 1 input artifacts which is more than the maximum count (0)"},
		{"S28", "too few outputs", func(d *Declaration) { d.Stages[0].Actions[0].OutputArtifacts = nil },
			invalidAction, "Action Fetch declares 0 output artifacts which is less than the minimum count (1)"},
		{"S28", "too many outputs", func(d *Declaration) {
			d.Stages[0].Actions[0].OutputArtifacts = []OutputArtifact{{Name: "A"}, {Name: "B"}}
		}, invalidAction, "Action Fetch declares 2 output artifacts which is more than the maximum count (1)"},
		{"S29", "no object key", func(d *Declaration) { delete(d.Stages[0].Actions[0].Configuration, "S3ObjectKey") },
			invalidAction, "Action configuration for action 'Fetch' is missing required configuration 'S3ObjectKey'"},
		{"S30", "two unknown keys", func(d *Declaration) {
			d.Stages[0].Actions[0].Configuration["Zeal"] = "1"
			d.Stages[0].Actions[0].Configuration["Colour"] = "red"
		}, invalidAction, "Action configuration for action 'Fetch' contains unknown configuration 'Colour'"},
		{"S31", "no commands", func(d *Declaration) {
			d.Stages[2].Actions[0] = ActionDeclaration{Name: "Run", ActionTypeID: awsType(CategoryCompute, "Commands")}
		}, invalidAction, "Action Run must have a non-empty commands field"},
		{"S40", "not an ARN", approval("topic"),
			invalidAction, "The ARN topic you specified for sending notifications for the approval action Approve contains a format error."},
		{"S41", "a queue", approval("arn:aws:sqs:us-east-1:123456789012:q"),
			invalidAction, "The ARN arn:aws:sqs:us-east-1:123456789012:q has been specified for sending notifications for the approval action Approve, but the AWS service for this ARN cannot be used to send approval requests."},
		{"S42", "topic elsewhere", approval("arn:aws:sns:eu-west-1:123456789012:t"),
			invalidAction, "The ARN arn:aws:sns:eu-west-1:123456789012:t has been specified for sending notifications for the approval action Approve, but the ARN is not in the same region as the pipeline."},
		{"S49", "source elsewhere", func(d *Declaration) { d.Stages[0].Actions[0].Region = "eu-west-1" },
			invalidAction, "Action 'Fetch' cannot be in another region than the pipeline: only actions that are owned by AWS and are not source actions can"},
		{"S51", "long queryable value", func(d *Declaration) {
			d.Stages[1].Actions[1] = ActionDeclaration{Name: "Own", ActionTypeID: ActionTypeID{CategoryBuild, OwnerCustom, "Ours", "1"},
				Configuration: map[string]string{"Project": "a name with blanks"}}
		}, invalidAction, "Action configuration for action 'Own' has an invalid value for the queryable configuration 'Project': it must have at most 20 characters, which must be letters, digits, underscores or hyphens"},
		{"S51", "21 characters", func(d *Declaration) {
			d.Stages[1].Actions[1] = ActionDeclaration{Name: "Own", ActionTypeID: ActionTypeID{CategoryBuild, OwnerCustom, "Ours", "1"},
				Configuration: map[string]string{"Project": "a23456789-123456789_1"}}
		}, invalidAction, "Action configuration for action 'Own' has an invalid value for the queryable configuration 'Project': it must have at most 20 characters, which must be letters, digits, underscores or hyphens"},
		{"S53", "no primary source", func(d *Declaration) {
			d.Stages[1].Actions[1].RunOrder = 2
			d.Stages[1].Actions[1].InputArtifacts = []InputArtifact{{Name: "App"}, {Name: "Binary"}}
		}, invalidAction, "Action configuration for action 'Test' is missing required configuration 'PrimarySource'"},
	}
}

func relationBreaches() []breach {
	data := func(text string) func(*Declaration) {
		return func(d *Declaration) { d.Stages[2].Actions[0].Configuration["CustomData"] = text }
	}
	return []breach{
		{"S17", "variable twice", func(d *Declaration) { d.Variables = append(d.Variables, VariableDeclaration{Name: "Stage"}) },
			invalidStructure, "Variable names must be unique. The following variable name is already in use: Stage"},
		{"S20", "trigger of nothing", connected(trigger("Nobody")),
			invalidStructure, "Triggers for connections must reference a CodeStarSourceConnection action."},
		{"S20", "trigger of S3", func(d *Declaration) { d.Triggers = []TriggerDeclaration{trigger("Fetch")} },
			invalidStructure, "Triggers for connections must reference a CodeStarSourceConnection action."},
		{"S21", "two triggers", connected(trigger("Fetch"), trigger("Fetch")),
			invalidStructure, "There can only be one trigger for each source action. The following source action has more than one: Fetch"},
		{"S22", "both stores", func(d *Declaration) { d.ArtifactStores = map[string]ArtifactStore{"us-east-1": *d.ArtifactStore} },
			invalidStructure, "Your pipeline can have either 'pipeline.artifactStore' or 'pipeline.artifactStores', but not both."},
		{"S22", "no store", func(d *Declaration) { d.ArtifactStore = nil },
			invalidStructure, "Your pipeline must have either 'pipeline.artifactStore' or 'pipeline.artifactStores'."},
		{"S23", "one store, two regions", func(d *Declaration) { d.Stages[1].Actions[0].Region = "eu-west-1" },
			invalidStructure, "Your pipeline contains actions in more than one region. Use 'pipeline.artifactStores' instead of 'pipeline.artifactStore' to declare an artifact store, such as an artifact bucket, for each region where you have an action."},
		{"S24", "no store at home", func(d *Declaration) {
			d.ArtifactStores, d.ArtifactStore = map[string]ArtifactStore{"eu-west-1": *d.ArtifactStore}, nil
		}, invalidStructure, "Your pipeline must have an artifact store, such as an artifact bucket, for each region where you have an action. The following region is missing in 'pipeline.artifactStores': us-east-1."},
		{"S24", "no store elsewhere", func(d *Declaration) {
			d.Stages[1].Actions[0].Region = "eu-west-1"
			d.ArtifactStores, d.ArtifactStore = map[string]ArtifactStore{"us-east-1": *d.ArtifactStore}, nil
		}, invalidStructure, "Your pipeline must have an artifact store, such as an artifact bucket, for each region where you have an action. The following region is missing in 'pipeline.artifactStores': eu-west-1."},
		{"S32", "namespace twice", func(d *Declaration) { d.Stages[1].Actions[1].Namespace = "Fetched" },
			invalidAction, "Namespaces must be unique across the pipeline definition. The following occur more than once in the pipeline.\nStageName=[Build], ActionName=[Test], Namespace=[Fetched]"},
		{"S33", "namespace of an artifact", func(d *Declaration) { d.Stages[1].Actions[1].Namespace = "Binary" },
			invalidAction, "Namespace 'Binary' in action 'Test' is also the name of an artifact. A namespace must differ from all artifact names"},
		{"S34", "namespace codepipeline", func(d *Declaration) { d.Stages[1].Actions[1].Namespace = "codepipeline" },
			invalidAction, "Namespace 'codepipeline' in action 'Test' is reserved"},
		{"S34", "namespace variables", func(d *Declaration) { d.Stages[1].Actions[1].Namespace = "variables" },
			invalidAction, "Namespace 'variables' in action 'Test' is reserved"},
		{"S35", "unknown namespaces", data("#{Nobody.Home} #{Nobody.Else}"),
			invalidAction, "Valid format for a pipeline execution variable reference is a namespace and a key separated by a period (.). The following pipeline execution variables are referencing a namespace that does not exist.\n" +
				"StageName=[Release], ActionName=[Approve], ActionConfigurationKey=[CustomData], VariableReferenceText=[Nobody.Home]\n" +
				"StageName=[Release], ActionName=[Approve], ActionConfigurationKey=[CustomData], VariableReferenceText=[Nobody.Else]"},
		{"S35", "no variables declared", func(d *Declaration) { d.Variables = nil },
			invalidAction, "Valid format for a pipeline execution variable reference is a namespace and a key separated by a period (.). The following pipeline execution variables are referencing a namespace that does not exist.\n" +
				"StageName=[Build], ActionName=[Compile], ActionConfigurationKey=[ProjectName], VariableReferenceText=[variables.Stage]"},
		{"S35", "no period", data("#{Stage}"),
			invalidAction, "Valid format for a pipeline execution variable reference is a namespace and a key separated by a period (.). The following pipeline execution variables are not in this format.\n" +
				"StageName=[Release], ActionName=[Approve], ActionConfigurationKey=[CustomData], VariableReferenceText=[Stage]"},
		{"S35", "parallel producer", func(d *Declaration) { d.Stages[1].Actions[1].Configuration["ProjectName"] = "#{Built.Name}" },
			invalidAction, "Valid format for a pipeline execution variable reference is a namespace and a key separated by a period (.). The following pipeline execution variables are referencing a namespace of an action that does not run before the action with the reference.\n" +
				"StageName=[Build], ActionName=[Test], ActionConfigurationKey=[ProjectName], VariableReferenceText=[Built.Name]"},
		{"S35", "environment variable", func(d *Declaration) {
			d.Stages[1].Actions[1].EnvironmentVariables = []EnvironmentVariable{{Name: "HOME_OF", Value: "#{Nobody.Home}"}}
		}, invalidAction, "Valid format for a pipeline execution variable reference is a namespace and a key separated by a period (.). The following pipeline execution variables are referencing a namespace that does not exist.\n" +
			"StageName=[Build], ActionName=[Test], ActionConfigurationKey=[HOME_OF], VariableReferenceText=[Nobody.Home]"},
		{"S36", "variable in a source", func(d *Declaration) { d.Stages[0].Actions[0].Configuration["S3ObjectKey"] = "#{variables.Stage}" },
			invalidStructure, "Variables at the pipeline level cannot be used in source actions.\n" +
				"StageName=[Source], ActionName=[Fetch], ActionConfigurationKey=[S3ObjectKey], VariableReferenceText=[variables.Stage]"},
		{"S37", "undeclared variable", data("#{variables.Unknown}"),
			invalidStructure, "The referenced variables haven't been declared.\n"},
		{"S38", "nobody's artifact", func(d *Declaration) { d.Stages[1].Actions[0].InputArtifacts[0].Name = "app" },
			invalidAction, "Input Artifact Bundle app in action Compile is not declared as Output Artifact Bundle in any of the preceding actions"},
		{"S39", "artifact twice", func(d *Declaration) { d.Stages[1].Actions[1].OutputArtifacts = []OutputArtifact{{Name: "App"}} },
			invalidAction, "Output Artifact Bundle name must be unique within the pipeline. App has been used more than once."},
	}
}

func allBreaches() []breach {
	return slices.Concat(structureBreaches(), actionBreaches(), relationBreaches(), gateBreaches())
}

// TestRules breaks each rule alone and reads the exception and its text.
func TestRules(t *testing.T) {
	t.Parallel()
	if _, violation := compile(t, validDeclaration()); violation != nil {
		t.Fatalf("the declaration that all cases start from breaks %s: %v", violation.Rule, violation)
	}
	for _, b := range allBreaches() {
		t.Run(b.rule+" "+b.name, func(t *testing.T) {
			t.Parallel()
			_, got := compile(t, with(b.change))
			if got == nil {
				t.Fatalf("compiles, want a breach of %s", b.rule)
			}
			if got.Rule != b.rule || got.Exception != b.exception || got.Message != b.message {
				t.Errorf("got  %s %s\n     %q\nwant %s %s\n     %q", got.Rule, got.Exception, got.Message, b.rule, b.exception, b.message)
			}
		})
	}
}

// TestEveryRuleIsBroken keeps TestRules complete, and the tables well formed.
func TestEveryRuleIsBroken(t *testing.T) {
	t.Parallel()
	broken := make(map[string]int)
	for _, b := range allBreaches() {
		broken[b.rule]++
	}
	listed := make(map[string]int)
	for _, r := range slices.Concat(structureRules(), actionRules(), relationRules()) {
		listed[r.id]++
		if broken[r.id] < listed[r.id] {
			t.Errorf("rule %s is listed %d times and broken by %d cases", r.id, listed[r.id], broken[r.id])
		}
		if (r.whole == nil) == (r.each == nil) {
			t.Errorf("rule %s judges both the whole and each action, or neither", r.id)
		}
	}
	for id := range broken {
		if listed[id] == 0 {
			t.Errorf("a case breaks %s, which is in no table", id)
		}
	}
}

// TestRuleOrder breaks several rules at once (execution.md 13, Q1).
func TestRuleOrder(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Declaration)
		want   string
	}{
		{"modes before counts", func(d *Declaration) { d.PipelineType, d.Stages = TypeV1, d.Stages[:1] }, "S13"},
		{"counts before places", func(d *Declaration) { d.Stages = d.Stages[1:2] }, "S1"},
		{"structure before actions", func(d *Declaration) {
			d.Stages[2].Name = "Build"
			d.Stages[1].Actions[0].ActionTypeID.Version = "2"
		}, "S6"},
		{"action by action", func(d *Declaration) {
			d.Stages[0].Actions[0].Configuration["Colour"] = "red"
			d.Stages[1].Actions[0].ActionTypeID.Version = "2"
		}, "S30"},
		{"actions before relations", func(d *Declaration) {
			d.Stages[1].Actions[1].Namespace = "Fetched"
			delete(d.Stages[1].Actions[1].Configuration, "ProjectName")
		}, "S29"},
		{"availability last", func(d *Declaration) {
			d.Stages[2].Actions[0].ActionTypeID = awsType(CategoryDeploy, "Elsewhere")
			d.Stages[2].Actions[0].Configuration = nil
			d.ArtifactStore = nil
		}, "S22"},
		{"actions before rules", func(d *Declaration) {
			d.Stages[1].BeforeEntry = gateOf(ResultFail, "Nothing")
			delete(d.Stages[1].Actions[1].Configuration, "ProjectName")
		}, "S29"},
		{"rules before relations", func(d *Declaration) {
			d.Stages[1].BeforeEntry = gateOf(ResultFail, "Nothing")
			d.ArtifactStore = nil
		}, "S27"},
		{"availability of rules last", func(d *Declaration) {
			d.Stages[1].BeforeEntry = gateOf(ResultFail, "Unheld")
			d.ArtifactStore = nil
		}, "S22"},
		{"availability told", func(d *Declaration) {
			d.Stages[2].Actions[0].ActionTypeID = awsType(CategoryDeploy, "Elsewhere")
			d.Stages[2].Actions[0].Configuration = nil
		}, "S27"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, got := compile(t, with(test.change))
			if got == nil || got.Rule != test.want {
				t.Errorf("got %v, want %s", got, test.want)
			}
		})
	}
}

// TestAdmitted are declarations that look wrong and are not.
func TestAdmitted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Declaration)
	}{
		{"namespace variables without variables", func(d *Declaration) {
			d.Variables = []VariableDeclaration{}
			d.Stages[0].Actions[0].Namespace = "variables"
			d.Stages[1].Actions[0].Configuration["ProjectName"] = "#{variables.VersionId}"
			d.Stages[2].Actions[0].Configuration = nil
		}},
		{"empty variables in V1", func(d *Declaration) {
			d.PipelineType, d.Variables = TypeV1, []VariableDeclaration{}
			d.Stages[1].Actions[0].Configuration["ProjectName"] = "app"
		}},
		{"text of another language", func(d *Declaration) {
			d.Stages[2].Actions[0].Configuration["CustomData"] = "#{ a.b } #{} #{x #{$.y}"
		}},
		{"own region spelled out", func(d *Declaration) { d.Stages[1].Actions[0].Region = "us-east-1" }},
		{"one store by region", func(d *Declaration) {
			d.ArtifactStores, d.ArtifactStore = map[string]ArtifactStore{"us-east-1": *d.ArtifactStore}, nil
		}},
		{"cross-region build", func(d *Declaration) {
			d.Stages[1].Actions[0].Region = "eu-west-1"
			d.ArtifactStores, d.ArtifactStore = map[string]ArtifactStore{"us-east-1": *d.ArtifactStore, "eu-west-1": *d.ArtifactStore}, nil
		}},
		{"topic of another account", func(d *Declaration) {
			d.Stages[2].Actions[0].Configuration["NotificationArn"] = "arn:aws:sns:us-east-1:999999999999:t.fifo"
		}},
		{"topic from a variable", func(d *Declaration) {
			d.Stages[2].Actions[0].Configuration["NotificationArn"] = "#{variables.Stage}"
		}},
		{"variable name with signs", func(d *Declaration) { d.Variables = append(d.Variables, VariableDeclaration{Name: "A_B-C@1"}) }},
		{"empty blockers", func(d *Declaration) { d.Stages[1].Blockers = []BlockerDeclaration{} }},
		{"50 stages", func(d *Declaration) { d.Stages = manyStages(50, 1) }},
		{"500 actions", func(d *Declaration) { d.Stages = manyStages(10, 50); d.Stages[0].Actions = d.Stages[0].Actions[:1] }},
		{"trigger", connected(trigger("Fetch"))},
		{"rollback of a later stage", func(d *Declaration) { d.Stages[1].OnFailure = &FailureConditions{Result: ResultRollback} }},
		{"20 queryable characters", func(d *Declaration) {
			d.Stages[1].Actions[1] = ActionDeclaration{Name: "Own", ActionTypeID: ActionTypeID{CategoryBuild, OwnerCustom, "Ours", "1"},
				Configuration: map[string]string{"Project": "a23456789-123456789_"}}
		}},
		{"S43: automatic retry beside conditions", func(d *Declaration) {
			d.Stages[1].OnFailure = &FailureConditions{
				RetryConfiguration: &RetryConfiguration{RetryMode: "FAILED_ACTIONS"}, Conditions: gateOf(ResultRetry, "CloudWatchAlarm").Conditions,
			}
		}},
		{"S50: minutes of a build", func(d *Declaration) { d.Stages[1].Actions[0].TimeoutInMinutes = 5 }},
		{"rules of one name in two stages", func(d *Declaration) {
			d.Stages[1].BeforeEntry, d.Stages[2].BeforeEntry = gateOf(ResultFail, "VariableCheck"), gateOf(ResultFail, "VariableCheck")
		}},
		{"a rule named like an action", func(d *Declaration) {
			d.Stages[2].BeforeEntry = condition(ResultFail, variableCheck("Approve", "#{Fetched.VersionId} #{variables.Stage}"))
		}},
		{"own stage after its end", func(d *Declaration) {
			uses := variableCheck("Uses", "#{Built.Name}")
			d.Stages[1].OnSuccess = condition(ResultFail, uses)
			try := ruleOf("Try", "CodeBuild", map[string]string{"ProjectName": "try", "PrimarySource": "Binary"})
			try.InputArtifacts = []InputArtifact{{Name: "Binary"}, {Name: "App"}}
			d.Stages[1].OnFailure = &FailureConditions{Conditions: condition(ResultRetry, try).Conditions, RetryConfiguration: &RetryConfiguration{}}
		}},
		{"rule in another region", func(d *Declaration) {
			r := ruleOf("Alarm", "CloudWatchAlarm", map[string]string{"AlarmName": "a"})
			r.Region = "eu-west-1"
			d.Stages[1].OnSuccess = condition(ResultFail, r)
		}},
		{"skip by variable", func(d *Declaration) { d.Stages[1].BeforeEntry = gateOf(ResultSkip, "VariableCheck", "LambdaInvoke") }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, violation := compile(t, with(test.change)); violation != nil {
				t.Errorf("refused by %s: %v", violation.Rule, violation)
			}
		})
	}
}

func TestLimitsAreSettings(t *testing.T) {
	t.Parallel()
	env := testEnvironment()
	env.Limits = Limits{MaxStages: 2}
	if _, v := compileIn(t, validDeclaration(), env); v == nil || v.Rule != "S2" || !strings.Contains(v.Message, "up to 2 stages") {
		t.Errorf("three stages under a limit of two: %v, want S2 with the limit", v)
	}
	env.Limits = Limits{MaxActions: 3}
	if _, v := compileIn(t, validDeclaration(), env); v == nil || v.Rule != "S9" {
		t.Errorf("four actions under a limit of three: %v, want S9", v)
	}
	env.Limits = Limits{MaxStageActions: 60, MinStages: -1}
	if _, v := compileIn(t, with(func(d *Declaration) { d.Stages[2].Actions = manyActions(60) }), env); v != nil {
		t.Errorf("60 actions under a limit of 60: %v", v)
	}
	if _, v := compileIn(t, Declaration{}, env); v == nil || v.Rule != "S1" {
		t.Errorf("nothing at all: %v, want S1", v)
	}
}
