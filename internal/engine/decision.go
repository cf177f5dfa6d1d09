package engine

import "github.com/penstock-cd/penstock/internal/pipeline"

// Decision is the outcome of a Step.
type Decision struct {
	// Changes became true, in order.
	Changes []Change
	// Effects must now be carried out, in order.
	Effects []Effect
	// Void names the action executions whose effects have become pointless.
	Void []string
	// Touched are the executions whose part of the state changed, each once;
	// ended ones among them are no longer in the state.
	Touched []*Execution
	// ExecutionID is the execution that a start made.
	ExecutionID string
}

// Change is a fact for the history.
type Change struct {
	Kind ChangeKind `json:"kind"`
	At   int64      `json:"at"`
	// Execution, Stage and Action name what changed, as far as it applies.
	Execution string `json:"execution,omitempty"`
	Stage     string `json:"stage,omitempty"`
	Action    string `json:"action,omitempty"`
	// ActionID is the action or rule execution id; of a rule, Action is the name.
	ActionID string `json:"actionId,omitempty"`
	// Gate names the gate whose condition or rule changed.
	Gate    string `json:"gate,omitempty"`
	Status  Status `json:"status,omitempty"`
	Summary string `json:"summary,omitempty"`
	By      string `json:"by,omitempty"`
	// Inputs and Outputs are set when an action started; Outputs are those
	// produced when it ended.
	Inputs  []pipeline.ArtifactLocation `json:"inputs,omitempty"`
	Outputs []pipeline.ArtifactLocation `json:"outputs,omitempty"`
	// Deadline is set when an action started.
	Deadline int64 `json:"deadline,omitempty"`
	// Outcome is set when an action ended.
	Outcome Outcome `json:"outcome,omitzero"`
	// Names are the undeclared variables that a start ignored.
	Names []string `json:"names,omitempty"`
}

// ChangeKind says what kind of fact a change is.
type ChangeKind string

// The kinds of changes.
const (
	PipelineCreated   ChangeKind = "PipelineCreated"
	PipelineUpdated   ChangeKind = "PipelineUpdated"
	PipelineDeleted   ChangeKind = "PipelineDeleted"
	ExecutionStarted  ChangeKind = "ExecutionStarted"
	ExecutionChanged  ChangeKind = "ExecutionChanged"
	VariablesIgnored  ChangeKind = "VariablesIgnored"
	StageEntered      ChangeKind = "StageEntered"
	StageChanged      ChangeKind = "StageChanged"
	StageRetried      ChangeKind = "StageRetried"
	ConditionChanged  ChangeKind = "ConditionChanged"
	RuleStarted       ChangeKind = "RuleStarted"
	RuleEnded         ChangeKind = "RuleEnded"
	ActionStarted     ChangeKind = "ActionStarted"
	ActionEnded       ChangeKind = "ActionEnded"
	TransitionChanged ChangeKind = "TransitionChanged"
)

// Effect is an obligation: an action or a rule to start, or one to stop.
type Effect struct {
	Kind EffectKind
	// Gate names the gate of a rule; empty for an action.
	Gate string
	// Execution and Action are ids; Version is the definition of the plan.
	Execution string
	Action    string
	Version   int
	Stage     string
	Name      string
	// Deadline is when the action times out, in milliseconds.
	Deadline int64
}

// EffectKind says what an effect asks for.
type EffectKind string

// The kinds of effects.
const (
	// RunAction: resolve the action's configuration, hand it to its provider,
	// and report what comes of it, until the deadline.
	RunAction EffectKind = "RunAction"
	// StopAction: tell the provider of an abandoned action to stop.
	StopAction EffectKind = "StopAction"
)
