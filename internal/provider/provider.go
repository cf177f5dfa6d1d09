// Package provider is the contract between the engine's obligations and those
// who carry them out: what an action provider is given, what it reports, and
// the catalogue of all action types (reference: actions.md).
package provider

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// Provider carries out the actions of one type, or judges the rules of one type:
// a rule is an action whose type has the category Rule.
//
// A rule's final report is its verdict. Succeeded: the rule holds. Failed with
// CodeJobFailed or no code: it does not hold. Failed with any other code: it
// could not be judged, because of its configuration, a permission or a service
// that does not answer, and its condition becomes Errored (see Report.Judged).
//
// dispatch calls Start once for an attempt, after it has committed that the
// attempt was begun, and then Await until a report is final. An error from
// Start or Await means "not known, ask again under the same key"; only a Report
// is a verdict. All methods may be called from many goroutines, for different
// attempts; for one attempt Stop may run at the same time as Start or Await.
type Provider interface {
	// Type describes what an action may declare and what follows a lost node.
	Type() pipeline.ActionType
	// Start begins the work. Its idempotency key is a.ID.
	Start(ctx context.Context, a Attempt) (Report, error)
	// Await continues from a.State alone, perhaps on another node. It blocks
	// only for work on this node, whose end is known at once; for anything
	// remote it looks once and says when to look again.
	Await(ctx context.Context, a Attempt) (Report, error)
	// Stop ends the work; nil if there is nothing to stop. It may be called
	// more than once, and after the attempt ended.
	Stop(ctx context.Context, a Attempt) error
}

// Checker is implemented by a provider whose configuration has rules that the
// schema cannot say. What it refuses is refused with the pipeline, not when an
// execution gets there.
type Checker interface {
	// Check judges the configuration values that are known before anything runs:
	// those with references are not among them. The error names the key.
	Check(known map[string]string) error
}

// Attempt is one try to carry out an action, as a provider sees it: resolved,
// located, and with everything it may touch.
type Attempt struct {
	// ID is the action execution id: the idempotency key of all work.
	ID              string
	Account         string
	Region          string
	PipelineName    string
	PipelineVersion int
	ExecutionID     string
	StageName       string
	// Gate is empty for an action; for a rule it is the gate whose condition the
	// rule belongs to: pipeline.GateBeforeEntry, GateOnSuccess or GateOnFailure.
	Gate string
	// ActionName is the name of the action or the rule.
	ActionName string
	Type       pipeline.ActionTypeID
	RoleArn    string
	// Configuration is resolved and holds secrets in clear.
	Configuration map[string]string
	Commands      []string
	Environment   []pipeline.EnvironmentVariable
	// OutputVariables are the variables that Compute/Commands exports.
	OutputVariables []string
	Inputs          []InputArtifact
	Outputs         []OutputArtifact
	// Job is the job to bring, for an Invoker.
	Job *Job
	// Overrides are the source revision overrides for this action.
	Overrides []pipeline.SourceRevisionOverride
	// EncryptionKey is the artifact store's key, empty for the default.
	EncryptionKey string
	// Deadline is when the attempt times out.
	Deadline time.Time
	// State is what the provider's last in-progress report held; nil at Start.
	State json.RawMessage
	// Log receives the output of the action; it is kept, and followed live.
	// Write is safe for concurrent use. It may be a MaskingLog.
	Log io.Writer
	// Workspace is an empty directory of this attempt on this node, removed by
	// dispatch when the attempt is over.
	Workspace string
	// Artifacts opens inputs and keeps outputs.
	Artifacts Artifacts
}

// MaskingLog is a log that can be told of secrets that come up later than the
// configuration's: what is written from then on shows *** in their place.
type MaskingLog interface {
	io.Writer
	Mask(secrets ...string)
}

// InputArtifact is an artifact that an earlier action produced.
type InputArtifact struct {
	Name     string
	Location pipeline.ArtifactLocation
	// Revision is the source revision behind the artifact, empty if unknown.
	Revision string
	// CloneRef is set when a source action wrote the artifact in the format
	// CODEBUILD_CLONE_REF. Only such an artifact may point at a repository to
	// clone: any other was written by a build or an upload, which must not reach
	// what the server's credentials reach.
	CloneRef bool
}

// OutputArtifact is an artifact to produce at a location that was assigned
// before the action started.
type OutputArtifact struct {
	Name     string
	Files    []string
	Location pipeline.ArtifactLocation
}

// Status is where an attempt stands.
type Status string

// The statuses a provider reports.
const (
	InProgress Status = "InProgress"
	Succeeded  Status = "Succeeded"
	Failed     Status = "Failed"
)

// The error codes that a failed action shows (actions.md 1.6).
const (
	CodeJobFailed           = "JobFailed"
	CodeConfigurationError  = "ConfigurationError"
	CodePermissionError     = "PermissionError"
	CodeRevisionOutOfSync   = "RevisionOutOfSync"
	CodeRevisionUnavailable = "RevisionUnavailable"
	CodeSystemUnavailable   = "SystemUnavailable"
)

// Report is what a provider knows about an attempt.
type Report struct {
	Status Status
	// State is kept for the next Await of an attempt in progress.
	State json.RawMessage
	// LookAgain is when to call Await for work that is remote; zero: at once.
	LookAgain time.Duration
	// ContinuationToken is what an Invoker's job, answered at once, gives to the
	// next one.
	ContinuationToken string
	// Percent is the progress from 0 to 100.
	Percent int
	Summary string

	ExternalExecutionID  string
	ExternalExecutionURL string
	OutputVariables      map[string]string
	// Produced are the names of the output artifacts that were really written.
	Produced []string
	// Revision is what a source action fetched.
	Revision *pipeline.Revision
	// ErrorCode and ErrorMessage say why an attempt failed.
	ErrorCode    string
	ErrorMessage string
}

// Judged reports whether the final report of a rule is a verdict: a failure that
// has a code other than CodeJobFailed says that the rule could not be judged.
func (r Report) Judged() bool {
	return r.Status != Failed || r.ErrorCode == "" || r.ErrorCode == CodeJobFailed
}

// Failure is a final report of a failed attempt.
func Failure(code, message string) Report {
	return Report{Status: Failed, ErrorCode: code, ErrorMessage: message}
}

// ErrNoArtifact is the cause when an artifact's content does not exist.
var ErrNoArtifact = errors.New("artifact does not exist")

// Artifacts keeps the contents of artifacts. An *ObjectError within an error is an
// answer that another try does not change; any other error may be over the next
// time.
type Artifacts interface {
	// Open reads an artifact. The error wraps ErrNoArtifact if there is none.
	Open(ctx context.Context, location pipeline.ArtifactLocation) (Artifact, error)
	// Put writes an artifact; when it returns nil the content is durable and
	// whole. Writing the same location again replaces the content.
	Put(ctx context.Context, location pipeline.ArtifactLocation, content io.Reader) error
}

// KeyedArtifacts are Artifacts that can ask for a key of KMS.
type KeyedArtifacts interface {
	Artifacts
	// WithKey returns the same artifacts, but what is put there is encrypted with
	// the key of an artifact store; an empty id is the store's default.
	WithKey(id string) Artifacts
}

// Artifact is the content of one artifact; zip readers need ReaderAt.
type Artifact interface {
	io.Reader
	io.ReaderAt
	io.Closer
	Size() int64
}
