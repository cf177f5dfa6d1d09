package pipeline

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawStages draws stages whose actions produce and consume a handful of
// artifacts in random places. Names of stages and actions are unique.
func drawStages(t *rapid.T) []StageDeclaration {
	names := []string{"A", "B", "C", "D"}
	stages := validDeclaration().Stages[:1]
	for s := range rapid.IntRange(1, 4).Draw(t, "stages") {
		stage := StageDeclaration{Name: fmt.Sprintf("S%d", s)}
		for i := range rapid.IntRange(1, 5).Draw(t, "actions") {
			a := ActionDeclaration{
				Name:         fmt.Sprintf("N%d", i),
				ActionTypeID: awsType(CategoryInvoke, "Anything"),
				RunOrder:     rapid.IntRange(0, 3).Draw(t, "order"),
			}
			for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 2, rapid.ID).Draw(t, "outputs") {
				a.OutputArtifacts = append(a.OutputArtifacts, OutputArtifact{Name: name})
			}
			for _, name := range rapid.SliceOfN(rapid.SampledFrom(append(names, "App")), 0, 2).Draw(t, "inputs") {
				a.InputArtifacts = append(a.InputArtifacts, InputArtifact{Name: name})
			}
			stage.Actions = append(stage.Actions, a)
		}
		stages = append(stages, stage)
	}
	return stages
}

// runsThrough is the oracle for artifact ordering: it runs the pipeline one
// run order after the other and looks whether every input lies there.
func runsThrough(stages []StageDeclaration) bool {
	there := make(map[string]bool)
	for _, s := range stages {
		for order := 1; order <= 999; order++ {
			var produced []string
			for _, a := range s.Actions {
				if max(a.RunOrder, 1) != order {
					continue
				}
				for _, in := range a.InputArtifacts {
					if !there[in.Name] {
						return false
					}
				}
				for _, out := range a.OutputArtifacts {
					produced = append(produced, out.Name)
				}
			}
			for _, name := range produced {
				there[name] = true
			}
		}
	}
	return true
}

func TestArtifactOrderingEqualsARun(t *testing.T) {
	t.Parallel()
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		d := Declaration{Name: "p", ArtifactStore: &ArtifactStore{}, Stages: drawStages(t)}
		_, err := Compile(d, testEnvironment())
		refused := err != nil && err.(*Violation).Rule == "S38"
		if runs := runsThrough(d.Stages); runs == refused {
			t.Fatalf("runs through: %t, Compile: %v", runs, err)
		}
		if !refused {
			accepted++
		}
	})
	if accepted == 0 {
		t.Error("no drawn pipeline runs through: the property was only tested on one side")
	}
}

// draw fills a value with anything of its shape: lists, maps and pointers that
// are absent, empty, or hold up to two things.
func draw(t *rapid.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.SampledFrom([]string{"", "a", "#{a.b}", "é\u2028<", "\"\\", "Source"}).Draw(t, "text"))
	case reflect.Int:
		v.SetInt(int64(rapid.Int32().Draw(t, "number")))
	case reflect.Struct:
		for i := range v.NumField() {
			draw(t, v.Field(i))
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "present") {
			v.Set(reflect.New(v.Type().Elem()))
			draw(t, v.Elem())
		}
	case reflect.Slice:
		if n := rapid.IntRange(-1, 2).Draw(t, "length"); n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
		}
		for i := range v.Len() {
			draw(t, v.Index(i))
		}
	case reflect.Map:
		n := rapid.IntRange(-1, 2).Draw(t, "size")
		if n >= 0 {
			v.Set(reflect.MakeMap(v.Type()))
		}
		for range n {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			draw(t, key)
			draw(t, value)
			v.SetMapIndex(key, value)
		}
	default:
		t.Fatalf("no way to draw a %s", v.Type())
	}
}

func TestDeclarationSurvivesJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var d Declaration
		draw(t, reflect.ValueOf(&d).Elem())
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var back Declaration
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d, back); diff != "" {
			t.Fatalf("changed on the way through JSON (-sent +received):\n%s", diff)
		}
	})
}

// TestAbsentAndEmptyDiffer: what was not sent is not answered, what was sent
// empty is answered empty (observed.md 0).
func TestAbsentAndEmptyDiffer(t *testing.T) {
	t.Parallel()
	text := `{"name":"p","stages":[{"name":"s","actions":[{"name":"a","actionTypeId":{"category":"","owner":"","provider":"","version":""},"configuration":{},"inputArtifacts":[]}]}],"variables":[]}`
	var d Declaration
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	back, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, string(back)); diff != "" {
		t.Errorf("(-sent +answered):\n%s", diff)
	}
}

// TestCompileIsDeterministic compiles the same declaration many times, and once
// more after a trip through JSON. Go's maps change their order every time.
func TestCompileIsDeterministic(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SampledFrom(allBreaches()).Draw(t, "breach")
		d := with(b.change)
		if rapid.Bool().Draw(t, "valid") {
			d = Declaration{Name: "p", ArtifactStore: &ArtifactStore{}, Stages: drawStages(t)}
		}
		want, wantErr := Compile(d, testEnvironment())
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			var again Declaration
			if err := json.Unmarshal(text, &again); err != nil {
				t.Fatal(err)
			}
			got, gotErr := Compile(again, testEnvironment())
			if diff := cmp.Diff(want, got) + cmp.Diff(wantErr, gotErr); diff != "" {
				t.Fatalf("not the same twice:\n%s", diff)
			}
		}
	})
}

// TestPlanOrder: the plan of any pipeline is sorted by run order and keeps the
// declared order within, and its groups cover each stage without gaps.
func TestPlanOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := Declaration{Name: "p", ArtifactStore: &ArtifactStore{}, Stages: drawStages(t)}
		for i := range d.Stages[1:] {
			for j := range d.Stages[i+1].Actions {
				a := &d.Stages[i+1].Actions[j]
				a.InputArtifacts, a.OutputArtifacts = nil, nil
			}
		}
		p, err := Compile(d, testEnvironment())
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range p.Stages {
			if len(s.Actions) != len(d.Stages[i].Actions) {
				t.Fatalf("stage %s has %d actions, want %d", s.Name, len(s.Actions), len(d.Stages[i].Actions))
			}
			if !slices.IsSortedFunc(s.Actions, func(a, b ActionPlan) int { return (a.RunOrder-b.RunOrder)*1000 + a.Index - b.Index }) {
				t.Fatalf("stage %s is not sorted: %+v", s.Name, s.Actions)
			}
			at := 0
			for _, g := range s.Groups {
				if g.From != at || g.To <= g.From || at > 0 && s.Actions[at-1].RunOrder == s.Actions[at].RunOrder ||
					s.Actions[g.From].RunOrder != s.Actions[g.To-1].RunOrder {
					t.Fatalf("stage %s has the groups %v", s.Name, s.Groups)
				}
				at = g.To
			}
			if at != len(s.Actions) {
				t.Fatalf("stage %s has the groups %v for %d actions", s.Name, s.Groups, len(s.Actions))
			}
		}
	})
}

func TestARNsSurvive(t *testing.T) {
	t.Parallel()
	name := rapid.StringMatching(`[A-Za-z0-9.@_-]{1,20}`)
	rapid.Check(t, func(t *rapid.T) {
		a := ARN{Partition: "aws-cn", Region: "cn-north-1", Account: "123456789012"}
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			a.Pipeline = name.Draw(t, "pipeline")
		case 1:
			a.Pipeline, a.Stage = name.Draw(t, "pipeline"), name.Draw(t, "stage")
		case 2:
			a.Pipeline, a.Stage, a.Action = name.Draw(t, "pipeline"), name.Draw(t, "stage"), name.Draw(t, "action")
		case 3:
			a.Webhook = name.Draw(t, "webhook")
		case 4:
			a.ActionType = ActionTypeID{Category: name.Draw(t, "category"), Owner: name.Draw(t, "owner"), Provider: name.Draw(t, "provider"), Version: name.Draw(t, "version")}
		}
		back, err := ParseARN(a.String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, back); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", a, diff)
		}
	})
}

func TestTemplateKeepsItsText(t *testing.T) {
	t.Parallel()
	piece := rapid.SampledFrom([]string{"#", "{", "}", "#{", ".", "a", "B-1", "@_", " ", "#{n.k}", "é", "variables", "\n"})
	rapid.Check(t, func(t *rapid.T) {
		checkTemplate(t, strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), ""))
	})
}
