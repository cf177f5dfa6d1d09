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

// Past is what an event needs and the state does not hold: things that are over,
// which dispatch loads, and a quota.
type Past struct {
	// AnsweredTokens are approval tokens that were answered.
	AnsweredTokens []string
	// Executions are executions that are not live, by id; nil for an id that the
	// pipeline does not have. Step asks for what it lacks (see Missing) and
	// changes none of them. One may be as it was while it was live, if another
	// event ended it after it was loaded: what asks about it is then answered as if
	// it had come before that event.
	Executions map[string]*Execution
	// ConcurrentExecutions is how many executions may be under way in the modes
	// QUEUED and PARALLEL; zero for DefaultConcurrentExecutions.
	ConcurrentExecutions int
}

// DefaultConcurrentExecutions is CodePipeline's quota (execution.md 2.6, Q5).
const DefaultConcurrentExecutions = 50

// Missing is the error of a Step that needs an execution that is not live: the
// caller loads it and the state anew, and steps again with it in Past.
type Missing struct{ Execution string }

func (e *Missing) Error() string {
	return "stepping needs pipeline execution " + e.Execution + ", which is not live"
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
	err := m.apply(ev.Body)
	if err == nil {
		s.Pipeline.LastAt = m.at
		m.settle()
	}
	if m.missing != "" {
		err = &Missing{Execution: m.missing}
	}
	if err != nil {
		return s, Decision{}, err
	}
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
	// missing is an execution that a rule asked for and the past lacks.
	missing string
	d       Decision
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
	case RetryStage:
		return m.retryStage(b)
	case RollBack:
		return m.rollBack(b)
	case OverrideCondition:
		return m.overrideCondition(b)
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
	for m.missing == "" && (m.advance() || m.admitRollback() || m.supersede() || m.admit()) {
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
		m.d.Changes = make([]Change, 0, m.expected())
	}
	m.d.Changes = append(m.d.Changes, c)
}

// expected is how many changes most events of a kind make that change anything. A
// start that has to wait makes its own and ends the one that waited.
func (m *machine) expected() int {
	if _, starts := m.ev.Body.(StartExecution); starts {
		return 2
	}
	return 4
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

// stageOf returns the shared state of that stage; nil only for a PARALLEL
// execution whose stage the current definition no longer has.
func (m *machine) stageOf(e *Execution) *Stage {
	return m.s.Stage(m.stagePlan(e).Name)
}

// execution returns the execution with the id, live or not; nil if the pipeline
// has none, or if the past must be asked first.
func (m *machine) execution(id string) *Execution {
	if e := m.s.Execution(id); e != nil {
		return e
	}
	e, known := m.past.Executions[id]
	if !known {
		m.missing = id
	}
	return e
}
