package provider

import (
	"maps"
	"strings"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// builtinRule is one rule type as the table below writes it; the marks of its
// properties are those of builtin.
type builtinRule struct {
	provider   string
	inputs     pipeline.ArtifactBounds
	properties string
	entity     string
	execution  string
}

// ruleTypes are CodePipeline's rule types, none of them available yet
// (reference: actions.md B.2-B.8).
func ruleTypes() []builtinRule {
	return []builtinRule{
		{
			provider: "LambdaInvoke", inputs: bounds{Max: 5},
			properties: "FunctionName* UserParameters",
			entity:     console + "/lambda/home?region={region}#/functions/{Config:FunctionName}",
			execution:  console + "/cloudwatch/home?region={region}#logStream:group=%252Faws%252Flambda%252F{Config:FunctionName}",
		},
		{provider: "CloudWatchAlarm", properties: "AlarmName* AlarmStates WaitTime"},
		{provider: "DeploymentWindow", properties: "Cron* TimeZone"},
		{provider: "VariableCheck", properties: "Variable* Value* Operator*"},
		{
			provider: "CodeBuild", inputs: bounds{Min: 1, Max: 5},
			properties: "ProjectName* EnvironmentVariables- PrimarySource BatchEnabled- CombineArtifacts-",
			entity:     codeBuildEntity, execution: codeBuildExecution,
		},
		{provider: "Commands", inputs: bounds{Max: 10}},
	}
}

// ruleDescriptions are the sentences that only rules have; the others are those
// of the action of the same provider.
func ruleDescriptions() map[string]string {
	return map[string]string{
		"CloudWatchAlarm.AlarmName": "The name of the alarm.",
		"AlarmStates":               "The alarm states to watch for, separated by commas.",
		"WaitTime":                  "The minutes that the alarm may take to leave these states.",
		"Cron":                      "The cron expression of the window.",
		"TimeZone":                  "The time zone of the window.",
		"VariableCheck.Variable":    "The variable to check.",
		"VariableCheck.Value":       "The value to compare with.",
		"VariableCheck.Operator":    "The comparison: EQ, NE, CONTAINS or MATCHES.",
	}
}

// ruleType spells a row out.
func (b builtinRule) ruleType(texts map[string]string) pipeline.RuleType {
	t := pipeline.RuleType{
		ID: pipeline.RuleTypeID{
			Category: pipeline.CategoryRule, Owner: pipeline.OwnerRule, Provider: b.provider, Version: "1",
		},
		Settings: pipeline.ActionTypeSettings{EntityURLTemplate: b.entity, ExecutionURLTemplate: b.execution},
		Inputs:   b.inputs,
	}
	for word := range strings.FieldsSeq(b.properties) {
		t.Properties = append(t.Properties, property(b.provider, word, texts))
	}
	return t
}

// RuleTypes lists the rule types, always in the same order, those without a
// provider too. The caller may change the list.
func (c *Catalogue) RuleTypes() []pipeline.RuleType {
	texts := descriptions()
	maps.Copy(texts, ruleDescriptions())
	var list []pipeline.RuleType
	for _, row := range ruleTypes() {
		list = append(list, row.ruleType(texts))
	}
	return list
}
