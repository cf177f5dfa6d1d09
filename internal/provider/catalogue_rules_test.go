package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/pipeline"
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
