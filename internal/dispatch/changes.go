package dispatch

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/engine"
)

// remembered is what the history keeps of changes: not what the rows of executions,
// of actions and of rules tell as well. starts is the execution in whose row they
// are kept, if any, which need not say its own name.
func remembered(changes []engine.Change, starts string) []engine.Change {
	kept := slices.DeleteFunc(slices.Clone(changes), superseded)
	for i := range kept {
		c := &kept[i]
		if starts != "" && c.Execution == starts {
			c.Execution = itself
		}
		c.Inputs, c.Outputs, c.Deadline = nil, nil, 0
		c.Outcome.OutputVariables, c.Outcome.ExternalExecutionID, c.Outcome.ExternalExecutionURL = nil, "", ""
	}
	return kept
}

// itself stands for the execution in whose row a change is kept.
const itself = "."

// named gives changes from the row of an execution its name.
func named(changes []engine.Change, execution string) []engine.Change {
	for i := range changes {
		if changes[i].Execution == itself {
			changes[i].Execution = execution
		}
	}
	return changes
}

// superseded reports whether a change is the end of an execution that another took
// the place of. It is the last of its execution, whose row says all of it.
func superseded(c engine.Change) bool {
	return c.Kind == engine.ExecutionChanged && c.Status == engine.Superseded
}

// requested returns the execution that a unit asked for and started, in whose row
// its changes are kept; empty if its event is no such request. A report may start
// rollbacks, too, but is not known by them. Who looks for changes of another
// execution does not look there.
func requested(u *unit) string {
	switch u.ev.Body.(type) {
	case engine.CreatePipeline, engine.StartExecution, engine.RollBack:
	default:
		return ""
	}
	id := started(u.decision.Changes)
	other := func(c engine.Change) bool { return c.Execution != "" && c.Execution != id && !superseded(c) }
	if slices.ContainsFunc(u.decision.Changes, other) {
		return ""
	}
	return id
}

// started returns the execution that changes tell the start of; empty if none.
func started(changes []engine.Change) string {
	for _, c := range changes {
		if c.Kind == engine.ExecutionStarted {
			return c.Execution
		}
	}
	return ""
}
