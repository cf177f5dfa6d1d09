package dispatch

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// definition is a version of a declaration on its way into a commit.
type definition struct {
	// decl is the declaration as it is stored: references in the place of
	// secrets. text is its JSON and plan what it compiles to.
	decl pipeline.Declaration
	text string
	plan *pipeline.Plan
	// version is known when the definition is committed.
	version int
	// secrets are the values that decl is the first to refer to.
	secrets []secret

	// What follows is there for rebase: base is the version that masks took
	// their values from.
	base  int
	sent  pipeline.Declaration
	types pipeline.ActionTypes
	vault *vault
	key   Key
}

// admit judges a declaration that is to replace a stored one, and makes it ready
// to be stored: masks keep their values, secrets are sealed. What the rules allow
// but Penstock does not carry out yet is refused, never ignored. A broken rule is
// a *pipeline.Violation.
func (d *Dispatcher) admit(ctx context.Context, key Key, sent, stored pipeline.Declaration) (*definition, error) {
	if violation := pipeline.ReservedValue(sent); violation != nil {
		return nil, violation
	}
	types, err := d.usableTypes(ctx, key, sent)
	if err != nil {
		return nil, err
	}
	kept, lost := pipeline.KeepSecrets(sent, stored, types)
	plan, err := pipeline.Compile(kept, d.environment(types, key.Region, key.Account))
	if err != nil {
		return nil, err
	}
	if lost != nil {
		return nil, lost
	}
	if violation := d.checkConfigurations(&plan); violation != nil {
		return nil, violation
	}
	if missing := pipeline.Unsupported(kept, d.InertTriggers); len(missing) > 0 {
		return nil, &pipeline.Violation{
			Rule: "unsupported", Exception: "InvalidStructureException",
			Message: "Penstock does not carry out yet: " + strings.Join(missing, "; "),
		}
	}
	def := &definition{plan: &plan, sent: sent, types: types, key: key, vault: &vault{d: d, known: map[string]string{}}}
	if err := def.store(d, kept, def.vault.keep); err != nil {
		return nil, err
	}
	def.secrets = def.vault.secrets
	return def, nil
}

// checkConfigurations asks providers about what their schemas cannot say.
func (d *Dispatcher) checkConfigurations(plan *pipeline.Plan) *pipeline.Violation {
	for i := range plan.Stages {
		stage := &plan.Stages[i]
		if violation := d.checkAll(stage, "action", stage.Actions); violation != nil {
			return violation
		}
		for _, name := range []string{pipeline.GateBeforeEntry, pipeline.GateOnSuccess, pipeline.GateOnFailure} {
			g := stage.Gate(name)
			if g == nil {
				continue
			}
			if violation := d.checkAll(stage, "rule", g.Rules); violation != nil {
				return violation
			}
		}
	}
	return nil
}

func (d *Dispatcher) checkAll(stage *pipeline.StagePlan, noun string, attempts []pipeline.ActionPlan) *pipeline.Violation {
	for i := range attempts {
		a := &attempts[i]
		p, _ := d.Catalogue.Provider(a.Type)
		checker, ok := p.(provider.Checker)
		if !ok {
			continue
		}
		known := map[string]string{}
		for _, entry := range a.Configuration {
			if len(entry.Text.References()) == 0 {
				known[entry.Key] = entry.Text.Source
			}
		}
		if err := checker.Check(known); err != nil {
			return &pipeline.Violation{
				Rule: "configuration", Exception: "InvalidActionDeclarationException",
				Message: fmt.Sprintf("The configuration of %s '%s' of stage '%s' is not valid: %v", noun, a.Name, stage.Name, err),
			}
		}
	}
	return nil
}

// usableTypes knows the types that a declaration uses, without deleted ones.
func (d *Dispatcher) usableTypes(ctx context.Context, key Key, decl pipeline.Declaration) (types pipeline.ActionTypes, err error) {
	ids := typesIn(decl)
	if !d.anyForeign(ids) {
		return d.Catalogue, nil
	}
	err = d.DB.Read(ctx, func(tx *db.Tx) error {
		types, err = d.typesOf(tx, key.Account, key.Region, ids, false)
		return err
	})
	return types, err
}

func (d *Dispatcher) environment(types pipeline.ActionTypes, region, account string) pipeline.Environment {
	return pipeline.Environment{Types: types, Region: region, Account: account, Limits: d.Limits}
}

// store sets what is stored: kept with references in the place of secrets.
func (def *definition) store(d *Dispatcher, kept pipeline.Declaration, keep func(string) (string, error)) error {
	decl, err := pipeline.ReplaceSecrets(kept, def.types, keep)
	if err != nil {
		return err
	}
	text, err := json.Marshal(decl)
	if err != nil {
		return fmt.Errorf("encoding pipeline %s: %w", def.key.Name, err)
	}
	if len(def.vault.known) > 0 { // the plan that was judged holds secrets
		plan := pipeline.CompileStored(decl, d.environment(def.types, def.key.Region, def.key.Account))
		def.plan = &plan
	}
	def.decl, def.text = decl, string(text)
	return nil
}

// refers reports whether the declaration refers to secrets.
func (def *definition) refers() bool {
	for i := range def.decl.Stages {
		for _, a := range def.decl.Stages[i].Actions {
			for _, value := range a.Configuration {
				if _, ok := pipeline.ParseSecretReference(value); ok {
					return true
				}
			}
		}
	}
	return false
}

// rebase takes the values of masks from another version than the one they were
// judged against, because somebody else updated the pipeline meanwhile. Where
// that version has none to give, those stay that the request was granted.
func (def *definition) rebase(d *Dispatcher, stored pipeline.Declaration) error {
	kept, lost := pipeline.KeepSecrets(def.sent, stored, def.types)
	if lost != nil {
		return nil
	}
	plan := pipeline.CompileStored(kept, d.environment(def.types, def.key.Region, def.key.Account))
	def.plan = &plan
	return def.store(d, kept, func(value string) (string, error) {
		if reference, ok := def.vault.known[value]; ok {
			return reference, nil
		}
		return value, nil // it is stored as it is already
	})
}
