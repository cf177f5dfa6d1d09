package engine

import "github.com/penstock-cd/penstock/internal/pipeline"

// Event is something that happened: a request, a report, a time that came. ID
// is unique and is the only entropy, At the only clock (milliseconds since the
// epoch): the same event applied to the same state mints the same ids.
type Event struct {
	ID   string
	At   int64
	Body Body
}

// Body is what happened; one of the types of this file.
type Body interface{ event() }

// CreatePipeline begins the aggregate with version 1 of its definition, and its
// first execution, unless that is left to a poll of its sources.
type CreatePipeline struct {
	ID   string
	Name string
	// Start is the execution that creation starts.
	Start StartExecution
	// Polled says that creation starts none (observed.md 15).
	Polled bool
}

// UpdatePipeline installs a new version of the definition.
type UpdatePipeline struct{ Version int }

// DeletePipeline ends the pipeline; what runs is abandoned.
type DeletePipeline struct{}

// StartExecution starts an execution of the current definition.
type StartExecution struct {
	Trigger   Trigger
	Variables []pipeline.Variable
	Overrides []pipeline.SourceRevisionOverride
}

// StopExecution asks an execution to stop: after its running actions, or, with
// Abandon, at once.
type StopExecution struct {
	Execution string
	Abandon   bool
	Reason    string
	By        string
}

// RetryStage runs a failed or stopped stage again: its failed actions, or all of
// them.
type RetryStage struct {
	Stage      string
	Execution  string
	AllActions bool
}

// RollBack starts an execution that runs one stage with what an earlier
// execution had.
type RollBack struct {
	Stage   string
	Target  string
	Trigger Trigger
}

// OverrideCondition lets an execution pass a condition of a stage.
type OverrideCondition struct {
	Stage     string
	Execution string
	// Gate is the one to pass: beforeEntry or onSuccess.
	Gate string
	By   string
}

// SetTransition enables or disables one side of a stage.
type SetTransition struct {
	Stage    string
	Outbound bool
	Disabled bool
	Reason   string
	By       string
}

// AnswerApproval approves or rejects a waiting approval.
type AnswerApproval struct {
	Stage    string
	Action   string
	Token    string
	Approved bool
	Summary  string
	By       string
}

// ActionReported is the final report of the provider of an action or a rule. What is large in
// it is kept with the action execution and does not enter the state.
type ActionReported struct {
	Execution string
	// Action is the action or rule execution id.
	Action    string
	Succeeded bool
	// TimedOut says that nobody reported: the time of a job was over. Nobody knows
	// what a rule would have said then.
	TimedOut bool
	// Produced names the output artifacts that were written.
	Produced []string
	Revision *pipeline.Revision
	Outcome  Outcome
}

// Outcome is what a final report says to people.
type Outcome struct {
	Summary              string            `json:"summary,omitempty"`
	ExternalExecutionID  string            `json:"externalExecutionId,omitempty"`
	ExternalExecutionURL string            `json:"externalExecutionUrl,omitempty"`
	OutputVariables      map[string]string `json:"outputVariables,omitempty"`
	ErrorCode            string            `json:"errorCode,omitempty"`
	ErrorMessage         string            `json:"errorMessage,omitempty"`
}

// DeadlineReached says that an action's time-out has come.
type DeadlineReached struct {
	Execution string
	Action    string
}

func (CreatePipeline) event()    {}
func (UpdatePipeline) event()    {}
func (DeletePipeline) event()    {}
func (StartExecution) event()    {}
func (StopExecution) event()     {}
func (RetryStage) event()        {}
func (RollBack) event()          {}
func (OverrideCondition) event() {}
func (SetTransition) event()     {}
func (AnswerApproval) event()    {}
func (ActionReported) event()    {}
func (DeadlineReached) event()   {}
