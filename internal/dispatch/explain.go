package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// Explanation says why the executions of a pipeline are where they are.
type Explanation struct {
	// At is when that was so, by the database's clock.
	At      int64
	Version int
	Mode    pipeline.ExecutionMode
	Stages  []engine.StageView
	// Executions are the one that was asked for; or the live ones in the order of
	// their starts, and behind them the one that ended last.
	Executions []ExplainedExecution
}

// ExplainedExecution is an execution with the findings about it.
type ExplainedExecution struct {
	engine.Execution
	// StageName is the stage that it is in, waits for, or ended in or before.
	StageName string
	Findings  []engine.Finding
}

const sqlProviderState = `
		select provider_state from effects where action_id = $1 and kind = 'RunAction' and provider_state is not null`

// Explain explains one execution of a pipeline, or, with an empty id, all that
// are live and the one that ended last. It reads one snapshot. An execution of
// another pipeline is ErrExecutionNotFound.
func (d *Dispatcher) Explain(ctx context.Context, p Pipeline, id string) (Explanation, error) {
	var out Explanation
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		x := &explaining{d: d, tx: tx, line: &line{id: p.ID}, plans: planSet{}, ended: map[string]bool{}, oldest: math.MaxInt64}
		x.known = engine.Known{Attempts: map[string]engine.Attempt{}, ConcurrentExecutions: d.Quotas.ConcurrentExecutions}
		var err error
		if x.known.At, err = tx.Now(); err != nil {
			return err
		}
		if err := d.load(tx, x.line, ""); err != nil {
			return err
		}
		subjects, err := x.gather(id)
		if err != nil {
			return err
		}
		out = x.explain(subjects, id != "")
		return nil
	})
	if err != nil && !errors.Is(err, ErrExecutionNotFound) && !errors.Is(err, ErrPipelineNotFound) {
		return out, fmt.Errorf("explaining pipeline %s: %w", p.Name, err)
	}
	return out, err
}

// explaining gathers what an explanation needs.
type explaining struct {
	d     *Dispatcher
	tx    *db.Tx
	line  *line
	plans planSet
	known engine.Known
	// ended are the ids in known.Executions; oldest is the lowest number down to
	// which history was read without a gap, and at the place of the execution there.
	ended  map[string]bool
	oldest int64
	at     Place
}

// gather loads everything and returns the executions to explain.
func (x *explaining) gather(id string) ([]*engine.Execution, error) {
	for _, st := range x.line.state.Pipeline.Stages {
		for _, named := range []string{st.Latest, st.Succeeded} {
			if err := x.remember(named); err != nil {
				return nil, err
			}
		}
	}
	subjects, err := x.subjects(id)
	if err != nil {
		return nil, err
	}
	if err := x.loadPlans(subjects); err != nil {
		return nil, err
	}
	actors := x.actors(subjects)
	for _, e := range actors {
		if err := x.loadAttempts(e); err != nil {
			return nil, err
		}
	}
	if err := x.loadReleased(actors); err != nil {
		return nil, err
	}
	for _, e := range subjects {
		if err := x.loadNewer(e); err != nil {
			return nil, err
		}
	}
	return subjects, x.loadPlans(nil)
}

// subjects finds the executions to explain.
func (x *explaining) subjects(id string) ([]*engine.Execution, error) {
	s := x.line.state
	if id == "" {
		subjects := append([]*engine.Execution{}, s.Executions...)
		if err := x.readHistory(); err != nil {
			return nil, err
		}
		var last *engine.Execution
		for _, e := range x.known.Executions {
			if last == nil || e.LastUpdate > last.LastUpdate || e.LastUpdate == last.LastUpdate && e.Seq > last.Seq {
				last = e
			}
		}
		if last != nil {
			subjects = append(subjects, last)
		}
		return subjects, nil
	}
	if e := s.Execution(id); e != nil {
		return []*engine.Execution{e}, nil
	}
	stored, err := readExecution(x.tx, id)
	if err != nil {
		return nil, err
	}
	if stored.PipelineID != x.line.id {
		return nil, ErrExecutionNotFound
	}
	x.add(&stored.Execution)
	for _, e := range x.known.Executions {
		if e.ID == id {
			return []*engine.Execution{e}, nil
		}
	}
	return nil, ErrExecutionNotFound
}

// actors are the subjects and the executions that hold the stages they wait for.
func (x *explaining) actors(subjects []*engine.Execution) []*engine.Execution {
	s := x.line.state
	list := append([]*engine.Execution{}, subjects...)
	for _, e := range subjects {
		if e.Inside || e.Ended() {
			continue
		}
		st := s.Stage(x.stage(e))
		if st == nil {
			continue
		}
		if holder := s.Execution(st.Holder); holder != nil {
			list = append(list, holder)
		}
	}
	return list
}

// stage is the name of the stage that an execution is in or waits for.
func (x *explaining) stage(e *engine.Execution) string {
	return x.plans.Plan(e.Version).Stages[e.Stage].Name
}

// add keeps an execution that is not live.
func (x *explaining) add(e *engine.Execution) {
	if !e.Ended() || x.ended[e.ID] {
		return
	}
	x.ended[e.ID] = true
	x.known.Executions = append(x.known.Executions, e)
}

// remember loads an execution by its id, if there is one and it is still kept.
func (x *explaining) remember(id string) error {
	if id == "" || x.ended[id] || x.line.state.Execution(id) != nil {
		return nil
	}
	stored, err := readExecution(x.tx, id)
	if errors.Is(err, ErrExecutionNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	x.add(&stored.Execution)
	return nil
}

// loadPlans loads the plans of the current version and of all executions.
func (x *explaining) loadPlans(subjects []*engine.Execution) error {
	need := map[int]bool{x.line.state.Pipeline.Version: true}
	for _, list := range [][]*engine.Execution{subjects, x.line.state.Executions, x.known.Executions} {
		for _, e := range list {
			need[e.Version] = true
		}
	}
	for version := range need { //floors:ordered each version is loaded by itself
		if x.plans[version].Plan != nil {
			continue
		}
		plan, err := x.d.plan(x.tx, x.line.id, x.line.row.region, x.line.row.account, version)
		if err != nil {
			return err
		}
		x.plans[version] = planned{Plan: plan}
	}
	return nil
}

// loadAttempts loads what is kept of the actions and rules of the stage that an
// execution is in or ended in.
func (x *explaining) loadAttempts(e *engine.Execution) error {
	stage := &x.plans.Plan(e.Version).Stages[e.Stage]
	err := each(x.tx, func(row scanner) error {
		a, err := scanAction(row)
		if err == nil {
			x.keep(stage, "", &a)
		}
		return err
	}, sqlListStageActions, e.ID, stage.Name)
	if err != nil {
		return err
	}
	var running []string
	err = each(x.tx, func(row scanner) error {
		r, err := scanRule(row)
		if err == nil {
			x.keep(stage, r.Gate, &r.ActionExecution)
		}
		if r.Status == engine.InProgress {
			running = append(running, r.ID)
		}
		return err
	}, sqlListStageRules, e.ID, stage.Name)
	if err != nil {
		return err
	}
	for _, id := range running {
		if err := x.loadOpening(id); err != nil {
			return err
		}
	}
	return nil
}

// loadOpening reads when the time comes that a rule waits for. A provider that
// waits for one keeps it in its state as opens; other states say nothing here.
func (x *explaining) loadOpening(id string) error {
	var text string
	err := x.tx.QueryRow(sqlProviderState, id).Scan(&text)
	if errors.Is(err, db.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the effect of rule execution %s: %w", id, err)
	}
	var state struct{ Opens time.Time }
	if json.Unmarshal([]byte(text), &state) != nil || state.Opens.IsZero() {
		return nil
	}
	a := x.known.Attempts[id]
	a.Opens = state.Opens.UnixMilli()
	x.known.Attempts[id] = a
	return nil
}

// keep notes an attempt. Its configuration is the declared one with what was
// resolved; secrets are masked.
func (x *explaining) keep(stage *pipeline.StagePlan, gate string, a *ActionExecution) {
	attempt := engine.Attempt{Outcome: a.Outcome, By: a.UpdatedBy}
	if plan := stage.Attempted(gate, a.Action); plan != nil {
		attempt.Configuration = map[string]string{}
		for _, entry := range plan.Configuration {
			attempt.Configuration[entry.Key] = entry.Text.Source
			attempt.Pending = attempt.Pending || a.Resolved == nil && len(entry.Text.References()) > 0
		}
		maps.Copy(attempt.Configuration, a.Resolved)
		attempt.Configuration = pipeline.MaskSecrets(attempt.Configuration)
	}
	x.known.Attempts[a.ID] = attempt
}

// explain asks the engine.
func (x *explaining) explain(subjects []*engine.Execution, withHolder bool) Explanation {
	s := x.line.state
	out := Explanation{
		At: x.known.At, Version: s.Pipeline.Version, Mode: x.plans.Plan(s.Pipeline.Version).Mode,
		Stages: engine.ExplainStages(x.plans, s),
	}
	for _, e := range subjects {
		out.Executions = append(out.Executions, ExplainedExecution{
			Execution: *e, StageName: x.stage(e), Findings: engine.Explain(x.plans, s, x.known, e.ID, withHolder),
		})
	}
	return out
}
