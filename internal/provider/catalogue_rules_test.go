package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// TestRuleTypes compares the rule types with a golden table that is reviewed
// against the reference, and checks what the table does not show.
func TestRuleTypes(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, r := range newCatalogue(t).RuleTypes() {
		fmt.Fprintf(&b, "%s/%s/%s/%s in %d-%d", r.ID.Category, r.ID.Owner, r.ID.Provider, r.ID.Version, r.Inputs.Min, r.Inputs.Max)
		if r.Available {
			b.WriteString(" available")
		}
		b.WriteString("\n")
		config := map[string]string{}
		for _, p := range r.Properties {
			fmt.Fprintf(&b, "    %s%s\n", p.Name, marks(p))
			if !strings.HasSuffix(p.Description, ".") {
				t.Errorf("%s: property %s has the description %q, want a sentence", r.ID.Provider, p.Name, p.Description)
			}
			config[p.Name] = "v"
		}
		for _, template := range []string{r.Settings.EntityURLTemplate, r.Settings.ExecutionURLTemplate} {
			if url, ok := pipeline.ExpandURL(template, config, "eu-central-1", "x", "r"); ok {
				fmt.Fprintf(&b, "  %s\n", url)
			} else if template != "" {
				t.Errorf("%s: template %q names what is not there", r.ID.Provider, template)
			}
		}
	}
	golden := filepath.Join("testdata", "rule_types.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("rule types differ from %s; run with -update and review (-want +got):\n%s", golden, diff)
	}
}

// TestRuleProviders: a provider of a rule type makes that type available, and
// no action type.
func TestRuleProviders(t *testing.T) {
	t.Parallel()
	window, own := providerOf("Rule/AWS/DeploymentWindow/1"), providerOf("Rule/AWS/Moon/1")
	own.kind.Properties = []pipeline.ConfigurationProperty{{Name: "Phase", Required: true}}
	c := newCatalogue(t, window, own)
	var available []string
	for _, r := range c.RuleTypes() {
		if r.Available {
			available = append(available, r.ID.Provider)
		}
	}
	if diff := cmp.Diff([]string{"DeploymentWindow", "Moon"}, available); diff != "" {
		t.Errorf("available rule types (-want +got):\n%s", diff)
	}
	if got, want := len(c.ActionTypes()), len(newCatalogue(t).ActionTypes()); got != want {
		t.Errorf("%d action types with rules, %d without", got, want)
	}
	got, ok := c.ActionType(window.kind.ID)
	if !ok || !got.Available || got.WhenLost != pipeline.LostFail || len(got.Properties) != 2 || got.Timeout != 0 {
		t.Errorf("the rule type as an action type: %+v, %t", got, ok)
	}
	if got, ok := c.ActionType(own.kind.ID); !ok || len(got.Properties) != 1 {
		t.Errorf("a further rule type: %+v, %t", got, ok)
	}
	if got, ok := c.ActionType(actionType("Rule/AWS/LambdaInvoke/1")); !ok || got.Available || got.Inputs.Max != 5 {
		t.Errorf("a rule type without provider: %+v, %t, want it known", got, ok)
	}
	if _, ok := c.Provider(window.kind.ID); !ok {
		t.Error("the rule type has no provider")
	}
	if _, err := provider.NewCatalogue(window, window); err == nil {
		t.Error("two providers of one rule type are accepted")
	}
}

func TestJudged(t *testing.T) {
	t.Parallel()
	tests := []struct {
		report provider.Report
		want   bool
	}{
		{provider.Report{Status: provider.Succeeded}, true},
		{provider.Report{Status: provider.Failed}, true},
		{provider.Failure(provider.CodeJobFailed, "no"), true},
		{provider.Failure(provider.CodeConfigurationError, "no such alarm"), false},
		{provider.Failure(provider.CodePermissionError, "not allowed"), false},
		{provider.Failure(provider.CodeSystemUnavailable, "no answer"), false},
	}
	for _, test := range tests {
		if got := test.report.Judged(); got != test.want {
			t.Errorf("%+v is judged: %t", test.report, got)
		}
	}
}
