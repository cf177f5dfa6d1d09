package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// vaultBed is a dispatcher whose builds take a secret.
type vaultBed struct {
	*dispatch.Dispatcher
	t     *testing.T
	db    *db.DB
	build *actor
	// logged are the secrets that logs were told to mask.
	mu     sync.Mutex
	logged []string
}

func newVault(t *testing.T, d *db.DB, sealer dispatch.Sealer) *vaultBed {
	t.Helper()
	b := &vaultBed{t: t, db: d, build: newActor("Build", "Make", pipeline.LostFail)}
	b.build.kind.Properties = []pipeline.ConfigurationProperty{
		{Name: "Text"}, {Name: "Token", Required: true, Secret: true}, {Name: "Pin", Secret: true},
	}
	catalogue, err := provider.NewCatalogue(newActor("Source", "Fetch", pipeline.LostAgain), b.build)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Migrate(t.Context(), dispatch.Schema()); err != nil {
		t.Fatal(err)
	}
	b.Dispatcher = dispatch.New(dispatch.Config{
		DB: d, Catalogue: catalogue, Node: "test", Workspaces: t.TempDir(), Exclusive: true, Sealer: sealer,
		OpenLog: func(_ context.Context, _ string, secrets []string) (dispatch.Log, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.logged = append(b.logged, secrets...)
			return discard{}, nil
		},
	})
	if err := b.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func keyring(t *testing.T) *iam.Keyring {
	t.Helper()
	k, err := iam.OpenKeyring(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// using is a pipeline whose only build uses a configuration.
func using(config map[string]string) pipeline.Declaration {
	d := declaration()
	d.Stages = d.Stages[:2]
	d.Stages[1].Actions[0].Configuration = config
	return d
}

func (b *vaultBed) create(config map[string]string) pipeline.Declaration {
	b.t.Helper()
	p, err := b.CreatePipeline(b.t.Context(), key.Account, key.Region, dispatch.CreateRequest{Declaration: using(config)})
	if err != nil {
		b.t.Fatal(err)
	}
	return p.Declaration
}

// config is the configuration of the build in a stored version.
func (b *vaultBed) config(version int) map[string]string {
	b.t.Helper()
	p, err := b.Pipeline(b.t.Context(), key, version)
	if err != nil {
		b.t.Fatal(err)
	}
	return p.Declaration.Stages[1].Actions[0].Configuration
}

// builds brings a new execution to its build and returns what that was given.
func (b *vaultBed) builds() provider.Attempt {
	b.t.Helper()
	at, _ := b.build.next(b.t)
	return at
}

// TestSecretsLeaveTheDeclaration: the value is nowhere but in the attempt; a
// mask keeps it (C36).
func TestSecretsLeaveTheDeclaration(t *testing.T) {
	t.Parallel()
	const token = "tok-9c1b2a77"
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newVault(t, d, keyring(t))
		answered := b.create(map[string]string{"Text": "#{variables.Color}", "Token": token, "Pin": token})
		stored := b.config(0)
		if diff := cmp.Diff(stored, answered.Stages[1].Actions[0].Configuration); diff != "" {
			t.Errorf("the answer differs from what is stored:\n%s", diff)
		}
		if _, ok := pipeline.ParseSecretReference(stored["Token"]); !ok || stored["Token"] != stored["Pin"] {
			t.Errorf("stored %v, want one reference for one value", stored)
		}
		b.fetched()
		at := b.builds()
		if diff := cmp.Diff(map[string]string{"Text": "red", "Token": token, "Pin": token}, at.Configuration); diff != "" {
			t.Errorf("configuration of the attempt (-want +got):\n%s", diff)
		}
		b.mu.Lock()
		if !slices.Contains(b.logged, token) {
			t.Errorf("the log was told to mask %q only", b.logged)
		}
		b.mu.Unlock()
		history, err := b.ActionExecutions(t.Context(), b.pipeline(), "", 0, 10)
		if err != nil || history[0].Resolved["Text"] != "red" || history[0].Resolved["Token"] != stored["Token"] {
			t.Errorf("history %+v, %v", history, err)
		}
		b.absent(token)

		kept := b.update(map[string]string{"Text": "#{variables.Color}", "Token": "****", "Pin": "*****"})
		if diff := cmp.Diff(stored, kept); diff != "" {
			t.Errorf("a mask changed what is stored:\n%s", diff)
		}
		b.refused("S29", map[string]string{"Text": "changed", "Token": "****", "Pin": "****"})
		b.refused("S29", map[string]string{"Text": "#{variables.Color}", "Token": "****", "Pin": "new"})
		b.refused("reserved", map[string]string{"Text": stored["Token"], "Token": "t"})
		b.refused("S29", map[string]string{"Text": "changed", "Token": "t", "Pin": "****"})
		next := b.update(map[string]string{"Text": "changed", "Token": "another"})
		if next["Token"] == stored["Token"] || next["Token"] == "another" {
			t.Errorf("a new value is stored as %q", next["Token"])
		}
		if diff := cmp.Diff(stored, b.config(1)); diff != "" {
			t.Errorf("an old version changed:\n%s", diff)
		}
	})
}

// fetched lets the source of the newest execution succeed.
func (b *vaultBed) fetched() {
	b.t.Helper()
	source, _ := b.Catalogue.Provider(pipeline.ActionTypeID{Category: "Source", Owner: "Custom", Provider: "Fetch", Version: "1"})
	_, end := source.(*actor).next(b.t)
	end(succeeded(nil))
}

func (b *vaultBed) pipeline() dispatch.Pipeline {
	b.t.Helper()
	p, err := b.Pipeline(b.t.Context(), key, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

func (b *vaultBed) update(config map[string]string) map[string]string {
	b.t.Helper()
	if _, err := b.UpdatePipeline(b.t.Context(), key.Account, key.Region, using(config)); err != nil {
		b.t.Fatal(err)
	}
	return b.config(0)
}

func (b *vaultBed) refused(rule string, config map[string]string) {
	b.t.Helper()
	_, err := b.UpdatePipeline(b.t.Context(), key.Account, key.Region, using(config))
	if violation, _ := errors.AsType[*pipeline.Violation](err); violation == nil || violation.Rule != rule {
		b.t.Errorf("update with %v: %v, want a violation of %s", config, err, rule)
	}
}

// absent looks for a text in every text that the package stores.
func (b *vaultBed) absent(text string) {
	b.t.Helper()
	columns := map[string][]string{
		"pipelines": {"state"}, "pipeline_versions": {"declaration"}, "pipeline_executions": {"state"},
		"action_executions": {"started", "resolved", "outcome"}, "changes": {"body"}, "effects": {"provider_state"},
		"pipeline_secrets": {"sealed"},
	}
	err := b.db.Read(b.t.Context(), func(tx *db.Tx) error {
		for table, names := range columns {
			for _, name := range names {
				var n int
				query := fmt.Sprintf("select count(*) from %s where %s like $1", table, name)
				if err := tx.QueryRow(query, "%"+text+"%").Scan(&n); err != nil {
					return err
				}
				if n > 0 {
					b.t.Errorf("%s.%s holds the secret in %d rows", table, name, n)
				}
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// secrets counts the sealed values.
func (b *vaultBed) secrets() (n int) {
	b.t.Helper()
	err := b.db.Read(b.t.Context(), func(tx *db.Tx) error { return tx.QueryRow("select count(*) from pipeline_secrets").Scan(&n) })
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// TestSecretsWithReferences: a secret may refer to variables, which the rules
// judge before it is sealed; what it resolves to is as secret.
func TestSecretsWithReferences(t *testing.T) {
	t.Parallel()
	b := newVault(t, dbtest.SQLite(t), keyring(t))
	_, err := b.CreatePipeline(t.Context(), key.Account, key.Region, dispatch.CreateRequest{
		Declaration: using(map[string]string{"Token": "#{Nobody.Key}"}),
	})
	if violation, _ := errors.AsType[*pipeline.Violation](err); violation == nil || violation.Rule != "S35" {
		t.Errorf("a reference to nobody: %v", err)
	}
	if n := b.secrets(); n != 0 {
		t.Errorf("a refused pipeline left %d secrets", n)
	}
	b.create(map[string]string{"Token": "pre-#{variables.Color}"})
	b.fetched()
	if at := b.builds(); at.Configuration["Token"] != "pre-red" {
		t.Errorf("resolved to %q", at.Configuration["Token"])
	}
	b.absent("pre-red")
	if !slices.Contains(b.logged, "pre-red") {
		t.Errorf("the log was told to mask %q only", b.logged)
	}
}

// TestForgedReference: a variable whose value looks like a reference opens
// nothing.
func TestForgedReference(t *testing.T) {
	t.Parallel()
	b := newVault(t, dbtest.SQLite(t), keyring(t))
	b.create(map[string]string{"Token": "treasure"})
	forged := b.config(0)["Token"]
	decl := using(map[string]string{"Text": "#{variables.Color}", "Token": "mine"})
	decl.Name, decl.Variables[0].DefaultValue = "thief", &forged
	if _, err := b.CreatePipeline(t.Context(), key.Account, key.Region, dispatch.CreateRequest{Declaration: decl}); err != nil {
		t.Fatal(err)
	}
	b.fetched()
	b.fetched()
	for range 2 {
		if at := b.builds(); at.PipelineName == "thief" && at.Configuration["Text"] != forged {
			t.Errorf("a forged reference became %q", at.Configuration["Text"])
		}
	}
}

func TestSecretsGoWithThePipeline(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newVault(t, d, keyring(t))
		b.create(map[string]string{"Token": "a", "Pin": "b"})
		b.update(map[string]string{"Token": "c"})
		if n := b.secrets(); n != 3 {
			t.Errorf("%d secrets, want 3", n)
		}
		if err := b.DeletePipeline(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if n := b.secrets(); n != 0 {
			t.Errorf("%d secrets are left", n)
		}
		b.create(map[string]string{"Token": "d"})
		// Whoever died between the deletion and its end.
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec("update pipelines set deleted = 1 where name = $1 and deleted = 0", key.Name)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		b.Close()
		b = newVault(t, d, keyring(t))
		if n := b.secrets(); n != 0 {
			t.Errorf("%d secrets are left after a start", n)
		}
	})
}

// sealers that cannot do their work.
type brokenSeal struct{ glass }

func (brokenSeal) Seal([]byte, string) (string, error) { return "", errors.New("no disk") }

type brokenOpen struct{ glass }

func (brokenOpen) Open(string, string) ([]byte, error) { return nil, errors.New("another key") }

// TestSealTrouble: what cannot be sealed is refused, what cannot be opened fails
// the action, saying so.
func TestSealTrouble(t *testing.T) {
	t.Parallel()
	for name, sealer := range map[string]dispatch.Sealer{"no disk": brokenSeal{}, "this server has no encryption key": nil} {
		b := newVault(t, dbtest.SQLite(t), sealer)
		_, err := b.CreatePipeline(t.Context(), key.Account, key.Region, dispatch.CreateRequest{Declaration: using(map[string]string{"Token": "t"})})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if list, _ := b.Pipelines(t.Context(), key.Account, key.Region, "", 10); len(list) != 0 {
			t.Errorf("%s: a pipeline was made", name)
		}
	}
	b := newVault(t, dbtest.SQLite(t), brokenOpen{})
	b.create(map[string]string{"Token": "t"})
	b.fetched()
	for {
		history, err := b.ActionExecutions(t.Context(), b.pipeline(), "", 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		if o := history[0].Outcome; history[0].Action == "Make" && o.ErrorCode != "" {
			if o.ErrorCode != provider.CodeConfigurationError || o.ErrorMessage != "The secret configuration value 'Token' cannot be read: another key." {
				t.Errorf("failed with %+v", o)
			}
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("the action did not fail")
		}
	}
}

// TestMaskKeepsTheLatest: masks and new values that meet never bring a replaced
// secret back: every version keeps the value of the one before it, or is the
// first with its own.
func TestMaskKeepsTheLatest(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		sealer := keyring(t)
		nodes := []*vaultBed{newVault(t, d, sealer), newVault(t, d, sealer)}
		nodes[0].create(map[string]string{"Text": "same", "Token": "first"})
		var updates sync.WaitGroup
		for i := range 16 {
			value := "****"
			if i%4 == 0 {
				value = fmt.Sprintf("value %d", i)
			}
			updates.Go(func() {
				_, err := nodes[i%2].UpdatePipeline(t.Context(), key.Account, key.Region, using(map[string]string{"Text": "same", "Token": value}))
				if err != nil {
					t.Errorf("update %d: %v", i, err)
				}
			})
		}
		updates.Wait()
		seen := map[string]bool{}
		last := ""
		for version := 1; version <= 17; version++ {
			reference := nodes[0].config(version)["Token"]
			if reference != last && seen[reference] {
				t.Errorf("version %d brings %s back", version, reference)
			}
			seen[reference], last = true, reference
		}
		if len(seen) != 5 {
			t.Errorf("%d values, want the first and four new ones", len(seen))
		}
	})
}
