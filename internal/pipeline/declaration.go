package pipeline

// Declaration is a pipeline as its author wrote it: CodePipeline's
// PipelineDeclaration, member by member. It is stored as sent; Compile turns it
// into a Plan. Nil lists and maps were not sent, empty ones were.
type Declaration struct {
	Name           string                   `json:"name"`
	RoleArn        string                   `json:"roleArn,omitempty"`
	ArtifactStore  *ArtifactStore           `json:"artifactStore,omitempty"`
	ArtifactStores map[string]ArtifactStore `json:"artifactStores,omitzero"`
	Stages         []StageDeclaration       `json:"stages"`
	Version        int                      `json:"version,omitempty"`
	ExecutionMode  ExecutionMode            `json:"executionMode,omitempty"`
	PipelineType   PipelineType             `json:"pipelineType,omitempty"`
	Variables      []VariableDeclaration    `json:"variables,omitzero"`
	Triggers       []TriggerDeclaration     `json:"triggers,omitzero"`
}

// ExecutionMode says how executions of one pipeline meet.
type ExecutionMode string

// The execution modes of CodePipeline.
const (
	ModeSuperseded ExecutionMode = "SUPERSEDED"
	ModeQueued     ExecutionMode = "QUEUED"
	ModeParallel   ExecutionMode = "PARALLEL"
)

// PipelineType is V1 or V2.
type PipelineType string

// The pipeline types of CodePipeline.
const (
	TypeV1 PipelineType = "V1"
	TypeV2 PipelineType = "V2"
)

// ArtifactStore is a bucket in which the artifacts of a pipeline are kept.
type ArtifactStore struct {
	Type          string         `json:"type"`
	Location      string         `json:"location"`
	EncryptionKey *EncryptionKey `json:"encryptionKey,omitempty"`
}

// EncryptionKey names the key of an artifact store.
type EncryptionKey struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

// VariableDeclaration declares a pipeline variable. A nil default must be given
// a value at every start.
type VariableDeclaration struct {
	Name         string  `json:"name"`
	DefaultValue *string `json:"defaultValue,omitempty"`
	Description  *string `json:"description,omitempty"`
}

// StageDeclaration is one stage.
type StageDeclaration struct {
	Name        string               `json:"name"`
	Blockers    []BlockerDeclaration `json:"blockers,omitzero"`
	Actions     []ActionDeclaration  `json:"actions"`
	OnFailure   *FailureConditions   `json:"onFailure,omitempty"`
	OnSuccess   *Conditions          `json:"onSuccess,omitempty"`
	BeforeEntry *Conditions          `json:"beforeEntry,omitempty"`
}

// BlockerDeclaration is reserved by CodePipeline.
type BlockerDeclaration struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// ActionDeclaration is one action of a stage.
type ActionDeclaration struct {
	Name                 string                `json:"name"`
	ActionTypeID         ActionTypeID          `json:"actionTypeId"`
	RunOrder             int                   `json:"runOrder,omitempty"`
	Configuration        map[string]string     `json:"configuration,omitzero"`
	Commands             []string              `json:"commands,omitzero"`
	OutputArtifacts      []OutputArtifact      `json:"outputArtifacts,omitzero"`
	InputArtifacts       []InputArtifact       `json:"inputArtifacts,omitzero"`
	OutputVariables      []string              `json:"outputVariables,omitzero"`
	RoleArn              string                `json:"roleArn,omitempty"`
	Region               string                `json:"region,omitempty"`
	Namespace            string                `json:"namespace,omitempty"`
	TimeoutInMinutes     int                   `json:"timeoutInMinutes,omitempty"`
	EnvironmentVariables []EnvironmentVariable `json:"environmentVariables,omitzero"`
}

// ActionTypeID names an action type: category, owner, provider and version.
type ActionTypeID struct {
	Category string `json:"category"`
	Owner    string `json:"owner"`
	Provider string `json:"provider"`
	Version  string `json:"version"`
}

// String prints the id as in "Source/AWS/S3/1".
func (id ActionTypeID) String() string {
	return id.Category + "/" + id.Owner + "/" + id.Provider + "/" + id.Version
}

// The categories of actions.
const (
	CategorySource   = "Source"
	CategoryBuild    = "Build"
	CategoryTest     = "Test"
	CategoryDeploy   = "Deploy"
	CategoryInvoke   = "Invoke"
	CategoryApproval = "Approval"
	CategoryCompute  = "Compute"
)

// The owners of action types.
const (
	OwnerAWS        = "AWS"
	OwnerThirdParty = "ThirdParty"
	OwnerCustom     = "Custom"
)

// OutputArtifact is an artifact that an action produces. Files are globs, used
// by Compute/Commands only.
type OutputArtifact struct {
	Name  string   `json:"name"`
	Files []string `json:"files,omitzero"`
}

// InputArtifact names an artifact that an action consumes.
type InputArtifact struct {
	Name string `json:"name"`
}

// EnvironmentVariable is set for Compute/Commands. Type is PLAINTEXT (the
// default) or SECRETS_MANAGER.
type EnvironmentVariable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Type  string `json:"type,omitempty"`
}

// Conditions guards the entry or the success of a stage.
type Conditions struct {
	Conditions []Condition `json:"conditions,omitzero"`
}

// FailureConditions says what follows the failure of a stage.
type FailureConditions struct {
	Result             string              `json:"result,omitempty"`
	RetryConfiguration *RetryConfiguration `json:"retryConfiguration,omitempty"`
	Conditions         []Condition         `json:"conditions,omitzero"`
}

// RetryConfiguration chooses what an automatic retry runs again.
type RetryConfiguration struct {
	RetryMode string `json:"retryMode,omitempty"`
}

// Condition is a result and the rules that engage it.
type Condition struct {
	Result string            `json:"result,omitempty"`
	Rules  []RuleDeclaration `json:"rules,omitzero"`
}

// RuleDeclaration is one rule of a condition.
type RuleDeclaration struct {
	Name             string            `json:"name"`
	RuleTypeID       RuleTypeID        `json:"ruleTypeId"`
	Configuration    map[string]string `json:"configuration,omitzero"`
	Commands         []string          `json:"commands,omitzero"`
	InputArtifacts   []InputArtifact   `json:"inputArtifacts,omitzero"`
	RoleArn          string            `json:"roleArn,omitempty"`
	Region           string            `json:"region,omitempty"`
	TimeoutInMinutes int               `json:"timeoutInMinutes,omitempty"`
}

// RuleTypeID names a rule type.
type RuleTypeID struct {
	Category string `json:"category"`
	Owner    string `json:"owner,omitempty"`
	Provider string `json:"provider"`
	Version  string `json:"version,omitempty"`
}

// TriggerDeclaration is a V2 trigger.
type TriggerDeclaration struct {
	ProviderType     string           `json:"providerType"`
	GitConfiguration GitConfiguration `json:"gitConfiguration"`
}

// GitConfiguration filters the events of a git repository.
type GitConfiguration struct {
	SourceActionName string              `json:"sourceActionName"`
	Push             []PushFilter        `json:"push,omitzero"`
	PullRequest      []PullRequestFilter `json:"pullRequest,omitzero"`
}

// PushFilter filters pushes.
type PushFilter struct {
	Tags      *GlobFilter `json:"tags,omitempty"`
	Branches  *GlobFilter `json:"branches,omitempty"`
	FilePaths *GlobFilter `json:"filePaths,omitempty"`
}

// PullRequestFilter filters pull request events.
type PullRequestFilter struct {
	Events    []string    `json:"events,omitzero"`
	Branches  *GlobFilter `json:"branches,omitempty"`
	FilePaths *GlobFilter `json:"filePaths,omitempty"`
}

// GlobFilter includes and excludes names by globs.
type GlobFilter struct {
	Includes []string `json:"includes,omitzero"`
	Excludes []string `json:"excludes,omitzero"`
}
