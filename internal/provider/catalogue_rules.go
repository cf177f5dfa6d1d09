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

// builtinRules spells the rows out, as action types of the category Rule.
func builtinRules() []pipeline.ActionType {
	texts := descriptions()
	maps.Copy(texts, ruleDescriptions())
	var list []pipeline.ActionType
	for _, row := range ruleTypes() {
		t := pipeline.ActionType{
			ID:       pipeline.RuleTypeID{Provider: row.provider}.ActionType(),
			Settings: pipeline.ActionTypeSettings{EntityURLTemplate: row.entity, ExecutionURLTemplate: row.execution},
			Inputs:   row.inputs,
			V2Only:   true,
		}
		for word := range strings.FieldsSeq(row.properties) {
			t.Properties = append(t.Properties, property(row.provider, word, texts))
		}
		list = append(list, t)
	}
	return list
}

// RuleTypes lists the rule types, always in the same order, those without a
// provider too. The caller may change the list, not what it points to.
func (c *Catalogue) RuleTypes() []pipeline.RuleType {
	list := make([]pipeline.RuleType, 0, len(c.rules))
	for _, t := range c.rules {
		list = append(list, pipeline.RuleType{
			ID: pipeline.RuleTypeID{
				Category: t.ID.Category, Owner: t.ID.Owner, Provider: t.ID.Provider, Version: t.ID.Version,
			},
			Settings: t.Settings, Properties: t.Properties, Inputs: t.Inputs, Available: t.Available,
		})
	}
	return list
}
