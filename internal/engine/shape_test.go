package engine_test

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// drawPlan draws a definition: two to four stages of up to three actions, in any
// mode, with any gates that are allowed.
func drawPlan(t *rapid.T) *pipeline.Plan {
	s := &shape{t: t, mode: one(t, []string{"SUPERSEDED", "QUEUED", "PARALLEL"}, "mode")}
	fmt.Fprintf(&s.text, "mode %s\n", s.mode)
	if below(t, 6, "variable") == 0 {
		s.text.WriteString("var Color\n")
	}
	for i := range 2 + below(t, 3, "stages") {
		s.stage(i)
	}
	d := define(nil, s.text.String())
	plan, err := pipeline.Compile(d, environment)
	if err != nil {
		t.Fatalf("%s\ndoes not compile: %v", s.text.String(), err)
	}
	return &plan
}

// shape is a definition being drawn.
type shape struct {
	t    *rapid.T
	mode string
	text strings.Builder
	made []string // artifacts of earlier stages
}

func (s *shape) chance(label string) bool { return below(s.t, 4, label) == 0 }

func (s *shape) stage(i int) {
	name := fmt.Sprintf("S%d", i)
	var made []string
	for j := range 1 + below(s.t, 3, "actions") {
		kind := "source"
		if i > 0 {
			kind = one(s.t, []string{"build", "build", "approval"}, "kind")
		}
		fmt.Fprintf(&s.text, "%s/A%d %s", name, j, kind)
		if i > 0 {
			fmt.Fprintf(&s.text, " order=%d", 1+below(s.t, 2, "order"))
		}
		if kind == "build" && len(s.made) > 0 {
			fmt.Fprintf(&s.text, " in=%s", one(s.t, s.made, "input"))
		}
		if kind != "approval" {
			artifact := fmt.Sprintf("a%d%d", i, j)
			fmt.Fprintf(&s.text, " out=%s ns=N%d%d", artifact, i, j)
			made = append(made, artifact)
		}
		s.text.WriteByte('\n')
	}
	if s.chance("entry") {
		s.gate(name, "beforeEntry", "FAIL", "SKIP")
	}
	if s.chance("success") && i > 0 {
		results := []string{"FAIL", "ROLLBACK"}
		if s.mode == "PARALLEL" {
			results = results[:1]
		}
		s.gate(name, "onSuccess", results...)
	}
	if s.chance("failure") {
		results := []string{"RETRY", "SKIP", "FAIL"}
		if i > 0 && s.mode != "PARALLEL" {
			results = append(results, "ROLLBACK", "ROLLBACK")
		}
		s.gate(name, "onFailure", results...)
	}
	s.made = append(s.made, made...)
}

// gate declares a gate with one of the results. One of failure may do without
// rules.
func (s *shape) gate(stage, name string, results ...string) {
	result := one(s.t, results, "result")
	fmt.Fprintf(&s.text, "%s %s %s", stage, name, result)
	if name != "onFailure" || rapid.Bool().Draw(s.t, "conditional") {
		for i := range 1 + below(s.t, 2, "rules") {
			fmt.Fprintf(&s.text, " %s%d", name, i)
			if len(s.made) > 0 && s.chance("rule input") {
				fmt.Fprintf(&s.text, " in=%s", one(s.t, s.made, "input"))
			}
		}
	}
	if result == "RETRY" && rapid.Bool().Draw(s.t, "all") {
		s.text.WriteString(" retry=ALL_ACTIONS")
	}
	s.text.WriteByte('\n')
}
