package provider_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// TestCorpus compiles the CreatePipeline requests of a folder of real
// pipelines: each must pass, or break a rule that has a name, as
// testdata/corpus.txt records. Its S33 is a generated example that names a
// namespace like an artifact: CodePipeline's documentation forbids that, and the
// example was never sent to it. Set PENSTOCK_CORPUS to the folder that holds
// requests/*.json, and PENSTOCK_CORPUS_WRITE to anything to record anew.
func TestCorpus(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("PENSTOCK_CORPUS")
	if folder == "" {
		t.Skip("PENSTOCK_CORPUS is not set: no corpus of pipelines to compile")
	}
	files, err := filepath.Glob(filepath.Join(folder, "requests", "*.CreatePipeline.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no requests in %s: %v", folder, err)
	}
	var providers []provider.Provider
	for _, a := range newCatalogue(t).ActionTypes() {
		if a.ID.Category != pipeline.CategoryApproval {
			providers = append(providers, carrier{a})
		}
	}
	got := corpusTable(t, files, newCatalogue(t, providers...))
	golden := filepath.Join("testdata", "corpus.txt")
	if os.Getenv("PENSTOCK_CORPUS_WRITE") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-recorded +now):\n%s", golden, diff)
	}
}

// corpusTable says how many requests pass, how many break which rule, and which
// those are.
func corpusTable(t *testing.T, files []string, types pipeline.ActionTypes) string {
	t.Helper()
	counts := make(map[string]int)
	var refused strings.Builder
	for _, file := range files {
		violation := compileRequest(t, file, types)
		if violation == nil {
			counts["pass"]++
			continue
		}
		counts[violation.Rule]++
		name := strings.TrimSuffix(filepath.Base(file), ".CreatePipeline.json")
		fmt.Fprintf(&refused, "\n%s\n%s %s\n%s\n", name, violation.Rule, violation.Exception, violation.Message)
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%d requests\n", len(files))
	for _, rule := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&table, "%-4s %d\n", rule, counts[rule])
	}
	return table.String() + refused.String()
}

// compileRequest returns what a request breaks, nil for nothing.
func compileRequest(t *testing.T, file string, types pipeline.ActionTypes) *pipeline.Violation {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var request struct {
		Pipeline pipeline.Declaration `json:"pipeline"`
	}
	if err := json.Unmarshal(text, &request); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var first *pipeline.Violation
	for _, region := range homes(request.Pipeline) {
		_, err := pipeline.Compile(request.Pipeline, pipeline.Environment{Types: types, Region: region, Account: "123456789012"})
		if err == nil {
			return nil
		}
		violation, ok := errors.AsType[*pipeline.Violation](err)
		if !ok || violation.Message == "" || !slices.ContainsFunc(pipeline.Rules(), func(r pipeline.Rule) bool { return r.ID == violation.Rule }) {
			t.Fatalf("%s: %v is no violation of a rule of the table", file, err)
		}
		if first == nil {
			first = violation
		}
	}
	return first
}

// homes lists the regions that a request may have been made for: it does not
// say which.
func homes(d pipeline.Declaration) []string {
	regions := []string{"us-east-1"}
	regions = slices.AppendSeq(regions, maps.Keys(d.ArtifactStores))
	for _, s := range d.Stages {
		for _, a := range s.Actions {
			if a.Region != "" {
				regions = append(regions, a.Region)
			}
		}
	}
	slices.Sort(regions[1:])
	return regions
}
