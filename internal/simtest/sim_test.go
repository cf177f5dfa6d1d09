package simtest

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("seed", 0, "simulate this seed only, and print its log")

// TestSimulation runs seeds until its time is over, each twice.
func TestSimulation(t *testing.T) {
	if *seedFlag != 0 {
		log, err := simulate(*seedFlag, bugs{})
		t.Log(log)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	seconds := 3.0
	if text := os.Getenv("PENSTOCK_SIM_SECONDS"); text != "" {
		var err error
		if seconds, err = strconv.ParseFloat(text, 64); err != nil {
			t.Fatalf("PENSTOCK_SIM_SECONDS: %v", err)
		}
	}
	// The first seeds are the same in every run, the others fresh.
	const fixed = 50
	begin := time.Now()
	end := begin.Add(time.Duration(seconds * float64(time.Second)))
	fresh := uint64(begin.UnixNano())
	seeds := 0
	for ; time.Now().Before(end) || seeds < fixed; seeds++ {
		seed := uint64(seeds) + 1
		if seeds >= fixed {
			seed = fresh + uint64(seeds)
		}
		if _, err := twice(seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d seeds, each twice: %.0f seeds/s", seeds, float64(seeds)/time.Since(begin).Seconds())
}

// TestSimulationReachesEverything keeps the simulation from becoming tame: what
// must be survived has to happen.
func TestSimulationReachesEverything(t *testing.T) {
	t.Parallel()
	var logs strings.Builder
	for seed := range uint64(200) {
		log, err := simulate(seed+1, bugs{})
		if err != nil {
			t.Fatal(err)
		}
		logs.WriteString(log)
	}
	all := logs.String()
	for _, fact := range []string{
		"fault before", "fault lost", "fault after", "fault conflict", "fault ok: somebody else was first", // commits
		"looks again", "replay of token", ", at the limit", "frees ", "crash", "pauses", "clock is off", "time jumps", "asks for ", // nodes
		"Succeeded", "Failed", "Stopped", "Superseded", "Cancelled", "Abandoned", "Skipped", "Errored", "Overridden", // statuses
		"rejected: ApprovalCompleted", "rejected: InvalidApprovalToken", "rejected: NotStoppable", "rejected: DuplicatedStop",
		"rejected: PipelineNotFound", "rejected: StageNotFound", "name in use", "rejected: Limit", "rejected: NotLatest",
		"rejected: NotRetryable", "rejected: NotOverridable", "rejected: NotCompleted", "rejected: Outdated",
		"rejected: StageRunning", "rejected: ExecutionNotFound", // refusals
		"PipelineUpdated", "PipelineDeleted", "DeadlineReached", "is stopped", "outcome unknown", `"reason":"stale"`,
		"AutomatedStageRetry", "ManualStageRetry", "the limit of ", "AutomatedRollback", "ManualRollback", "The input artifact",
		"offered for", "hands job", "goes on as", ": withdrawn", "JobTimePassed: TimedOut", "forgets", // jobs
		"invokes the function", "reached false, lost", "reached true, lost", ", hangs", "returns token-", "answered at once",
		"nobody answered for job", "ends without a word", "the function did not call back", "park job of", // functions
		"rejected: InvalidNonce", "rejected: NotAcknowledged", "rejected: Answered", "rejected: Terminated", "rejected: TokenAndVariables",
	} {
		if !strings.Contains(strings.ToLower(all), strings.ToLower(fact)) {
			t.Errorf("in no seed happened: %s", fact)
		}
	}
}

// twice runs a seed two times, with the same outcome.
func twice(seed uint64) (log string, err error) {
	log, err = simulate(seed, bugs{})
	if err != nil {
		return log, failure(seed, log, err)
	}
	if second, _ := simulate(seed, bugs{}); second != log {
		return log, fmt.Errorf("seed %d: two runs differ: something decides that is not the seed\n%s", seed, firstDifference(log, second))
	}
	return log, nil
}

// failure tells what is wrong with a seed and how to see it again.
func failure(seed uint64, log string, err error) error {
	return fmt.Errorf("%w\n%s\nrepeat it: go test ./internal/simtest -run 'TestSimulation$' -v -seed=%d", err, tail(log, 40), seed)
}

func tail(log string, lines int) string {
	all := strings.Split(log, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func firstDifference(a, b string) string {
	left, right := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(left), len(right)) {
		if left[i] != right[i] {
			return left[i] + "\n" + right[i]
		}
	}
	return "one log is longer"
}
