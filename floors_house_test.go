package penstock_test

import (
	"fmt"
	"go/ast"
	"os"
	"slices"
	"strings"
	"testing"
)

// largeFile is the length past which a file most likely holds two nouns.
const largeFile = 600

// checkDocs lists the packages that do not say what they are for.
func checkDocs(src *tree) []string {
	var found []string
	for _, pkg := range src.packages() {
		files := src.in(pkg, false)
		if len(files) == 0 {
			continue
		}
		name := files[0].ast.Name.Name
		documented := slices.ContainsFunc(files, func(f *sourceFile) bool {
			text := f.ast.Doc.Text()
			return name == "main" && text != "" || strings.HasPrefix(text, "Package "+name+" ")
		})
		if !documented {
			found = append(found, fmt.Sprintf("%s: no package comment that begins with %q", pkg, "Package "+name+" "))
		}
	}
	return found
}

// checkSleeps lists the sleeps in tests: a test waits for a signal or lives in
// a testing/synctest bubble.
func checkSleeps(src *tree) []string {
	var found []string
	for _, f := range src.files {
		if !f.test {
			continue
		}
		imports := importsOf(f.ast)
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if x, name, ok := qualified(n); ok && name == "Sleep" && imports[x] == "time" {
				found = append(found, src.at(n.Pos())+": a test does not sleep; wait for a signal, or use testing/synctest")
			}
			return true
		})
	}
	return found
}

// checkInits lists the init functions: wiring is explicit, in package server.
func checkInits(src *tree) []string {
	var found []string
	for _, f := range src.files {
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, src.at(fn.Pos())+": no init(); wire it where the server is built")
			}
		}
	}
	return found
}

// checkReplace lists the replace directives of a go.mod: with one, nobody can
// install the command with go install.
func checkReplace(gomod string) []string {
	var found []string
	for i, line := range strings.Split(gomod, "\n") {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] == "replace" {
			found = append(found, fmt.Sprintf("go.mod:%d: no replace directives", i+1))
		}
	}
	return found
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	report(t, checkDocs(sourceTree(t)))
}

func TestNoSleepsInTests(t *testing.T) {
	t.Parallel()
	report(t, checkSleeps(sourceTree(t)))
}

func TestNoInit(t *testing.T) {
	t.Parallel()
	report(t, checkInits(sourceTree(t)))
}

func TestNoReplace(t *testing.T) {
	t.Parallel()
	gomod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	report(t, checkReplace(string(gomod)))
}

// TestLargestFiles never fails: it keeps the tail in sight. Run it with -v.
func TestLargestFiles(t *testing.T) {
	t.Parallel()
	var files []*sourceFile
	for _, f := range sourceTree(t).files {
		if !f.generated {
			files = append(files, f)
		}
	}
	slices.SortStableFunc(files, func(a, b *sourceFile) int { return b.lines - a.lines })
	var text strings.Builder
	for i, f := range files {
		if i >= 10 && f.lines <= largeFile {
			break
		}
		note := ""
		if f.lines > largeFile {
			note = "  does it hold two nouns?"
		}
		fmt.Fprintf(&text, "\n%6d  %s%s", f.lines, f.path, note)
	}
	t.Log("the largest files:", text.String())
}

// TestHouseRules plants what each rule forbids, beside what it allows.
func TestHouseRules(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, file, text, want string
		check                  func(*tree) []string
	}{
		{"documented", "a/a.go", "// Package a is for apples.\npackage a\n", "", checkDocs},
		{"undocumented", "a/a.go", "package a\n", "no package comment", checkDocs},
		{"documented by a directive", "a/a.go", "//go:build linux\n\npackage a\n", "no package comment", checkDocs},
		{"documented command", "a/a.go", "// A prints apples.\npackage main\n", "", checkDocs},
		{"only tests", "a/a_test.go", "package a\n", "", checkDocs},
		{"sleep", "a/a_test.go", "package a\n\nimport \"time\"\n\nvar _ = time.Sleep\n", "does not sleep", checkSleeps},
		{"renamed sleep", "a/a_test.go", "package a\n\nimport zzz \"time\"\n\nfunc f() { zzz.Sleep(1) }\n", "does not sleep", checkSleeps},
		{"sleep outside tests", "a/a.go", "package a\n\nimport \"time\"\n\nvar f = time.Sleep\n", "", checkSleeps},
		{"init", "a/a.go", "package a\n\nfunc init() {}\n", "no init()", checkInits},
		{"method named init", "a/a.go", "package a\n\ntype t int\n\nfunc (t) init() {}\n", "", checkInits},
	} {
		src := treeOf(t, map[string]string{tc.file: tc.text})
		expect(t, tc.name, tc.check(src), tc.want)
	}
	expect(t, "replace", checkReplace("module a\n\nreplace b => ../b\n"), "no replace")
	expect(t, "replace block", checkReplace("replace (\n\tb => ../b\n)\n"), "no replace")
	expect(t, "no replace", checkReplace("module replace\n\n// replace nothing\n"), "")
}
