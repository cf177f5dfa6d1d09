package pipeline

import (
	"fmt"
	"slices"
)

// The results that a condition or a failed stage can engage.
const (
	ResultRollback = "ROLLBACK"
	ResultFail     = "FAIL"
	ResultRetry    = "RETRY"
	ResultSkip     = "SKIP"
)

// gate is one of the three places of a stage that hold conditions.
type gate struct {
	name       string
	result     string // onFailure only
	retryMode  string // onFailure only
	retries    bool   // onFailure has a retryConfiguration
	conditions []Condition
	allowed    []string
}

// gates lists the gates that a stage declares.
func (s *StageDeclaration) gates() []gate {
	var found []gate
	if s.BeforeEntry != nil {
		found = append(found, gate{name: GateBeforeEntry, conditions: s.BeforeEntry.Conditions,
			allowed: []string{ResultFail, ResultSkip}})
	}
	if s.OnSuccess != nil {
		found = append(found, gate{name: GateOnSuccess, conditions: s.OnSuccess.Conditions,
			allowed: []string{ResultRollback, ResultFail}})
	}
	if f := s.OnFailure; f != nil {
		g := gate{name: GateOnFailure, result: f.Result, conditions: f.Conditions,
			allowed: []string{ResultRollback, ResultRetry, ResultFail, ResultSkip}}
		if f.RetryConfiguration != nil {
			g.retries, g.retryMode = true, f.RetryConfiguration.RetryMode
		}
		found = append(found, g)
	}
	return found
}

// engages reports whether a gate can have a result.
func (g gate) engages(result string) bool {
	return g.result == result || slices.ContainsFunc(g.conditions, func(c Condition) bool { return c.Result == result })
}

func parallelNoRollback(v *view) string {
	if v.mode != ModeParallel {
		return ""
	}
	for i := range v.d.Stages {
		for _, g := range v.d.Stages[i].gates() {
			if g.name == GateOnFailure && g.engages(ResultRollback) {
				return "Failure conditions with rollback result type cannot be added to a PARALLEL pipeline."
			}
		}
	}
	return ""
}

// failureResultOrConditions is S19. The quote that is never closed is
// CodePipeline's.
func failureResultOrConditions(v *view) string {
	for i := range v.d.Stages {
		s := &v.d.Stages[i]
		if f := s.OnFailure; f != nil && f.Result != "" && len(f.Conditions) > 0 {
			return "The following stage cannot have a failure exit gate configured with both top level result and conditions: '" + s.Name
		}
	}
	return ""
}

func gateResults(v *view) string {
	for i := range v.d.Stages {
		s := &v.d.Stages[i]
		for _, g := range s.gates() {
			for _, c := range g.conditions {
				if c.Result != "" && !slices.Contains(g.allowed, c.Result) {
					return fmt.Sprintf("The %s condition of stage '%s' cannot have the result %s", g.name, s.Name, c.Result)
				}
				if v.mode == ModeParallel && c.Result == ResultRollback { // S18 knows failures only
					return fmt.Sprintf("The %s condition of stage '%s' cannot have the result %s in a PARALLEL pipeline", g.name, s.Name, c.Result)
				}
			}
		}
	}
	return ""
}

func firstStageNoRollback(v *view) string {
	s := &v.d.Stages[0]
	for _, g := range s.gates() {
		if g.engages(ResultRollback) {
			return fmt.Sprintf("The first stage of a pipeline cannot be rolled back: '%s'", s.Name)
		}
	}
	return ""
}

func skipRules(v *view) string {
	for i := range v.d.Stages {
		s := &v.d.Stages[i]
		if s.BeforeEntry == nil {
			continue
		}
		for _, c := range s.BeforeEntry.Conditions {
			for _, r := range c.Rules {
				if c.Result == ResultSkip && r.RuleTypeID.Provider != "LambdaInvoke" && r.RuleTypeID.Provider != "VariableCheck" {
					return fmt.Sprintf("An entry condition with the result SKIP can only have LambdaInvoke and VariableCheck rules: rule '%s' of stage '%s'", r.Name, s.Name)
				}
			}
		}
	}
	return ""
}

// ruleNamesUnique is S7 for rules. The names in one stage are kept apart, over
// all its gates; pipelines that have a rule of one name in many stages are
// known to be accepted.
func ruleNamesUnique(v *view) string {
	type place struct {
		stage int
		name  string
	}
	seen := make(map[place]bool, len(v.rules))
	for i := range v.rules {
		l := &v.rules[i]
		at := place{l.stage, l.Name}
		if seen[at] {
			return fmt.Sprintf("Rule name '%s' is used more than once in stage '%s'", l.Name, v.stageName(l))
		}
		seen[at] = true
	}
	return ""
}

// retryModes refuses a retryConfiguration that nothing reads.
func retryModes(v *view) string {
	for i := range v.d.Stages {
		s := &v.d.Stages[i]
		for _, g := range s.gates() {
			if g.retries && !g.engages(ResultRetry) {
				return fmt.Sprintf("The %s condition of stage '%s' has a retryConfiguration, which needs the result RETRY", g.name, s.Name)
			}
		}
	}
	return ""
}

// conditionsHaveRules refuses conditions that nothing decides.
func conditionsHaveRules(v *view) string {
	for i := range v.d.Stages {
		s := &v.d.Stages[i]
		for _, g := range s.gates() {
			if slices.ContainsFunc(g.conditions, func(c Condition) bool { return len(c.Rules) == 0 }) {
				return fmt.Sprintf("The %s condition of stage '%s' has no rules", g.name, s.Name)
			}
		}
	}
	return ""
}
