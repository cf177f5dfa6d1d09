package penstock_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// pure are the packages that are functions of their input: they read no clock,
// roll no dice, start no goroutine and do no I/O, so that a simulation of them
// can be replayed. Their tests may do what they like.
var pure = []string{"internal/pipeline", "internal/engine", "internal/buildspec"}

// pureImports is all that a pure package may import from outside. To add one,
// be sure that nothing in it depends on time, chance, the machine or another
// goroutine; a package that does in part goes to impureNames as well.
var pureImports = []string{
	"bytes", "cmp", "container/heap", "container/list", "crypto/md5", "crypto/sha1", "crypto/sha256",
	"encoding/base32", "encoding/base64", "encoding/binary", "encoding/hex", "encoding/json",
	"errors", "fmt", "hash", "hash/crc32", "hash/fnv", "io", "iter", "maps", "math", "math/big", "math/bits",
	"net/url", "path", "reflect", "regexp", "slices", "sort", "strconv", "strings",
	"text/template/parse", "time", "unicode", "unicode/utf16", "unicode/utf8",
	"github.com/bmatcuk/doublestar/v4", "github.com/google/uuid", "go.yaml.in/yaml/v3",
}

// impureNames are the parts of those packages that are not pure.
var impureNames = map[string][]string{
	"fmt": {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
	"time": {
		"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick",
		"NewTimer", "NewTicker", "Timer", "Ticker", "Local", "LoadLocation",
	},
	"github.com/google/uuid": {
		"New", "NewString", "NewRandom", "NewRandomFromReader", "NewUUID", "NewV6", "NewV7", "NewV7FromReader",
		"Must", "SetRand", "EnableRandPool", "DisableRandPool", "NewDCEGroup", "NewDCEPerson", "NewDCESecurity",
	},
	"github.com/bmatcuk/doublestar/v4": {
		"FilepathGlob", "Glob", "GlobWalk", "PathMatch", "PathMatchUnvalidated",
	},
}

// orderedMark, with a reason after it, on the line of a loop over a map or on
// the one above, says why the order of the map decides nothing.
const orderedMark = "//floors:ordered "

// checkPurity lists what makes a package impure, but for loops over maps.
func checkPurity(src *tree, pkg string) []string {
	var found []string
	for _, f := range src.in(pkg, false) {
		complain := func(n ast.Node, format string, args ...any) {
			found = append(found, src.at(n.Pos())+": "+pkg+" is pure: "+fmt.Sprintf(format, args...))
		}
		for _, spec := range f.ast.Imports {
			target := importPath(spec)
			if _, own := ours(target); !own && !slices.Contains(pureImports, target) {
				complain(spec, "it may not import %s", target)
			}
			if spec.Name != nil && spec.Name.Name == "." {
				complain(spec, "a dot import hides where names come from")
			}
		}
		imports := importsOf(f.ast)
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				complain(n, "no goroutines")
			case *ast.ChanType, *ast.SendStmt, *ast.SelectStmt:
				complain(n, "no channels")
			case *ast.UnaryExpr:
				if n.Op == token.ARROW {
					complain(n, "no channels")
				}
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "print" || id.Name == "println") {
					complain(n, "no output")
				}
			case *ast.SelectorExpr:
				if x, name, ok := qualified(n); ok && slices.Contains(impureNames[imports[x]], name) {
					complain(n, "no %s.%s", x, name)
				}
			}
			return true
		})
	}
	return found
}

func TestPurity(t *testing.T) {
	t.Parallel()
	src := sourceTree(t)
	checker := newMapChecker(src)
	for _, pkg := range pure {
		report(t, checkPurity(src, pkg))
		report(t, checker.check(pkg))
	}
}

// TestPurityRules plants each kind of impurity.
func TestPurityRules(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		text string
		want string // part of the complaint, empty for none
	}{
		{name: "pure", text: "import \"time\"\n\nfunc f(at int64) time.Time { return time.UnixMilli(at).UTC() }"},
		{name: "clock", text: "import \"time\"\n\nvar now = time.Now", want: "no time.Now"},
		{name: "renamed clock", text: "import clock \"time\"\n\nvar now = clock.Now()", want: "no clock.Now"},
		{name: "dot import", text: "import . \"strings\"\n\nvar a = ToLower(\"A\")", want: "dot import"},
		{name: "local time", text: "import \"time\"\n\nvar a = time.Unix(0, 0).In(time.Local)", want: "no time.Local"},
		{name: "random id", text: "import \"github.com/google/uuid\"\n\nvar id = uuid.NewString()", want: "no uuid.NewString"},
		{name: "derived id", text: "import \"github.com/google/uuid\"\n\nvar id = uuid.NewSHA1(uuid.Nil, nil)"},
		{name: "dice", text: "import _ \"math/rand/v2\"", want: "may not import math/rand/v2"},
		{name: "disk", text: "import _ \"os\"", want: "may not import os"},
		{name: "context", text: "import _ \"context\"", want: "may not import context"},
		{name: "logger", text: "import _ \"log/slog\"", want: "may not import log/slog"},
		{name: "lock", text: "import _ \"sync\"", want: "may not import sync"},
		{name: "globs on disk", text: "import \"github.com/bmatcuk/doublestar/v4\"\n\nvar f = doublestar.FilepathGlob", want: "no doublestar.FilepathGlob"},
		{name: "goroutine", text: "func f() { go f() }", want: "no goroutines"},
		{name: "channel", text: "var c chan int", want: "no channels"},
		{name: "receive", text: "func f() { <-g() }", want: "no channels"},
		{name: "select", text: "func f() { select {} }", want: "no channels"},
		{name: "output", text: "func f() { println(1) }", want: "no output"},
		{name: "standard output", text: "import \"fmt\"\n\nfunc f() { fmt.Println(1) }", want: "no fmt.Println"},
	} {
		src := treeOf(t, map[string]string{"internal/engine/a.go": "package engine\n\n" + tc.text + "\n"})
		expect(t, tc.name, checkPurity(src, "internal/engine"), tc.want)
	}
}

// TestPurityIsForNonTestCode lets the tests of a pure package do what they like.
func TestPurityIsForNonTestCode(t *testing.T) {
	t.Parallel()
	src := treeOf(t, map[string]string{"internal/engine/a_test.go": "package engine\n\nimport _ \"os\"\n"})
	expect(t, "a test", checkPurity(src, "internal/engine"), "")
}

// expect wants one complaint that holds the text, or none when it is empty.
func expect(t *testing.T, name string, found []string, want string) {
	t.Helper()
	switch {
	case want == "" && len(found) > 0:
		t.Errorf("%s: found %q, want nothing", name, found)
	case want != "" && (len(found) != 1 || !strings.Contains(found[0], want)):
		t.Errorf("%s: found %q, want one that says %q", name, found, want)
	}
}
