package provider

import (
	"cmp"
	"strings"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// builtins are CodePipeline's own action types, none of them available yet
// (reference: observed.md 4, and actions.md A.0 where that is silent).
func builtins() []pipeline.ActionType {
	var types []pipeline.ActionType
	texts := descriptions()
	add := func(category string, rows []builtin) {
		for _, row := range rows {
			types = append(types, row.actionType(category, texts))
		}
	}
	add(pipeline.CategorySource, sourceTypes())
	add("", buildTypes())
	add("", invokeTypes())
	add(pipeline.CategoryDeploy, deployTypes())
	add(pipeline.CategoryDeploy, stackTypes())
	return types
}

// actionType spells a row out; category is for rows that name none.
func (b builtin) actionType(category string, texts map[string]string) pipeline.ActionType {
	t := pipeline.ActionType{
		ID: pipeline.ActionTypeID{
			Category: cmp.Or(b.category, category),
			Owner:    cmp.Or(b.owner, pipeline.OwnerAWS),
			Provider: b.provider,
			Version:  "1",
		},
		Settings: pipeline.ActionTypeSettings{
			EntityURLTemplate:    b.entity,
			ExecutionURLTemplate: b.execution,
			RevisionURLTemplate:  b.revision,
		},
		Inputs:  b.inputs,
		Outputs: b.outputs,
		Timeout: pipeline.DefaultTimeout,
		V2Only:  b.v2,
	}
	if b.timeout > 0 {
		t.Timeout = b.timeout.Milliseconds()
	}
	for word := range strings.FieldsSeq(b.properties) {
		t.Properties = append(t.Properties, property(b.provider, word, texts))
	}
	return t
}

// property reads a name with its marks.
func property(provider, word string, texts map[string]string) pipeline.ConfigurationProperty {
	name := strings.TrimRight(word, "*-!")
	marks := word[len(name):]
	return pipeline.ConfigurationProperty{
		Name:        name,
		Required:    strings.Contains(marks, "*"),
		Key:         !strings.Contains(marks, "-"),
		Secret:      strings.Contains(marks, "!"),
		Description: cmp.Or(texts[provider+"."+name], texts[name]),
	}
}
