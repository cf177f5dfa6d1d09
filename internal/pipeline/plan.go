package pipeline

import (
	"slices"
	"strings"
)

// Plan is a compiled declaration: sorted, indexed, defaulted, its references
// parsed. It is immutable and safe to share.
type Plan struct {
	Name      string
	Version   int
	Mode      ExecutionMode
	Type      PipelineType
	RoleArn   string
	Stages    []StagePlan
	Variables []VariableDeclaration // in declared order
	Stores    []RegionStore         // sorted by region; the pipeline's own region has Region ""
	// Triggers is how many triggers are declared.
	Triggers int
}

// RegionStore is the artifact store of one region.
type RegionStore struct {
	Region string
	Store  ArtifactStore
}

// StagePlan is one stage of a plan.
type StagePlan struct {
	Name string
	// Actions are sorted by run order, then as declared.
	Actions []ActionPlan
	// Groups are index ranges [From, To) of Actions with equal run order, ascending.
	Groups []Group
	// The gates of the stage, nil if it declares none.
	BeforeEntry *GatePlan
	OnSuccess   *GatePlan
	OnFailure   *GatePlan
}

// Group is a range of a stage's actions that run at the same time.
type Group struct{ From, To int }

// ActionPlan is one action of a plan.
type ActionPlan struct {
	Name          string
	Type          ActionTypeID
	RunOrder      int
	Configuration []ConfigurationEntry // sorted by key
	Commands      []string
	Environment   []EnvironmentEntry // as declared
	Inputs        []string           // artifact names, as declared
	Outputs       []OutputArtifact
	// OutputVariables are the variables that Compute/Commands exports.
	OutputVariables []string
	Namespace       string
	Region          string // empty: the pipeline's region
	RoleArn         string
	// Timeout is the time after which the action fails, in milliseconds.
	Timeout int64
	// Index is the position among the actions of the stage as declared.
	Index int
}

// ConfigurationEntry is one configuration value with its parsed references.
type ConfigurationEntry struct {
	Key  string
	Text Template
}

// EnvironmentEntry is one environment variable with its parsed references.
// Type is PLAINTEXT, SECRETS_MANAGER, or empty for PLAINTEXT.
type EnvironmentEntry struct {
	Name string
	Type string
	Text Template
}

// Stage returns the index of the named stage, or -1.
func (p *Plan) Stage(name string) int {
	for i := range p.Stages {
		if p.Stages[i].Name == name {
			return i
		}
	}
	return -1
}

// Action returns the index of the named action, or -1.
func (s *StagePlan) Action(name string) int {
	for i := range s.Actions {
		if s.Actions[i].Name == name {
			return i
		}
	}
	return -1
}

// IsApproval reports whether the action waits for a person.
func (a *ActionPlan) IsApproval() bool { return a.Type.Category == CategoryApproval }

// IsSource reports whether the action fetches source.
func (a *ActionPlan) IsSource() bool { return a.Type.Category == CategorySource }

// ConfigurationText returns the unresolved configuration value of a key.
func (a *ActionPlan) ConfigurationText(key string) (Template, bool) {
	i, ok := slices.BinarySearchFunc(a.Configuration, key, func(e ConfigurationEntry, key string) int {
		return strings.Compare(e.Key, key)
	})
	if !ok {
		return Template{}, false
	}
	return a.Configuration[i].Text, true
}

// Store returns the artifact store for actions of a region; "" is the
// pipeline's own region.
func (p *Plan) Store(region string) (ArtifactStore, bool) {
	for i := range p.Stores {
		if p.Stores[i].Region == region {
			return p.Stores[i].Store, true
		}
	}
	return ArtifactStore{}, false
}
