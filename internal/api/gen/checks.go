package main

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-cd/penstock/internal/api"
)

// writeChecks writes Validate for every input and check for every structure
// in an input that has a constraint somewhere in it.
func (g *generator) writeChecks(w *bytes.Buffer) error {
	for _, op := range g.model.operationNames() {
		name := op + "Input"
		check := "(*" + name + ").check"
		if !g.constrained(name, nil) {
			check = fmt.Sprintf("func(*%s, *api.Checker) {}", name)
		}
		fmt.Fprintf(w, "// Validate implements api.Validator with the limits of the model.\nfunc (in *%s) Validate() error { return in.ValidateUnder(nil) }\n\n", name)
		fmt.Fprintf(w, "// ValidateUnder is Validate with limits of the server in place of the model's.\nfunc (in *%s) ValidateUnder(limits api.Limits) error { return api.Check(in, limits, %s) }\n\n", name, check)
	}
	for _, name := range g.checkedStructures() {
		fmt.Fprintf(w, "func (s *%s) check(c *api.Checker) {\n", name)
		s := g.model.Shapes[name]
		for _, m := range s.Members {
			line, err := g.checkLine(s, m)
			if err != nil {
				return fmt.Errorf("member %s of %s: %w", m.Name, name, err)
			}
			if line != "" {
				fmt.Fprintf(w, "\t%s\n", line)
			}
		}
		fmt.Fprint(w, "}\n\n")
	}
	return nil
}

// checkedStructures lists the structures reachable from inputs that need a
// check, in alphabetical order.
func (g *generator) checkedStructures() []string {
	reached := map[string]bool{}
	for name := range g.model.inputs() {
		g.reach(name, reached)
	}
	return g.model.shapeNames(func(name string, s *shape) bool {
		return s.Type == "structure" && reached[name] && g.constrained(name, nil)
	})
}

func (g *generator) reach(name string, reached map[string]bool) {
	if name == "" || reached[name] {
		return
	}
	reached[name] = true
	s := g.model.Shapes[name]
	for _, m := range s.Members {
		g.reach(m.Shape, reached)
	}
	for _, r := range []ref{s.Member, s.Key, s.Value} {
		g.reach(r.Shape, reached)
	}
}

// constrained reports whether a value of the shape can violate anything.
func (g *generator) constrained(name string, above []string) bool {
	if slices.Contains(above, name) {
		return false
	}
	above = append(above, name)
	s := g.model.Shapes[name]
	if s.Min != nil || s.Max != nil || s.Pattern != "" || s.Enum != nil || len(s.Required) > 0 {
		return true
	}
	for _, m := range s.Members {
		if g.constrained(m.Shape, above) {
			return true
		}
	}
	for _, r := range []ref{s.Member, s.Key, s.Value} {
		if r.Shape != "" && g.constrained(r.Shape, above) {
			return true
		}
	}
	return false
}

// label is how a violation names a member: the first letter is small even where
// the member's is not (execution.md 9.4).
func (m member) label() string { return strings.ToLower(m.Name[:1]) + m.Name[1:] }

// checkLine is the Go statement that checks one member, empty if nothing is
// asked of it.
func (g *generator) checkLine(owner *shape, m member) (string, error) {
	field := "s." + exported(m.Name)
	presence := "api.Optional"
	if owner.isRequired(m.Name) {
		presence = "api.Required"
	}
	if !g.constrained(m.Shape, nil) {
		if presence == "api.Optional" {
			return "", nil
		}
		return fmt.Sprintf("c.Present(%q, %s != nil)", m.label(), field), nil
	}
	s := g.model.Shapes[m.Shape]
	head := fmt.Sprintf("c, %q, %s, %s", m.label(), field, presence)
	switch s.Type {
	case "structure":
		return fmt.Sprintf("api.CheckStruct(%s, (*%s).check)", head, m.Shape), nil
	case "string":
		if s.Enum != nil {
			return fmt.Sprintf("api.CheckEnum(%s)", head), nil
		}
		return fmt.Sprintf("c.String(%q, %s, %s, %s)", m.label(), field, presence, ruleName(m.Shape)), nil
	case "integer", "long":
		return fmt.Sprintf("api.CheckNumber(%s, %s)", head, numberRange(s)), nil
	case "list":
		return g.checkList(s, m, field, presence, head)
	case "map":
		return g.checkMap(s, m, field, presence, head)
	}
	return "", fmt.Errorf("the generator does not know the constraints of type %q", s.Type)
}

func (g *generator) checkList(s *shape, m member, field, presence, head string) (string, error) {
	item := g.model.Shapes[s.Member.Shape]
	size := sizeLiteral(s)
	switch {
	case !g.constrained(s.Member.Shape, nil):
		return fmt.Sprintf("api.CheckSize(%s, %s)", head, size), nil
	case item.Type == "structure":
		return fmt.Sprintf("api.CheckStructs(%s, %s, (*%s).check)", head, size, s.Member.Shape), nil
	case item.Enum != nil:
		return fmt.Sprintf("api.CheckEnums(%s, %s)", head, size), nil
	case item.Type == "string":
		return fmt.Sprintf("c.Strings(%q, %s, %s, %s, %s)", m.label(), field, presence, size, ruleName(s.Member.Shape)), nil
	}
	return "", fmt.Errorf("the generator does not know the constraints of a list of %q", item.Type)
}

func (g *generator) checkMap(s *shape, m member, field, presence, head string) (string, error) {
	value := g.model.Shapes[s.Value.Shape]
	size, key := sizeLiteral(s), g.ruleOf(s.Key.Shape)
	switch {
	case value.Type == "structure" && g.constrained(s.Value.Shape, nil):
		return fmt.Sprintf("api.CheckStructMap(%s, %s, %s, (*%s).check)", head, size, key, s.Value.Shape), nil
	case value.Type == "string" && value.Enum == nil:
		return fmt.Sprintf("c.StringMap(%q, %s, %s, %s, %s, %s)", m.label(), field, presence, size, key, g.ruleOf(s.Value.Shape)), nil
	}
	return "", fmt.Errorf("the generator does not know the constraints of a map of %q", value.Type)
}

func sizeLiteral(s *shape) string { return "api.Size{" + bounds(s) + "}" }

// bounds writes the Min and Max fields that a shape has; a minimum of zero
// asks for nothing.
func bounds(s *shape) string {
	out := ""
	if s.Min != nil && *s.Min > 0 {
		out = "Min: " + strconv.FormatInt(*s.Min, 10)
	}
	if s.Max != nil {
		if out != "" {
			out += ", "
		}
		out += "Max: " + strconv.FormatInt(*s.Max, 10)
	}
	return out
}

func numberRange(s *shape) string {
	low, high := "math.MinInt64", "math.MaxInt64"
	if s.Min != nil {
		low = strconv.FormatInt(*s.Min, 10)
	}
	if s.Max != nil {
		high = strconv.FormatInt(*s.Max, 10)
	}
	return "api.Range{Min: " + low + ", Max: " + high + "}"
}

func ruleName(shape string) string { return unexported(shape) + "Rule" }

// ruleOf names the rule of a string shape, or is an empty rule for a shape
// without constraints.
func (g *generator) ruleOf(name string) string {
	if !g.constrained(name, nil) {
		return "api.StringRule{}"
	}
	return ruleName(name)
}

// writeRules writes the rule of every constrained string shape in an input. A
// pattern that Go's engine cannot hold to the letter is refused here: then
// api.CompilePattern has to learn it.
func (g *generator) writeRules(w *bytes.Buffer) error {
	reached := map[string]bool{}
	for name := range g.model.inputs() {
		g.reach(name, reached)
	}
	names := g.model.shapeNames(func(name string, s *shape) bool {
		return reached[name] && s.Type == "string" && s.Enum == nil && g.constrained(name, nil)
	})
	if len(names) == 0 {
		return nil
	}
	fmt.Fprint(w, "// The constraints of the string shapes in inputs; none of these changes.\nvar (\n")
	for _, name := range names {
		s := g.model.Shapes[name]
		if s.Max != nil && (*s.Max <= 0 || *s.Max > math.MaxInt32) {
			return fmt.Errorf("shape %s has maximum %d", name, *s.Max)
		}
		fmt.Fprintf(w, "\t%s = api.StringRule{Shape: %q", ruleName(name), name)
		if b := bounds(s); b != "" {
			fmt.Fprintf(w, ", %s", b)
		}
		if s.Pattern != "" {
			if _, err := api.CompilePattern(s.Pattern); err != nil {
				return fmt.Errorf("shape %s: %w", name, err)
			}
			fmt.Fprintf(w, ", Pattern: api.NewPattern(%s)", quote(s.Pattern))
		}
		fmt.Fprint(w, "}\n")
	}
	fmt.Fprint(w, ")\n")
	return nil
}

// quote writes a pattern as a raw string where it can be one.
func quote(s string) string {
	if strconv.CanBackquote(s) {
		return "`" + s + "`"
	}
	return strconv.Quote(s)
}
