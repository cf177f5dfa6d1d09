package pipeline

import "cmp"

// Environment is what a declaration is judged against: where the pipeline
// lives, which action types exist there, and the quotas in force.
type Environment struct {
	Types   ActionTypes
	Region  string
	Account string
	Limits  Limits
}

// Limits are quotas. A zero field means CodePipeline's default.
type Limits struct {
	// MinStages is the smallest number of stages of a pipeline: 2.
	MinStages int
	// MaxStages is the largest number of stages of a pipeline: 50.
	MaxStages int
	// MaxStageActions is the largest number of actions of a stage: 50.
	MaxStageActions int
	// MaxActions is the largest number of actions of a pipeline: 500.
	MaxActions int
}

// DefaultLimits are CodePipeline's quotas (reference: execution.md 9.1).
func DefaultLimits() Limits {
	return Limits{MinStages: 2, MaxStages: 50, MaxStageActions: 50, MaxActions: 500}
}

// withDefaults fills the zero fields.
func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	return Limits{
		MinStages:       max(1, cmp.Or(l.MinStages, d.MinStages)),
		MaxStages:       cmp.Or(l.MaxStages, d.MaxStages),
		MaxStageActions: cmp.Or(l.MaxStageActions, d.MaxStageActions),
		MaxActions:      cmp.Or(l.MaxActions, d.MaxActions),
	}
}

// Sizes that CodePipeline does not let anybody change.
const (
	// MaxResolvedConfiguration is the largest size of one action's
	// configuration after its references are resolved, in bytes (100 KB).
	MaxResolvedConfiguration = 100 * 1024
	// MaxOutputVariables is the largest size of all output variables of one
	// action, names and values together, in bytes.
	MaxOutputVariables = 122880
)

// ConfigurationSize is the size that MaxResolvedConfiguration bounds: the
// bytes of all keys and values.
func ConfigurationSize(configuration map[string]string) int {
	return textSize(configuration)
}

// OutputVariablesSize is the size that MaxOutputVariables bounds: the bytes of
// all names and values.
func OutputVariablesSize(variables map[string]string) int {
	return textSize(variables)
}

func textSize(texts map[string]string) int {
	n := 0
	for k, v := range texts { //floors:ordered a sum is the same in any order
		n += len(k) + len(v)
	}
	return n
}
