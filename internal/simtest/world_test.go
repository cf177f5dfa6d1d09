package simtest

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// world is one simulated server with all around it.
type world struct {
	rng   *rand.Rand
	now   int64 // the database's clock
	log   strings.Builder
	store store
	nodes []*node
	names []string
	// limit is the quota of concurrent executions, zero for the default.
	limit  int
	temper temper
	// calm is set once faults are over.
	calm         bool
	events       int
	incarnations int
	outside      outside
	clients      clients
	workers      []*worker
	functions    []*worker // that were invoked and have not ended
	book         jobBook
	rumours      []rumour
	bugs         bugs
	// tables are the rows of a real database, nil for a store in memory alone.
	tables *tables
}

// temper is what makes seeds differ: how often things go wrong, and what clients
// like to do.
type temper struct {
	// commits that fail: one in faults; what happens to nodes and clocks: one in
	// troubles turns; an attempt that succeeds: all but one in failures.
	faults, troubles, failures int
	requests                   int   // in a hundred turns
	jumps                      int   // of four leaps of time those that are long
	leap                       int64 // how long they are at least
	// weights of the kinds of requests.
	weights [requestKinds]int
	// modes are those that definitions have, pool is how many stage names.
	modes []pipeline.ExecutionMode
	pool  int
	// jobs is how many of ten actions are done by job workers and functions; those are
	// all workers, or all functions, if it says so.
	jobs               int
	workers, functions bool
	// one pipeline only, so that more happens in it.
	one bool
}

func drawTemper(rng *rand.Rand) temper {
	t := temper{
		jumps: 1, faults: pick(rng, 8, 15, 30, 200), troubles: pick(rng, 1, 2, 4), failures: pick(rng, 3, 6, 12, 40),
		requests: pick(rng, 4, 7, 12),
	}
	for i := range t.weights {
		t.weights[i] = usualWeights[i] * pick(rng, 0, 1, 1, 2, 5)
	}
	t.weights[requestStart] = max(t.weights[requestStart], usualWeights[requestStart])
	t.modes = []pipeline.ExecutionMode{
		pipeline.ModeSuperseded, pipeline.ModeSuperseded, pipeline.ModeQueued, pipeline.ModeQueued, pipeline.ModeParallel,
	}
	t.pool = stagePool
	t.jobs = pick(rng, 0, 1, 3, 6, 9)
	special := rng.IntN(4)
	if special < 2 { // jobs take time that these need
		t.jobs = pick(rng, 0, 0, 0, 2)
	}
	switch special {
	case 0: // definitions come and go under what runs and waits
		t.modes = []pipeline.ExecutionMode{pipeline.ModeParallel, pipeline.ModeQueued}
		t.pool, t.one, t.failures, t.troubles = 4, true, 12, 4
		t.weights[requestUpdate], t.weights[requestTransition], t.weights[requestDelete] = 12, 40, 0
		t.weights[requestStop] = 0
	case 1: // rollbacks pass queues, and those that they overtake
		t.modes, t.one = []pipeline.ExecutionMode{pick(rng, pipeline.ModeQueued, pipeline.ModeQueued, pipeline.ModeSuperseded)}, true
		t.weights[requestRollback], t.weights[requestTransition], t.weights[requestRetry] = 40, 30, 35
		t.weights[requestUpdate], t.weights[requestDelete] = 0, 0
		t.failures, t.troubles = pick(rng, 6, 12), 4
		if t.modes[0] == pipeline.ModeSuperseded { // and wait behind transitions for too long
			t.troubles, t.jumps, t.leap = 2, 4, 31*day
		}
	case 2: // jobs are done while commits fail and nodes come and go
		t.jobs, t.one, t.functions, t.workers = 9, true, true, false
		t.faults, t.troubles, t.failures = pick(rng, 6, 10), pick(rng, 2, 4), 12
		if rng.IntN(2) == 0 {
			t.functions, t.workers, t.troubles = false, true, pick(rng, 1, 2)
		}
		t.modes = []pipeline.ExecutionMode{pipeline.ModeParallel, pipeline.ModeParallel, pipeline.ModeQueued}
		t.weights[requestStart], t.weights[requestDelete] = 10, 0
	}
	return t
}

// violation is what a broken invariant panics with.
type violation string

func (w *world) fatalf(format string, args ...any) {
	panic(violation(fmt.Sprintf(format, args...)))
}

func (w *world) logf(format string, args ...any) {
	fmt.Fprintf(&w.log, "%d ", w.now)
	fmt.Fprintf(&w.log, format, args...)
	w.log.WriteByte('\n')
}

// simulate runs one seed to its end and returns the log. The error tells of a
// broken invariant: one of ours or one of the engine's own.
func simulate(seed uint64, planted bugs) (log string, err error) {
	return simulateOn(nil, seed, planted)
}

// simulateOn is simulate with the store in a real database, if there is one.
func simulateOn(t *tables, seed uint64, planted bugs) (log string, err error) {
	w := &world{tables: t, bugs: planted, rng: random(seed)}
	defer func() {
		log = w.log.String()
		switch p := recover().(type) {
		case nil:
		case violation:
			err = fmt.Errorf("seed %d: %s", seed, string(p))
		case string: // the engine's check
			err = fmt.Errorf("seed %d: %s", seed, p)
		default:
			err = fmt.Errorf("seed %d: %v\n%s", seed, p, debug.Stack())
		}
	}()
	w.setUp()
	turns := 200 + w.rng.IntN(1200)
	if w.temper.functions || w.temper.workers {
		turns *= 4
	}
	for range turns {
		w.disturb()
		w.live()
	}
	w.drain()
	if t != nil {
		w.compareTables()
	}
	return "", nil
}

// random is all the chance that a seed has.
func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// setUp sets the world up.
func (w *world) setUp() {
	w.now = 1_767_225_600_000
	w.outside = outside{starts: map[string]int{}, contents: map[string]bool{}}
	w.temper = drawTemper(w.rng)
	w.book = newJobBook()
	for i := range 2 + w.rng.IntN(3) {
		w.workers = append(w.workers, &worker{name: fmt.Sprintf("w%d", i)})
	}
	w.limit = [...]int{0, 1, 2, 3, 4, 6}[w.rng.IntN(6)]
	if w.temper.one {
		w.limit = [...]int{0, 6, 10}[w.rng.IntN(3)]
	}
	for i := range 1 + w.rng.IntN(3) {
		if w.temper.one && i > 0 {
			break
		}
		w.names = append(w.names, fmt.Sprintf("pipe%d", i))
	}
	for i := range 1 + w.rng.IntN(3) {
		n := &node{name: fmt.Sprintf("n%d", i)}
		w.nodes = append(w.nodes, n)
		w.start(n)
	}
}

// live lets a little time pass and one thing happen.
func (w *world) live() {
	w.now += w.rng.Int64N(400)
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	if n.down {
		if w.calm || w.rng.IntN(10) == 0 {
			w.start(n)
		}
		return
	}
	if n.paused > w.now {
		return
	}
	if w.temper.jobs > 0 && w.rng.IntN(3) == 0 {
		w.work(n)
	}
	switch k := w.rng.IntN(100); {
	case k < w.temper.requests && !w.calm:
		w.request(n)
	case k < 13 && !w.calm:
		w.spread(n)
	case k < 16:
		w.outside.finishRemote(w)
	case k < 22:
		w.tick(n)
	case k < 60:
		if lines := n.busy(); len(lines) > 0 {
			w.turn(n, lines[w.rng.IntN(len(lines))])
		}
	default:
		if len(n.attempts) > 0 {
			w.progress(n, n.attempts[w.rng.IntN(len(n.attempts))])
		}
	}
}

// disturb makes what goes wrong with nodes and clocks.
func (w *world) disturb() {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	switch w.rng.IntN(250 * w.temper.troubles) {
	case 0, 1:
		if !n.down {
			w.crash(n)
		}
	case 2, 3, 4:
		n.paused = w.now + w.rng.Int64N(3*leaseLife)
		w.logf("%s: pauses until %d", n.id, n.paused)
	case 5:
		n.skew = w.rng.Int64N(2*maxSkew) - maxSkew
		w.logf("%s: clock is off by %d", n.id, n.skew)
	case 6:
		w.now += w.rng.Int64N(20 * second)
	case 7:
		if w.rng.IntN(4) < w.temper.jumps {
			w.now += max(w.temper.leap, w.rng.Int64N(40*day))
			w.logf("time jumps")
		} else {
			w.now += w.rng.Int64N(10 * minute)
		}
	case 8:
		for _, l := range n.lines { // memory pressure
			if len(l.batch) == 0 {
				l.state = nil
			}
		}
	}
}

// drain ends all faults; everything must come to its end.
func (w *world) drain() {
	w.calm = true
	w.logf("calm")
	if w.rng.IntN(3) == 0 {
		w.now += 31 * day // what a transition held is stale now
	}
	for _, n := range w.nodes {
		n.paused = 0
	}
	for turn := range 60_000 {
		if w.idle() {
			w.check()
			w.checkPromises()
			return
		}
		if turn%200 == 0 {
			if n := w.nodes[w.rng.IntN(len(w.nodes))]; !n.down {
				w.settleDown(n)
			}
		}
		if turn%50 == 0 {
			w.now += 10 * second
		}
		w.live()
	}
	w.fatalf("does not drain: %s", w.leftovers())
}

func (w *world) idle() bool { return w.leftovers() == "" }

// leftovers tells the first thing that is not over.
func (w *world) leftovers() string {
	for _, n := range w.nodes {
		if lines := n.busy(); len(lines) > 0 {
			return fmt.Sprintf("%s has events for %s", n.id, lines[0].pipeline)
		}
		if len(n.attempts) > 0 {
			return fmt.Sprintf("%s carries out %s", n.id, n.attempts[0].id)
		}
	}
	for _, e := range w.store.effects {
		return fmt.Sprintf("effect %s %s/%s of node %q due %d", e.id, e.Stage, e.Name, e.node, e.due)
	}
	for _, row := range w.store.pipelines {
		for _, e := range row.history.alive {
			return fmt.Sprintf("execution %s is %s", e.id, e.status)
		}
	}
	return ""
}

// short is enough of an id to tell it in a log.
func short(id string) string {
	if rest, ok := strings.CutPrefix(id, "stop/"); ok {
		return "stop/" + short(rest)
	}
	return id[:min(8, len(id))]
}

func describe(ev engine.Event) string {
	return fmt.Sprintf("%s %s %s", ev.ID, strings.TrimPrefix(fmt.Sprintf("%T", ev.Body), "engine."), encode(ev.Body))
}

func describeChanges(changes []engine.Change) string {
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, "\n    %s %s %s %s %s %s %s %s%s", c.Kind, short(c.Execution), c.Stage, c.Gate, c.Action, short(c.ActionID), c.Status, c.Summary, c.Outcome.ErrorMessage)
	}
	return b.String()
}
