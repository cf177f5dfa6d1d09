package dispatch

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// maxPlans bounds the memory of compiled definitions. It is no source of truth:
// whoever needs a plan holds on to it.
const maxPlans = 4096

type planKey struct {
	pipeline string
	version  int
}

// planSet are the plans that the Steps of one batch may ask for, by version.
type planSet map[int]planned

// planned is a plan. Of a version that the batch itself makes there is the
// declaration too, which nobody can read yet.
type planned struct {
	*pipeline.Plan
	decl *pipeline.Declaration
}

// Plan implements engine.Plans.
func (p planSet) Plan(version int) *pipeline.Plan { return p[version].Plan }

// recompile compiles a stored definition, which was accepted once.
func (d *Dispatcher) recompile(tx *db.Tx, decl pipeline.Declaration, region, account string, version int) (*pipeline.Plan, error) {
	types, err := d.typesOf(tx, account, region, typesIn(decl), true)
	if err != nil {
		return nil, err
	}
	plan := pipeline.CompileStored(decl, d.environment(types, region, account))
	plan.Version = version
	return &plan, nil
}

// gatherPlans adds the plans that a Step of u may ask for. An update gets its
// version here, because only here it is known.
func (d *Dispatcher) gatherPlans(tx *db.Tx, l *line, u *unit, plans planSet) error {
	if err := d.gatherPlan(tx, l, l.state.Pipeline.Version, plans); err != nil {
		return err
	}
	for _, e := range l.state.Executions {
		if err := d.gatherPlan(tx, l, e.Version, plans); err != nil {
			return err
		}
	}
	if u.definition != nil {
		if err := d.rebase(tx, l, u.definition, plans); err != nil {
			return err
		}
		version := l.state.Pipeline.Version + 1
		plan := *u.definition.plan
		plan.Version = version
		u.definition.plan, u.definition.version = &plan, version
		u.ev.Body = engine.UpdatePipeline{Version: version}
		plans[version] = planned{&plan, &u.definition.decl}
	}
	return nil
}

// gatherPlan adds the plan of a version unless it is there.
func (d *Dispatcher) gatherPlan(tx *db.Tx, l *line, version int, plans planSet) error {
	if plans[version].Plan != nil {
		return nil
	}
	plan, err := d.plan(tx, l.id, l.row.region, l.row.account, version)
	if err == nil {
		plans[version] = planned{Plan: plan}
	}
	return err
}

// rebase makes sure that a definition keeps the secrets of the version that it
// replaces, which may be one of the same batch.
func (d *Dispatcher) rebase(tx *db.Tx, l *line, def *definition, plans planSet) error {
	current := l.state.Pipeline.Version
	if def.base == current || !def.refers() {
		return nil
	}
	stored := plans[current].decl
	if stored == nil {
		err := d.read(tx, func(tx *db.Tx) error {
			decl, _, err := selectVersion(tx, l.id, current)
			stored = &decl
			return err
		})
		if err != nil {
			return err
		}
	}
	def.base = current
	return def.rebase(d, *stored)
}

// read runs fn in tx, or in a transaction of its own if that is nil.
func (d *Dispatcher) read(tx *db.Tx, fn func(*db.Tx) error) error {
	if tx != nil {
		return fn(tx)
	}
	return d.DB.Read(d.work, fn)
}

// plan returns the plan of a stored version, compiling it if it is not cached.
// tx may be nil.
func (d *Dispatcher) plan(tx *db.Tx, id, region, account string, version int) (*pipeline.Plan, error) {
	key := planKey{id, version}
	if plan, ok := d.plans.get(key); ok {
		return plan, nil
	}
	var plan *pipeline.Plan
	err := d.read(tx, func(tx *db.Tx) error {
		decl, _, err := selectVersion(tx, id, version)
		if err != nil {
			return err
		}
		plan, err = d.recompile(tx, decl, region, account, version)
		return err
	})
	if err != nil {
		return nil, err
	}
	d.plans.put(key, plan)
	return plan, nil
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
