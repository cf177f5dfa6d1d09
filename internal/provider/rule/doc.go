// Package rule judges the rules of stage conditions that need no build:
// VariableCheck, DeploymentWindow and CloudWatchAlarm (reference: actions.md
// B.3-B.5). What the report of a rule means is written at provider.Provider.
//
// None of the three changes anything anywhere, so judging a rule again on another
// node is harmless, and there is never anything to stop.
package rule

import (
	"context"
	"fmt"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// ruleType is the type of the rules of one provider. What a rule may declare is
// in the catalogue.
func ruleType(name string) pipeline.ActionType {
	return pipeline.ActionType{
		ID:       pipeline.RuleTypeID{Provider: name}.ActionType(),
		V2Only:   true,
		WhenLost: pipeline.LostAgain,
	}
}

// still is the part of a provider that has nothing to stop.
type still struct{}

// Stop implements provider.Provider.
func (still) Stop(context.Context, provider.Attempt) error { return nil }

// holds is the verdict that a rule holds.
func holds(format string, args ...any) provider.Report {
	return provider.Report{Status: provider.Succeeded, Percent: 100, Summary: fmt.Sprintf(format, args...)}
}

// fails is the verdict that a rule does not hold.
func fails(format string, args ...any) provider.Report {
	r := provider.Failure(provider.CodeJobFailed, fmt.Sprintf(format, args...))
	r.Summary = r.ErrorMessage
	return r
}

// unjudged says that a rule cannot be judged as it is configured.
func unjudged(format string, args ...any) provider.Report {
	r := provider.Failure(provider.CodeConfigurationError, fmt.Sprintf(format, args...))
	r.Summary = r.ErrorMessage
	return r
}

// shown is a text of the configuration as messages show it.
func shown(text string) string {
	const longest = 200
	if runes := []rune(text); len(runes) > longest {
		return string(runes[:longest]) + "..."
	}
	return text
}
