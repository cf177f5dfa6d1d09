package pipeline

// ActionType describes what an action may declare: the source of
// ListActionTypes and of validation (reference: actions.md A.0).
type ActionType struct {
	ID         ActionTypeID
	Settings   ActionTypeSettings
	Properties []ConfigurationProperty // in CodePipeline's order
	Inputs     ArtifactBounds
	Outputs    ArtifactBounds
	// Timeout is the default time limit of one action, in milliseconds.
	Timeout int64
	// V2Only is set for types that a V1 pipeline may not use.
	V2Only bool
	// Available is false for a type that is known but cannot be run here.
	Available bool
	// WhenLost says what follows when the node that began an attempt is gone.
	WhenLost WhenLost
}

// ActionTypeSettings are URL templates.
type ActionTypeSettings struct {
	ThirdPartyConfigurationURL string `json:"thirdPartyConfigurationUrl,omitempty"`
	EntityURLTemplate          string `json:"entityUrlTemplate,omitempty"`
	ExecutionURLTemplate       string `json:"executionUrlTemplate,omitempty"`
	RevisionURLTemplate        string `json:"revisionUrlTemplate,omitempty"`
}

// ConfigurationProperty is one key of an action's configuration.
type ConfigurationProperty struct {
	Name        string `json:"name"`
	Required    bool   `json:"required"`
	Key         bool   `json:"key"`
	Secret      bool   `json:"secret"`
	Queryable   bool   `json:"queryable"`
	Description string `json:"description,omitempty"`
	// Type is String, Number, Boolean, or empty. Nothing is read from it.
	Type string `json:"type,omitempty"`
}

// ArtifactBounds are inclusive.
type ArtifactBounds struct {
	Min int `json:"minimumCount"`
	Max int `json:"maximumCount"`
}

// WhenLost says what follows when the node that began an attempt is gone
// (DESIGN.md, section 4: begun at most once).
type WhenLost string

const (
	// LostAgain: starting again is harmless.
	LostAgain WhenLost = "Again"
	// LostFind: Await finds the work by the key given to the remote system.
	LostFind WhenLost = "Find"
	// LostFail: the attempt ends Failed, outcome unknown.
	LostFail WhenLost = "Lost"
)

// ActionTypes looks an action type up. Unknown types are not found; known but
// unavailable ones are found with Available false.
type ActionTypes interface {
	ActionType(id ActionTypeID) (ActionType, bool)
}
