package simtest

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var scenariosFlag = flag.Bool("scenarios", false, "say which scenario files catch each planted bug")

// plantedVariable names the environment variable with the bug that a process of
// the planted engine has.
const plantedVariable = "PENSTOCK_PLANTED"

// rare are the bugs that few seeds find, with the seed to begin with.
var rare = map[string]uint64{"transition of a stage that is gone": 950, "superseded by who never enters": 2300}

// enoughSeeds is how many seeds may pass before a planted bug is found.
const enoughSeeds = 3000

func allPlants() []plant { return slices.Concat(plants, jobPlants) }

// TestPlanted plants each bug of the list in a copy of the engine; some seed of
// the simulation must find it. All bugs are in one binary, which has one of them
// at a time. With -scenarios it writes down too which scenario files find them.
func TestPlanted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	overlay := plantAll(t, dir)
	simulation := buildPlanted(t, dir, overlay, "simtest")
	scenarios := ""
	if *scenariosFlag {
		scenarios = buildPlanted(t, dir, overlay, "engine")
	}
	if out, err := runPlanted(t, simulation, "", "-test.run=^TestFindPlanted$", "-bound=50"); err != nil || !strings.Contains(out, "not found by") {
		t.Fatalf("without a bug the planted engine is to pass: %v\n%s", err, out)
	}
	all := allPlants()
	results := make([]string, len(all))
	var wg sync.WaitGroup
	next := make(chan int)
	for range 2 {
		wg.Go(func() {
			for i := range next {
				results[i] = all[i].hunt(t, simulation, scenarios)
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	wg.Wait()
	t.Logf("%d planted bugs:\n%s", len(all), strings.Join(results, "\n"))
	if *scenariosFlag && !t.Failed() {
		writeFindings(t, results)
	}
}

// writeFindings writes down what found the planted bugs: testdata/planted.txt.
func writeFindings(t *testing.T, results []string) {
	var b strings.Builder
	b.WriteString("# What finds the planted bugs, written by scripts/sim planted: the first seed of the simulation,\n" +
		"# and the scenario files; (check) is the engine's own check, before a scenario differs.\n\n# In the engine.\n")
	for _, line := range results {
		b.WriteString(line + "\n")
	}
	b.WriteString("\n# In the world: what dispatch could get wrong.\n")
	for _, p := range worldPlants {
		seed, text := find(p.from, enoughSeeds, p.bugs)
		fmt.Fprintf(&b, "%-42s seed %4d  %.110s\n", p.name, seed, text)
	}
	if err := os.WriteFile("testdata/planted.txt", []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

var foundBy = regexp.MustCompile(`found by seed (\d+): (.*)`)

// hunt runs the planted engine with one bug and tells what found it.
func (p plant) hunt(t *testing.T, simulation, scenarios string) string {
	from := max(rare[p.name], 1)
	out, err := runPlanted(t, simulation, p.name, "-test.run=^TestFindPlanted$", fmt.Sprintf("-from=%d", from), fmt.Sprintf("-bound=%d", enoughSeeds))
	found := foundBy.FindStringSubmatch(out)
	if found == nil {
		t.Errorf("%s: not found by %d seeds: %v %.300s", p.name, enoughSeeds, err, out)
		found = []string{"", "-", ""}
	}
	line := fmt.Sprintf("%-42s seed %4s  %.110s", p.name, found[1], found[2])
	if scenarios == "" {
		return line
	}
	out, _ = runPlanted(t, scenarios, p.name, "-test.run=^(TestScenarios|TestJobs)$")
	var files []string
	for _, m := range regexp.MustCompile(`--- FAIL: (?:TestScenarios|TestJobs)/(\w+)`).FindAllStringSubmatch(out, -1) {
		files = append(files, m[1])
	}
	if files == nil && strings.Contains(out, "panic:") {
		files = []string{"(check)"}
	}
	slices.Sort(files)
	return line + "\n" + strings.Repeat(" ", 43) + "scenarios: " + strings.Join(files, ", ")
}

// plantAll writes the planted files of the engine and what shows them to the
// compiler in the place of the real ones.
func plantAll(t *testing.T, dir string) string {
	t.Helper()
	engineDir, err := filepath.Abs("../engine")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{filepath.Join(engineDir, "planted.go"): plantedSource}
	for _, p := range allPlants() {
		path := filepath.Join(engineDir, p.file)
		original, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(original), p.text); n != 1 {
			t.Errorf("planted bug %q: its text is %d times in %s; bring the list up to date:\n%s", p.name, n, p.file, p.text)
			continue
		}
		if texts[path] == "" {
			texts[path] = string(original)
		}
		texts[path] = plantOne(texts[path], p)
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for path, text := range texts { // written each for itself: no order is observed
		planted := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(planted, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[path] = planted
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// plantOne plants a bug in a text that has others. Two bugs of one place share
// its condition.
func plantOne(text string, p plant) string {
	if strings.Contains(text, p.text) {
		return strings.Replace(text, p.text, p.bug, 1)
	}
	for _, other := range allPlants() {
		if other.file == p.file && other.text == p.text && other.name != p.name {
			both := strings.TrimSuffix(other.bug, "{") + strings.TrimPrefix(p.bug, strings.TrimSuffix(p.text, "{"))
			return strings.Replace(text, other.bug, both, 1)
		}
	}
	return text // the build tells: planted(NAME) is nowhere
}

func buildPlanted(t *testing.T, dir, overlay, pkg string) string {
	t.Helper()
	binary := filepath.Join(dir, pkg+".test")
	out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", overlay, "-o", binary, "../"+pkg).CombinedOutput()
	if err != nil {
		t.Fatalf("building the planted engine: %v\n%s", err, out)
	}
	return binary
}

// runPlanted runs a planted binary in the folder of its package.
func runPlanted(t *testing.T, binary, bug string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = filepath.Join("..", strings.TrimSuffix(filepath.Base(binary), ".test"))
	cmd.Env = append(os.Environ(), plantedVariable+"="+bug)
	out, err := cmd.CombinedOutput()
	return string(out), errors.Join(err, ctx.Err())
}

var boundFlag = flag.Uint64("bound", 1, "how many seeds TestFindPlanted tries")

// TestFindPlanted is what TestPlanted runs in the planted engine, with -bound.
// In the engine as it is there is nothing to find.
func TestFindPlanted(t *testing.T) {
	seed, text := find(max(*fromFlag, 1), *boundFlag, bugs{})
	if seed == 0 {
		fmt.Printf("not found by %d seeds\n", *boundFlag)
		return
	}
	fmt.Printf("found by seed %d: %s\n", seed, text)
	if os.Getenv(plantedVariable) == "" {
		t.Errorf("found by seed %d: %s", seed, text)
	}
}

// find returns the first of bound seeds that finds something, and the first line of what
// it says.
func find(from, bound uint64, planted bugs) (seed uint64, text string) {
	for seed := from; seed < from+bound; seed++ {
		// A crash of the planted code itself proves nothing.
		if _, err := simulate(seed, planted); err != nil && !strings.Contains(err.Error(), "runtime error") {
			text, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), fmt.Sprintf("seed %d: ", seed)), "\n")
			return seed, text
		}
	}
	return 0, ""
}
