package pipeline

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// secretTypes knows one type with two secrets, one of them required.
type secretTypes struct{}

func (secretTypes) ActionType(id ActionTypeID) (ActionType, bool) {
	if id.Provider != "Vault" {
		return ActionType{}, false
	}
	return ActionType{ID: id, Properties: []ConfigurationProperty{
		{Name: "Name"}, {Name: "Token", Required: true, Secret: true}, {Name: "Pin", Secret: true},
	}}, true
}

func vaultAction(config map[string]string) ActionDeclaration {
	return ActionDeclaration{Name: "Use", ActionTypeID: ActionTypeID{Category: "Test", Owner: "Custom", Provider: "Vault", Version: "1"}, Configuration: config}
}

func vaultPipeline(stage string, actions ...ActionDeclaration) Declaration {
	return Declaration{Name: "p", Stages: []StageDeclaration{{Name: "First"}, {Name: stage, Actions: actions}}}
}

func TestKeepSecrets(t *testing.T) {
	t.Parallel()
	ref := SecretReference("1")
	stored := vaultPipeline("Use", vaultAction(map[string]string{"Name": "n", "Token": ref}))
	both := vaultPipeline("Use", vaultAction(map[string]string{"Token": ref, "Pin": SecretReference("2")}))
	with := func(config map[string]string, change ...func(*ActionDeclaration)) Declaration {
		a := vaultAction(config)
		for _, c := range change {
			c(&a)
		}
		return vaultPipeline("Use", a)
	}
	tests := []struct {
		name   string
		d      Declaration
		stored Declaration
		want   map[string]string
		lost   string
	}{
		{"four", with(map[string]string{"Name": "n", "Token": "****"}), stored, map[string]string{"Name": "n", "Token": ref}, ""},
		{"five", with(map[string]string{"Name": "n", "Token": "*****"}), stored, map[string]string{"Name": "n", "Token": ref}, ""},
		{"what answers fill in is no change", with(map[string]string{"Name": "n", "Token": "****"}, func(a *ActionDeclaration) {
			a.RunOrder, a.InputArtifacts, a.OutputArtifacts = 1, []InputArtifact{}, []OutputArtifact{}
		}), stored, map[string]string{"Name": "n", "Token": ref}, ""},
		{"another value changed", with(map[string]string{"Name": "m", "Token": "****"}), stored, map[string]string{"Name": "m"}, "Token"},
		{"another value gone", with(map[string]string{"Token": "****"}), stored, map[string]string{}, "Token"},
		{"another member changed", with(map[string]string{"Name": "n", "Token": "****"}, func(a *ActionDeclaration) { a.RunOrder = 2 }), stored,
			map[string]string{"Name": "n"}, "Token"},
		{"type changed", with(map[string]string{"Name": "n", "Token": "****"}, func(a *ActionDeclaration) { a.ActionTypeID.Version = "2" }), stored,
			map[string]string{"Name": "n"}, "Token"},
		{"stage renamed", vaultPipeline("Other", vaultAction(map[string]string{"Name": "n", "Token": "****"})), stored, map[string]string{"Name": "n"}, "Token"},
		{"action renamed", with(map[string]string{"Name": "n", "Token": "****"}, func(a *ActionDeclaration) { a.Name = "Other" }), stored,
			map[string]string{"Name": "n"}, "Token"},
		{"new pipeline", with(map[string]string{"Name": "n", "Token": "****"}), Declaration{}, map[string]string{"Name": "n"}, "Token"},
		{"two masks", with(map[string]string{"Token": "****", "Pin": "****"}), both, map[string]string{"Token": ref, "Pin": SecretReference("2")}, ""},
		{"one new value is a change", with(map[string]string{"Token": "****", "Pin": "1234"}), both, map[string]string{"Pin": "1234"}, "Token"},
		{"a mask of what was never there", with(map[string]string{"Name": "n", "Token": "****", "Pin": "****"}), stored, map[string]string{"Name": "n"}, "Token"},
		{"new value", with(map[string]string{"Name": "n", "Token": "new"}), stored, map[string]string{"Name": "n", "Token": "new"}, ""},
		{"asterisks that are no secret", with(map[string]string{"Name": "****", "Token": "x"}), stored, map[string]string{"Name": "****", "Token": "x"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			before := maps.Clone(test.d.Stages[1].Actions[0].Configuration)
			kept, lost := KeepSecrets(test.d, test.stored, secretTypes{})
			if diff := cmp.Diff(test.want, kept.Stages[1].Actions[0].Configuration); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, test.d.Stages[1].Actions[0].Configuration); diff != "" {
				t.Errorf("the argument changed:\n%s", diff)
			}
			switch {
			case test.lost == "" && lost != nil:
				t.Errorf("lost: %v", lost)
			case test.lost != "" && (lost == nil || lost.Rule != "S29" || lost.Exception != "InvalidActionDeclarationException" ||
				!strings.HasSuffix(lost.Message, "is missing required configuration '"+test.lost+"'")):
				t.Errorf("lost: %v, want %s", lost, test.lost)
			}
		})
	}
}

func TestReplaceSecrets(t *testing.T) {
	t.Parallel()
	d := vaultPipeline("Use",
		vaultAction(map[string]string{"Name": "open", "Token": "one", "Pin": "two"}),
		vaultAction(map[string]string{"Token": SecretReference("kept"), "Pin": "****"}),
		ActionDeclaration{Name: "Other", Configuration: map[string]string{"Token": "no type, no secret"}})
	var values []string
	got, err := ReplaceSecrets(d, secretTypes{}, func(value string) (string, error) {
		values = append(values, value)
		return SecretReference(value), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "two"}, values); diff != "" {
		t.Errorf("replaced (-want +got):\n%s", diff)
	}
	want := vaultPipeline("Use",
		vaultAction(map[string]string{"Name": "open", "Token": SecretReference("one"), "Pin": SecretReference("two")}),
		d.Stages[1].Actions[1], d.Stages[1].Actions[2])
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("declaration (-want +got):\n%s", diff)
	}
	if d.Stages[1].Actions[0].Configuration["Token"] != "one" {
		t.Error("the argument changed")
	}
	trouble := errors.New("no key")
	if _, err := ReplaceSecrets(d, secretTypes{}, func(string) (string, error) { return "", trouble }); !errors.Is(err, trouble) {
		t.Errorf("error %v, want %v", err, trouble)
	}
}

func TestReservedValue(t *testing.T) {
	t.Parallel()
	if v := ReservedValue(vaultPipeline("Use", vaultAction(map[string]string{"Token": "penstock-secre", "Name": "a penstock-secret:"}))); v != nil {
		t.Errorf("refused: %v", v)
	}
	v := ReservedValue(vaultPipeline("Use", vaultAction(map[string]string{"Name": SecretReference("of-somebody")})))
	if v == nil || v.Exception != "InvalidActionDeclarationException" || !strings.Contains(v.Message, "'Name'") {
		t.Errorf("a reference from outside is not refused: %v", v)
	}
	v = ReservedValue(with(func(d *Declaration) {
		d.Stages[1].OnSuccess = condition(ResultFail, variableCheck("Steal", SecretReference("of-somebody")))
	}))
	if v == nil || !strings.Contains(v.Message, "rule 'Steal' has a value for 'Variable'") {
		t.Errorf("a reference from outside in a rule is not refused: %v", v)
	}
}

// TestAnswersMaskSecrets: what answers show holds no reference.
func TestAnswersMaskSecrets(t *testing.T) {
	t.Parallel()
	config := map[string]string{"Name": "n", "Token": SecretReference("1")}
	d := Normalise(vaultPipeline("Use", vaultAction(config)), nil)
	if diff := cmp.Diff(map[string]string{"Name": "n", "Token": "****"}, d.Stages[1].Actions[0].Configuration); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if config["Token"] != SecretReference("1") {
		t.Error("the argument changed")
	}
	if IsMask("") || IsMask("**x*") || !IsMask("*") {
		t.Error("masks are asterisks only")
	}
}
