package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// views are what reads show of pipelines, decoded. On several nodes, too, no view
// is shown before the database has said in the same read that it still holds:
//   - a version of a definition never changes;
//   - everything that State shows changes with the version of the pipeline's
//     state, but for resolved configurations, see settled;
//   - a list of pipelines changes with the ids and the versions in it, because
//     whatever else it shows of a pipeline is of one of the two.
//
// Views are shared: nobody may change what hangs on them.
type views struct {
	declarations *memo[planKey, *pipeline.Declaration]
	states       *memo[string, State] // by the id of the pipeline
	lists        *memo[listKey, listView]
}

// The number of lists is small because each may hold a thousand pipelines.
const (
	maxStates = 4096
	maxLists  = 64
)

func newViews() views {
	return views{
		declarations: newMemo[planKey, *pipeline.Declaration](maxPlans),
		states:       newMemo[string, State](maxStates),
		lists:        newMemo[listKey, listView](maxLists),
	}
}

type listKey struct {
	account, region, after string
	limit                  int
}

// listView is a list and the ids and versions in it.
type listView struct {
	proof string
	list  []Pipeline
}

const (
	sqlFindState = `
		select id, version, state_version, created, updated from pipelines
		where account = $1 and region = $2 and name = $3 and deleted = 0`
	sqlListProof = `
		select coalesce(string_agg(p.id || ' ' || cast(p.version as text), ','), '') from (
			select id, version from pipelines
			where account = $1 and region = $2 and deleted = 0 and name > $3 order by name limit $4) p`
)

// readDeclaration reads a version of a definition.
func (d *Dispatcher) readDeclaration(tx *db.Tx, id string, version int) (pipeline.Declaration, error) {
	if decl, ok := d.views.declarations.get(planKey{id, version}); ok {
		return *decl, nil
	}
	decl, _, err := selectVersion(tx, id, version)
	if err == nil {
		d.views.declarations.put(planKey{id, version}, &decl)
	}
	return decl, err
}

// readPipelines lists pipelines. Most of the work of a list is in the
// definitions, of which it shows next to nothing: it is done again only when the
// list has changed, and for the definitions that have.
func (d *Dispatcher) readPipelines(tx *db.Tx, key listKey) ([]Pipeline, error) {
	var proof string
	err := tx.QueryRow(sqlListProof, key.account, key.region, key.after, key.limit).Scan(&proof)
	if err != nil {
		return nil, err
	}
	if view, ok := d.views.lists.get(key); ok && view.proof == proof {
		return view.list, nil
	}
	var list []Pipeline
	err = each(tx, func(row scanner) error {
		p := Pipeline{Key: Key{Account: key.account, Region: key.region}}
		var text string
		if err := row.Scan(&p.ID, &p.Name, &p.Version, &p.Created, &p.Updated, &text); err != nil {
			return err
		}
		decl, known := d.views.declarations.get(planKey{p.ID, p.Version})
		if !known {
			decl = &pipeline.Declaration{}
			if err := json.Unmarshal([]byte(text), decl); err != nil {
				return fmt.Errorf("decoding pipeline %s: %w", p.Name, err)
			}
			d.views.declarations.put(planKey{p.ID, p.Version}, decl)
		}
		p.Declaration = *decl
		list = append(list, p)
		return nil
	}, sqlListPipelines, key.account, key.region, key.after, key.limit)
	if err == nil {
		d.views.lists.put(key, listView{proof, list})
	}
	return list, err
}

// PipelineState returns a pipeline with its current definition's version, without
// the definition, and everything that GetPipelineState shows, in one snapshot.
// The error is ErrPipelineNotFound.
func (d *Dispatcher) PipelineState(ctx context.Context, key Key) (Pipeline, State, error) {
	p := Pipeline{Key: key}
	var s State
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		var version int64
		err := tx.QueryRow(sqlFindState, key.Account, key.Region, key.Name).
			Scan(&p.ID, &p.Version, &version, &p.Created, &p.Updated)
		if errors.Is(err, db.ErrNoRows) {
			return ErrPipelineNotFound
		}
		if err != nil {
			return err
		}
		s, err = d.readState(tx, p, version)
		return err
	})
	if err != nil {
		return p, s, fmt.Errorf("reading the state of pipeline %s: %w", key.Name, err)
	}
	return p, s, nil
}

// State reads everything that GetPipelineState shows, in one snapshot.
func (d *Dispatcher) State(ctx context.Context, p Pipeline) (State, error) {
	var s State
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		var version int64
		err := tx.QueryRow(sqlStateVersion, p.ID).Scan(&version)
		if errors.Is(err, db.ErrNoRows) {
			return ErrPipelineNotFound
		}
		if err != nil {
			return err
		}
		s, err = d.readState(tx, p, version)
		return err
	})
	if err != nil {
		return s, fmt.Errorf("reading the state of pipeline %s: %w", p.Name, err)
	}
	return s, nil
}

// readState reads the state of a pipeline that has the given version.
func (d *Dispatcher) readState(tx *db.Tx, p Pipeline, version int64) (State, error) {
	if s, ok := d.views.states.get(p.ID); ok && s.Version == version {
		return s, nil
	}
	s := State{
		Version: version, Executions: map[string]engine.Execution{},
		Actions: map[string][]ActionExecution{}, Rules: map[string][]RuleExecution{},
	}
	_, _, stored, err := loadPipeline(tx, p.ID, "")
	if err != nil {
		return s, err
	}
	s.Pipeline = stored.Part
	for _, st := range s.Pipeline.Stages {
		if err := s.readStage(tx, st); err != nil {
			return s, err
		}
	}
	if s.Settled, err = d.settled(tx, p, &s); err == nil && s.Settled {
		d.views.states.put(p.ID, s)
	}
	return s, err
}

// settled reports whether only an event can change the state. An action or a rule
// whose configuration has references is resolved after the event that started it,
// and then never again.
func (d *Dispatcher) settled(tx *db.Tx, p Pipeline, s *State) (bool, error) {
	for _, st := range s.Pipeline.Stages {
		for i := range s.Actions[st.Name] {
			if ok, err := d.isSettled(tx, p, "", &s.Actions[st.Name][i]); !ok || err != nil {
				return false, err
			}
		}
		for i := range s.Rules[st.Name] {
			r := &s.Rules[st.Name][i]
			if ok, err := d.isSettled(tx, p, r.Gate, &r.ActionExecution); !ok || err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

func (d *Dispatcher) isSettled(tx *db.Tx, p Pipeline, gate string, a *ActionExecution) (bool, error) {
	if a.Status != engine.InProgress || a.Resolved != nil {
		return true, nil
	}
	plan, err := d.plan(tx, p.ID, p.Region, p.Account, a.Version)
	if err != nil {
		return false, err
	}
	stage := plan.Stage(a.Stage)
	if stage < 0 {
		return false, nil
	}
	attempted := plan.Stages[stage].Attempted(gate, a.Action)
	return attempted != nil && !refers(attempted), nil
}

// refers reports whether the configuration of an action has references.
func refers(plan *pipeline.ActionPlan) bool {
	for _, entry := range plan.Configuration {
		if len(entry.Text.References()) > 0 {
			return true
		}
	}
	return false
}
