package pipeline

import "slices"

// ResolveVariables gives every declared variable its value for one execution:
// the given one, else the default (reference: observed.md 10).
//
// resolved is in declared order. missing names the variables without any value,
// in declared order; the execution then fails at once and resolved is nil.
// undeclared names the given variables that are not declared, in given order:
// they are ignored, and the execution's log says so. A name that is given twice
// is a violation.
func ResolveVariables(declared []VariableDeclaration, given []Variable) (resolved []Variable, missing, undeclared []string, err *Violation) {
	values := make(map[string]string, len(given))
	for _, g := range given {
		if _, twice := values[g.Name]; twice {
			return nil, nil, nil, &Violation{Rule: "variables", Exception: validation, Message: variableInUse(g.Name)}
		}
		values[g.Name] = g.Value
		if !slices.ContainsFunc(declared, func(d VariableDeclaration) bool { return d.Name == g.Name }) {
			undeclared = append(undeclared, g.Name)
		}
	}
	for _, d := range declared {
		value, ok := values[d.Name]
		if !ok && d.DefaultValue != nil {
			value, ok = *d.DefaultValue, true
		}
		if !ok {
			missing = append(missing, d.Name)
			continue
		}
		resolved = append(resolved, Variable{Name: d.Name, Value: value})
	}
	if len(missing) > 0 {
		resolved = nil
	}
	return resolved, missing, undeclared, nil
}
