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

// planSet are the plans that the Steps of one batch may ask for, by version.
type planSet map[int]*pipeline.Plan

// Plan implements engine.Plans.
func (p planSet) Plan(version int) *pipeline.Plan { return p[version] }

func (d *Dispatcher) cachedPlan(key planKey) *pipeline.Plan {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.plans[key]
}

// cachePlan keeps the plan of a committed version. The cache is no source of
// truth: whoever needs a plan holds on to it.
func (d *Dispatcher) cachePlan(key planKey, plan *pipeline.Plan) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.plans) >= maxPlans {
		for k := range d.plans { // any one will do: it is compiled again when needed
			delete(d.plans, k)
			break
		}
	}
	d.plans[key] = plan
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

// gatherPlans adds the plans that a Step of u may ask for. An update gets its
// version here, because only here it is known.
func (d *Dispatcher) gatherPlans(tx *db.Tx, l *line, u *unit, plans planSet) error {
	need := []int{l.state.Pipeline.Version}
	for _, e := range l.state.Executions {
		need = append(need, e.Version)
	}
	for _, version := range need {
		if plans[version] != nil {
			continue
		}
		plan, err := d.plan(tx, l.id, l.row.region, l.row.account, version)
		if err != nil {
			return err
		}
		plans[version] = plan
	}
	if u.definition != nil {
		version := l.state.Pipeline.Version + 1
		plan := *u.definition.plan
		plan.Version = version
		u.definition.plan, u.definition.version = &plan, version
		u.ev.Body = engine.UpdatePipeline{Version: version}
		plans[version] = &plan
	}
	return nil
}

// plan returns the plan of a stored version, compiling it if it is not cached.
// tx may be nil.
func (d *Dispatcher) plan(tx *db.Tx, id, region, account string, version int) (*pipeline.Plan, error) {
	key := planKey{id, version}
	if plan := d.cachedPlan(key); plan != nil {
		return plan, nil
	}
	var plan *pipeline.Plan
	read := func(tx *db.Tx) error {
		decl, _, err := selectVersion(tx, id, version)
		if err != nil {
			return err
		}
		plan = d.recompile(decl, region, account, version)
		return nil
	}
	var err error
	if tx != nil {
		err = read(tx)
	} else {
		err = d.DB.Read(d.work, read)
	}
	if err != nil {
		return nil, err
	}
	d.cachePlan(key, plan)
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
