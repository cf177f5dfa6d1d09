package iam

import (
	"errors"
	"fmt"
	"strings"
)

// condition is one key of one operator of a Condition: all of them must hold.
type condition struct {
	key       string // in lower case
	values    []comparison
	negated   bool // no value may match
	ifExists  bool // holds without the key
	quantity  quantity
	existence existence
}

// quantity says how many of the request's values must match.
type quantity int

const (
	single  quantity = iota // the key has one value
	forAny                  // ForAnyValue
	forEach                 // ForAllValues
)

// existence is what the operator Null asks for.
type existence int

const (
	compared existence = iota // not Null
	present                   // "Null": {key: "false"}
	absent                    // "Null": {key: "true"}
)

// comparison reports whether a value of the request is what a value of the
// policy asks for.
type comparison func(f facts, got string) bool

// parseConditions reads operators, their keys, and the values of those.
func (p *Policy) parseConditions(v any, s syntax) ([]condition, error) {
	operators, ok := v.(object)
	if !ok {
		return nil, errors.New("an object of operators is needed")
	}
	var list []condition
	for _, operator := range operators {
		keys, ok := operator.value.(object)
		if !ok {
			return nil, fmt.Errorf("%s: an object of condition keys is needed", operator.name)
		}
		for _, key := range keys {
			c, err := p.parseCondition(operator.name, key, s)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", operator.name, key.name, err)
			}
			list = append(list, c)
		}
	}
	return list, nil
}

func (p *Policy) parseCondition(operator string, key member, s syntax) (condition, error) {
	c := condition{key: strings.ToLower(key.name)}
	if service, name, found := strings.Cut(c.key, ":"); !found || service == "" || name == "" {
		return c, errors.New(`a condition key has a prefix, as in "aws:ResourceTag/team"`)
	}
	p.note(c.key)
	name := strings.ToLower(operator)
	if rest, found := strings.CutPrefix(name, "foranyvalue:"); found {
		name, c.quantity = rest, forAny
	} else if rest, found := strings.CutPrefix(name, "forallvalues:"); found {
		name, c.quantity = rest, forEach
	}
	texts, err := stringsOf(key.value)
	if err != nil {
		return c, err
	}
	if name == "null" {
		return c, c.parseNull(texts)
	}
	name, c.ifExists = strings.CutSuffix(name, "ifexists")
	parse, known := operators(s)[name]
	if !known {
		return c, errors.New("the operator is unknown")
	}
	c.negated = strings.Contains(name, "not")
	for _, text := range texts {
		compare, err := parse(text, p.note)
		if err != nil {
			return c, err
		}
		c.values = append(c.values, compare)
	}
	return c, nil
}

// parseNull reads the values of the operator Null.
func (c *condition) parseNull(texts []string) error {
	if c.quantity != single {
		return errors.New("neither ForAnyValue nor ForAllValues goes with Null")
	}
	if len(texts) != 1 {
		return errors.New("one value is needed")
	}
	switch strings.ToLower(texts[0]) {
	case "true":
		c.existence = absent
	case "false":
		c.existence = present
	default:
		return fmt.Errorf(`%q is neither "true" nor "false"`, texts[0])
	}
	return nil
}

// holds reports whether a request fulfils the condition. A key without a value
// fulfils what is negated, ForAllValues, and every operator with IfExists.
func (c *condition) holds(f facts) bool {
	got := f[c.key]
	switch c.existence {
	case absent:
		return len(got) == 0
	case present:
		return len(got) > 0
	}
	if len(got) == 0 {
		return c.ifExists || c.quantity == forEach || c.quantity == single && c.negated
	}
	switch c.quantity {
	case forEach:
		for _, v := range got {
			if c.fits(f, v) == c.negated {
				return false
			}
		}
		return true
	case forAny:
		for _, v := range got {
			if c.fits(f, v) != c.negated {
				return true
			}
		}
		return false
	}
	for _, v := range got {
		if c.fits(f, v) {
			return !c.negated
		}
	}
	return c.negated
}

// fits reports whether a value of the request is what any value of the policy
// asks for.
func (c *condition) fits(f facts, got string) bool {
	for _, compare := range c.values {
		if compare(f, got) {
			return true
		}
	}
	return false
}
