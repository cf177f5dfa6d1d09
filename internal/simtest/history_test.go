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
	plan        *pipeline.Plan // the current one
	executions  []*execution   // by their starts
	actions     map[string]*action
	inside      map[string]*execution // by stage
	transitions map[string]*[2]transition
	places      map[string]string // artifact places to the execution that has them
	deleted     bool
	lastAt      int64
	checked     int64 // the version that was compared with the state
}

type execution struct {
	id      string
	plan    *pipeline.Plan
	detail  string
	started int64 // by the database's clock
	status  engine.Status
	summary string
	stage   string // the one it is inside
	entered []string
	ends    []engine.Status // of the stages entered
	actions []*action       // of the stage it is inside
	// What was asked of it.
	stop, cancel bool
	// stale: held by a transition for more than 30 days.
	stale bool
	// checked is set once it was compared after its end.
	checked bool
}

type action struct {
	id       string
	plan     *pipeline.ActionPlan
	status   engine.Status
	inputs   []pipeline.ArtifactLocation
	outputs  []pipeline.ArtifactLocation
	deadline int64
	answered bool
}

// transition is one side of a stage.
type transition struct {
	disabled bool
	at       int64
}

func newHistory() *history {
	return &history{
		actions: map[string]*action{}, inside: map[string]*execution{},
		transitions: map[string]*[2]transition{}, places: map[string]string{},
	}
}

func (e *execution) ended() bool {
	return e.status != engine.InProgress && e.status != engine.Stopping
}

// next is the stage that an execution which is not inside one waits for.
func (e *execution) next() string { return e.plan.Stages[len(e.entered)].Name }

func (e *execution) waits() bool { return !e.ended() && e.stage == "" }

func (h *history) execution(id string) *execution {
	for _, e := range h.executions {
		if e.id == id {
			return e
		}
	}
	return nil
}

// sides returns the transitions of a stage: inbound and outbound.
func (h *history) sides(stage string) *[2]transition {
	if h.transitions[stage] == nil {
		h.transitions[stage] = &[2]transition{}
	}
	return h.transitions[stage]
}

// open reports whether the transitions into an execution's next stage are enabled.
func (h *history) open(e *execution) bool {
	if h.sides(e.next())[0].disabled {
		return false
	}
	n := len(e.entered)
	return n == 0 || !h.sides(e.plan.Stages[n-1].Name)[1].disabled
}

// apply takes in one applied event.
func (h *history) apply(w *world, row *pipelineRow, o *op) {
	if h.deleted && len(o.decision.Changes) > 0 {
		w.fatalf("pipeline %s changed after it was deleted", row.id)
	}
	h.asked(w, o)
	for _, c := range o.decision.Changes {
		if c.At < h.lastAt {
			w.fatalf("time ran backwards in %s: %+v", row.id, c)
		}
		h.lastAt = c.At
		switch c.Kind {
		case engine.PipelineCreated:
			h.plan = o.plan
		case engine.ExecutionStarted:
			h.executionStarted(w, row, o, c)
		case engine.ExecutionChanged:
			h.executionChanged(w, c)
		case engine.StageEntered:
			h.stageEntered(w, c)
		case engine.StageChanged:
			h.stageChanged(w, c)
		case engine.ActionStarted:
			h.actionStarted(w, c)
		case engine.ActionEnded:
			h.actionEnded(w, o, c)
		case engine.TransitionChanged:
			h.transitionChanged(o, c)
		case engine.PipelineUpdated:
			h.plan = o.plan
			h.keepStages()
		case engine.PipelineDeleted:
			h.deleted = true
		}
	}
}

// asked notes what an accepted request asks of executions: it must come true.
func (h *history) asked(w *world, o *op) {
	switch b := o.ev.Body.(type) {
	case engine.StopExecution:
		e := h.execution(b.Execution)
		if e == nil || e.ended() {
			w.fatalf("stop of %s was accepted, which is over", b.Execution)
		}
		e.stop = true
	case engine.UpdatePipeline:
		for _, e := range h.executions {
			e.cancel = e.cancel || !e.ended()
		}
	case engine.DeletePipeline:
		for _, e := range h.executions {
			e.stop = e.stop || !e.ended()
		}
	}
}

func (h *history) executionStarted(w *world, row *pipelineRow, o *op, c engine.Change) {
	i := slices.IndexFunc(o.decision.Touched, func(t *engine.Execution) bool { return t.ID == c.Execution })
	if i < 0 || h.execution(c.Execution) != nil {
		w.fatalf("execution %s was started twice, or is not stored", c.Execution)
	}
	e := o.decision.Touched[i]
	h.executions = append(h.executions, &execution{
		id: e.ID, plan: row.plans[e.Version], detail: e.Trigger.Detail, started: w.now, status: engine.InProgress,
	})
}

func (h *history) executionChanged(w *world, c engine.Change) {
	e := h.live(w, c)
	e.status, e.summary = c.Status, c.Summary
	if !e.ended() {
		return
	}
	if e.stage != "" {
		w.fatalf("execution %s ended as %s inside %s", e.id, e.status, e.stage)
	}
	last := engine.Failed // of one that never entered: variables are missing
	if n := len(e.ends); n > 0 {
		last = e.ends[n-1]
	}
	var ok bool
	switch e.status {
	case engine.Succeeded:
		ok = len(e.ends) == len(e.plan.Stages) && last == engine.Succeeded && !e.stop && !e.cancel
	case engine.Failed:
		ok = last == engine.Failed && !e.stop && !e.cancel
	case engine.Stopped:
		ok = e.stop
	case engine.Cancelled:
		ok = e.cancel && !e.stop
	case engine.Superseded:
		ok = h.overtaken(e)
	}
	if !ok {
		w.fatalf("execution %s ended as %s: %+v", e.id, e.status, *e)
	}
}

// overtaken reports whether a newer execution waits where e waited.
func (h *history) overtaken(e *execution) bool {
	i := slices.Index(h.executions, e)
	return slices.ContainsFunc(h.executions[i+1:], func(newer *execution) bool {
		return newer.waits() && newer.next() == e.next()
	})
}

// live returns the execution of a change, which must not be over.
func (h *history) live(w *world, c engine.Change) *execution {
	e := h.execution(c.Execution)
	if e == nil || e.ended() {
		w.fatalf("something happened in an execution that is over: %+v", c)
	}
	return e
}

func (h *history) stageEntered(w *world, c engine.Change) {
	e := h.live(w, c)
	switch {
	case e.stage != "" || h.inside[c.Stage] != nil:
		w.fatalf("two executions in a stage, or one in two: %+v", c)
	case e.next() != c.Stage || slices.ContainsFunc(e.ends, func(s engine.Status) bool { return s != engine.Succeeded }):
		w.fatalf("execution %s enters %s out of turn", e.id, c.Stage)
	case !h.open(e) || e.stale:
		w.fatalf("execution %s enters %s through a disabled transition", e.id, c.Stage)
	case e.stop || e.cancel:
		w.fatalf("execution %s enters %s although it is to end", e.id, c.Stage)
	}
	e.stage, e.actions = c.Stage, nil
	e.entered, e.ends = append(e.entered, c.Stage), append(e.ends, engine.InProgress)
	h.inside[c.Stage] = e
}

func (h *history) stageChanged(w *world, c engine.Change) {
	e := h.live(w, c)
	if e.stage != c.Stage {
		w.fatalf("stage %s changed for %s, which is not inside", c.Stage, e.id)
	}
	e.ends[len(e.ends)-1] = c.Status
	if c.Status == engine.Stopping {
		return
	}
	for _, a := range e.actions {
		if a.status == engine.InProgress {
			w.fatalf("stage %s of %s ended while %s runs", c.Stage, e.id, a.plan.Name)
		}
	}
	e.stage, e.actions = "", nil
	delete(h.inside, c.Stage)
	h.keepStages()
}

func (h *history) transitionChanged(o *op, c engine.Change) {
	b := o.ev.Body.(engine.SetTransition)
	side := 0
	if b.Outbound {
		side = 1
	}
	t := &h.sides(b.Stage)[side]
	if t.disabled && !b.Disabled && c.At-t.at > 30*day {
		for _, e := range h.executions {
			n := len(e.entered)
			if e.waits() && (side == 0 && e.next() == b.Stage || side == 1 && n > 0 && e.plan.Stages[n-1].Name == b.Stage) {
				e.stale = true
			}
		}
	}
	*t = transition{b.Disabled, c.At}
}

// keepStages forgets the transitions of stages that are gone: not in the current
// plan and with nobody inside.
func (h *history) keepStages() {
	kept := map[string]*[2]transition{}
	for i := range h.plan.Stages {
		kept[h.plan.Stages[i].Name] = h.sides(h.plan.Stages[i].Name)
	}
	for _, e := range h.executions {
		if e.stage != "" {
			kept[e.stage] = h.sides(e.stage)
		}
	}
	h.transitions = kept
}
