package pipeline

import "fmt"

// Unsupported names what a declaration asks for that Penstock does not carry
// out yet, in words for its author; empty if there is nothing. Such a pipeline
// is refused when it is created, so that no execution ever pretends.
func Unsupported(d Declaration) []string {
	var features []string
	if mode := EffectiveMode(d); mode != ModeSuperseded {
		features = append(features, fmt.Sprintf("the execution mode %s (only SUPERSEDED is carried out)", mode))
	}
	for _, t := range d.Triggers {
		features = append(features, fmt.Sprintf("the trigger on source action '%s'", t.GitConfiguration.SourceActionName))
	}
	for i := range d.Stages {
		s := &d.Stages[i]
		if s.BeforeEntry != nil {
			features = append(features, fmt.Sprintf("the entry condition (beforeEntry) of stage '%s'", s.Name))
		}
		if s.OnSuccess != nil {
			features = append(features, fmt.Sprintf("the success condition (onSuccess) of stage '%s'", s.Name))
		}
		if s.OnFailure != nil {
			features = append(features, fmt.Sprintf("the reaction to failure (onFailure) of stage '%s'", s.Name))
		}
		for j := range s.Actions {
			if a := &s.Actions[j]; a.ActionTypeID.Category == CategoryApproval && a.Configuration["NotificationArn"] != "" {
				features = append(features, fmt.Sprintf("the notification (NotificationArn) of approval '%s' in stage '%s'", a.Name, s.Name))
			}
		}
	}
	return features
}

// ActionRef names an action of a declaration and its type.
type ActionRef struct {
	Stage  string
	Action string
	Type   ActionTypeID
}

// Unavailable lists, in declared order, the actions whose types cannot be run
// here: unknown ones and known ones without a provider.
func Unavailable(d Declaration, types ActionTypes) []ActionRef {
	var refs []ActionRef
	for i := range d.Stages {
		for _, a := range d.Stages[i].Actions {
			if t, ok := types.ActionType(a.ActionTypeID); !ok || !t.Available {
				refs = append(refs, ActionRef{Stage: d.Stages[i].Name, Action: a.Name, Type: a.ActionTypeID})
			}
		}
	}
	return refs
}
