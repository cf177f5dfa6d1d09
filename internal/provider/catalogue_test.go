package provider_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

var update = flag.Bool("update", false, "write the golden files anew")

// carrier is a provider that only has a type.
type carrier struct{ kind pipeline.ActionType }

func (c carrier) Type() pipeline.ActionType { return c.kind }

func (carrier) Start(context.Context, provider.Attempt) (provider.Report, error) {
	return provider.Failure(provider.CodeJobFailed, "this provider carries nothing out"), nil
}

func (carrier) Await(context.Context, provider.Attempt) (provider.Report, error) {
	return provider.Failure(provider.CodeJobFailed, "this provider carries nothing out"), nil
}

func (carrier) Stop(context.Context, provider.Attempt) error { return nil }

func actionType(text string) pipeline.ActionTypeID {
	parts := strings.Split(text, "/")
	return pipeline.ActionTypeID{Category: parts[0], Owner: parts[1], Provider: parts[2], Version: parts[3]}
}

func providerOf(id string) carrier {
	return carrier{pipeline.ActionType{ID: actionType(id)}}
}

func newCatalogue(t testing.TB, providers ...provider.Provider) *provider.Catalogue {
	t.Helper()
	c, err := provider.NewCatalogue(providers...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestBuiltinTypes compares the whole catalogue with a golden table that is
// reviewed against the reference: counts, properties and marks, limits, URLs.
func TestBuiltinTypes(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, a := range newCatalogue(t).ActionTypes() {
		fmt.Fprintf(&b, "%s in %d-%d out %d-%d limit %dm", a.ID, a.Inputs.Min, a.Inputs.Max, a.Outputs.Min, a.Outputs.Max, a.Timeout/60000)
		if a.V2Only {
			b.WriteString(" V2")
		}
		if a.Available {
			b.WriteString(" available")
		}
		b.WriteString("\n")
		for _, p := range a.Properties {
			fmt.Fprintf(&b, "    %s%s\n", p.Name, marks(p))
		}
		shown := a.Settings.Listed("us-east-1")
		for _, line := range []string{"entity " + shown.EntityURLTemplate, "execution " + shown.ExecutionURLTemplate, "revision " + shown.RevisionURLTemplate} {
			if !strings.HasSuffix(line, " ") {
				fmt.Fprintf(&b, "  %s\n", line)
			}
		}
	}
	golden := filepath.Join("testdata", "action_types.txt")
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
		t.Errorf("action types differ from %s; run with -update and review (-want +got):\n%s", golden, diff)
	}
}

func marks(p pipeline.ConfigurationProperty) string {
	text := ""
	if p.Required {
		text += " required"
	}
	if !p.Key {
		text += " no-key"
	}
	if p.Secret {
		text += " secret"
	}
	return text
}

func TestEveryPropertyIsDescribed(t *testing.T) {
	t.Parallel()
	for _, a := range newCatalogue(t).ActionTypes() {
		seen := make(map[string]bool)
		for _, p := range a.Properties {
			if p.Description == "" || !strings.HasSuffix(p.Description, ".") {
				t.Errorf("%s: property %s has the description %q, want a sentence", a.ID, p.Name, p.Description)
			}
			if seen[p.Name] {
				t.Errorf("%s: property %s is listed twice", a.ID, p.Name)
			}
			seen[p.Name] = true
		}
	}
}

// TestURLTemplatesNameRealProperties expands every template with a value for
// every property; a misspelled placeholder has no value.
func TestURLTemplatesNameRealProperties(t *testing.T) {
	t.Parallel()
	for _, a := range newCatalogue(t).ActionTypes() {
		config := make(map[string]string)
		for _, p := range a.Properties {
			config[p.Name] = "v"
		}
		s := a.Settings
		for _, template := range []string{s.EntityURLTemplate, s.ExecutionURLTemplate, s.RevisionURLTemplate} {
			url, ok := pipeline.ExpandURL(template, config, "eu-central-1", "x", "r")
			if ok != (template != "") || strings.ContainsAny(url, "{}") {
				t.Errorf("%s: template %q expands to %q, %t", a.ID, template, url, ok)
			}
		}
	}
}

func TestProviderOfBuiltinType(t *testing.T) {
	t.Parallel()
	p := carrier{pipeline.ActionType{
		ID:         actionType("Build/AWS/CodeBuild/1"),
		Properties: []pipeline.ConfigurationProperty{{Name: "Nonsense"}},
		Timeout:    5000,
		WhenLost:   pipeline.LostAgain,
	}}
	c := newCatalogue(t, p)

	got, ok := c.ActionType(p.kind.ID)
	if !ok || !got.Available || got.Timeout != 5000 || got.WhenLost != pipeline.LostAgain {
		t.Errorf("type %+v, %t: want it available with the provider's limit and behaviour", got, ok)
	}
	if len(got.Properties) != 7 || got.Properties[0].Name != "ProjectName" {
		t.Errorf("properties %+v, want CodePipeline's", got.Properties)
	}
	if carried, ok := c.Provider(p.kind.ID); !ok || carried.Type().Timeout != 5000 {
		t.Errorf("Provider = %v, %t, want the registered one", carried, ok)
	}

	tester, ok := c.ActionType(actionType("Test/AWS/CodeBuild/1"))
	if !ok || tester.Available {
		t.Errorf("Test/AWS/CodeBuild/1: found %t, available %t; want known and not available", ok, tester.Available)
	}
	if _, ok := c.Provider(tester.ID); ok {
		t.Error("a type without a provider has one")
	}
}

func TestProviderDefaults(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t, providerOf("Build/AWS/CodeBuild/1"), providerOf("Deploy/Custom/Ours/2"))
	tests := []struct {
		id      string
		timeout int64
	}{
		{"Build/AWS/CodeBuild/1", 36 * 3600 * 1000},
		{"Deploy/Custom/Ours/2", pipeline.DefaultTimeout},
	}
	for _, test := range tests {
		got, _ := c.ActionType(actionType(test.id))
		if got.Timeout != test.timeout || got.WhenLost != pipeline.LostFail {
			t.Errorf("%s: limit %d, lost %q, want %d, %q", test.id, got.Timeout, got.WhenLost, test.timeout, pipeline.LostFail)
		}
	}
}

func TestFurtherTypes(t *testing.T) {
	t.Parallel()
	p := carrier{pipeline.ActionType{
		ID:         actionType("Deploy/Custom/Ours/2"),
		Properties: []pipeline.ConfigurationProperty{{Name: "Target", Required: true, Key: true}},
		Inputs:     pipeline.ArtifactBounds{Max: 5},
	}}
	c := newCatalogue(t, p)
	got, ok := c.ActionType(p.kind.ID)
	if !ok || !got.Available || len(got.Properties) != 1 || got.Inputs.Max != 5 {
		t.Errorf("type %+v, %t, want what the provider said", got, ok)
	}
	types := c.ActionTypes()
	if last := types[len(types)-1]; last.ID != p.kind.ID {
		t.Errorf("last type is %s, want the further one behind the built-in ones", last.ID)
	}
	if _, ok := c.ActionType(actionType("Deploy/Custom/Ours/1")); ok {
		t.Error("another version of a further type is known")
	}
}

func TestManualApprovalNeedsNoProvider(t *testing.T) {
	t.Parallel()
	manual := actionType("Approval/AWS/Manual/1")
	c := newCatalogue(t)
	if got, ok := c.ActionType(manual); !ok || !got.Available {
		t.Errorf("Manual: found %t, available %t, want both", ok, got.Available)
	}
	if _, ok := c.Provider(manual); ok {
		t.Error("Manual has a provider")
	}
}

func TestNewCatalogueRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		providers []provider.Provider
		want      string
	}{
		{"twice built-in", []provider.Provider{providerOf("Source/AWS/S3/1"), providerOf("Source/AWS/S3/1")}, "there is already one"},
		{"twice further", []provider.Provider{providerOf("Test/Custom/Ours/1"), providerOf("Test/Custom/Ours/1")}, "there is already one"},
		{"approval", []provider.Provider{providerOf("Approval/AWS/Manual/1")}, "the engine carries these actions out itself"},
		{"no version", []provider.Provider{providerOf("Source/AWS/S3/")}, "incomplete"},
		{"negative limit", []provider.Provider{carrier{pipeline.ActionType{ID: actionType("Source/AWS/S3/1"), Timeout: -1}}}, "negative"},
		{"lost how", []provider.Provider{carrier{pipeline.ActionType{ID: actionType("Source/AWS/S3/1"), WhenLost: "Perhaps"}}}, "Perhaps"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := provider.NewCatalogue(test.providers...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// TestListIsTheCallers: changing the list must not change the catalogue.
func TestListIsTheCallers(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	list := c.ActionTypes()
	list[0].Available = !list[0].Available
	if diff := cmp.Diff(list[0].Available, c.ActionTypes()[0].Available); diff == "" {
		t.Error("a change of the list reached the catalogue")
	}
}
