package simtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

var (
	seedsFlag = flag.Uint64("seeds", 0, "simulate that many seeds (TestLong, TestDatabases)")
	fromFlag  = flag.Uint64("from", 0, "the first seed; without it, the one that -progress names, or 1")
	stateFlag = flag.String("progress", "", "the file that keeps the next seed, to go on from there")
	jobsFlag  = flag.Bool("jobs", false, "leave out the seeds without jobs")
	forFlag   = flag.Duration("for", 0, "stop after this time, to go on later")
)

// errTimeOver says that -for is over before all seeds are.
var errTimeOver = errors.New("time is over")

// campaign is a long run through seeds that can be interrupted.
type campaign struct {
	from, to uint64
	file     string
	// block is how many seeds are tried between two notes of the progress.
	block   uint64
	workers int
	try     func(worker int, seed uint64) error
	logf    func(format string, args ...any)
}

// newCampaign reads the flags; name tells the files of several campaigns apart.
func newCampaign(t *testing.T, name string) campaign {
	t.Helper()
	c := campaign{from: *fromFlag, to: *seedsFlag, block: 100, workers: 1, logf: func(format string, args ...any) {
		fmt.Printf(name+": "+format+"\n", args...)
	}}
	if *stateFlag != "" {
		c.file = *stateFlag + "." + name
	}
	if text, err := os.ReadFile(c.file); c.file != "" && c.from == 0 && err == nil {
		if c.from, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err != nil {
			t.Fatalf("%s does not name a seed: %v", c.file, err)
		}
	}
	c.from = max(c.from, 1)
	return c
}

// run tries all seeds and tells how fast.
func (c campaign) run() error {
	begin, told := time.Now(), time.Now()
	done := uint64(0)
	for next := c.from; next <= c.to; next += c.block {
		if *forFlag > 0 && time.Since(begin) > *forFlag {
			c.logf("%d seeds: %.0f seeds/s; next seed %d", done, float64(done)/time.Since(begin).Seconds(), next)
			return errTimeOver
		}
		last := min(next+c.block-1, c.to)
		if err := c.tryBlock(next, last); err != nil {
			return err
		}
		done += last - next + 1
		if c.file != "" {
			if err := os.WriteFile(c.file, []byte(fmt.Sprintln(last+1)), 0o600); err != nil {
				return err
			}
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			c.logf("%d seeds: %.0f seeds/s; next seed %d", done, float64(done)/time.Since(begin).Seconds(), last+1)
		}
	}
	c.logf("seeds %d to %d are done: %.0f seeds/s", c.from, c.to, float64(done)/time.Since(begin).Seconds())
	return nil
}

// tryBlock tries some seeds on all workers.
func (c campaign) tryBlock(from, to uint64) error {
	errs := make([]error, c.workers)
	var wg sync.WaitGroup
	for i := range c.workers {
		wg.Go(func() {
			for seed := from + uint64(i); seed <= to && errs[i] == nil; seed += uint64(c.workers) {
				errs[i] = c.try(i, seed)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// TestLong runs -seeds seeds, each twice, on all processors; without -seeds a few
// that the other tests leave out.
func TestLong(t *testing.T) {
	c := newCampaign(t, "memory")
	c.workers = runtime.GOMAXPROCS(0)
	if *seedsFlag == 0 {
		c.from, c.to, c.logf = 1001, 1020, t.Logf
	}
	var withJobs atomic.Int64
	c.try = func(_ int, seed uint64) error {
		if *jobsFlag && drawTemper(random(seed)).jobs == 0 {
			return nil
		}
		log, err := twice(seed)
		if strings.Contains(log, ": offered for ") {
			withJobs.Add(1)
		}
		return err
	}
	if err := c.run(); err != nil && !errors.Is(err, errTimeOver) {
		t.Fatal(err)
	}
	c.logf("%d of the seeds had jobs", withJobs.Load())
}

// usualDatabaseSeeds are those that plain go test runs against each database.
const usualDatabaseSeeds = 3

// TestCampaignGoesOn: a run that was interrupted goes on behind the last block
// that was done, and a seed that fails ends it.
func TestCampaignGoesOn(t *testing.T) {
	t.Parallel()
	tried := map[uint64]int{}
	wrong := errors.New("wrong")
	c := campaign{from: 1, to: 20, block: 5, workers: 1, file: t.TempDir() + "/next", logf: t.Logf}
	c.try = func(_ int, seed uint64) error {
		tried[seed]++
		if seed == 12 && tried[seed] == 1 {
			return wrong
		}
		return nil
	}
	if err := c.run(); !errors.Is(err, wrong) {
		t.Fatalf("a failing seed gave %v", err)
	}
	if text, err := os.ReadFile(c.file); err != nil || string(text) != "11\n" {
		t.Fatalf("the next seed is %q, %v", text, err)
	}
	c.from = 11
	if err := c.run(); err != nil || tried[10] != 1 || tried[12] != 2 || tried[20] != 1 || tried[21] != 0 {
		t.Fatalf("%v, tried %v", err, tried)
	}
}

// TestDatabases runs seeds with their store in a real database. What is logged is
// what the store in memory logs.
func TestDatabases(t *testing.T) {
	t.Parallel()
	dbtest.Faults(t, func(t *testing.T, d *db.DB, f *db.Faults) {
		tables, err := newTables(t.Context(), d, f)
		if err != nil {
			t.Fatal(err)
		}
		c := newCampaign(t, d.Dialect().Name)
		c.block = 5
		if *seedsFlag == 0 {
			c.to, c.logf = usualDatabaseSeeds, t.Logf
		}
		c.try = func(_ int, seed uint64) error { return sameOn(tables, d.Dialect().Name, seed) }
		if err := c.run(); err != nil && !errors.Is(err, errTimeOver) {
			t.Fatal(err)
		}
	})
}

// sameOn runs a seed in memory and in a database, and compares the logs.
func sameOn(t *tables, name string, seed uint64) error {
	want, err := simulate(seed, bugs{})
	if err != nil {
		return failure(seed, want, err)
	}
	if err := t.clear(); err != nil {
		return fmt.Errorf("emptying the tables: %w", err)
	}
	got, err := simulateOn(t, seed, bugs{})
	repeat := fmt.Sprintf("repeat it: go test ./internal/simtest -run 'TestDatabases/%s' -from=%d -seeds=%d", name, seed, seed)
	if err != nil {
		return fmt.Errorf("on %s: %w\n%s\n%s", name, err, tail(got, 40), repeat)
	}
	if got != want {
		return fmt.Errorf("seed %d: %s and memory differ:\n%s\n%s", seed, name, firstDifference(got, want), repeat)
	}
	return nil
}

// A broken promise of the tables must not hide: clear and compare are the test's
// own, so they are tried once with a row too many.
func TestTablesCompare(t *testing.T) {
	t.Parallel()
	f := &db.Faults{}
	d := dbtest.Open(t, dbtest.SQLiteURL(t), f)
	tables, err := newTables(t.Context(), d, f)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{tables: tables}
	w.compareTables()
	err = d.Write(context.Background(), func(tx *db.Tx) error {
		_, err := tx.Exec(`insert into leases (node, expires) values ('n', 1)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, ok := recover().(violation); !ok {
			t.Error("a row too many was not noticed")
		}
	}()
	w.compareTables()
}
