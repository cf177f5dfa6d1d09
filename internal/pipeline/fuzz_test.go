package pipeline

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzCompile gives Compile anything that reads as JSON. It must answer with a
// plan or a named rule, the same one twice, and change nothing.
func FuzzCompile(f *testing.F) {
	for _, b := range allBreaches() {
		d := with(b.change)
		if len(d.Stages) > 10 {
			continue // generated: too long for a seed
		}
		text, err := json.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`{}`)
	f.Add(`{"stages":[{},{}]}`)
	f.Add(`{"stages":[{"actions":[{"runOrder":-5,"actionTypeId":{"category":"Source","owner":"AWS","provider":"CodeCommit","version":"1"}}]},{"actions":[{"runOrder":-1}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var d Declaration
		if json.Unmarshal([]byte(text), &d) != nil {
			t.Skip("no declaration")
		}
		before, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := Compile(d, testEnvironment())
		if err != nil {
			if v, ok := errors.AsType[*Violation](err); !ok || v.Rule == "" || v.Message == "" {
				t.Fatalf("%v is no breach of a named rule", err)
			}
		} else if len(plan.Stages) != len(d.Stages) {
			t.Fatalf("%d stages become %d", len(d.Stages), len(plan.Stages))
		}
		again, againErr := Compile(d, testEnvironment())
		if diff := cmp.Diff(plan, again) + cmp.Diff(err, againErr); diff != "" {
			t.Fatalf("not the same twice:\n%s", diff)
		}
		// The rest of what judges or shows a declaration must not panic either.
		types := testTypes()
		if stored := CompileStored(d, testEnvironment()); len(stored.Stages) != len(d.Stages) {
			t.Fatalf("%d stages are stored as %d", len(d.Stages), len(stored.Stages))
		}
		Unsupported(d, false)
		Unavailable(d, types)
		if shown := Normalise(d, types); len(shown.Stages) != len(d.Stages) {
			t.Fatalf("%d stages are shown as %d", len(d.Stages), len(shown.Stages))
		}
		after, err := json.Marshal(d)
		if err != nil || string(before) != string(after) {
			t.Fatalf("the declaration was changed: %s, %v", after, err)
		}
	})
}

// TestThousandStages: too much of anything is refused at once.
func TestThousandStages(t *testing.T) {
	t.Parallel()
	wantRule(t, with(func(d *Declaration) { d.Stages = manyStages(1000, 1) }), "S2")
	wantRule(t, with(func(d *Declaration) { d.Stages = manyStages(1000, 100) }), "S2")
	wantRule(t, with(func(d *Declaration) { d.Stages[1].Actions = manyActions(100_000) }), "S8")
	_, v := compile(t, with(func(d *Declaration) {
		d.Stages[1].Actions[0].Configuration["ProjectName"] = strings.Repeat("#{Nobody.Home}", 10_000)
	}))
	if v == nil || v.Rule != "S35" || len(v.Message) > 10_000 || !strings.HasSuffix(v.Message, "\n(and 9950 more)") {
		t.Errorf("ten thousand wrong references: %.300v", v)
	}
}
