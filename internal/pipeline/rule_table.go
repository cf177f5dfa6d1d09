package pipeline

import "slices"

// Rule is a row of the table of structural rules (reference: execution.md 1.3,
// corrected by observed.md 0 and 3): what a declaration must keep, and what it
// is told if it does not. The table holds every rule, those that Compile cannot
// judge and those that nothing enforces too.
type Rule struct {
	// ID is the name of the rule in docs and tests, such as "S6".
	ID string
	// Says is the rule.
	Says string
	// Exception is the shape name of what a breach is answered with; empty if
	// nothing enforces the rule.
	Exception string
	// Texts are the texts of the exception, each word in angle brackets standing
	// for what differs.
	Texts []string
	// Keeper is who enforces the rule.
	Keeper Keeper
	// Why is the reason why nothing enforces the rule.
	Why string
}

// Keeper is who enforces a structural rule.
type Keeper string

// The keepers.
const (
	// KeptByCompile rules concern the declaration alone.
	KeptByCompile Keeper = "Compile"
	// KeptByStore rules concern what else there is in the account.
	KeptByStore Keeper = "the store"
	// KeptByNobody rules are not enforced.
	KeptByNobody Keeper = "nobody"
)

// Breach is the violation of a rule of the table by its id. A rule that is not
// in the table is a mistake in the program, and panics.
func Breach(id, text string) *Violation {
	rules := Rules()
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.ID == id })
	return &Violation{Rule: id, Exception: rules[i].Exception, Message: text}
}

// Rules is the table of structural rules, by number. The caller may change it.
func Rules() []Rule {
	return slices.Concat(stageRules(), versionRules(), storeRules(), typeRules(), relationTexts(), approvalRules(), laterRules())
}

func kept(id, exception, says string, texts ...string) Rule {
	return Rule{ID: id, Says: says, Exception: exception, Texts: texts, Keeper: KeptByCompile}
}

func stored(id, exception, says string, texts ...string) Rule {
	return Rule{ID: id, Says: says, Exception: exception, Texts: texts, Keeper: KeptByStore}
}

func unkept(id, says, why string) Rule {
	return Rule{ID: id, Says: says, Keeper: KeptByNobody, Why: why}
}

// stageRules are S1 to S11.
func stageRules() []Rule {
	return []Rule{
		kept("S1", invalidStructure, "a pipeline has at least 2 stages",
			"Pipeline has only <n> stage(s). There should be a minimum of <n> stages in a pipeline"),
		kept("S2", invalidStructure, "and at most 50",
			"Pipeline has too many stages. There can only be up to <n> stages in a pipeline"),
		kept("S3", invalidStructure, "the first stage has source actions only, at least one",
			"Pipeline should start with a stage that only contains source actions"),
		kept("S4", invalidStructure, "no other stage has any",
			"Source actions can only be included in the first stage of the pipeline"),
		kept("S5", invalidStructure, "not all actions are sources",
			"Pipeline should contain at least 1 action whose category is not Source"),
		kept("S6", invalidStage, "stage names are unique", "Stage name '<stage>' is used more than once"),
		kept("S7", invalidAction, "action names are unique in their stage, and rule names are",
			"Action name '<action>' is used more than once in stage '<stage>'",
			"Rule name '<rule>' is used more than once in stage '<stage>'"),
		kept("S8", invalidStage, "a stage has 1 to 50 actions",
			"Stage '<stage>' does not contain any action. There should be a minimum of 1 action in a stage",
			"Stage '<stage>' has too many actions. There can only be up to <n> actions in a stage"),
		kept("S9", invalidStructure, "a pipeline has at most 500 actions",
			"Pipeline has too many actions. There can only be up to <n> actions in a pipeline"),
		stored("S10", "PipelineNameInUseException", "pipeline names are unique in an account and region",
			"A pipeline with the name '<pipeline>' already exists in account '<account>'"),
		kept("S11", invalidBlocker, "there are no blockers",
			"Stage '<stage>' declares a blocker. Blockers are reserved for future use"),
	}
}

// versionRules are S12 to S19: what needs V2, and what V2 adds.
func versionRules() []Rule {
	return []Rule{
		kept("S12", invalidStructure, "QUEUED and PARALLEL need V2", "QUEUED or PARALLEL mode can only be used with V2 pipelines"),
		kept("S13", invalidStructure, "variables need V2", "Pipeline variable can only be used with V2 pipelines"),
		kept("S14", invalidStructure, "triggers need V2", "Triggers on tag can only be used with V2 pipelines"),
		kept("S15", invalidStage, "stage conditions need V2", "Stage level conditions can only be used with V2 pipelines."),
		kept("S16", invalidAction, "some providers need V2", "<provider> Action can only be used with V2 pipelines."),
		kept("S17", invalidStructure, "variable names are unique",
			"Variable names must be unique. The following variable name is already in use: <variable>"),
		kept("S18", invalidStage, "a PARALLEL pipeline does not roll back on failure",
			"Failure conditions with rollback result type cannot be added to a PARALLEL pipeline."),
		kept("S19", invalidStage, "onFailure has a result or conditions, not both",
			"The following stage cannot have a failure exit gate configured with both top level result and conditions: '<stage>"),
	}
}

// storeRules are S20 to S26: triggers, artifact stores, roles.
func storeRules() []Rule {
	return []Rule{
		kept("S20", invalidStructure, "a trigger is on a connection",
			"Triggers for connections must reference a CodeStarSourceConnection action."),
		kept("S21", invalidStructure, "a source action has at most one trigger",
			"There can only be one trigger for each source action. The following source action has more than one: <action>"),
		kept("S22", invalidStructure, "there is artifactStore or artifactStores",
			"Your pipeline can have either 'pipeline.artifactStore' or 'pipeline.artifactStores', but not both.",
			"Your pipeline must have either 'pipeline.artifactStore' or 'pipeline.artifactStores'."),
		kept("S23", invalidStructure, "actions in several regions need artifactStores",
			"Your pipeline contains actions in more than one region. Use 'pipeline.artifactStores' instead of 'pipeline.artifactStore' to declare an artifact store, such as an artifact bucket, for each region where you have an action."),
		kept("S24", invalidStructure, "artifactStores has the pipeline's region and those of all actions",
			"Your pipeline must have an artifact store, such as an artifact bucket, for each region where you have an action. The following region is missing in 'pipeline.artifactStores': <region>."),
		unkept("S25", "CodePipeline may assume the pipeline's role", "roles are not mapped to anything that could be assumed, and an unmapped role is accepted"),
		unkept("S26", "the pipeline's role may assume those of its actions", "the same"),
	}
}

// typeRules are S27 to S31: an action against its type.
func typeRules() []Rule {
	return []Rule{
		kept("S27", invalidAction, "the action type is there and can be run",
			"ActionType (Category: '<category>', Provider: '<provider>', Owner: '<owner>', Version: '<version>') in action '<action>' is not available in region '<region>'",
			"RuleType (Category: 'Rule', Provider: '<provider>', Owner: '<owner>', Version: '<version>') in rule '<rule>' is not available in region '<region>'"),
		kept("S28", invalidAction, "the numbers of artifacts fit the type",
			"Action <action> declares <n> input artifacts which is less than the minimum count (<n>)",
			"Action <action> declares <n> input artifacts which is more than the maximum count (<n>)",
			"Action <action> declares <n> output artifacts which is less than the minimum count (<n>)",
			"Action <action> declares <n> output artifacts which is more than the maximum count (<n>)",
			"Rule <rule> declares <n> input artifacts which is less than the minimum count (<n>)",
			"Rule <rule> declares <n> input artifacts which is more than the maximum count (<n>)"),
		kept("S29", invalidAction, "required configuration is there", missingText, missingRuleText),
		kept("S30", invalidAction, "unknown configuration is not",
			"Action configuration for action '<action>' contains unknown configuration '<key>'",
			"Rule configuration for rule '<rule>' contains unknown configuration '<key>'"),
		kept("S31", invalidAction, "a Commands action or rule has commands",
			"Action <action> must have a non-empty commands field", "Rule <rule> must have a non-empty commands field"),
	}
}

const (
	missingText     = "Action configuration for action '<action>' is missing required configuration '<key>'"
	missingRuleText = "Rule configuration for rule '<rule>' is missing required configuration '<key>'"
)

// relationTexts are S32 to S39: what actions say about each other.
func relationTexts() []Rule {
	const reference = "\nStageName=[<stage>], ActionName=[<action>], ActionConfigurationKey=[<key>], VariableReferenceText=[<reference>]"
	const ofRule = "\nStageName=[<stage>], RuleName=[<rule>], RuleConfigurationKey=[<key>], VariableReferenceText=[<reference>]"
	const (
		malformed = referenceFormat + " The following pipeline execution variables are not in this format."
		unknown   = referenceFormat + " The following pipeline execution variables are referencing a namespace that does not exist."
		late      = referenceFormat + " The following pipeline execution variables are referencing a namespace of an action that does not run before the action with the reference."
	)
	return []Rule{
		kept("S32", invalidAction, "namespaces are unique",
			"Namespaces must be unique across the pipeline definition. The following occur more than once in the pipeline.\nStageName=[<stage>], ActionName=[<action>], Namespace=[<namespace>]"),
		kept("S33", invalidAction, "a namespace is no artifact's name",
			"Namespace '<namespace>' in action '<action>' is also the name of an artifact. A namespace must differ from all artifact names"),
		kept("S34", invalidAction, "the namespaces codepipeline and variables are reserved", "Namespace '<namespace>' in action '<action>' is reserved"),
		kept("S35", invalidAction, "a reference names a namespace of an action that ran before",
			malformed+reference, unknown+reference, late+reference, malformed+ofRule, unknown+ofRule, late+ofRule),
		kept("S36", invalidStructure, "source actions refer to no pipeline variable",
			"Variables at the pipeline level cannot be used in source actions."+reference),
		kept("S37", invalidStructure, "pipeline variables are declared", "The referenced variables haven't been declared.\n"),
		kept("S38", invalidAction, "an input artifact is an output of an action that ran before",
			"Input Artifact Bundle <artifact> in action <action> is not declared as Output Artifact Bundle in any of the preceding actions",
			"Input Artifact Bundle <artifact> in rule <rule> is not declared as Output Artifact Bundle in any of the preceding actions"),
		kept("S39", invalidAction, "output artifact names are unique",
			"Output Artifact Bundle name must be unique within the pipeline. <artifact> has been used more than once."),
	}
}

// approvalRules are S40 to S46: notifications of approvals, and conditions.
func approvalRules() []Rule {
	return []Rule{
		kept("S40", invalidAction, "NotificationArn is an ARN",
			"The ARN <arn> you specified for sending notifications for the approval action <action> contains a format error."),
		kept("S41", invalidAction, "of SNS",
			"The ARN <arn> has been specified for sending notifications for the approval action <action>, but the AWS service for this ARN cannot be used to send approval requests."),
		kept("S42", invalidAction, "in the pipeline's region",
			"The ARN <arn> has been specified for sending notifications for the approval action <action>, but the ARN is not in the same region as the pipeline."),
		unkept("S43", "automatic retry has no onFailure conditions beside it", "CodePipeline's own documentation contradicts itself; S19 keeps a result and conditions apart"),
		kept("S44", invalidStage, "an entry condition that skips has LambdaInvoke and VariableCheck rules only",
			"An entry condition with the result SKIP can only have LambdaInvoke and VariableCheck rules: rule '<rule>' of stage '<stage>'"),
		kept("S45", invalidStage, "each gate has the results that it can have, and rules",
			"The <gate> condition of stage '<stage>' cannot have the result <result>",
			"The <gate> condition of stage '<stage>' cannot have the result <result> in a PARALLEL pipeline",
			"The <gate> condition of stage '<stage>' has a retryConfiguration, which needs the result RETRY",
			"The <gate> condition of stage '<stage>' has no rules"),
		kept("S46", invalidStage, "the first stage does not roll back", "The first stage of a pipeline cannot be rolled back: '<stage>'"),
	}
}

// laterRules are S47 to S53.
func laterRules() []Rule {
	return []Rule{
		stored("S47", "LimitExceededException", "an account has at most 1000 pipelines in a region",
			"The account with id '<account>' already has the maximum number of pipelines (<n>) in region '<region>'"),
		unkept("S48", "and at most 300 that poll", "polling costs a server of one's own little"),
		kept("S49", invalidAction, "only AWS actions that are no sources run in another region",
			"Action '<action>' cannot be in another region than the pipeline: only actions that are owned by AWS and are not source actions can"),
		unkept("S50", "only approvals have timeoutInMinutes", "what CodePipeline answers is not known; elsewhere the member has no effect"),
		kept("S51", invalidAction, "a queryable value fits a query",
			"Action configuration for action '<action>' has an invalid value for the queryable configuration '<key>': it must have at most 20 characters, which must be letters, digits, underscores or hyphens"),
		unkept("S52", "an S3 deployment that does not extract has an ObjectKey", "CodePipeline accepts it, and the action fails (observed.md 0)"),
		kept("S53", invalidAction, "CodeBuild with several inputs has a PrimarySource", missingText, missingRuleText),
	}
}
