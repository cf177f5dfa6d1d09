package engine

import (
	"fmt"
	"path"
	"slices"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// startGroup starts the actions of the current run-order group, in declared
// order.
func (m *machine) startGroup(e *Execution) {
	stage := m.stagePlan(e)
	g := stage.Groups[e.Group]
	for i := g.From; i < g.To; i++ {
		m.startAction(e, stage, i)
	}
}

// startAction makes an action execution: it allots the places of the outputs,
// finds the inputs by name and asks for the action to be run. References are
// resolved by whoever carries the effect out, right before the action starts.
func (m *machine) startAction(e *Execution, stage *pipeline.StagePlan, index int) {
	a := &stage.Actions[index]
	action := Action{
		ID:       m.mint("action/" + e.ID + "/" + stage.Name + "/" + a.Name),
		Index:    index,
		Status:   InProgress,
		Started:  m.at,
		Deadline: m.at + a.Timeout,
	}
	e.Actions = append(e.Actions, action)
	m.touch(e)
	m.change(Change{
		Kind: ActionStarted, Execution: e.ID, Stage: stage.Name, Action: a.Name, ActionID: action.ID,
		Status: InProgress, Inputs: m.inputs(e, a), Outputs: m.allot(e, a), Deadline: action.Deadline,
	})
	if name := lacksInput(e, a); name != "" {
		m.endAction(e, &e.Actions[len(e.Actions)-1], Change{Status: Failed, Outcome: lacked(name)})
		return
	}
	m.d.Effects = append(m.d.Effects, Effect{
		Kind: RunAction, Execution: e.ID, Action: action.ID, Version: e.Version,
		Stage: stage.Name, Name: a.Name, Deadline: action.Deadline,
	})
}

// lacksInput names an input artifact that no action of the execution was to make,
// because the stage of its producer was skipped or failed before; empty if there is
// none. The action, or the rule, then fails before its provider is asked
// (execution.md 4.6). An artifact whose producer succeeded without writing it is the
// provider's to miss, in its own words.
func lacksInput(e *Execution, a *pipeline.ActionPlan) string {
	for _, name := range a.Inputs {
		if e.artifact(name) == nil {
			return name
		}
	}
	return ""
}

func lacked(artifact string) Outcome {
	return Outcome{
		ErrorCode:    configurationError,
		ErrorMessage: "The input artifact '" + artifact + "' does not exist: no action of this execution has produced it.",
	}
}

func (m *machine) inputs(e *Execution, a *pipeline.ActionPlan) []pipeline.ArtifactLocation {
	var locations []pipeline.ArtifactLocation
	for _, name := range a.Inputs {
		if art := e.artifact(name); art != nil {
			locations = append(locations, art.ArtifactLocation)
		}
	}
	return locations
}

// allot gives each output artifact its place before the action runs
// (actions.md 1.3). An action that runs again keeps the places.
func (m *machine) allot(e *Execution, a *pipeline.ActionPlan) []pipeline.ArtifactLocation {
	var locations []pipeline.ArtifactLocation
	for _, out := range a.Outputs {
		art := e.artifact(out.Name)
		if art == nil {
			suffix := pipeline.ArtifactSuffix([]byte(m.mint("artifact/" + out.Name)))
			e.Artifacts = append(e.Artifacts, Artifact{ArtifactLocation: pipeline.ArtifactLocation{
				Name:   out.Name,
				Bucket: m.bucket(e, a),
				Key:    pipeline.ArtifactKey(m.s.Pipeline.Name, out.Name, suffix, extension(a)),
			}})
			art = e.artifact(out.Name)
		}
		locations = append(locations, art.ArtifactLocation)
	}
	return locations
}

// bucket is the artifact store of the action's region; the first store is the
// pipeline's own.
func (m *machine) bucket(e *Execution, a *pipeline.ActionPlan) string {
	stores := m.plan(e).Stores
	for i := range stores {
		if stores[i].Region == a.Region {
			return stores[i].Store.Location
		}
	}
	if len(stores) == 0 {
		return ""
	}
	return stores[0].Store.Location
}

// extension of the artifact's key: S3 sources keep the source key's own,
// CodeCommit writes ".zip", everything else none (actions.md 1.3).
func extension(a *pipeline.ActionPlan) string {
	if !a.IsSource() {
		return ""
	}
	switch a.Type.Provider {
	case "CodeCommit":
		return ".zip"
	case "S3":
		for _, c := range a.Configuration {
			if c.Key == "S3ObjectKey" {
				return path.Ext(c.Text.Source)
			}
		}
	}
	return ""
}

// actionReported ends an action by its provider's verdict. A report for an
// attempt that is over is late and decides nothing.
func (m *machine) actionReported(b ActionReported) {
	e, action := m.running(b.Execution, b.Action)
	if action == nil {
		return
	}
	status := Failed
	if b.Succeeded {
		status = Succeeded
	}
	if e.rule(action.ID) != nil {
		action.Errored = !b.Succeeded && (b.TimedOut || b.Outcome.ErrorCode != "" && b.Outcome.ErrorCode != jobFailed)
		m.endRule(e, action, Change{Status: status, Outcome: b.Outcome})
		return
	}
	plan := &m.stagePlan(e).Actions[action.Index]
	if b.Succeeded {
		m.keepResults(e, plan, b)
	}
	m.endAction(e, action, Change{Status: status, Outputs: m.produced(e, plan, b), Outcome: b.Outcome})
}

// keepResults notes what a successful action gave to those that follow.
func (m *machine) keepResults(e *Execution, plan *pipeline.ActionPlan, b ActionReported) {
	for _, name := range b.Produced {
		made := slices.ContainsFunc(plan.Outputs, func(o pipeline.OutputArtifact) bool { return o.Name == name })
		if art := e.artifact(name); made && art != nil {
			art.Produced = true
			art.Revision = m.revisionBehind(e, plan, b)
		}
	}
	if plan.Namespace != "" {
		// A retry or a rollback replaces what an earlier attempt gave.
		e.Namespaces = slices.DeleteFunc(e.Namespaces, func(n Namespace) bool { return n.Name == plan.Namespace })
		e.Namespaces = append(e.Namespaces, Namespace{Name: plan.Namespace, Action: b.Action})
	}
	// The record of a rollback keeps showing its target's revisions (observed.md 8).
	if b.Revision != nil && len(plan.Outputs) > 0 && e.Type == Standard {
		e.Revisions = slices.DeleteFunc(e.Revisions, func(r SourceRevision) bool { return r.Action == plan.Name })
		e.Revisions = append(e.Revisions, SourceRevision{
			Action: plan.Name, Artifact: plan.Outputs[0].Name, Revision: *b.Revision,
		})
	}
}

// revisionBehind is the fetched revision of a source's artifact, and that of the
// first input for an artifact made from others.
func (m *machine) revisionBehind(e *Execution, plan *pipeline.ActionPlan, b ActionReported) string {
	if b.Revision != nil {
		return b.Revision.ID
	}
	for _, name := range plan.Inputs {
		if art := e.artifact(name); art != nil && art.Revision != "" {
			return art.Revision
		}
	}
	return ""
}

func (m *machine) produced(e *Execution, plan *pipeline.ActionPlan, b ActionReported) []pipeline.ArtifactLocation {
	if !b.Succeeded {
		return nil
	}
	var locations []pipeline.ArtifactLocation
	for _, out := range plan.Outputs {
		if art := e.artifact(out.Name); art != nil && art.Produced {
			locations = append(locations, art.ArtifactLocation)
		}
	}
	return locations
}

// deadlineReached fails an action that took too long (execution.md 4.9). The
// provider is told to stop.
func (m *machine) deadlineReached(b DeadlineReached) {
	e, action := m.running(b.Execution, b.Action)
	if action == nil || m.at < action.Deadline {
		return
	}
	minutes := (action.Deadline - action.Started) / 60_000
	if e.rule(action.ID) != nil {
		text := fmt.Sprintf("The rule did not end within its time-out of %d minutes.", minutes)
		action.Errored = true
		m.stopProvider(e, action)
		m.endRule(e, action, Change{Status: Failed, Outcome: Outcome{ErrorCode: jobFailed, ErrorMessage: text}})
		return
	}
	plan := &m.stagePlan(e).Actions[action.Index]
	text := fmt.Sprintf("The action did not end within its time-out of %d minutes.", minutes)
	if plan.IsApproval() {
		text = fmt.Sprintf("The approval was not answered within its time-out of %d minutes.", minutes)
	}
	m.stopProvider(e, action)
	m.endAction(e, action, Change{Status: Failed, Outcome: Outcome{ErrorCode: jobFailed, ErrorMessage: text}})
}

// The error codes of work that was done and failed, and of work that was not
// asked for (actions.md 1.6).
const (
	jobFailed          = "JobFailed"
	configurationError = "ConfigurationError"
)

// running finds an action or rule execution that is in progress.
func (m *machine) running(execution, id string) (*Execution, *Action) {
	e := m.s.Execution(execution)
	if e == nil || !e.Inside {
		return nil, nil
	}
	action := e.action(id)
	if action == nil {
		action = e.rule(id)
	}
	if action == nil || action.Status != InProgress {
		return nil, nil
	}
	return e, action
}

// endAction closes an action execution and makes its effects void.
func (m *machine) endAction(e *Execution, action *Action, c Change) {
	stage := m.stagePlan(e)
	action.Status = c.Status
	c.Kind, c.Execution, c.Stage = ActionEnded, e.ID, stage.Name
	c.Action, c.ActionID = stage.Actions[action.Index].Name, action.ID
	m.touch(e)
	m.change(c)
	m.d.Void = append(m.d.Void, action.ID)
}

// endRule closes a rule execution of the gate that is evaluated.
func (m *machine) endRule(e *Execution, rule *Action, c Change) {
	stage := m.stagePlan(e)
	rule.Status = c.Status
	c.Kind, c.Execution, c.Stage, c.Gate = RuleEnded, e.ID, stage.Name, e.Gate
	c.Action, c.ActionID = stage.Gate(e.Gate).Rules[rule.Index].Name, rule.ID
	m.touch(e)
	m.change(c)
	m.d.Void = append(m.d.Void, rule.ID)
}

// stopProvider asks for the work of an action or a rule to be stopped; an
// approval has none.
func (m *machine) stopProvider(e *Execution, action *Action) {
	stage := m.stagePlan(e)
	gate, attempts := "", stage.Actions
	if e.rule(action.ID) != nil {
		gate, attempts = e.Gate, stage.Gate(e.Gate).Rules
	}
	a := &attempts[action.Index]
	if a.IsApproval() {
		return
	}
	m.d.Effects = append(m.d.Effects, Effect{
		Kind: StopAction, Gate: gate, Execution: e.ID, Action: action.ID, Version: e.Version, Stage: stage.Name, Name: a.Name,
	})
}
