package api

import (
	"strconv"
	"strings"
)

// Presence says whether a member may be left out.
type Presence bool

// The two presences.
const (
	Optional Presence = false
	Required Presence = true
)

// notNull is the constraint of a required member.
const notNull = "Member must not be null"

// Limits replaces maximum lengths of the models, in characters, by settings of
// the server. The key is the name of a string shape, such as
// "ActionConfigurationValue"; shapes not named keep the model's maximum.
type Limits map[string]int

// Checker collects the violated constraints of one input, in the order they
// are found. Generated code drives it; it is not safe for concurrent use.
type Checker struct {
	limits     Limits
	path       []segment
	violations []Violation
	total      int
}

// segment is one step of the path from the input to a value.
type segment struct {
	name  string
	index int    // 1-based position in a list, or zero
	key   string // key in a map, when keyed
	keyed bool
}

// Check runs the generated check of an input under the given limits and
// returns a *ValidationError, or nil if every constraint holds.
func Check[T any](in *T, limits Limits, check func(*T, *Checker)) error {
	if in == nil {
		in = new(T)
	}
	c := &Checker{limits: limits}
	check(in, c)
	if c.total == 0 {
		return nil
	}
	return &ValidationError{Violations: c.violations, Total: c.total}
}

func (c *Checker) enter(s segment) { c.path = append(c.path, s) }
func (c *Checker) leave()          { c.path = c.path[:len(c.path)-1] }

// fail records a violation by the member name of the structure being checked.
// Only the first are kept, so that a hostile input costs no memory.
func (c *Checker) fail(name, constraint string) {
	c.total++
	if c.total > maxViolations {
		return
	}
	var path strings.Builder
	for _, s := range c.path {
		path.WriteString(s.name)
		switch {
		case s.index > 0:
			path.WriteString("." + strconv.Itoa(s.index) + ".member")
		case s.keyed:
			path.WriteString("." + s.key + ".member")
		}
		path.WriteByte('.')
	}
	path.WriteString(name)
	c.violations = append(c.violations, Violation{Path: path.String(), Constraint: constraint})
}

// Present checks a member that has no constraint but that it is required.
func (c *Checker) Present(name string, present bool) {
	if !present {
		c.fail(name, notNull)
	}
}

// absent reports whether a member is left out, which is a violation if it is
// required.
func (c *Checker) absent(name string, missing bool, p Presence) bool {
	if missing && p == Required {
		c.fail(name, notNull)
	}
	return missing
}
