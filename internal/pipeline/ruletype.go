package pipeline

// RuleType describes what a rule of a stage condition may declare: the source
// of ListRuleTypes (reference: execution.md 5.3, actions.md B).
type RuleType struct {
	ID         RuleTypeID
	Settings   ActionTypeSettings
	Properties []ConfigurationProperty // in the guide's order
	Inputs     ArtifactBounds
	// Available is false for a type that is known but cannot be run here.
	Available bool
}

// The category and the owner of every rule type.
const (
	CategoryRule = "Rule"
	OwnerRule    = OwnerAWS
)
