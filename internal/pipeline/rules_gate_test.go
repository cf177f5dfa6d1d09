package pipeline

func variableCheck(name, variable string) RuleDeclaration {
	return ruleOf(name, "VariableCheck", map[string]string{"Variable": variable, "Operator": "EQ", "Value": "x"})
}

// gateBreaches are breaches by rules of conditions.
func gateBreaches() []breach {
	entry := func(result string, rules ...RuleDeclaration) func(*Declaration) {
		return func(d *Declaration) { d.Stages[1].BeforeEntry = condition(result, rules...) }
	}
	configured := func(provider string, configuration map[string]string, inputs ...string) func(*Declaration) {
		r := ruleOf("Judge", provider, configuration)
		for _, in := range inputs {
			r.InputArtifacts = append(r.InputArtifacts, InputArtifact{Name: in})
		}
		return entry(ResultFail, r)
	}
	project := map[string]string{"ProjectName": "p"}
	const reference = "Valid format for a pipeline execution variable reference is a namespace and a key separated by a period (.). The following pipeline execution variables are "
	const where = "StageName=[Build], RuleName=[Judge], RuleConfigurationKey=[Variable], VariableReferenceText="
	return []breach{
		{"S7", "rules of one name in two gates", func(d *Declaration) {
			d.Stages[1].BeforeEntry, d.Stages[1].OnSuccess = gateOf(ResultFail, "VariableCheck"), gateOf(ResultFail, "VariableCheck")
		}, invalidAction, "Rule name 'VariableCheck' is used more than once in stage 'Build'"},
		{"S27", "unknown rule type", configured("Oracle", nil),
			invalidAction, "RuleType (Category: 'Rule', Provider: 'Oracle', Owner: 'AWS', Version: '1') in rule 'Judge' is not available in region 'US_EAST_1'"},
		{"S27", "rule type without provider", configured("Unheld", nil),
			invalidAction, "RuleType (Category: 'Rule', Provider: 'Unheld', Owner: 'AWS', Version: '1') in rule 'Judge' is not available in region 'US_EAST_1'"},
		{"S27", "action of a rule type", func(d *Declaration) {
			d.Stages[2].Actions[0].ActionTypeID = awsType(CategoryRule, "VariableCheck")
		}, invalidAction, "ActionType (Category: 'Rule', Provider: 'VariableCheck', Owner: 'AWS', Version: '1') in action 'Approve' is not available in region 'US_EAST_1'"},
		{"S28", "rule without input", configured("CodeBuild", project),
			invalidAction, "Rule Judge declares 0 input artifacts which is less than the minimum count (1)"},
		{"S28", "check with input", configured("VariableCheck", map[string]string{"Variable": "a", "Operator": "EQ", "Value": "a"}, "App"),
			invalidAction, "Rule Judge declares 1 input artifacts which is more than the maximum count (0)"},
		{"S29", "window without cron", configured("DeploymentWindow", map[string]string{"TimeZone": "UTC"}),
			invalidAction, "Rule configuration for rule 'Judge' is missing required configuration 'Cron'"},
		{"S30", "configured commands", configured("Commands", map[string]string{"EnvironmentType": "x"}),
			invalidAction, "Rule configuration for rule 'Judge' contains unknown configuration 'EnvironmentType'"},
		{"S31", "rule without commands", configured("Commands", nil), invalidAction, "Rule Judge must have a non-empty commands field"},
		{"S35", "rule with unknown namespace", entry(ResultFail, variableCheck("Judge", "#{Nobody.Home}")),
			invalidAction, reference + "referencing a namespace that does not exist.\n" + where + "[Nobody.Home]"},
		{"S35", "entry with own stage", entry(ResultFail, variableCheck("Judge", "#{Built.Name}")),
			invalidAction, reference + "referencing a namespace of an action that does not run before the action with the reference.\n" + where + "[Built.Name]"},
		{"S35", "rule without period", entry(ResultFail, variableCheck("Judge", "#{Stage}")),
			invalidAction, reference + "not in this format.\n" + where + "[Stage]"},
		{"S37", "undeclared variable in a rule", entry(ResultFail, variableCheck("Judge", "#{variables.Unknown}")),
			invalidStructure, "The referenced variables haven't been declared.\n"},
		{"S38", "own artifact at entry", configured("CodeBuild", project, "Binary"),
			invalidAction, "Input Artifact Bundle Binary in rule Judge is not declared as Output Artifact Bundle in any of the preceding actions"},
		{"S45", "retry mode without retry", func(d *Declaration) {
			d.Stages[1].OnFailure = &FailureConditions{Result: ResultRollback, RetryConfiguration: &RetryConfiguration{RetryMode: RetryAllActions}}
		}, invalidStage, "The onFailure condition of stage 'Build' has a retryConfiguration, which needs the result RETRY"},
		{"S45", "no rules", entry(ResultFail), invalidStage, "The beforeEntry condition of stage 'Build' has no rules"},
		{"S53", "rule without primary source", func(d *Declaration) {
			r := ruleOf("Judge", "CodeBuild", project)
			r.InputArtifacts = []InputArtifact{{Name: "App"}, {Name: "Binary"}}
			d.Stages[1].OnSuccess = condition(ResultFail, r)
		}, invalidAction, "Rule configuration for rule 'Judge' is missing required configuration 'PrimarySource'"},
	}
}
