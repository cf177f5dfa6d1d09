package simtest

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// history is what a reader of the changes alone believes of a pipeline. It
// judges each change when it is committed by rules written down here once more,
// plainly, and check compares what it believes with the stored state.
type history struct {
	plan       *pipeline.Plan // the current one
	limit      int            // of executions under way
	executions []*execution   // by their starts
	byID       map[string]*execution
	alive      []*execution // those of them that are not over, by their starts
	actions    map[string]*action
	inside     map[string]*execution // by stage
	// latest entered the stage last; succeeded is what an automatic rollback goes
	// back to.
	latest, succeeded map[string]*execution
	transitions       map[string]*[2]transition
	places            map[string]bool // artifact places that were given out
	arrivals          int64
	deleted           bool
	lastAt            int64
	checked           int64 // the version that was compared with the state
	// awaited is an automatic rollback that the same event must start.
	awaited *rollback
	// revived is the execution that the event made live again, added are those
	// that it started or revived.
	revived *execution
	added   []*execution
}

// rollback is one that has to start.
type rollback struct {
	target *execution
	stage  string
}

type execution struct {
	id      string
	seq     int
	plan    *pipeline.Plan
	rolls   bool // it is a rollback
	target  *execution
	trigger engine.Trigger
	missing bool  // it was started without a variable that has no default
	started int64 // by the database's clock
	status  engine.Status
	summary string
	// at is the stage that it is inside, or waits to enter: an index of the plan.
	at      int
	inside  bool
	arrived int64 // the order of arrivals at the entrance
	records []*record
	actions []*action // the latest attempts in the last stage entered
	gate    *gate     // the one that is evaluated
	// artifacts by name.
	artifacts map[string]*artifact
	// What was asked of it.
	stop, abandon, cancel bool
	// again are actions that a retry has to start in the same event.
	again []string
	// stale: held by a transition for more than 30 days.
	stale bool
	// changed is set until it is compared with what is stored.
	changed bool
}

// record is one stage execution.
type record struct {
	name         string
	status       engine.Status
	gates        []*gate // the latest evaluations
	auto, manual int     // retries
	latest       engine.RetryTrigger
}

type gate struct {
	name   string
	status engine.Status
	rules  []*action
}

// action is an attempt of an action or a rule.
type action struct {
	id       string
	plan     *pipeline.ActionPlan
	gate     string // of a rule
	status   engine.Status
	errored  bool
	inputs   []pipeline.ArtifactLocation
	outputs  []pipeline.ArtifactLocation
	deadline int64
	answered bool
}

type artifact struct {
	place    pipeline.ArtifactLocation
	produced bool
}

// transition is one side of a stage.
type transition struct {
	disabled bool
	at       int64
}

func newHistory(limit int) *history {
	return &history{
		limit: limit, byID: map[string]*execution{}, actions: map[string]*action{}, inside: map[string]*execution{},
		latest: map[string]*execution{}, succeeded: map[string]*execution{},
		transitions: map[string]*[2]transition{}, places: map[string]bool{},
	}
}

func (e *execution) ended() bool {
	return e.status != engine.InProgress && e.status != engine.Stopping
}

func (e *execution) parallel() bool { return e.plan.Mode == pipeline.ModeParallel }

// next is the stage that an execution which is not inside one waits for.
func (e *execution) next() string { return e.plan.Stages[e.at].Name }

// stage is the plan of the last stage entered.
func (e *execution) stage() *pipeline.StagePlan {
	return &e.plan.Stages[e.plan.Stage(e.record().name)]
}

func (e *execution) waits() bool { return !e.ended() && !e.inside }

func (e *execution) record() *record { return e.records[len(e.records)-1] }

func (e *execution) succeededIn(stage string) bool {
	return slices.ContainsFunc(e.records, func(r *record) bool { return r.name == stage && r.status == engine.Succeeded })
}

func (r *record) gate(name string) *gate {
	for _, g := range r.gates {
		if g.name == name {
			return g
		}
	}
	return nil
}

func (h *history) execution(id string) *execution {
	return h.byID[id]
}

// sides returns the transitions of a stage: inbound and outbound.
func (h *history) sides(stage string) *[2]transition {
	if h.transitions[stage] == nil {
		h.transitions[stage] = &[2]transition{}
	}
	return h.transitions[stage]
}

// open reports whether the transitions into an execution's next stage are
// enabled. Those of a stage that is in the plan no longer hold nobody up.
func (h *history) open(e *execution) bool {
	disabled := func(stage string, side int) bool {
		return h.plan.Stage(stage) >= 0 && h.sides(stage)[side].disabled
	}
	return !disabled(e.next(), 0) && (e.at == 0 || !disabled(e.plan.Stages[e.at-1].Name, 1))
}

// full reports whether no further execution may be under way.
func (h *history) full() bool {
	return h.plan.Mode != pipeline.ModeSuperseded && len(h.alive) >= h.limit
}

// fact is a change with the event that brought it.
type fact struct {
	engine.Change
	w   *world
	row *pipelineRow
	o   *op
}

// apply takes in one applied event.
func (h *history) apply(w *world, row *pipelineRow, o *op) {
	if h.deleted && len(o.decision.Changes) > 0 {
		w.fatalf("pipeline %s changed after it was deleted", row.id)
	}
	if h.plan != nil && !h.permits(o.ev.Body) {
		w.fatalf("%s was accepted against the rules", describe(o.ev))
	}
	h.asked(o)
	for _, c := range o.decision.Changes {
		if c.At < h.lastAt {
			w.fatalf("time ran backwards in %s: %+v", row.id, c)
		}
		h.lastAt = c.At
		h.take(fact{c, w, row, o})
	}
	h.settled(w, o)
}

func (h *history) take(f fact) {
	if e := h.execution(f.Execution); e != nil {
		e.changed = true
	}
	switch f.Kind {
	case engine.PipelineCreated:
		h.plan = f.o.plan
	case engine.ExecutionStarted:
		h.executionStarted(f)
	case engine.ExecutionChanged:
		h.executionChanged(f)
	case engine.StageEntered:
		h.stageEntered(f)
	case engine.StageChanged:
		h.stageChanged(f)
	case engine.StageRetried:
		h.stageRetried(f)
	case engine.ConditionChanged:
		h.conditionChanged(f)
	case engine.RuleStarted:
		h.ruleStarted(f)
	case engine.RuleEnded:
		h.ruleEnded(f)
	case engine.ActionStarted:
		h.actionStarted(f)
	case engine.ActionEnded:
		h.actionEnded(f)
	case engine.TransitionChanged:
		h.transitionChanged(f)
	case engine.PipelineUpdated:
		h.plan = f.o.plan
		h.keepStages()
	case engine.PipelineDeleted:
		h.deleted = true
	}
}

func (h *history) transitionChanged(f fact) {
	b := f.o.ev.Body.(engine.SetTransition)
	side := 0
	if b.Outbound {
		side = 1
	}
	t := &h.sides(b.Stage)[side]
	if t.disabled && !b.Disabled && f.At-t.at > 30*day {
		for _, e := range h.alive {
			if e.waits() && (side == 0 && e.next() == b.Stage || side == 1 && e.at > 0 && e.plan.Stages[e.at-1].Name == b.Stage) {
				e.stale, e.changed = true, true
			}
		}
	}
	if b.Disabled || t.disabled {
		*t = transition{b.Disabled, f.At}
	}
}

// keepStages forgets what was known of stages that are gone: not in the current
// plan and held by nobody.
func (h *history) keepStages() {
	kept := map[string]bool{}
	for i := range h.plan.Stages {
		kept[h.plan.Stages[i].Name] = true
	}
	for i := range stagePool {
		name := stageName(i)
		if !kept[name] && h.inside[name] == nil {
			delete(h.transitions, name)
			delete(h.latest, name)
			delete(h.succeeded, name)
		}
	}
}
