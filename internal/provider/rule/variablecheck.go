package rule

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// VariableCheck holds if a text, usually the value of a variable, compares with
// another one. Its reports do not show the texts: who may read them reads the
// resolved configuration.
type VariableCheck struct{ still }

var (
	_ provider.Provider = (*VariableCheck)(nil)
	_ provider.Checker  = (*VariableCheck)(nil)
)

// NewVariableCheck returns the provider.
func NewVariableCheck() *VariableCheck { return &VariableCheck{} }

// Type implements provider.Provider.
func (p *VariableCheck) Type() pipeline.ActionType { return ruleType("VariableCheck") }

// Start compares.
func (p *VariableCheck) Start(_ context.Context, a provider.Attempt) (provider.Report, error) {
	return compare(a.Configuration), nil
}

// Await compares again.
func (p *VariableCheck) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return p.Start(ctx, a)
}

// Check implements provider.Checker.
func (p *VariableCheck) Check(known map[string]string) error {
	operator, given := known["Operator"]
	if !given {
		return nil
	}
	if !slices.Contains([]string{"EQ", "NE", "CONTAINS", "MATCHES"}, operator) {
		return fmt.Errorf("the Operator %q is not one of EQ, NE, CONTAINS and MATCHES", shown(operator))
	}
	if value, given := known["Value"]; given && operator == "MATCHES" {
		if _, err := compileJava(value); err != nil {
			return fmt.Errorf("the Value cannot be used as a Java regular expression: %w", err)
		}
	}
	return nil
}

func compare(configuration map[string]string) provider.Report {
	for _, key := range []string{"Variable", "Operator", "Value"} {
		if _, given := configuration[key]; !given {
			return unjudged("The configuration %s is missing.", key)
		}
	}
	variable, value := configuration["Variable"], configuration["Value"]
	verdict := func(ok bool, yes, no string) provider.Report {
		if ok {
			return holds("The variable %s.", yes)
		}
		return fails("The variable %s.", no)
	}
	switch operator := configuration["Operator"]; operator {
	case "EQ":
		return verdict(variable == value, "is equal to the value", "is not equal to the value")
	case "NE":
		return verdict(variable != value, "is not equal to the value", "is equal to the value")
	case "CONTAINS":
		return verdict(strings.Contains(variable, value), "contains the value", "does not contain the value")
	case "MATCHES":
		matched, err := javaMatches(value, variable, matchPatience)
		if err != nil {
			return unjudged("The value cannot be used as a Java regular expression: %v.", err)
		}
		return verdict(matched, "matches the value", "does not match the value")
	default:
		return unjudged("The Operator %q is not one of EQ, NE, CONTAINS and MATCHES.", shown(operator))
	}
}
