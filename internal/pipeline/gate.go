package pipeline

// GatePlan is a gate of a stage: the conditions that are judged before its
// actions start, after they succeeded, or after they failed (reference:
// execution.md 5).
type GatePlan struct {
	// Conditions are in declared order; a failure gate may have none.
	Conditions []ConditionPlan
	// Rules are the rules of all conditions, one condition after the other. A
	// rule is an action whose type has the category Rule.
	Rules []ActionPlan
	// Result is what a failure gate without conditions engages at once: one of
	// ROLLBACK, RETRY, FAIL and SKIP; empty otherwise.
	Result string
	// RetryMode is what an automatic retry runs again, FAILED_ACTIONS or
	// ALL_ACTIONS; set for a failure gate only.
	RetryMode string
}

// ConditionPlan is one condition: Rules[From:To] of its gate, and the result
// that it can engage.
type ConditionPlan struct {
	Result   string
	From, To int
}

// Engages reports whether the gate can have a result.
func (g *GatePlan) Engages(result string) bool {
	if g == nil {
		return false
	}
	if g.Result == result {
		return true
	}
	for _, c := range g.Conditions {
		if c.Result == result {
			return true
		}
	}
	return false
}

// The names of the gates, as in a declaration.
const (
	GateBeforeEntry = "beforeEntry"
	GateOnSuccess   = "onSuccess"
	GateOnFailure   = "onFailure"
)

// Gate returns the gate with the name, nil if the stage declares none.
func (s *StagePlan) Gate(name string) *GatePlan {
	switch name {
	case GateBeforeEntry:
		return s.BeforeEntry
	case GateOnSuccess:
		return s.OnSuccess
	case GateOnFailure:
		return s.OnFailure
	}
	return nil
}

// Attempted returns the plan of what an attempt carries out: a rule of the named
// gate, or an action if the gate is empty; nil if there is none.
func (s *StagePlan) Attempted(gate, name string) *ActionPlan {
	attempts := s.Actions
	if gate != "" {
		g := s.Gate(gate)
		if g == nil {
			return nil
		}
		attempts = g.Rules
	}
	for i := range attempts {
		if attempts[i].Name == name {
			return &attempts[i]
		}
	}
	return nil
}
