package engine

import (
	"fmt"
	"strconv"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// Plans gives the compiled definition of a version; every version that a live
// execution was started under, and the current one, must be there.
type Plans interface {
	Plan(version int) *pipeline.Plan
}

// Past is what an event needs to know of things that are over: dispatch loads
// it when a request names something that is not live.
type Past struct {
	// AnsweredTokens are approval tokens that were answered.
	AnsweredTokens []string
}

// Step applies one event to one pipeline. It owns s: it may change and return
// it; after an error the caller drops it and loads again. A forbidden request
// returns a *Rejection and changes nothing. A late fact is no error: it decides
// nothing.
//
// s is nil for CreatePipeline only.
func Step(plans Plans, s *State, past Past, ev Event) (*State, Decision, error) {
	if s == nil {
		s = &State{}
	}
	m := &machine{plans: plans, s: s, past: past, ev: ev, at: max(ev.At, s.Pipeline.LastAt)}
	if s.Pipeline.Deleted {
		return s, Decision{}, m.onDeleted()
	}
	if err := m.apply(ev.Body); err != nil {
		return s, Decision{}, err
	}
	s.Pipeline.LastAt = m.at
	m.settle()
	m.retire()
	m.check()
	return s, m.d, nil
}

// machine is one Step under way.
type machine struct {
	plans  Plans
	s      *State
	past   Past
	ev     Event
	at     int64
	minted int
	d      Decision
}

func (m *machine) apply(body Body) error {
	switch b := body.(type) {
	case CreatePipeline:
		return m.createPipeline(b)
	case UpdatePipeline:
		return m.updatePipeline(b)
	case DeletePipeline:
		return m.deletePipeline()
	case StartExecution:
		return m.startExecution(b)
	case StopExecution:
		return m.stopExecution(b)
	case SetTransition:
		return m.setTransition(b)
	case AnswerApproval:
		return m.answerApproval(b)
	case ActionReported:
		m.actionReported(b)
		return nil
	case DeadlineReached:
		m.deadlineReached(b)
		return nil
	}
	panic(fmt.Sprintf("engine: event %T has no rule", body))
}

// settle runs the rules in a fixed order until nothing more happens. Each rule
// reports whether it changed anything.
func (m *machine) settle() {
	for m.advance() || m.supersede() || m.admit() {
	}
}

// retire takes ended executions out of the state; their parts stay stored.
func (m *machine) retire() {
	live := m.s.Executions[:0]
	for _, e := range m.s.Executions {
		if !e.Ended() {
			live = append(live, e)
		}
	}
	clear(m.s.Executions[len(live):])
	m.s.Executions = live
	stages := m.s.Pipeline.Stages[:0]
	for _, st := range m.s.Pipeline.Stages {
		if !st.Gone || st.Holder != "" {
			stages = append(stages, st)
		}
	}
	m.s.Pipeline.Stages = stages
}

// mint derives an id from the event, so that replay mints the same one.
func (m *machine) mint(label string) string {
	m.minted++
	return pipeline.DeriveID([]byte(m.ev.ID), label+"/"+strconv.Itoa(m.minted))
}

// touch notes that an execution's part of the state changed.
func (m *machine) touch(e *Execution) {
	for _, t := range m.d.Touched {
		if t == e {
			return
		}
	}
	m.d.Touched = append(m.d.Touched, e)
}

func (m *machine) change(c Change) {
	c.At = m.at
	if m.d.Changes == nil {
		// Most events that change anything make about this many changes.
		m.d.Changes = make([]Change, 0, 4)
	}
	m.d.Changes = append(m.d.Changes, c)
}

// setStatus moves an execution to a status and records it.
func (m *machine) setStatus(e *Execution, status Status, summary string) {
	e.Status, e.Summary, e.LastUpdate = status, summary, m.at
	m.touch(e)
	m.change(Change{Kind: ExecutionChanged, Execution: e.ID, Status: status, Summary: summary})
}

// plan returns the plan that an execution runs under.
func (m *machine) plan(e *Execution) *pipeline.Plan { return m.plans.Plan(e.Version) }

// stagePlan returns the plan of the stage that an execution is in or waits for.
func (m *machine) stagePlan(e *Execution) *pipeline.StagePlan {
	return &m.plan(e).Stages[e.Stage]
}

// stageOf returns the shared state of that stage.
func (m *machine) stageOf(e *Execution) *Stage {
	return m.s.Stage(m.stagePlan(e).Name)
}
