package server_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// TestFleetKilled runs 200 executions of pipelines of every mode on three nodes
// that share one PostgreSQL, and kills nodes and the database (kill -9) while
// clients start, approve, retry and roll back. Afterwards every answered call
// holds, no attempt was begun twice, no stage was entered by two at once, every
// child process is gone with its node, and everything comes to its end.
//
// PENSTOCK_CRASH_SEED repeats the choices of a run, though not its timing.
func TestFleetKilled(t *testing.T) {
	t.Parallel()
	postgres := dbtest.StartRestartable(t)
	url := postgres.URL()
	testFleet(t, fleetPlan{
		nodes: 3, env: []string{crashDatabase + "=" + url}, outage: func() { postgres.Kill(); postgres.Start() },
	})
}

// TestNodeKilled is TestFleetKilled for one node on SQLite.
func TestNodeKilled(t *testing.T) {
	t.Parallel()
	testFleet(t, fleetPlan{nodes: 1})
}

type fleetPlan struct {
	nodes  int
	env    []string
	outage func() // of the database; nil if it is in the node
}

func testFleet(t *testing.T, p fleetPlan) {
	executions := 200
	if testing.Short() {
		executions = 40
	}
	seed := crashNumber(t, "PENSTOCK_CRASH_SEED", time.Now().UnixNano()%1e9)
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(uint64(seed), 2))
	dir := t.TempDir()
	f := &fleet{t: t, dir: dir, log: &crashLog{}, env: append(p.env, crashBlobs+"="+filepath.Join(dir, "blobs"))}
	f.fleetWorld = newFleetWorld(t, filepath.Join(dir, "journal"), executions)
	for i := range p.nodes {
		f.lives = append(f.lives, f.spawn(i))
	}
	f.createAll(f.client(0))
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var clients sync.WaitGroup
	for i := range 6 {
		random := rand.New(rand.NewPCG(uint64(seed), uint64(10+i)))
		clients.Go(func() { f.work(ctx, f.anyClient, random, i) })
	}
	for kill := 0; !f.started() && ctx.Err() == nil; kill++ {
		<-crashTimer(time.Duration(200+r.IntN(600)) * time.Millisecond)
		if p.outage != nil && kill%5 == 4 {
			p.outage()
			continue
		}
		f.restart(r.IntN(p.nodes))
	}
	f.awaitEnd(ctx)
	cancel()
	clients.Wait()
	f.verify(f.client(0))
	for _, l := range f.lives {
		l.kill()
		l.childless()
	}
	if t.Failed() {
		t.Logf("the servers' log:\n%s", f.log.text.String())
	}
	f.report()
}

// fleet are the nodes.
type fleet struct {
	*fleetWorld
	t   *testing.T
	dir string
	log *crashLog
	env []string

	mu    sync.Mutex
	lives []*life
	at    []string // the endpoints of the nodes, empty while one is down
	kills int
}

func (f *fleet) spawn(i int) *life {
	l := spawn(f.t, filepath.Join(f.dir, fmt.Sprint("node-", i), "data"), f.log, f.env...)
	endpoint := l.ready()
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.at) <= i {
		f.at = append(f.at, "")
	}
	f.at[i] = endpoint
	return l
}

// restart kills a node, sees that nothing of it is left, and starts it again.
func (f *fleet) restart(i int) {
	f.t.Helper()
	f.mu.Lock()
	f.at[i] = ""
	f.kills++
	f.mu.Unlock()
	f.lives[i].kill()
	f.lives[i].childless()
	f.lives[i] = f.spawn(i)
}

func (f *fleet) client(i int) *crashClient {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := newCrashClient(f.at[i])
	f.t.Cleanup(c.close)
	return c
}

// anyClient talks to a node that is up; nil if none is.
func (f *fleet) anyClient(r *rand.Rand) *crashClient {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range 10 {
		if at := f.at[r.IntN(len(f.at))]; at != "" {
			return newCrashClient(at)
		}
	}
	return nil
}

// awaitEnd waits until every execution has ended.
func (f *fleet) awaitEnd(ctx context.Context) {
	f.t.Helper()
	for {
		list := f.live(ctx, f.client(0))
		if len(list) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			f.t.Fatalf("these do not come to an end: %v; the servers' log:\n%s", list, f.log.text.String())
		case <-crashTimer(200 * time.Millisecond):
		}
	}
}

func (f *fleet) report() {
	f.fleetWorld.mu.Lock()
	defer f.fleetWorld.mu.Unlock()
	f.t.Logf("%d kills; %d starts, %d approvals, %d retries, %d rollbacks; attempts: %d ended by a lost node",
		f.kills, len(f.starts), len(f.answers), len(f.retries), len(f.rollbacks), f.lost)
}
