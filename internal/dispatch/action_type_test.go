package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// store is a dispatcher on a real database whose actions nobody ends: for what
// it keeps.
func store(t *testing.T, d *db.DB, change ...func(*dispatch.Config)) *dispatch.Dispatcher {
	t.Helper()
	if err := d.Migrate(t.Context(), dispatch.Schema()); err != nil {
		t.Fatal(err)
	}
	catalogue, err := provider.NewCatalogue(newActor("Source", "Fetch", pipeline.LostAgain))
	if err != nil {
		t.Fatal(err)
	}
	cfg := dispatch.Config{
		DB: d, Catalogue: catalogue, Node: "test", Workspaces: t.TempDir(),
		OpenLog: func(context.Context, string, []string) (dispatch.Log, error) { return discard{}, nil },
	}
	for _, c := range change {
		c(&cfg)
	}
	s := dispatch.New(cfg)
	t.Cleanup(s.Close)
	return s
}

func customType(name, version string) pipeline.ActionTypeID {
	return pipeline.ActionTypeID{Category: "Deploy", Owner: "Custom", Provider: name, Version: version}
}

func shipping(url string) dispatch.ActionTypeDefinition {
	return dispatch.ActionTypeDefinition{
		Settings: pipeline.ActionTypeSettings{EntityURLTemplate: url},
		Properties: []pipeline.ConfigurationProperty{
			{Name: "Port", Required: true, Key: true, Queryable: true, Description: "The port.", Type: "String"},
			{Name: "Password", Required: true, Secret: true},
		},
		Inputs: pipeline.ArtifactBounds{Min: 1, Max: 5},
	}
}

const (
	here      = "123456789012"
	region    = "eu-west-1"
	elsewhere = "210987654321"
)

// TestCustomActionTypes: definitions come, go, and come back the same or not at
// all (C42).
func TestCustomActionTypes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := store(t, d), t.Context()
		id, def := customType("Ship", "1"), shipping("https://ship.example/{Config:Port}")
		create := func(def dispatch.ActionTypeDefinition, tags map[string]string) error {
			return s.CreateCustomActionType(ctx, here, region, id, def, tags)
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(create(def, map[string]string{"team": "a"}))
		want := pipeline.ActionType{
			ID: id, Settings: def.Settings, Properties: def.Properties, Inputs: def.Inputs, Outputs: def.Outputs,
			Timeout: 24 * 60 * 60_000, WhenLost: pipeline.LostFail,
		}
		if diff := cmp.Diff([]pipeline.ActionType{want}, own(t, s, here, region)); diff != "" {
			t.Errorf("listed (-want +got):\n%s", diff)
		}
		for _, place := range [][2]string{{elsewhere, region}, {here, "us-east-1"}} {
			if list := own(t, s, place[0], place[1]); len(list) != 0 {
				t.Errorf("listed in %v: %v", place, list)
			}
		}
		must(create(def, map[string]string{"cost": "b"})) // again
		tags, err := s.ActionTypeTags(ctx, here, region, id)
		if diff := cmp.Diff(map[string]string{"team": "a", "cost": "b"}, tags); err != nil || diff != "" {
			t.Errorf("tags after creating again: %v (-want +got):\n%s", err, diff)
		}
		if err := create(shipping("https://other.example"), nil); !errors.Is(err, dispatch.ErrActionTypeExists) {
			t.Errorf("another definition: %v", err)
		}

		must(s.DeleteCustomActionType(ctx, here, region, id))
		must(s.DeleteCustomActionType(ctx, here, region, id))
		must(s.DeleteCustomActionType(ctx, here, region, customType("Never", "1")))
		if list := own(t, s, here, region); len(list) != 0 {
			t.Errorf("listed after deletion: %v", list)
		}
		if _, err := s.ActionTypeTags(ctx, here, region, id); !errors.Is(err, dispatch.ErrActionTypeNotFound) {
			t.Errorf("tags of a deleted type: %v", err)
		}
		types, err := s.TypesOf(ctx, here, region, id)
		must(err)
		if got, known := types.ActionType(id); !known || got.Available || len(got.Properties) != 2 {
			t.Errorf("what was accepted once knows %v, %v", got, known)
		}
		if err := create(shipping("https://other.example"), nil); !errors.Is(err, dispatch.ErrActionTypeExists) {
			t.Errorf("another definition of a deleted version: %v", err)
		}
		must(create(def, nil))
		tags, err = s.ActionTypeTags(ctx, here, region, id)
		if len(own(t, s, here, region)) != 1 || err != nil || len(tags) != 0 {
			t.Errorf("restored with tags %v, %v", tags, err)
		}
	})
}

// own lists the action types that are not built in or registered.
func own(t *testing.T, s *dispatch.Dispatcher, account, region string) []pipeline.ActionType {
	t.Helper()
	list, err := s.ActionTypes(t.Context(), account, region)
	if err != nil {
		t.Fatal(err)
	}
	builtin := s.Catalogue.ActionTypes()
	if diff := cmp.Diff(builtin, list[:len(builtin)]); diff != "" {
		t.Errorf("the built-in types do not come first:\n%s", diff)
	}
	return list[len(builtin):]
}

func TestActionTypeQuota(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := store(t, d, func(c *dispatch.Config) { c.Quotas.CustomActionTypes = 2 }), t.Context()
		create := func(account, version string) error {
			return s.CreateCustomActionType(ctx, account, region, customType("Ship", version), shipping(""), nil)
		}
		if err := errors.Join(create(here, "2"), create(here, "1")); err != nil {
			t.Fatal(err)
		}
		if err := create(here, "3"); !errors.Is(err, dispatch.ErrTooManyActionTypes) {
			t.Errorf("one too many: %v", err)
		}
		if err := errors.Join(create(elsewhere, "1"), create(here, "1")); err != nil {
			t.Errorf("another account, and one that is there: %v", err)
		}
		if err := errors.Join(s.DeleteCustomActionType(ctx, here, region, customType("Ship", "2")), create(here, "3")); err != nil {
			t.Errorf("after a deletion: %v", err)
		}
		if err := create(here, "2"); !errors.Is(err, dispatch.ErrTooManyActionTypes) {
			t.Errorf("restoring one too many: %v", err)
		}
		var versions []string
		for _, at := range own(t, s, here, region) {
			versions = append(versions, at.ID.Version)
		}
		if !slices.Equal(versions, []string{"1", "3"}) {
			t.Errorf("versions %v, want 1 and 3 in order", versions)
		}
	})
}

func TestActionTypeTags(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx, id := store(t, d), t.Context(), customType("Ship", "1")
		many := map[string]string{}
		for i := range dispatch.MaxTags {
			many[fmt.Sprintf("k%02d", i)] = ""
		}
		if err := s.SetActionTypeTags(ctx, here, region, id, many); !errors.Is(err, dispatch.ErrActionTypeNotFound) {
			t.Errorf("tags of what is not there: %v", err)
		}
		err := errors.Join(
			s.CreateCustomActionType(ctx, here, region, id, shipping(""), map[string]string{"k01": "x", "k02": "y"}),
			s.SetActionTypeTags(ctx, here, region, id, many))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SetActionTypeTags(ctx, here, region, id, map[string]string{"more": ""}); !errors.Is(err, dispatch.ErrTooManyTags) {
			t.Errorf("one tag too many: %v", err)
		}
		var gone []string
		for k := range many {
			if k != "k01" {
				gone = append(gone, k)
			}
		}
		if err := s.RemoveActionTypeTags(ctx, here, region, id, append(gone, "absent")); err != nil {
			t.Fatal(err)
		}
		tags, err := s.ActionTypeTags(ctx, here, region, id)
		if diff := cmp.Diff(map[string]string{"k01": ""}, tags); err != nil || diff != "" {
			t.Errorf("tags: %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestDeclaredActionTypes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := store(t, d), t.Context()
		decl := dispatch.ActionTypeDeclaration{
			ID: pipeline.ActionTypeID{Category: "Test", Owner: "ThirdParty", Provider: "Check", Version: "1"},
			Executor: dispatch.ActionTypeExecutor{Type: dispatch.ExecutorJobWorker, JobTimeout: 60, Configuration: dispatch.ExecutorConfiguration{
				JobWorker: &dispatch.JobWorkerExecutor{PollingAccounts: []string{here}},
			}},
			Inputs: pipeline.ArtifactBounds{Max: 10}, Permissions: &dispatch.ActionTypePermissions{AllowedAccounts: []string{"*"}},
			Properties: []dispatch.ActionTypeProperty{{Name: "Suite", Key: true}, {Name: "Token", Optional: true, NoEcho: true}},
			URLs:       &dispatch.ActionTypeDeclarationURL{Entity: "https://check.example/{Config:Suite}"},
		}
		if _, err := s.DeclaredActionType(ctx, here, region, decl.ID); !errors.Is(err, dispatch.ErrActionTypeNotFound) {
			t.Errorf("before: %v", err)
		}
		judged := 0
		judge := func(dispatch.ActionTypeDeclaration) error { judged++; return nil }
		if err := s.DeclareActionType(ctx, here, region, decl, judge); err != nil || judged != 0 {
			t.Fatalf("declaring: %v, judged %d times", err, judged)
		}
		got, err := s.DeclaredActionType(ctx, here, region, decl.ID)
		if diff := cmp.Diff(decl, got); err != nil || diff != "" {
			t.Errorf("declared: %v (-want +got):\n%s", err, diff)
		}
		if _, err := s.DeclaredActionType(ctx, elsewhere, region, decl.ID); !errors.Is(err, dispatch.ErrActionTypeNotFound) {
			t.Errorf("elsewhere: %v", err)
		}
		refusal := errors.New("no")
		refuse := func(earlier dispatch.ActionTypeDeclaration) error {
			if diff := cmp.Diff(decl, earlier); diff != "" {
				t.Errorf("judged against (-want +got):\n%s", diff)
			}
			return refusal
		}
		changed := decl
		changed.Description = "changed"
		if err := s.DeclareActionType(ctx, here, region, changed, refuse); !errors.Is(err, refusal) {
			t.Errorf("refused change: %v", err)
		}
		if got, _ := s.DeclaredActionType(ctx, here, region, decl.ID); got.Description != "" {
			t.Error("a refused change was stored")
		}
		if err := s.DeclareActionType(ctx, here, region, changed, judge); err != nil {
			t.Fatal(err)
		}
		if got, _ := s.DeclaredActionType(ctx, here, region, decl.ID); got.Description != "changed" || judged != 1 {
			t.Errorf("changed to %q, judged %d times", got.Description, judged)
		}
		list := own(t, s, here, region)
		if len(list) != 1 || list[0].ID != decl.ID || list[0].Available || !slices.Equal(list[0].SecretKeys(), []string{"Token"}) ||
			!list[0].Properties[0].Required || list[0].Settings.EntityURLTemplate == "" {
			t.Errorf("as an action type: %+v", list)
		}
	})
}

// TestCustomTypesInPipelines: a custom type is known to the rules in its own
// account and region; whether it is available is a setting.
func TestCustomTypesInPipelines(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		without := store(t, d)
		with := store(t, d, func(c *dispatch.Config) { c.JobWorkers = true; c.Sealer = glass{} })
		id := customType("Ship", "1")
		if err := without.CreateCustomActionType(ctx, here, region, id, shipping(""), nil); err != nil {
			t.Fatal(err)
		}
		decl := shippingPipeline("one", map[string]string{"Port": "80", "Password": "p"})
		tests := []struct {
			name    string
			s       *dispatch.Dispatcher
			account string
			decl    pipeline.Declaration
			rule    string
			text    string
		}{
			{"unavailable", without, here, decl, "S27", "is not available in region 'EU_WEST_1'"},
			{"other rules first", without, here, shippingPipeline("one", map[string]string{"Port": "80"}), "S29", "'Password'"},
			{"queryable value", without, here, shippingPipeline("one", map[string]string{"Port": "a b", "Password": "p"}), "S51", "'Port'"},
			{"unknown elsewhere", with, elsewhere, shippingPipeline("one", map[string]string{"Port": "80"}), "S27", "is not available in region 'EU_WEST_1'"},
			{"available", with, here, decl, "", ""},
		}
		for _, test := range tests {
			_, err := test.s.CreatePipeline(ctx, test.account, region, dispatch.CreateRequest{Declaration: test.decl})
			violation, _ := errors.AsType[*pipeline.Violation](err)
			switch {
			case test.rule == "" && err != nil:
				t.Errorf("%s: %v", test.name, err)
			case test.rule != "" && (violation == nil || violation.Rule != test.rule || !strings.Contains(violation.Message, test.text)):
				t.Errorf("%s: %v, want %s", test.name, err, test.rule)
			}
		}
		if err := without.DeleteCustomActionType(ctx, here, region, id); err != nil {
			t.Fatal(err)
		}
		_, err := with.UpdatePipeline(ctx, here, region, decl)
		if violation, _ := errors.AsType[*pipeline.Violation](err); violation == nil || violation.Rule != "S27" {
			t.Errorf("update with a deleted type: %v", err)
		}
		p, err := with.Pipeline(ctx, dispatch.Key{Account: here, Region: region, Name: "one"}, 0)
		if err != nil || p.Declaration.Stages[1].Actions[0].ActionTypeID != id {
			t.Errorf("the pipeline lost its deleted type: %+v, %v", p, err)
		}
	})
}

// shippingPipeline fetches and ships.
func shippingPipeline(name string, config map[string]string) pipeline.Declaration {
	d := declaration()
	d.Name, d.Variables = name, nil
	d.Stages = []pipeline.StageDeclaration{d.Stages[0], {Name: "Ship", Actions: []pipeline.ActionDeclaration{{
		Name: "Ship", ActionTypeID: customType("Ship", "1"), Configuration: config, InputArtifacts: []pipeline.InputArtifact{{Name: "src"}},
	}}}}
	return d
}

// glass seals nothing: for tests that look at the rest.
type glass struct{}

func (glass) Seal(secret []byte, _ string) (string, error) { return string(secret), nil }
func (glass) Open(sealed, _ string) ([]byte, error)        { return []byte(sealed), nil }

func TestPipelineQuota(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := store(t, d, func(c *dispatch.Config) { c.Quotas.Pipelines = 2 })
		create := func(ctx context.Context, account, name string) error {
			decl := declaration()
			decl.Name = name
			decl.Stages = []pipeline.StageDeclaration{decl.Stages[0], {Name: "Gate", Actions: decl.Stages[2].Actions}}
			_, err := s.CreatePipeline(ctx, account, region, dispatch.CreateRequest{Declaration: decl})
			return err
		}
		if err := errors.Join(create(t.Context(), here, "a"), create(t.Context(), here, "b"), create(t.Context(), elsewhere, "a")); err != nil {
			t.Fatal(err)
		}
		violation, _ := errors.AsType[*pipeline.Violation](create(t.Context(), here, "c"))
		if violation == nil || violation.Rule != "S47" || violation.Exception != "LimitExceededException" || !strings.Contains(violation.Message, "(2)") {
			t.Errorf("one too many: %v", violation)
		}
		if err := create(t.Context(), here, "a"); !errors.Is(err, dispatch.ErrNameInUse) {
			t.Errorf("a name in use: %v", err)
		}
		if list, err := s.Pipelines(t.Context(), here, region, "", 10); err != nil || len(list) != 2 {
			t.Errorf("after the refusal: %v, %v", list, err)
		}
		if err := s.DeletePipeline(t.Context(), dispatch.Key{Account: here, Region: region, Name: "a"}); err != nil {
			t.Fatal(err)
		}
		if err := create(t.Context(), here, "c"); err != nil {
			t.Errorf("after a deletion: %v", err)
		}
	})
}
