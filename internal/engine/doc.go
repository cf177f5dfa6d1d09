// Package engine decides what happens in a pipeline. It is one pure function:
// Step applies an Event to a State and returns the Decision: the Changes that
// became true and the Effects that must now be carried out. It reads no clock,
// rolls no dice and does no I/O; the event brings the time and the entropy.
//
// The aggregate is one pipeline with all its live executions, because
// superseding, locking and rolling back are relations between executions.
// Waiting is data: an approval, a rule, a disabled transition, a locked stage are
// fields of the state, never a goroutine. What is over is not in the state; a rule
// that needs it (a retry, a rollback) asks for it by the error Missing.
//
// # One step
//
// First the event's own rule is applied (the file with its name), and says no, or
// changes what it is about. Then settle tries these rules in this order, from the
// top after each one that changed anything, until none does:
//
//  1. advance.go: for each execution inside a stage, oldest first, of which neither
//     an action nor a rule runs: it stops, if it was asked to; it is cancelled, if
//     its definition was updated; its condition is judged (gate.go), if one is
//     evaluated; its stage fails (failure.go), if an action failed; otherwise the
//     next run-order group starts, then the success condition, then the stage has
//     succeeded and the execution goes to the next entrance, or to its end.
//  2. admit.go, admitRollback: a rollback at the entrance of a free stage goes in.
//  3. supersede.go: of the SUPERSEDED executions at one entrance the newest stays.
//  4. admit.go: the first at the entrance of a free stage goes in, stages in the
//     order of the definition. After them every PARALLEL execution that no
//     transition holds goes in, oldest first.
//
// So a stage is left before it is entered, one event moves everyone as far as may
// be, and an execution that a failure started goes in before those that waited.
//
// # Entering a stage
//
// Who goes in evaluates the entry condition, then starts the groups in ascending
// run order. All rules of a condition start at once, as do all actions of a group,
// in declared order. A condition holds if all its rules succeeded. One before or
// after the actions has its result when it does not hold, one of failure when it
// does. A failed entry condition fails or skips the stage and nothing else; a
// failed action, or success condition, also engages what the stage declares for a
// failure: a retry, once per stage execution; a rollback, but never because of a
// rollback; or to go on without the stage.
//
// # Modes
//
// SUPERSEDED and QUEUED executions hold a stage from entry to end, and wait in
// line at its entrance. PARALLEL ones hold nothing, stand in no line, and do not
// notice updates. An execution keeps the mode and the version it was started with.
//
// # Promises
//
// A forbidden request changes nothing. A late fact (a report or a deadline of an
// attempt that is over) decides nothing. The same event on the same state gives
// the same decision, to the ids. check.go holds after every step, or the step
// panics and nothing of it is stored.
//
// The semantics are those of reference/execution.md and reference/observed.md;
// testdata holds a scenario file for each paragraph.
package engine
