package engine

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// beginStage evaluates the entry condition of the stage an execution has
// entered, or starts its first actions if there is none (execution.md 5.2).
func (m *machine) beginStage(e *Execution) {
	e.Group, e.Actions = 0, nil
	if m.conditional(e, pipeline.GateBeforeEntry) {
		m.startGate(e, pipeline.GateBeforeEntry)
		return
	}
	m.startGroup(e)
}

// conditional reports whether the named gate of the current stage has a
// condition.
func (m *machine) conditional(e *Execution, gate string) bool {
	g := m.stagePlan(e).Gate(gate)
	return g != nil && len(g.Conditions) > 0
}

// startGate begins to evaluate the condition of a gate: all its rules start at
// once, and the condition is judged when all have ended.
func (m *machine) startGate(e *Execution, name string) {
	stage := m.stagePlan(e)
	plan := stage.Gate(name)
	g := Gate{Name: name, Status: InProgress, Changed: m.at}
	m.change(Change{Kind: ConditionChanged, Execution: e.ID, Stage: stage.Name, Gate: name, Status: InProgress})
	for i := range plan.Rules {
		g.Rules = append(g.Rules, m.startRule(e, stage, name, i))
	}
	e.Gate = name
	r := e.record()
	if old := r.gate(name); old != nil {
		*old = g
	} else {
		r.Gates = append(r.Gates, g)
	}
	m.touch(e)
	rules := r.gate(name).Rules
	for i := range rules {
		if input := lacksInput(e, &plan.Rules[i]); input != "" {
			rules[i].Errored = true
			m.endRule(e, &rules[i], Change{Status: Failed, Outcome: lacked(input)})
		}
	}
}

// startRule makes a rule execution, as startAction makes an action execution.
func (m *machine) startRule(e *Execution, stage *pipeline.StagePlan, gate string, index int) Action {
	a := &stage.Gate(gate).Rules[index]
	rule := Action{
		ID:       m.mint("rule/" + e.ID + "/" + stage.Name + "/" + a.Name),
		Index:    index,
		Status:   InProgress,
		Started:  m.at,
		Deadline: m.at + a.Timeout,
	}
	m.change(Change{
		Kind: RuleStarted, Execution: e.ID, Stage: stage.Name, Gate: gate, Action: a.Name, ActionID: rule.ID,
		Status: InProgress, Inputs: m.inputs(e, a), Deadline: rule.Deadline,
	})
	if lacksInput(e, a) == "" {
		m.d.Effects = append(m.d.Effects, Effect{
			Kind: RunAction, Gate: gate, Execution: e.ID, Action: rule.ID, Version: e.Version,
			Stage: stage.Name, Name: a.Name, Deadline: rule.Deadline,
		})
	}
	return rule
}

// judge closes the gate whose rules have all ended and does what follows. A
// condition before or after the actions engages its result when it does not
// hold, one of failure when it holds; one that could not be judged does not hold
// (execution.md 5.2).
func (m *machine) judge(e *Execution) {
	name := e.Gate
	status := verdict(e.record().gate(name).Rules)
	m.closeGate(e, status, "")
	result := m.stagePlan(e).Gate(name).Conditions[0].Result
	holds := status == Succeeded
	switch {
	case name == pipeline.GateBeforeEntry && holds:
		m.startGroup(e)
	case name == pipeline.GateBeforeEntry && result == pipeline.ResultSkip:
		m.skipStage(e)
	case name == pipeline.GateBeforeEntry:
		// No action ran, so there is nothing that a retry or a rollback of the
		// stage would mend.
		m.fail(e)
	case name == pipeline.GateOnSuccess && holds:
		m.stageSucceeded(e)
	case name == pipeline.GateOnSuccess && result == pipeline.ResultRollback:
		m.endStage(e, Succeeded)
		m.setStatus(e, Failed, "")
		m.rollBackAfter(e)
	case name == pipeline.GateOnSuccess:
		m.stageFailed(e)
	case holds:
		m.engageFailure(e, result)
	default:
		m.fail(e)
	}
}

// verdict is the status of a condition whose rules have ended.
func verdict(rules []Action) Status {
	status := Succeeded
	for i := range rules {
		switch {
		case rules[i].Status == Succeeded:
		case rules[i].Errored:
			return Errored
		default:
			status = Failed
		}
	}
	return status
}

// closeGate ends the evaluation of a gate with a status. by is who asked for it.
func (m *machine) closeGate(e *Execution, status Status, by string) {
	g := e.record().gate(e.Gate)
	g.Status, g.Changed = status, m.at
	m.change(Change{
		Kind: ConditionChanged, Execution: e.ID, Stage: m.stagePlan(e).Name, Gate: g.Name, Status: status, By: by,
	})
	e.Gate = ""
	m.touch(e)
}

// leaveGate ends the evaluation of a gate that is no longer wanted: rules that
// run are abandoned.
func (m *machine) leaveGate(e *Execution, status Status, by string) {
	rules := e.record().gate(e.Gate).Rules
	for i := range rules {
		if rules[i].Status != InProgress {
			continue
		}
		m.stopProvider(e, &rules[i])
		m.endRule(e, &rules[i], Change{Status: Abandoned, By: by})
	}
	m.closeGate(e, status, by)
}

// skipStage leaves the stage out; the execution goes on (execution.md 4.6). What
// its actions were to produce and did not is nowhere.
func (m *machine) skipStage(e *Execution) {
	stage := m.stagePlan(e)
	for i := range stage.Actions {
		for _, out := range stage.Actions[i].Outputs {
			e.Artifacts = slices.DeleteFunc(e.Artifacts, func(a Artifact) bool { return a.Name == out.Name && !a.Produced })
		}
	}
	m.endStage(e, Skipped)
	m.proceed(e)
}
