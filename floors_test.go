// The tests of this package are the rules of the house: which package may
// import which, what pure packages may not touch, what every package owes its
// reader. They read the source with go/parser and take well under a second.
package penstock_test

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// rule says on which floor a package stands and what of ours it may import.
type rule struct {
	// pkg is a folder; a "*" at the end stands for one more element.
	pkg   string
	floor int
	// only lists the whole of what may be imported, if not nil.
	only []string
	// below is the lowest floor that may not be imported; it counts when only is
	// nil. Floors below it are open.
	below int
	// also lists patterns that may be imported besides.
	also []string
	// never lists patterns that may not be imported even so.
	never []string
}

// house is the table of the design, section 2. A package appears when it has
// content; one that is missing here is an architecture decision and its record
// (docs/adr) comes in the same change. A wire service (internal/api/*,
// internal/service/*) or a provider (internal/provider/GROUP/*) needs none.
var house = []rule{
	{pkg: "internal/api", floor: 0, only: []string{}},
	{pkg: "internal/api/*", floor: 0, only: []string{"internal/api"}},
	{pkg: "internal/db", floor: 0, only: []string{}},
	{pkg: "internal/sigv4", floor: 0, only: []string{}},
	{pkg: "internal/blob", floor: 0, only: []string{}},
	{pkg: "internal/sandbox", floor: 0, only: []string{}},
	{pkg: "internal/buildspec", floor: 0, only: []string{}},

	{pkg: "internal/awsjson", floor: 1, below: 1},
	{pkg: "internal/iam", floor: 1, below: 1},
	{pkg: "internal/logs", floor: 1, below: 1},
	{pkg: "internal/pipeline", floor: 1, below: 1},

	{pkg: "internal/engine", floor: 2, only: []string{"internal/pipeline"}},
	{pkg: "internal/provider", floor: 2, only: []string{"internal/pipeline", "internal/blob", "internal/logs"}},
	{pkg: "internal/build", floor: 2, below: 2},
	{pkg: "internal/s3", floor: 2, below: 2},
	{pkg: "internal/git", floor: 2, below: 2},
	{pkg: "internal/registry", floor: 2, below: 2},

	{pkg: "internal/provider/source/*", floor: 3, below: 3},
	{pkg: "internal/provider/source", floor: 3, below: 3},
	{pkg: "internal/provider/build/*", floor: 3, below: 3},
	{pkg: "internal/provider/build", floor: 3, below: 3},
	{pkg: "internal/provider/deploy/*", floor: 3, below: 3},
	{pkg: "internal/provider/deploy", floor: 3, below: 3},
	{pkg: "internal/provider/invoke/*", floor: 3, below: 3},
	{pkg: "internal/provider/invoke", floor: 3, below: 3},
	{pkg: "internal/provider/approval/*", floor: 3, below: 3},
	{pkg: "internal/provider/approval", floor: 3, below: 3},
	{pkg: "internal/provider/rule/*", floor: 3, below: 3},
	{pkg: "internal/provider/rule", floor: 3, below: 3},
	{pkg: "internal/dispatch", floor: 3, below: 3},

	{pkg: "internal/trigger", floor: 4, below: 4},
	{pkg: "internal/notify", floor: 4, below: 4},

	{pkg: "internal/service/*", floor: 5, below: 5},

	{pkg: "internal/console", floor: 6, below: 5, never: []string{"internal/service/*"}},

	{pkg: "internal/server", floor: 7, below: 7},

	{pkg: "internal/simtest", floor: 8, below: 9},
	{pkg: "penstocktest", floor: 8, below: 9},
	{pkg: "cmd/penstock", floor: 8, below: 9},
}

// wireFloor lists who may hold generated wire structures; everybody else may
// use the enumerations of those packages only.
var wireFloor = []string{
	"internal/api/*", "internal/service/*", "internal/console", "internal/server",
	"internal/simtest", "penstocktest", "cmd/penstock",
}

// matches reports whether a folder is meant by a pattern of the table.
func matches(pattern, pkg string) bool {
	prefix, open := strings.CutSuffix(pattern, "/*")
	if !open {
		return pattern == pkg
	}
	rest, below := strings.CutPrefix(pkg, prefix+"/")
	return below && !strings.Contains(rest, "/")
}

// suiteOf names the package whose conformance suite this is: db for
// db/dbtest, provider for provider/providertest.
func suiteOf(pkg string) (parent string, ok bool) {
	parent = path.Dir(pkg)
	return parent, parent != "." && path.Base(pkg) == path.Base(parent)+"test"
}

// ruleOf finds the rule of a package; ok is false when the house has no place
// for it.
func ruleOf(pkg string) (r rule, ok bool) {
	if parent, suite := suiteOf(pkg); suite {
		r, ok := ruleOf(parent)
		// A suite may use all that is below its contract, to build the real thing.
		return rule{pkg: pkg, floor: r.floor, below: r.floor, also: []string{parent}}, ok
	}
	for _, r := range house {
		if matches(r.pkg, pkg) {
			return r, true
		}
	}
	return rule{}, false
}

// allows reports whether non-test code under this rule may import a package.
func (r rule) allows(pkg string) bool {
	meant := func(pattern string) bool { return matches(pattern, pkg) }
	target, known := ruleOf(pkg)
	switch {
	case !known || slices.ContainsFunc(r.never, meant):
		return false
	case slices.ContainsFunc(r.also, meant):
		return true
	case r.only != nil:
		return slices.ContainsFunc(r.only, meant)
	default:
		return target.floor < r.below
	}
}

// checkFloors lists every package that has no place and every import that goes
// up, or sideways where it may not.
//
// A test may import what stands on its own floor or below, and conformance
// suites: it often needs a real neighbour, but never the floors above.
func checkFloors(src *tree) []string {
	var found []string
	unknown := make(map[string]bool)
	for _, f := range src.files {
		r, ok := ruleOf(f.pkg)
		if f.pkg == "." && f.test {
			continue
		}
		if !ok {
			if !unknown[f.pkg] {
				found = append(found, fmt.Sprintf("%s: the package has no floor; a new one is a decision: write docs/adr and add it to the table", f.pkg))
			}
			unknown[f.pkg] = true
			continue
		}
		for _, spec := range f.ast.Imports {
			if complaint := checkImport(f, r, importPath(spec)); complaint != "" {
				found = append(found, src.at(spec.Pos())+": "+complaint)
			}
		}
	}
	return found
}

func checkImport(f *sourceFile, r rule, target string) string {
	pkg, ok := ours(target)
	if !ok || pkg == f.pkg {
		return ""
	}
	_, isSuite := suiteOf(pkg)
	_, inSuite := suiteOf(f.pkg)
	goal, known := ruleOf(pkg)
	switch {
	case !known:
		return fmt.Sprintf("%s imports %s, which has no floor", f.pkg, pkg)
	case isSuite && !f.test && !inSuite && r.floor < 8:
		return fmt.Sprintf("%s imports %s, a test suite, outside its tests", f.pkg, pkg)
	case isSuite || f.test || inSuite && r.allows(pkg):
		if goal.floor > r.floor {
			return fmt.Sprintf("%s (floor %d) imports %s (floor %d): even tests only look down", f.pkg, r.floor, pkg, goal.floor)
		}
		return ""
	case !r.allows(pkg):
		return fmt.Sprintf("%s (floor %d) may not import %s (floor %d)", f.pkg, r.floor, pkg, goal.floor)
	}
	return ""
}

// checkWire lists the uses of generated structures below the services.
func checkWire(src *tree) []string {
	structs := make(map[string]map[string]bool) // package -> its structure types
	for _, f := range src.files {
		if !matches("internal/api/*", f.pkg) || f.test {
			continue
		}
		if structs[f.pkg] == nil {
			structs[f.pkg] = make(map[string]bool)
		}
		for _, name := range structTypes(f.ast) {
			structs[f.pkg][name] = true
		}
	}
	var found []string
	for _, f := range src.files {
		holds := func(pattern string) bool { return matches(pattern, f.pkg) }
		if f.test || slices.ContainsFunc(wireFloor, holds) {
			continue
		}
		imports := importsOf(f.ast)
		ast.Inspect(f.ast, func(n ast.Node) bool {
			x, name, ok := qualified(n)
			if !ok {
				return true
			}
			if pkg, ok := ours(imports[x]); ok && structs[pkg][name] {
				found = append(found, fmt.Sprintf("%s: %s uses the wire structure %s.%s; they stop at the services", src.at(n.Pos()), f.pkg, x, name))
			}
			return true
		})
	}
	return found
}

func structTypes(f *ast.File) []string {
	var names []string
	for _, decl := range f.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range gen.Specs {
			if ts, ok := spec.(*ast.TypeSpec); ok {
				if _, ok := ts.Type.(*ast.StructType); ok {
					names = append(names, ts.Name.Name)
				}
			}
		}
	}
	return names
}

// qualified takes apart pkg.Name.
func qualified(n ast.Node) (pkg, name string, ok bool) {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return "", "", false
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return "", "", false
	}
	return x.Name, sel.Sel.Name, true
}

func TestFloors(t *testing.T) {
	t.Parallel()
	report(t, checkFloors(sourceTree(t)))
}

func TestWireStructuresStopAtTheServices(t *testing.T) {
	t.Parallel()
	report(t, checkWire(sourceTree(t)))
}

func report(t *testing.T, found []string) {
	t.Helper()
	for _, complaint := range found {
		t.Error(complaint)
	}
}

// TestFloorRules plants violations and legal imports, so that the rules above
// are known to catch the ones and to let the others pass.
func TestFloorRules(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		from, to string
		test     bool
		legal    bool
	}{
		{from: "internal/engine", to: "internal/pipeline", legal: true},
		{from: "internal/engine", to: "internal/db"},
		{from: "internal/engine", to: "internal/dispatch"},
		{from: "internal/pipeline", to: "internal/engine"},
		{from: "internal/pipeline", to: "internal/iam"},
		{from: "internal/api", to: "internal/db"},
		{from: "internal/api/codepipeline", to: "internal/api", legal: true},
		{from: "internal/api/codepipeline", to: "internal/api/codebuild"},
		{from: "internal/db", to: "internal/blob"},
		{from: "internal/db/dbtest", to: "internal/db", legal: true},
		{from: "internal/db", to: "internal/db/dbtest"},
		{from: "internal/db", to: "internal/db/dbtest", test: true, legal: true},
		{from: "internal/s3", to: "internal/git"},
		{from: "internal/s3", to: "internal/iam", legal: true},
		{from: "internal/s3", to: "internal/db/dbtest", test: true, legal: true},
		{from: "internal/s3", to: "internal/server", test: true},
		{from: "internal/provider", to: "internal/git"},
		{from: "internal/provider/providertest", to: "internal/provider", legal: true},
		{from: "internal/provider/providertest", to: "internal/db/dbtest", legal: true},
		{from: "internal/provider/source", to: "internal/git", legal: true},
		{from: "internal/provider/source/s3", to: "internal/provider/deploy/s3"},
		{from: "internal/provider/tea", to: "internal/provider"},
		{from: "internal/dispatch", to: "internal/provider/source"},
		{from: "internal/dispatch", to: "internal/provider/source", test: true, legal: true},
		{from: "internal/service/codepipeline", to: "internal/dispatch", legal: true},
		{from: "internal/service/codepipeline", to: "internal/service/codebuild"},
		{from: "internal/console", to: "internal/service/codepipeline"},
		{from: "internal/console", to: "internal/api/codepipeline", legal: true},
		{from: "internal/server", to: "internal/console", legal: true},
		{from: "cmd/penstock", to: "internal/server", legal: true},
		{from: "internal/util", to: "internal/db"},
		{from: "internal/server", to: "internal/util"},
	} {
		name := "a.go"
		if tc.test {
			name = "a_test.go"
		}
		src := treeOf(t, map[string]string{
			tc.from + "/" + name: fmt.Sprintf("package a\n\nimport _ %q\n", modulePath+"/"+tc.to),
		})
		if found := checkFloors(src); (len(found) == 0) != tc.legal {
			t.Errorf("%s imports %s (test %v): legal = %v, found %q", tc.from, tc.to, tc.test, tc.legal, found)
		}
	}
}

// TestWireRule plants a structure and an enumeration where each may and may not
// be.
func TestWireRule(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pkg, name string
		legal     bool
	}{
		{pkg: "internal/dispatch", name: "StageState"},
		{pkg: "internal/dispatch", name: "Owner", legal: true},
		{pkg: "internal/service/codepipeline", name: "StageState", legal: true},
	} {
		src := treeOf(t, map[string]string{
			"internal/api/codepipeline/shapes.go": "package codepipeline\n\ntype StageState struct{}\n\ntype Owner string\n",
			tc.pkg + "/a.go": fmt.Sprintf("package a\n\nimport %q\n\nvar a codepipeline.%s\n",
				modulePath+"/internal/api/codepipeline", tc.name),
		})
		if found := checkWire(src); (len(found) == 0) != tc.legal {
			t.Errorf("%s uses %s: legal = %v, found %q", tc.pkg, tc.name, tc.legal, found)
		}
	}
}
