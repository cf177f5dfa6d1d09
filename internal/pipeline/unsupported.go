package pipeline

import "fmt"

// TriggersNotWatched is what is said of a declaration with triggers where
// configuration allows them (see Unsupported): they start nothing.
const TriggersNotWatched = "Triggers are not watched: this version of Penstock starts no execution because of them."

// Unsupported names what a declaration asks for that Penstock does not carry
// out yet, in words for its author; empty if there is nothing. Such a pipeline
// is refused when it is created, so that no execution ever pretends. Triggers
// are allowed if they may be inert: they are kept and shown, and start nothing.
func Unsupported(d Declaration, inertTriggers bool) []string {
	var features []string
	for _, t := range d.Triggers {
		if !inertTriggers {
			features = append(features, fmt.Sprintf("the trigger on source action '%s' (the setting inertTriggers permits triggers that start nothing)",
				t.GitConfiguration.SourceActionName))
		}
	}
	for i := range d.Stages {
		s := &d.Stages[i]
		for j := range s.Actions {
			if a := &s.Actions[j]; a.ActionTypeID.Category == CategoryApproval && a.Configuration["NotificationArn"] != "" {
				features = append(features, fmt.Sprintf("the notification (NotificationArn) of approval '%s' in stage '%s'", a.Name, s.Name))
			}
		}
	}
	return features
}

// ActionRef names an action or a rule of a declaration and its type.
type ActionRef struct {
	Stage string
	// Gate names the gate of a rule; empty for an action.
	Gate string
	// Action is the name of the action or the rule.
	Action string
	Type   ActionTypeID
}

// Unavailable lists, in declared order and in each stage the actions first, the
// actions and rules whose types cannot be run here: unknown ones and known ones
// without a provider.
func Unavailable(d Declaration, types ActionTypes) []ActionRef {
	var refs []ActionRef
	add := func(ref ActionRef) {
		t, ok := types.ActionType(ref.Type)
		if !ok || !t.Available || (ref.Gate != "") != (ref.Type.Category == CategoryRule) {
			refs = append(refs, ref)
		}
	}
	for i := range d.Stages {
		s := &d.Stages[i]
		for _, a := range s.Actions {
			add(ActionRef{Stage: s.Name, Action: a.Name, Type: a.ActionTypeID})
		}
		for _, g := range s.gates() {
			for _, c := range g.conditions {
				for _, r := range c.Rules {
					add(ActionRef{Stage: s.Name, Gate: g.name, Action: r.Name, Type: r.RuleTypeID.ActionType()})
				}
			}
		}
	}
	return refs
}
