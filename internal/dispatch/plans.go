package dispatch

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// maxPlans bounds the cache of compiled definitions.
const maxPlans = 4096

type planKey struct {
	pipeline string
	version  int
}

// planSet gives the engine the plans of one pipeline; ensurePlans has put every
// one it may ask for into the cache.
type planSet struct {
	d  *Dispatcher
	id string
}

// Plan implements engine.Plans.
func (p planSet) Plan(version int) *pipeline.Plan {
	return p.d.cachedPlan(planKey{p.id, version})
}

func (d *Dispatcher) cachedPlan(key planKey) *pipeline.Plan {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.plans[key]
}

func (d *Dispatcher) cachePlan(key planKey, plan *pipeline.Plan) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.plans) >= maxPlans {
		for k := range d.plans { // any one will do: it is compiled again when needed
			if k.pipeline != key.pipeline {
				delete(d.plans, k)
				break
			}
		}
	}
	d.plans[key] = plan
}

// dropPlans forgets the plans of updates that were not committed: another node
// may give their version to another definition.
func (d *Dispatcher) dropPlans(id string, units []*unit) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, u := range units {
		if u.definition != nil {
			delete(d.plans, planKey{id, u.definition.version})
		}
	}
}

// compile checks a declaration against every rule and returns its plan. What
// the rules allow but Penstock does not carry out yet is refused, never ignored.
func (d *Dispatcher) compile(key Key, decl pipeline.Declaration) (*pipeline.Plan, error) {
	plan, err := pipeline.Compile(decl, pipeline.Environment{
		Types: d.Catalogue, Region: key.Region, Account: key.Account, Limits: d.Limits,
	})
	if err != nil {
		return nil, err
	}
	if missing := pipeline.Unsupported(decl); len(missing) > 0 {
		return nil, &pipeline.Violation{
			Rule: "unsupported", Exception: "InvalidStructureException",
			Message: "Penstock does not carry out yet: " + strings.Join(missing, "; "),
		}
	}
	return &plan, nil
}

// recompile compiles a stored definition, which was accepted once.
func (d *Dispatcher) recompile(decl pipeline.Declaration, region, account string, version int) *pipeline.Plan {
	plan := pipeline.CompileStored(decl, pipeline.Environment{
		Types: d.Catalogue, Region: region, Account: account, Limits: d.Limits,
	})
	plan.Version = version
	return &plan
}

// ensurePlans puts the plans that a Step of u may ask for into the cache. An
// update gets its version here, because only here it is known.
func (d *Dispatcher) ensurePlans(tx *db.Tx, l *line, u *unit) error {
	if u.definition != nil {
		version := l.state.Pipeline.Version + 1
		plan := *u.definition.plan
		plan.Version = version
		u.definition.version = version
		u.ev.Body = engine.UpdatePipeline{Version: version}
		d.cachePlan(planKey{l.id, version}, &plan)
	}
	if err := d.ensurePlan(tx, l, l.state.Pipeline.Version); err != nil {
		return err
	}
	for _, e := range l.state.Executions {
		if err := d.ensurePlan(tx, l, e.Version); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dispatcher) ensurePlan(tx *db.Tx, l *line, version int) error {
	if d.cachedPlan(planKey{l.id, version}) != nil {
		return nil
	}
	read := func(tx *db.Tx) error {
		decl, _, err := selectVersion(tx, l.id, version)
		if err != nil {
			return err
		}
		d.cachePlan(planKey{l.id, version}, d.recompile(decl, l.row.region, l.row.account, version))
		return nil
	}
	if tx != nil {
		return read(tx)
	}
	return d.DB.Read(d.ctx, read)
}

// plan returns the plan of a version, compiling it if it is not cached. tx may
// be nil.
func (d *Dispatcher) plan(tx *db.Tx, id, region, account string, version int) (*pipeline.Plan, error) {
	if plan := d.cachedPlan(planKey{id, version}); plan != nil {
		return plan, nil
	}
	l := &line{id: id, row: pipelineRow{account: account, region: region}}
	if err := d.ensurePlan(tx, l, version); err != nil {
		return nil, err
	}
	return d.cachedPlan(planKey{id, version}), nil
}

func selectVersion(tx *db.Tx, id string, version int) (pipeline.Declaration, int64, error) {
	var text string
	var created int64
	var decl pipeline.Declaration
	err := tx.QueryRow(sqlSelectVersion, id, version).Scan(&text, &created)
	if errors.Is(err, db.ErrNoRows) {
		return decl, 0, ErrVersionNotFound
	}
	if err != nil {
		return decl, 0, fmt.Errorf("reading version %d of pipeline %s: %w", version, id, err)
	}
	if err := json.Unmarshal([]byte(text), &decl); err != nil {
		return decl, 0, fmt.Errorf("decoding version %d of pipeline %s: %w", version, id, err)
	}
	return decl, created, nil
}
