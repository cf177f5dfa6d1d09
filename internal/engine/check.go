package engine

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// check panics on a state that no rule may produce. It is cheap enough to run
// after every Step: a broken promise must stop the pipeline, not spread.
func (m *machine) check() {
	inLine, waiting := 0, 0
	for i := range m.s.Pipeline.Stages {
		st := &m.s.Pipeline.Stages[i]
		m.checkHolder(st)
		m.checkLine(st)
		inLine += len(st.Waiting)
	}
	for i, e := range m.s.Executions {
		if i > 0 && m.s.Executions[i-1].Seq >= e.Seq {
			m.broken("executions are out of order")
		}
		m.checkPlace(e)
		switch {
		case e.Inside:
			m.checkInside(e)
		case !e.parallel():
			waiting++
		}
	}
	// Everyone in a line waits there, and nobody twice: so the numbers tell.
	if inLine != waiting {
		m.broken("%d executions wait, %d stand in line", waiting, inLine)
	}
}

// checkHolder: the holder of a stage is inside it and entered last.
func (m *machine) checkHolder(st *Stage) {
	if st.Holder == "" {
		return
	}
	if e := m.s.Execution(st.Holder); e == nil || !e.Inside || e.parallel() || m.stageOf(e) != st {
		m.broken("stage %s is held by %s, which is not inside it", st.Name, st.Holder)
	}
	if st.Latest != st.Holder {
		m.broken("stage %s is held by %s, but %s entered last", st.Name, st.Holder, st.Latest)
	}
}

// checkLine: those at the entrance wait there, each once, as they came, and
// nobody who could go in.
func (m *machine) checkLine(st *Stage) {
	var before *Execution
	at, newest := 0, int64(-1)
	for i, id := range st.Waiting {
		var e *Execution
		e, at = m.find(id, at)
		if e == nil || e.Inside || e.parallel() || m.stageOf(e) != st {
			m.broken("%s does not wait at %s", id, st.Name)
		}
		if e.Seq <= newest && slices.Contains(st.Waiting[:i], id) {
			m.broken("%s waits at %s twice", id, st.Name)
		}
		newest = max(newest, e.Seq)
		if st.Holder == "" && !e.Stale && m.open(e) {
			m.broken("%s waits at %s for nothing", id, st.Name)
		}
		if before != nil && (e.Mode != pipeline.ModeQueued || before.Mode != pipeline.ModeQueued) {
			m.broken("%d executions wait at %s, in mode %s", len(st.Waiting), st.Name, e.Mode)
		}
		if before != nil && before.WaitingSince > e.WaitingSince {
			m.broken("%s waits at %s behind %s, which came later", id, st.Name, before.ID)
		}
		before = e
	}
}

// checkPlace: every live execution is inside a stage, or waits with a reason.
func (m *machine) checkPlace(e *Execution) {
	if !e.Inside && e.Gate != "" {
		m.broken("execution %s evaluates %s outside a stage", e.ID, e.Gate)
	}
	if !e.Inside && (e.Stop != nil || e.Cancel) {
		m.broken("execution %s is to end and waits", e.ID)
	}
	if e.parallel() {
		if !e.Inside && !e.Stale && m.open(e) {
			m.broken("execution %s waits for nothing", e.ID)
		}
		return
	}
	st := m.stageOf(e)
	if st == nil {
		m.broken("execution %s is nowhere", e.ID)
	}
	if e.Inside && st.Holder != e.ID {
		m.broken("execution %s is inside %s without holding it", e.ID, st.Name)
	}
}

// checkInside: something runs, it belongs to the stage's record, and it is either
// one gate or one group of actions.
func (m *machine) checkInside(e *Execution) {
	plan := m.stagePlan(e)
	if len(e.Stages) == 0 || e.record().Name != plan.Name {
		m.broken("execution %s is inside %s without a record", e.ID, plan.Name)
	}
	if !m.busy(e) {
		m.broken("execution %s is inside %s and nothing runs", e.ID, plan.Name)
	}
	want := InProgress
	switch {
	case e.Gate == pipeline.GateOnFailure:
		want = Failed
	case e.Status == Stopping:
		want = Stopping
	}
	if got := e.record().Status; got != want {
		m.broken("stage %s of %s is %s instead of %s", plan.Name, e.ID, got, want)
	}
	m.checkGates(e, plan)
	m.checkActions(e, plan)
}

// checkGates: at most one gate is evaluated, with all its rules, and no action
// runs meanwhile.
func (m *machine) checkGates(e *Execution, plan *pipeline.StagePlan) {
	for i := range e.record().Gates {
		g := &e.record().Gates[i]
		if (g.Status == InProgress) != (g.Name == e.Gate) {
			m.broken("execution %s evaluates %q, and %s is %s", e.ID, e.Gate, g.Name, g.Status)
		}
		if p := plan.Gate(g.Name); p == nil || len(p.Rules) != len(g.Rules) {
			m.broken("execution %s has a gate %s that is not that of the plan", e.ID, g.Name)
		}
	}
	if e.Gate == "" {
		return
	}
	if e.record().gate(e.Gate) == nil {
		m.broken("execution %s evaluates %s, which was never begun", e.ID, e.Gate)
	}
	if slices.ContainsFunc(e.Actions, func(a Action) bool { return a.Status == InProgress }) {
		m.broken("execution %s evaluates %s while actions run", e.ID, e.Gate)
	}
}

// checkActions: one attempt an action, none beyond the group that runs, all
// before it succeeded, and nothing runs without its inputs.
func (m *machine) checkActions(e *Execution, plan *pipeline.StagePlan) {
	group := plan.Groups[e.Group]
	for i := range e.Actions {
		a := &e.Actions[i]
		name := plan.Actions[a.Index].Name
		for _, other := range e.Actions[:i] {
			if other.Index == a.Index || other.ID == a.ID {
				m.broken("execution %s has two attempts of %s", e.ID, name)
			}
		}
		if a.Index >= group.To || a.Index < group.From && a.Status != Succeeded {
			m.broken("execution %s is in group %d and %s is %s", e.ID, e.Group, name, a.Status)
		}
		if a.Status == InProgress && lacksInput(e, &plan.Actions[a.Index]) != "" {
			m.broken("execution %s runs %s without its inputs", e.ID, name)
		}
	}
}

func (m *machine) broken(format string, args ...any) {
	state, _ := json.Marshal(m.s)
	panic(fmt.Sprintf("engine: "+format+"\nevent %#v\nstate %s", append(args, m.ev, state)...))
}
