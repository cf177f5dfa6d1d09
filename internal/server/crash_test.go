package server_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TestKilled kills a server with kill -9 at random moments, again and again:
// while it starts, while it commits the starts of many clients in groups, while
// builds, sources and approvals run. After every restart all that was
// acknowledged or shown is there, nothing that ended has changed, and nothing
// ran twice; at the end everything comes to its end.
//
// PENSTOCK_CRASH_SEED repeats the choices of a run, though not its timing;
// PENSTOCK_CRASH_KILLS sets the number of kills.
func TestKilled(t *testing.T) {
	t.Parallel()
	kills := crashNumber(t, "PENSTOCK_CRASH_KILLS", 50)
	if testing.Short() {
		kills = 10
	}
	seed := crashNumber(t, "PENSTOCK_CRASH_SEED", time.Now().UnixNano()%1e9)
	t.Logf("%d kills, seed %d", kills, seed)
	r := rand.New(rand.NewPCG(uint64(seed), 0))
	dir := t.TempDir()
	w, log := newCrashWorld(t, filepath.Join(dir, "journal")), &crashLog{}
	crashRepository(t, filepath.Join(dir, "repositories", "app"))
	crashSetUp(t, w, filepath.Join(dir, "data"), log)
	for i := range kills {
		if r.IntN(5) == 0 {
			killedAtStart(t, filepath.Join(dir, "data"), log, r)
		} else {
			killedAtWork(t, w, filepath.Join(dir, "data"), log, r)
		}
		if t.Failed() {
			t.Fatalf("after kill %d of seed %d; the server's log:\n%s", i+1, seed, log.text.String())
		}
	}
	crashDrain(t, w, filepath.Join(dir, "data"), log, r)
	for _, line := range log.errors() {
		t.Errorf("the server complained: %s", line)
	}
	t.Logf("%d starts (%d repeated), %d approvals, %d objects; builds: %d succeeded, %d cut off; sources: %d",
		len(w.starts), w.replays, len(w.answers), len(w.objects),
		w.count("Build", "Succeeded"), w.count("Build", "Failed"), w.count("Source", "Succeeded"))
	if kills >= 50 && (w.count("Build", "Succeeded") == 0 || w.count("Build", "Failed") == 0 || len(w.answers) == 0 || w.replays == 0) {
		t.Error("the kills missed what they were for")
	}
}

// TestKilledAtFirstStart kills servers while they make their tables: the next
// start finishes what was begun.
func TestKilledAtFirstStart(t *testing.T) {
	t.Parallel()
	seed := crashNumber(t, "PENSTOCK_CRASH_SEED", time.Now().UnixNano()%1e9)
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	directories := 6
	if testing.Short() {
		directories = 2
	}
	for i := range directories {
		data, log := filepath.Join(t.TempDir(), "data"), &crashLog{}
		for range 3 {
			killedAtStart(t, data, log, r)
		}
		l := spawn(t, data, log)
		c := newCrashClient(l.ready())
		crashCreate(t, c, fmt.Sprint("pipeline-", i), "S3")
		if err := c.put(t.Context(), "objects", "one", []byte("content")); err != nil {
			t.Error(err)
		}
		l.kill()
		c.close()
		l.childless()
		for _, line := range log.errors() {
			t.Errorf("the server complained: %s", line)
		}
	}
}

// crashSetUp starts the first server and makes the pipelines.
func crashSetUp(t *testing.T, w *crashWorld, data string, log *crashLog) {
	t.Helper()
	l := spawn(t, data, log)
	c := newCrashClient(l.ready())
	defer c.close()
	if err := c.put(t.Context(), "sources", "app.zip", crashSource(t, 0)); err != nil {
		t.Fatal(err)
	}
	for i, source := range []string{"S3", "CodeCommit", "S3"} {
		w.busy = append(w.busy, fmt.Sprintf("busy-%d", i))
		crashCreate(t, c, w.busy[i], source, w.journal)
	}
	for i := range 8 {
		name := fmt.Sprintf("loaded-%d", i)
		w.loaded = append(w.loaded, name)
		crashCall(t, c, "CreatePipeline", rawPipeline(name,
			rawStage("Source", rawAction("Pulse", "Source", "Custom", "Pulse", raw{"outputArtifacts": []raw{{"name": "App"}}})),
			rawStage("Site", crashDeploy(name))))
		crashCall(t, c, "DisableStageTransition", crashEntrance(name))
	}
	l.kill()
	l.childless()
}

// killedAtStart kills a server before it serves, or just after.
func killedAtStart(t *testing.T, data string, log *crashLog, r *rand.Rand) {
	t.Helper()
	l := spawn(t, data, log)
	<-crashTimer(time.Duration(r.IntN(80)) * time.Millisecond)
	l.kill()
	l.childless()
}

// killedAtWork is one life: all clients at work, everything verified beside
// them, and then the kill.
func killedAtWork(t *testing.T, w *crashWorld, data string, log *crashLog, r *rand.Rand) {
	t.Helper()
	l := spawn(t, data, log)
	c := newCrashClient(l.ready())
	defer c.close()
	ctx, cancel := context.WithCancel(t.Context())
	wait := w.work(ctx, c, r.Uint64(), true)
	if err := w.verify(ctx, c, r, false); err != nil {
		t.Errorf("verifying: %v", err)
	}
	<-crashTimer(time.Duration(20+r.IntN(130)) * time.Millisecond)
	l.kill()
	cancel()
	wait()
	l.childless()
}

// crashDrain lets everything come to its end and checks all of it.
func crashDrain(t *testing.T, w *crashWorld, data string, log *crashLog, r *rand.Rand) {
	t.Helper()
	l := spawn(t, data, log)
	defer l.kill()
	c := newCrashClient(l.ready())
	defer c.close()
	for _, token := range w.unanswered() {
		if err := w.start(t.Context(), c, r, token.pipeline); err != nil {
			t.Errorf("repeating a start: %v", err)
		}
	}
	for _, name := range w.loaded {
		crashCall(t, c, "EnableStageTransition", crashEntrance(name))
	}
	ctx, cancel := context.WithCancel(t.Context())
	wait := w.work(ctx, c, r.Uint64(), false)
	for end := time.Now().Add(patience); ; {
		running := w.running(t, c)
		if len(running) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("these do not come to an end: %s; the server's log:\n%s", running, log.text.String())
		}
		<-crashTimer(20 * time.Millisecond)
	}
	cancel()
	wait()
	if err := w.verify(t.Context(), c, r, true); err != nil {
		t.Errorf("verifying: %v", err)
	}
	w.verifyCounts(t, c)
}

func crashNumber(t *testing.T, variable string, otherwise int64) int64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

func crashCall(t *testing.T, c *crashClient, operation string, in any) {
	t.Helper()
	if err := c.Call(t.Context(), operation, in, nil); err != nil {
		t.Fatalf("%s: %v", operation, err)
	}
}

// crashRepository makes a git repository with the source.
func crashRepository(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "buildspec.yml"), []byte(crashBuildspec), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"}, {"add", "."},
		{"-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "one"},
	} {
		cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
}
