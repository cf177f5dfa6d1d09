package provider

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// Catalogue knows every action type and every rule type: the built-in ones of
// CodePipeline, each marked available if a provider carries it out, and the
// types of further providers. It does not change once it is made and is safe for
// concurrent use.
type Catalogue struct {
	types []pipeline.ActionType
	// rules are the rule types as action types of the category Rule.
	rules []pipeline.ActionType
	// index is where a type is in types, or in rules.
	index     map[pipeline.ActionTypeID]int
	providers map[pipeline.ActionTypeID]Provider
}

var _ pipeline.ActionTypes = (*Catalogue)(nil)

// approvalManual is the type that the engine carries out itself.
func approvalManual() pipeline.ActionTypeID {
	return pipeline.ActionTypeID{Category: pipeline.CategoryApproval, Owner: pipeline.OwnerAWS, Provider: "Manual", Version: "1"}
}

// NewCatalogue makes the catalogue of the built-in action and rule types and of
// the given providers. A provider whose type has the category Rule judges rules.
//
// Of a provider of a built-in type only the id, Timeout and WhenLost of Type
// are used: what an action may declare is CodePipeline's to say. A provider of
// another type says everything itself. A provider that does not say what
// follows a lost node gets LostFail, because silence must not repeat work.
//
// Two providers of one type are an error, and so is a provider of manual
// approvals, which the engine carries out.
func NewCatalogue(providers ...Provider) (*Catalogue, error) {
	c := &Catalogue{
		types:     builtins(),
		rules:     builtinRules(),
		index:     make(map[pipeline.ActionTypeID]int),
		providers: make(map[pipeline.ActionTypeID]Provider),
	}
	for i, t := range c.types {
		c.index[t.ID] = i
	}
	for i, t := range c.rules {
		c.index[t.ID] = i
	}
	c.types[c.index[approvalManual()]].Available = true
	for _, p := range providers {
		if err := c.add(p); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Catalogue) add(p Provider) error {
	own := p.Type()
	if err := checkType(own); err != nil {
		return fmt.Errorf("register provider of %s: %w", own.ID, err)
	}
	if own.ID == approvalManual() {
		return fmt.Errorf("register provider of %s: the engine carries these actions out itself", own.ID)
	}
	if _, twice := c.providers[own.ID]; twice {
		return fmt.Errorf("register provider of %s: there is already one", own.ID)
	}
	c.providers[own.ID] = p
	list, timeout := c.listOf(own.ID), pipeline.DefaultTimeout
	if own.ID.Category == pipeline.CategoryRule {
		timeout = 0 // that of rules differs from provider to provider; Compile knows it
	}
	i, builtin := c.index[own.ID]
	if !builtin {
		i = len(*list)
		*list = append(*list, own)
		c.index[own.ID] = i
	}
	t := &(*list)[i]
	t.Available = true
	t.Timeout = cmp.Or(own.Timeout, t.Timeout, int64(timeout))
	t.WhenLost = cmp.Or(own.WhenLost, t.WhenLost, pipeline.LostFail)
	return nil
}

// listOf is where a type is listed.
func (c *Catalogue) listOf(id pipeline.ActionTypeID) *[]pipeline.ActionType {
	if id.Category == pipeline.CategoryRule {
		return &c.rules
	}
	return &c.types
}

// checkType judges the parts of a provider's type that are used for any type.
func checkType(t pipeline.ActionType) error {
	id := t.ID
	if id.Category == "" || id.Owner == "" || id.Provider == "" || id.Version == "" {
		return errors.New("its action type id is incomplete")
	}
	if t.Timeout < 0 {
		return fmt.Errorf("its time limit of %d ms is negative", t.Timeout)
	}
	switch t.WhenLost {
	case "", pipeline.LostAgain, pipeline.LostFind, pipeline.LostFail:
		return nil
	}
	return fmt.Errorf("it follows a lost node with %q, which means nothing", t.WhenLost)
}

// ActionType looks an action type up, or a rule type by its id as an action type
// of the category Rule. It implements pipeline.ActionTypes.
func (c *Catalogue) ActionType(id pipeline.ActionTypeID) (pipeline.ActionType, bool) {
	i, ok := c.index[id]
	if !ok {
		return pipeline.ActionType{}, false
	}
	return (*c.listOf(id))[i], true
}

// Provider returns who carries out the actions of a type, or judges its rules.
// Manual approvals have no provider.
func (c *Catalogue) Provider(id pipeline.ActionTypeID) (Provider, bool) {
	p, ok := c.providers[id]
	return p, ok
}

// ActionTypes lists all action types, no rule types, the built-in ones first, always in the same
// order. The caller may change the list, not what it points to.
func (c *Catalogue) ActionTypes() []pipeline.ActionType {
	return append([]pipeline.ActionType(nil), c.types...)
}
