package engine

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// State is one pipeline with its live executions. It is stored in parts: one
// for Pipeline and one for each execution; Pipeline.Version guards them all.
type State struct {
	Pipeline Pipeline
	// Executions are the live ones, in the order of Seq.
	Executions []*Execution
}

// Pipeline is the part of the state that all executions share.
type Pipeline struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Version is the current version of the definition.
	Version int `json:"version"`
	// NextSeq numbers the executions in the order of their starts.
	NextSeq int64 `json:"nextSeq"`
	// LastAt is the time of the last event, in milliseconds. Time inside a
	// pipeline never runs backwards.
	LastAt  int64   `json:"lastAt"`
	Deleted bool    `json:"deleted,omitempty"`
	Stages  []Stage `json:"stages"`
}

// Stage is what one stage is to all executions: a lock, an entrance and two
// transitions. It survives updates of the definition by its name.
type Stage struct {
	Name string `json:"name"`
	// Gone marks a stage that the current definition no longer has but in which
	// an execution still is.
	Gone bool `json:"gone,omitempty"`
	// Holder is the execution inside the stage, empty when the stage is free.
	// PARALLEL executions hold no stage and wait in no line.
	Holder string `json:"holder,omitempty"`
	// Waiting are the executions at the entrance, oldest arrival first. In
	// SUPERSEDED mode settle leaves at most one.
	Waiting []string `json:"waiting,omitempty"`
	// LastInbound is the execution shown as inbound in SUPERSEDED mode: the
	// waiting one, or one that was stopped while it waited.
	LastInbound string `json:"lastInbound,omitempty"`
	// Latest is the execution that entered the stage last.
	Latest   string     `json:"latest,omitempty"`
	Inbound  Transition `json:"inbound,omitzero"`
	Outbound Transition `json:"outbound,omitzero"`
	// Succeeded is the last execution that succeeded in this stage and is no
	// rollback, and under which version of the definition: what an automatic
	// rollback goes back to.
	Succeeded        string `json:"succeeded,omitempty"`
	SucceededVersion int    `json:"succeededVersion,omitempty"`
}

// Transition is one side of a stage. The zero value is enabled and never
// touched.
type Transition struct {
	Disabled bool   `json:"disabled,omitempty"`
	Reason   string `json:"reason,omitempty"`
	By       string `json:"by,omitempty"`
	At       int64  `json:"at,omitempty"`
}

// Status is the status of an execution, a stage or an action; each uses its own
// subset (reference: execution.md 2.1).
type Status string

// The statuses of CodePipeline.
const (
	InProgress Status = "InProgress"
	Stopping   Status = "Stopping"
	Stopped    Status = "Stopped"
	Succeeded  Status = "Succeeded"
	Superseded Status = "Superseded"
	Failed     Status = "Failed"
	Cancelled  Status = "Cancelled"
	Abandoned  Status = "Abandoned"
	// Skipped is the status of a stage whose condition left it out.
	Skipped Status = "Skipped"
	// Errored and Overridden are statuses of conditions.
	Errored    Status = "Errored"
	Overridden Status = "Overridden"
)

// ExecutionType tells rollbacks from ordinary executions.
type ExecutionType string

// The execution types.
const (
	Standard ExecutionType = ""
	Rollback ExecutionType = "ROLLBACK"
)

// Execution is one pipeline execution.
type Execution struct {
	ID string `json:"id"`
	// Seq is the order of starts: a higher one is newer.
	Seq int64 `json:"seq"`
	// Version is the definition under which it was started.
	Version int                    `json:"version"`
	Mode    pipeline.ExecutionMode `json:"mode"`
	Type    ExecutionType          `json:"type,omitempty"`
	// Target is the execution that a rollback goes back to.
	Target string `json:"target,omitempty"`
	Status Status `json:"status"`
	// Summary explains the status; empty for an ordinary failure.
	Summary   string                            `json:"summary,omitempty"`
	Trigger   Trigger                           `json:"trigger"`
	Variables []pipeline.Variable               `json:"variables,omitempty"`
	Overrides []pipeline.SourceRevisionOverride `json:"overrides,omitempty"`
	// StartTime and LastUpdate are in milliseconds; LastUpdate moves only when
	// Status changes.
	StartTime  int64 `json:"startTime"`
	LastUpdate int64 `json:"lastUpdate"`
	Stop       *Stop `json:"stop,omitempty"`
	// Cancel is set when the definition was updated under a running execution.
	Cancel bool `json:"cancel,omitempty"`
	// Stage is the index of the stage it is in, or waits to enter.
	Stage int `json:"stage"`
	// Inside tells a stage entered from one waited for.
	Inside bool `json:"inside,omitempty"`
	// WaitingSince is when it arrived at the entrance.
	WaitingSince int64 `json:"waitingSince,omitempty"`
	// Stale marks a waiter that a transition disabled for more than 30 days no
	// longer lets in.
	Stale bool `json:"stale,omitempty"`
	// Gate names the gate of the current stage whose condition is evaluated;
	// empty while actions run.
	Gate string `json:"gate,omitempty"`
	// Group is the index of the run-order group that runs.
	Group int `json:"group,omitempty"`
	// Actions are those of the current stage that were started: the latest
	// attempt of each.
	Actions []Action `json:"actions,omitempty"`
	// Stages are the stages entered so far, in order.
	Stages []StageRecord `json:"stages,omitempty"`
	// Artifacts are the locations allotted so far.
	Artifacts []Artifact `json:"artifacts,omitempty"`
	// Revisions are what the source actions fetched.
	Revisions []SourceRevision `json:"revisions,omitempty"`
	// Namespaces name the action executions whose output variables can be
	// referenced.
	Namespaces []Namespace `json:"namespaces,omitempty"`
}

// Trigger is what started an execution.
type Trigger struct {
	Type   string `json:"type"`
	Detail string `json:"detail,omitempty"`
}

// The trigger types that start and retry executions by rules of their own here; what
// detects a change of a source brings the name of its own (package trigger).
const (
	TriggerCreatePipeline         = "CreatePipeline"
	TriggerStartPipelineExecution = "StartPipelineExecution"
	TriggerPutActionRevision      = "PutActionRevision"
	TriggerManualRollback         = "ManualRollback"
	TriggerAutomatedRollback      = "AutomatedRollback"
)

// requested reports whether a caller waits for the answer to the start: such a
// start is refused where an automatic one is recorded as failed.
func (t Trigger) requested() bool {
	switch t.Type {
	case TriggerCreatePipeline, TriggerStartPipelineExecution, TriggerPutActionRevision, TriggerManualRollback:
		return true
	}
	return false
}

// Stop is an accepted request to stop.
type Stop struct {
	Reason  string `json:"reason,omitempty"`
	Abandon bool   `json:"abandon,omitempty"`
	By      string `json:"by,omitempty"`
	At      int64  `json:"at"`
}

// StageRecord is one stage execution. A retry continues it.
type StageRecord struct {
	Name    string `json:"name"`
	Status  Status `json:"status"`
	Entered int64  `json:"entered"`
	Ended   int64  `json:"ended,omitempty"`
	// Gates are the latest evaluations of the stage's conditions, each gate once.
	Gates []Gate `json:"gates,omitempty"`
	// AutoRetries and ManualRetries count the retries of this stage execution.
	AutoRetries   int          `json:"autoRetries,omitempty"`
	ManualRetries int          `json:"manualRetries,omitempty"`
	LatestRetry   RetryTrigger `json:"latestRetry,omitempty"`
}

// RetryTrigger says who retried a stage.
type RetryTrigger string

// The retry triggers.
const (
	AutomatedStageRetry RetryTrigger = "AutomatedStageRetry"
	ManualStageRetry    RetryTrigger = "ManualStageRetry"
)

// Gate is one evaluation of the condition of a gate.
type Gate struct {
	// Name is that of the gate in the plan.
	Name string `json:"name"`
	// Status is InProgress, Succeeded, Failed, Errored, Cancelled, Abandoned or
	// Overridden.
	Status Status `json:"status"`
	// Changed is when the status last changed.
	Changed int64 `json:"changed"`
	// Rules are its rule executions, in declared order.
	Rules []Action `json:"rules,omitempty"`
}

// Action is the latest attempt of one action of the current stage, or one rule
// execution. What is large about it lives in its own row, under ID.
type Action struct {
	// ID is the action or rule execution id; for an approval also its token.
	ID string `json:"id"`
	// Index is the position in the stage's plan, or among the gate's rules.
	Index    int    `json:"index"`
	Status   Status `json:"status"`
	Started  int64  `json:"started"`
	Deadline int64  `json:"deadline"`
	// Answered is set once an approval was approved or rejected.
	Answered bool `json:"answered,omitempty"`
	// Errored is set for a rule that failed because it could not be judged.
	Errored bool `json:"errored,omitempty"`
}

// Artifact is an output artifact with the place allotted to it.
type Artifact struct {
	pipeline.ArtifactLocation
	// Revision is the source revision behind the artifact, if known.
	Revision string `json:"revision,omitempty"`
	// Produced is set once the content was written.
	Produced bool `json:"produced,omitempty"`
}

// SourceRevision is what a source action fetched into an artifact.
type SourceRevision struct {
	Action   string            `json:"action"`
	Artifact string            `json:"artifact"`
	Revision pipeline.Revision `json:"revision"`
}

// Namespace names the action execution behind a variable namespace.
type Namespace struct {
	Name   string `json:"name"`
	Action string `json:"action"`
}

// Ended reports whether nothing more happens in the execution.
func (e *Execution) Ended() bool {
	return e.Status != InProgress && e.Status != Stopping
}

// parallel reports whether the execution is independent of all others.
func (e *Execution) parallel() bool { return e.Mode == pipeline.ModeParallel }

// clone copies an execution, so that the copy can be changed.
func (e *Execution) clone() *Execution {
	c := *e
	c.Variables = slices.Clone(e.Variables)
	c.Overrides = slices.Clone(e.Overrides)
	c.Actions = slices.Clone(e.Actions)
	c.Artifacts = slices.Clone(e.Artifacts)
	c.Revisions = slices.Clone(e.Revisions)
	c.Namespaces = slices.Clone(e.Namespaces)
	c.Stages = slices.Clone(e.Stages)
	for i := range c.Stages {
		gates := slices.Clone(c.Stages[i].Gates)
		for j := range gates {
			gates[j].Rules = slices.Clone(gates[j].Rules)
		}
		c.Stages[i].Gates = gates
	}
	return &c
}

// SucceededIn reports whether the execution succeeded in the named stage.
func (e *Execution) SucceededIn(stage string) bool {
	for i := range e.Stages {
		if e.Stages[i].Name == stage && e.Stages[i].Status == Succeeded {
			return true
		}
	}
	return false
}

// entered reports whether the execution was in the named stage, or is.
func (e *Execution) entered(stage string) bool {
	return slices.ContainsFunc(e.Stages, func(r StageRecord) bool { return r.Name == stage })
}

// Execution returns the live execution with the id, or nil.
func (s *State) Execution(id string) *Execution {
	for _, e := range s.Executions {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// Stage returns the named stage, or nil.
func (s *State) Stage(name string) *Stage {
	for i := range s.Pipeline.Stages {
		if s.Pipeline.Stages[i].Name == name {
			return &s.Pipeline.Stages[i]
		}
	}
	return nil
}

// action returns the latest attempt with the id, or nil.
func (e *Execution) action(id string) *Action {
	for i := range e.Actions {
		if e.Actions[i].ID == id {
			return &e.Actions[i]
		}
	}
	return nil
}

// gate returns the latest evaluation of the named gate, or nil.
func (r *StageRecord) gate(name string) *Gate {
	for i := range r.Gates {
		if r.Gates[i].Name == name {
			return &r.Gates[i]
		}
	}
	return nil
}

// rule returns the rule execution with the id in the gate that is evaluated, or
// nil.
func (e *Execution) rule(id string) *Action {
	if e.Gate == "" {
		return nil
	}
	rules := e.record().gate(e.Gate).Rules
	for i := range rules {
		if rules[i].ID == id {
			return &rules[i]
		}
	}
	return nil
}

// artifact returns the artifact with the name, or nil.
func (e *Execution) artifact(name string) *Artifact {
	for i := range e.Artifacts {
		if e.Artifacts[i].Name == name {
			return &e.Artifacts[i]
		}
	}
	return nil
}

// record returns the record of the current stage execution.
func (e *Execution) record() *StageRecord { return &e.Stages[len(e.Stages)-1] }
