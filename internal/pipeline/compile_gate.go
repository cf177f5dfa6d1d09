package pipeline

import (
	"cmp"
	"math"
)

// RetryFailedActions and RetryAllActions are the retry modes.
const (
	RetryFailedActions = "FAILED_ACTIONS"
	RetryAllActions    = "ALL_ACTIONS"
)

// ActionType is the id of the rule type where rules are treated like actions:
// the category is always Rule; owner and version may be left out.
func (id RuleTypeID) ActionType() ActionTypeID {
	return ActionTypeID{
		Category: CategoryRule, Owner: cmp.Or(id.Owner, OwnerRule), Provider: id.Provider, Version: cmp.Or(id.Version, "1"),
	}
}

// action is the rule as an action, which it is like in all but its place.
func (r *RuleDeclaration) action() *ActionDeclaration {
	return &ActionDeclaration{
		Name:             r.Name,
		ActionTypeID:     r.RuleTypeID.ActionType(),
		Configuration:    r.Configuration,
		Commands:         r.Commands,
		InputArtifacts:   r.InputArtifacts,
		RoleArn:          r.RoleArn,
		Region:           r.Region,
		TimeoutInMinutes: r.TimeoutInMinutes,
	}
}

// locateRules finds the rules of a stage.
func (v *view) locateRules(stage int) []located {
	var rules []located
	for _, g := range v.d.Stages[stage].gates() {
		index := 0
		for i := range g.conditions {
			for j := range g.conditions[i].Rules {
				l := located{ActionDeclaration: g.conditions[i].Rules[j].action(), stage: stage, gate: g.name, index: index}
				l.order = gateOrder(g.name)
				if v.env.Types != nil {
					l.kind, l.known = v.env.Types.ActionType(l.ActionTypeID)
				}
				rules = append(rules, l)
				index++
			}
		}
	}
	return rules
}

// gateOrder is the run order that stands for a gate: run orders are at least 1,
// and no declared one reaches the last.
func gateOrder(gate string) int {
	if gate == GateBeforeEntry {
		return 0
	}
	return math.MaxInt
}

// planGates gives the stages of a plan their gates.
func (v *view) planGates(stages []StagePlan) {
	rest := v.rules
	for i := range stages {
		for _, g := range v.d.Stages[i].gates() {
			n := 0
			for _, c := range g.conditions {
				n += len(c.Rules)
			}
			plan := v.gate(g, rest[:n])
			rest = rest[n:]
			switch g.name {
			case GateBeforeEntry:
				stages[i].BeforeEntry = plan
			case GateOnSuccess:
				stages[i].OnSuccess = plan
			case GateOnFailure:
				stages[i].OnFailure = plan
			}
		}
	}
}

// gate builds the plan of one gate; nil if nothing can come of it. A condition
// that does not say its result fails the stage: that is the reading which lets
// nothing through.
func (v *view) gate(g gate, rules []located) *GatePlan {
	if g.result == "" && len(g.conditions) == 0 {
		return nil
	}
	plan := &GatePlan{Result: g.result}
	for _, c := range g.conditions {
		from := len(plan.Rules)
		for i := range rules[:len(c.Rules)] {
			rule := v.action(&rules[i])
			rule.RunOrder = 1 // the rules of a gate run together
			plan.Rules = append(plan.Rules, rule)
		}
		rules = rules[len(c.Rules):]
		plan.Conditions = append(plan.Conditions, ConditionPlan{Result: cmp.Or(c.Result, ResultFail), From: from, To: len(plan.Rules)})
	}
	if plan.Engages(ResultRetry) {
		plan.RetryMode = cmp.Or(g.retryMode, RetryFailedActions)
	}
	return plan
}
