// Package simtest is a simulated world around the engine; it has tests only.
//
// A World holds what DESIGN.md section 4 promises, small enough to run hundreds
// of times a second: a durable store of state parts, history, effects, leases and
// tokens; several nodes that apply events of several pipelines in batches on
// cached state, claim effects and carry them out; the outside in which actions and
// rules really run; and clients that start, stop, abandon, retry, roll back,
// override, answer, disable, update, delete, make again and repeat themselves.
// Pipelines have random shapes, modes, gates and rules, and a random limit of
// executions. Everything that may go wrong does: commits fail before, fail after
// and lose races, reports are lost, repeated, reordered, contradictory and late,
// nodes pause past their leases and die, clocks jump. How much of it, and what
// clients like to do, differs from seed to seed.
//
// Actions of a custom type and of a partner's are done by job workers
// (worker_test.go), who call any node: they poll, acknowledge and answer, go on with
// continuation tokens, forget what they have, take their time, share a job, say
// things twice, differently and late, and know jobs and nonces of others. Their jobs
// are those of engine.StepJob, driven as dispatch drives them (job_node_test.go,
// job_call_test.go). jobBook judges what is committed and how every call is answered
// (history_job_test.go, history_word_test.go).
//
// Others are done by functions that are invoked (function_test.go), and so are rules:
// a function calls back like a worker, or answers at once; an invocation is lost, comes
// through although its node hears an error, comes through twice, or never returns; the
// node dies between the invocation and the note that it came through. Nodes bring their
// jobs as dispatch does (job_invoke_test.go); history_invoke_test.go says who may invoke
// a function for what, and when. In some seeds all but sources is done by functions, in
// others all by job workers.
//
// One goroutine and one seeded generator decide everything, so a seed repeats
// exactly; each is run twice and the logs are compared. Each change is judged by
// rules that are written down here once more (the files history_*), each request
// by whether it was to be accepted and what came of it (history_request_test.go);
// after every commit the stored state is compared with what the changes alone say
// (check_test.go); and in the end faults stop and everything must drain.
//
// The proof are planted bugs, each of which the simulation must catch: those of
// planted_list_test.go and planted_job_test.go are compiled into a copy of the engine, those of
// planted_world_test.go are what dispatch could get wrong.
//
// testdata/planted.txt says which seed and which scenario files catch which of
// them; scripts/sim planted writes it.
//
// A failing seed prints its command:
//
//	go test ./internal/simtest -run 'TestSimulation$' -v -seed=N
//
// The environment variable PENSTOCK_SIM_SECONDS sets how long fresh seeds are
// tried. TestLong tries many, TestDatabases keeps the store in SQLite and
// PostgreSQL and wants the same logs; scripts/sim runs them.
package simtest
