// Package simtest is a simulated world around the engine; it has tests only.
//
// A World holds what DESIGN.md section 4 promises, small enough to run thousands
// of times a minute: a durable store of state parts, history, effects, leases and
// tokens; several nodes that apply events in batches on cached state, claim
// effects and carry them out; the outside in which actions really run; and
// clients that start, stop, abandon, answer, disable, update, delete, make again
// and repeat themselves. Everything that may go wrong does: commits fail before,
// fail after and lose races, reports are lost, repeated, reordered, contradictory
// and late, nodes pause past their leases and die, clocks jump.
//
// One goroutine and one seeded generator decide everything, so a seed repeats
// exactly; each is run twice and the logs are compared. After every commit the
// stored state is judged from its text and from the history alone (check_test.go,
// history_test.go), and in the end faults stop and everything must drain.
//
// The list in planted_test.go is the proof: realistic bugs, each of which the
// simulation must catch.
//
// A failing seed prints its command:
//
//	go test ./internal/simtest -run 'TestSimulation$' -seed=N
//
// The environment variable PENSTOCK_SIM_SECONDS sets how long fresh seeds are
// tried.
package simtest
