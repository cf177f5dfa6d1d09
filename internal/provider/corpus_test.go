package provider_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// TestCorpus compiles the CreatePipeline requests of a folder of real
// pipelines: each must pass, or break a rule that has a name. Set
// PENSTOCK_CORPUS to the folder that holds requests/*.json.
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
	catalogue := newCatalogue(t, providers...)
	counts := make(map[string]int)
	for _, file := range files {
		rule := compileRequest(t, file, catalogue)
		counts[rule]++
		if rule != "passes" {
			t.Logf("%s: %s", filepath.Base(file), rule)
		}
	}
	t.Logf("%d pipelines: %v", len(files), counts)
	if counts["passes"]*2 < len(files) {
		t.Errorf("only %d of %d real pipelines pass", counts["passes"], len(files))
	}
}

// compileRequest returns the broken rule and its text, or "passes".
func compileRequest(t *testing.T, file string, types pipeline.ActionTypes) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var request struct {
		Pipeline pipeline.Declaration `json:"pipeline"`
	}
	if err := json.Unmarshal(text, &request); err != nil {
		t.Errorf("%s: %v", file, err)
		return "unreadable"
	}
	first := ""
	for _, region := range homes(request.Pipeline) {
		_, err := pipeline.Compile(request.Pipeline, pipeline.Environment{Types: types, Region: region, Account: "123456789012"})
		if err == nil {
			return "passes"
		}
		violation, ok := errors.AsType[*pipeline.Violation](err)
		if !ok || violation.Rule == "" || violation.Message == "" {
			t.Errorf("%s: %v is no violation of a named rule", file, err)
			return "unnamed"
		}
		first = cmp.Or(first, violation.Rule)
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
