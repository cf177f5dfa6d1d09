package iam

import (
	"slices"
	"strings"
)

// Request is what a policy is asked: may this be done to that.
type Request struct {
	// Action is such as "codepipeline:GetPipeline".
	Action string
	// Resource is an ARN, or "*" for actions without a resource.
	Resource string
	// Context holds the values of condition keys, such as "aws:RequestTag/team";
	// a key that has none is absent. Names do not mind case.
	Context map[string][]string
}

// Decision is what policies say to a request.
type Decision int

// The decisions. No statement about a request means NotAllowed.
const (
	NotAllowed Decision = iota
	Allowed
	Denied // by a statement, whatever others allow
)

// Evaluate asks policies. One matching Deny decides; else one matching Allow
// does.
func Evaluate(policies []*Policy, r Request) Decision {
	f := factsOf(r.Context)
	decision := NotAllowed
	for _, p := range policies {
		for i := range p.statements {
			st := &p.statements[i]
			if decision == Allowed && !st.deny || !st.match(r, f) {
				continue
			}
			if st.deny {
				return Denied
			}
			decision = Allowed
		}
	}
	return decision
}

// facts are the values of condition keys, by their names in lower case.
type facts map[string][]string

func factsOf(context map[string][]string) facts {
	f := make(facts, len(context))
	for key, values := range context {
		if len(values) > 0 {
			lower := strings.ToLower(key)
			f[lower] = append(f[lower], values...)
		}
	}
	return f
}

// match reports whether the statement is about a request.
func (st *statement) match(r Request, f facts) bool {
	action := slices.ContainsFunc(st.actions, func(p pattern) bool { return p.match(nil, r.Action, len(r.Action)) })
	if action == st.notActions {
		return false
	}
	resource := slices.ContainsFunc(st.resources, func(a arnPattern) bool { return a.match(f, r.Resource) })
	if resource == st.notResources {
		return false
	}
	for i := range st.conditions {
		if !st.conditions[i].holds(f) {
			return false
		}
	}
	return true
}
