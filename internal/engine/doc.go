// Package engine decides what happens in a pipeline. It is one pure function:
// Step applies an Event to a State and returns the Decision: the Changes that
// became true and the Effects that must now be carried out. It reads no clock,
// rolls no dice and does no I/O; the event brings the time and the entropy.
//
// The aggregate is one pipeline with all its live executions, because
// superseding, locking and rolling back are relations between executions.
// Waiting is data: an approval, a disabled transition, a locked stage are fields
// of the state, never a goroutine.
//
// After an event is applied, settle runs small rules in a fixed order until
// nothing more happens: an execution whose stage is over moves on (advance.go),
// of those that wait at one entrance the newest stays (supersede.go), and a free
// stage lets the waiting execution in (admit.go).
//
// The semantics are those of reference/execution.md and reference/observed.md;
// testdata holds a scenario file for each paragraph.
package engine
