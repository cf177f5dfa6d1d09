// Package dispatch makes the engine's decisions durable and carries them out.
//
// Apply is the one way in: load the pipeline's state, Step it, and commit the
// changed parts, the history and the effects together, or nothing. Only then is
// anything done or anyone told. Events for one pipeline queue on a node and are
// applied in batches: one load, many Steps, one commit; on other nodes the
// state's version decides who was first.
//
// An effect is carried out by the node that claimed it. A node's claims live
// and die with its lease. Before an attempt's first outside act dispatch commits
// that it was begun; when the node that began it is gone, the action type says
// what follows: start again, find the work, or fail with the outcome unknown.
// Nothing is silently repeated (DESIGN.md, section 4).
//
// dispatch owns the tables of migrations/ and all SQL on them (sql.go).
package dispatch
