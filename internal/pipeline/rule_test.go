package pipeline

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var placeholder = regexp.MustCompile(`<[a-z]+>`)

// reads reports whether an exception's text is one of the rule's. A text that
// lists places lists any number of them.
func (r Rule) reads(message string) bool {
	return slices.ContainsFunc(r.Texts, func(text string) bool {
		var pattern strings.Builder
		at := 0
		for _, m := range placeholder.FindAllStringIndex(text, -1) {
			pattern.WriteString(regexp.QuoteMeta(text[at:m[0]]) + `[^\n]+`)
			at = m[1]
		}
		pattern.WriteString(regexp.QuoteMeta(text[at:]))
		return regexp.MustCompile(`^` + pattern.String() + `(\nStageName=.*)*$`).MatchString(message)
	})
}

// TestRuleTable keeps the table complete and true: every number is there once,
// in order; what Compile keeps, it checks; and each breach of TestRules reads as
// the table says, each text of the table at least once.
func TestRuleTable(t *testing.T) {
	t.Parallel()
	checked := map[string]bool{"S27": true}
	for _, r := range slices.Concat(structureRules(), actionRules(), relationRules()) {
		checked[r.id] = true
	}
	breaches := map[string][]breach{}
	for _, b := range allBreaches() {
		breaches[b.rule] = append(breaches[b.rule], b)
	}
	rules := Rules()
	if len(rules) != 53 {
		t.Errorf("the table has %d rules", len(rules))
	}
	for i, r := range rules {
		if want := fmt.Sprint("S", i+1); r.ID != want {
			t.Fatalf("rule %s stands in the place of %s", r.ID, want)
		}
		if enforced := r.Keeper != KeptByNobody; r.Says == "" || enforced != strings.HasSuffix(r.Exception, "Exception") ||
			enforced != (len(r.Texts) > 0) || enforced != (r.Why == "") {
			t.Errorf("the row of %s is not whole: %+v", r.ID, r)
		}
		if (r.Keeper == KeptByCompile) != checked[r.ID] {
			t.Errorf("%s is kept by %s, and Compile checks it: %t", r.ID, r.Keeper, checked[r.ID])
		}
		for _, b := range breaches[r.ID] {
			if b.exception != r.Exception || !r.reads(b.message) {
				t.Errorf("%s, %s: %s %q is not in the table", r.ID, b.name, b.exception, b.message)
			}
		}
		for _, text := range r.Texts {
			one := Rule{Texts: []string{text}}
			if r.Keeper == KeptByCompile && !slices.ContainsFunc(breaches[r.ID], func(b breach) bool { return one.reads(b.message) }) {
				t.Errorf("%s: no breach reads %q", r.ID, text)
			}
		}
	}
}
