package server_test

import (
	"bufio"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/server"
	"github.com/penstock-cd/penstock/internal/service/codepipeline"
)

//go:generate go test -count=1 -run=^TestCoverage$ . -rewrite

// TestCoverage keeps the tables of docs/coverage.md, which it makes from the
// operations and their exceptions, the catalogue, the table of structural rules,
// and the conversations and names of the tests. -rewrite writes them.
func TestCoverage(t *testing.T) {
	t.Parallel()
	const file = "../../docs/coverage.md"
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := &coverage{t: t, shown: conversations(t), tests: testNames(t), used: map[string]bool{}}
	text := string(old)
	for name, table := range map[string]func() string{
		"operations": c.operations, "exceptions": c.exceptions, "common exceptions": c.common,
		"providers": c.providers, "rule types": c.ruleTypes, "rules": c.rules,
	} {
		begin, end := "<!-- generated: "+name+" -->\n", "<!-- end -->"
		before, rest, ok := strings.Cut(text, begin)
		_, after, ended := strings.Cut(rest, end)
		if !ok || !ended {
			t.Fatalf("%s has no place for %s: %q", file, name, begin)
		}
		text = before + begin + "\n" + table() + "\n" + end + after
	}
	c.nothingLeftOver()
	if f := flag.Lookup("rewrite"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(old), text); diff != "" {
		t.Errorf("%s is stale; run make generate (-there +now):\n%s", file, diff)
	}
}

// coverage makes the tables.
type coverage struct {
	t *testing.T
	// shown are the conversations that show a success, under the name of the
	// operation, and those that show an exception, under "Operation Exception".
	shown map[string][]string
	tests map[string][]string // the packages of a test
	used  map[string]bool     // keys of the hand-written evidence
}

// conversations reads what the files of testdata/wire show.
func conversations(t *testing.T) map[string][]string {
	t.Helper()
	shown := map[string][]string{}
	files, err := os.ReadDir("testdata/wire")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range files {
		f, err := os.Open("testdata/wire/" + entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		operation := ""
		for lines := bufio.NewScanner(f); lines.Scan(); {
			word, rest, _ := strings.Cut(lines.Text(), " ")
			key := ""
			switch {
			case word == "call":
				operation = rest
			case operation != "" && word == "HTTP/1.1" && strings.HasPrefix(rest, "200 "):
				key = operation
			case operation != "" && word == "X-Amzn-Errortype:":
				key = operation + " " + rest
			}
			if key != "" {
				operation = ""
				shown[key] = append(shown[key], "wire/"+entry.Name())
			}
		}
		f.Close()
	}
	for key, names := range shown {
		shown[key] = slices.Compact(names)
	}
	return shown
}

// testNames finds the packages of every test of the repository.
func testNames(t *testing.T) map[string][]string {
	t.Helper()
	declaration := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	names := map[string][]string{}
	root := os.DirFS("../..")
	err := fs.WalkDir(root, "internal", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(root, name)
		for _, m := range declaration.FindAllSubmatch(text, -1) {
			names[string(m[1])] = append(names[string(m[1])], path.Dir(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// test says where a test is; one that is not there is an error. A test of a name
// that several packages use is that of the server, or named with its package.
func (c *coverage) test(name string) string {
	if strings.HasPrefix(name, "wire/") {
		if _, err := os.Stat("testdata/" + name); err != nil {
			c.t.Error(err)
		}
		return name
	}
	folder, name, named := strings.Cut(name, " ")
	if !named {
		folder, name = "", folder
	}
	packages := c.tests[name]
	switch {
	case named && slices.Contains(packages, folder):
	case !named && len(packages) == 1:
		folder = packages[0]
	default:
		c.t.Errorf("coverage names the test %s of %q; there is one in %q", name, folder, packages)
	}
	return name + " (" + strings.TrimPrefix(folder, "internal/") + ")"
}

// few shows some conversations.
func few(names []string) string {
	if more := len(names) - 3; more > 0 {
		return strings.Join(names[:3], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

func table(head ...string) *strings.Builder {
	var b strings.Builder
	row(&b, head...)
	b.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	return &b
}

func row(b *strings.Builder, cells ...string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// operations is the table of operations. What only errors show is checked only.
func (c *coverage) operations() string {
	b := table("operation", "", "shown by", "")
	for _, name := range operationNames() {
		state, by := "done", few(c.shown[name])
		switch {
		case slices.Contains(onlyChecked(), name):
			state = "checked"
		case len(c.shown[name]) > 0:
		default:
			var errors []string
			for key, names := range c.shown {
				if operation, _, _ := strings.Cut(key, " "); operation == name {
					errors = append(errors, names...)
				}
			}
			slices.Sort(errors)
			state, by = "checked", few(slices.Compact(errors))
			if len(errors) == 0 {
				c.t.Errorf("no conversation has the operation %s", name)
			}
		}
		row(b, name, state, by, operationNotes()[name])
		c.used["note "+name] = true
	}
	return b.String()
}

func operationNames() []string {
	return slices.Sorted(maps.Keys(codepipeline.Describe(&codepipeline.Service{}).Operations))
}

// exceptions is the table of what each operation may raise.
func (c *coverage) exceptions() string {
	b := table("operation", "exception", "shown by", "nothing can raise it yet")
	table := codepipeline.Describe(&codepipeline.Service{}).Operations
	for _, name := range operationNames() {
		for _, exception := range slices.Sorted(slices.Values(table[name].Exceptions)) {
			if names := c.shown[name+" "+exception]; len(names) > 0 {
				row(b, name, exception, few(names), "")
				continue
			}
			key := name + " " + exception
			found, ok := exceptionEvidence()[key]
			if !ok {
				key = "* " + exception
				found, ok = exceptionEvidence()[key]
			}
			if !ok {
				c.t.Errorf("nothing shows %s of %s", exception, name)
			}
			c.used[key] = true
			row(b, name, exception, c.evidence(found), found.why)
		}
	}
	return b.String()
}

func (c *coverage) evidence(e evidence) string {
	if e.test == "" {
		return ""
	}
	return c.test(e.test)
}

// common is the table of what every operation may raise besides.
func (c *coverage) common() string {
	b := table("exception", "when", "shown by", "nothing can raise it yet")
	for _, e := range commonEvidence() {
		row(b, e.exception, e.when, c.evidence(e.evidence), e.why)
	}
	return b.String()
}

// providers is the table of action types.
func (c *coverage) providers() string {
	b := table("category", "owner", "provider", "version", "", "shown by", "")
	known, err := provider.NewCatalogue()
	if err != nil {
		c.t.Fatal(err)
	}
	here, err := server.ActionTypes()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, kind := range known.ActionTypes() {
		id := kind.ID
		if own, _ := here.ActionType(id); !own.Available {
			row(b, id.Category, id.Owner, id.Provider, id.Version, "known", c.test("TestUnavailableTypes"), "")
			continue
		}
		key := id.Category + " " + id.Provider
		found := providerEvidence()[key]
		c.used["provider "+key] = true
		row(b, id.Category, id.Owner, id.Provider, id.Version, "available", c.test(found.test), found.says)
	}
	return b.String()
}

// ruleTypes is the table of rule types.
func (c *coverage) ruleTypes() string {
	b := table("provider", "owner", "version", "", "shown by", "")
	known, err := provider.NewCatalogue()
	if err != nil {
		c.t.Fatal(err)
	}
	here, err := server.ActionTypes()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, kind := range known.RuleTypes() {
		id := kind.ID
		if own, _ := here.ActionType(id.ActionType()); !own.Available {
			row(b, id.Provider, id.Owner, id.Version, "known", c.test("wire/rule_types"), "")
			continue
		}
		found := ruleEvidence()[id.Provider]
		c.used["rule "+id.Provider] = true
		row(b, id.Provider, id.Owner, id.Version, "available", c.test(found.test), found.says)
	}
	return b.String()
}

// rules is the table of structural rules.
func (c *coverage) rules() string {
	b := table("", "rule", "exception", "text", "shown by", "kept by nobody")
	show := map[pipeline.Keeper]string{pipeline.KeptByCompile: "TestRules", pipeline.KeptByStore: "TestRulesBeyondCompile"}
	for _, rule := range pipeline.Rules() {
		texts := slices.Clone(rule.Texts)
		for i, text := range texts {
			texts[i] = "`" + strings.ReplaceAll(text, "\n", "⏎") + "`"
		}
		shown := ""
		if name := show[rule.Keeper]; name != "" {
			shown = c.test(name)
		}
		row(b, rule.ID, rule.Says, rule.Exception, strings.Join(texts, "<br>"), shown, rule.Why)
	}
	return b.String()
}

// nothingLeftOver fails on hand-written evidence that no table needs.
func (c *coverage) nothingLeftOver() {
	for key := range exceptionEvidence() {
		if !c.used[key] {
			c.t.Errorf("the evidence for %q is not needed any more", key)
		}
	}
	for name := range operationNotes() {
		if !c.used["note "+name] {
			c.t.Errorf("the note on %s is about no operation", name)
		}
	}
	for key := range providerEvidence() {
		if !c.used["provider "+key] {
			c.t.Errorf("the evidence for the provider %s is about no available type", key)
		}
	}
	for key := range ruleEvidence() {
		if !c.used["rule "+key] {
			c.t.Errorf("the evidence for the rule %s is about no available type", key)
		}
	}
}
