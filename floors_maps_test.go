package penstock_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"slices"
	"strings"
	"testing"
)

// mapChecker finds loops over maps in pure packages. It types a package from
// its own source and from that of the packages of ours below it; what comes
// from outside has no type, but for what package maps returns.
type mapChecker struct {
	src  *tree
	done map[string]*types.Package
	info map[string]*types.Info
}

// mapsStub is as much of package maps as can give a map to a loop.
const mapsStub = `package maps

func Clone[M ~map[K]V, K comparable, V any](m M) M
func Collect[K comparable, V any](seq func(yield func(K, V) bool)) map[K]V
func Keys[M ~map[K]V, K comparable, V any](m M) func(yield func(K) bool)
func Values[M ~map[K]V, K comparable, V any](m M) func(yield func(V) bool)
func All[M ~map[K]V, K comparable, V any](m M) func(yield func(K, V) bool)
`

func newMapChecker(src *tree) *mapChecker {
	c := &mapChecker{src: src, done: make(map[string]*types.Package), info: make(map[string]*types.Info)}
	stub, err := parser.ParseFile(src.fset, "maps.go", mapsStub, 0)
	if err != nil {
		panic(err)
	}
	c.done["maps"] = c.typeCheck("maps", []*ast.File{stub}, nil)
	return c
}

// Import implements types.Importer.
func (c *mapChecker) Import(target string) (*types.Package, error) {
	if p, ok := c.done[target]; ok {
		return p, nil
	}
	p := types.NewPackage(target, defaultName(target))
	if pkg, ok := ours(target); ok {
		p = c.load(pkg)
	}
	p.MarkComplete()
	c.done[target] = p
	return p, nil
}

// load types one package of ours.
func (c *mapChecker) load(pkg string) *types.Package {
	if info, ok := c.info[pkg]; ok && info != nil {
		return c.done[modulePath+"/"+pkg]
	}
	info := &types.Info{
		Types: make(map[ast.Expr]types.TypeAndValue),
		Defs:  make(map[*ast.Ident]types.Object),
		Uses:  make(map[*ast.Ident]types.Object),
	}
	c.info[pkg] = info
	var files []*ast.File
	for _, f := range c.src.in(pkg, false) {
		files = append(files, f.ast)
	}
	p := c.typeCheck(modulePath+"/"+pkg, files, info)
	c.done[modulePath+"/"+pkg] = p
	return p
}

// typeCheck goes on after errors: without the types of the standard library
// there are many, and none of them matters here.
func (c *mapChecker) typeCheck(importPath string, files []*ast.File, info *types.Info) *types.Package {
	conf := types.Config{Importer: c, Error: func(error) {}, IgnoreFuncBodies: info == nil}
	p, _ := conf.Check(importPath, c.src.fset, files, info)
	if p == nil {
		p = types.NewPackage(importPath, path.Base(importPath))
	}
	return p
}

// check lists the loops over maps whose order might decide something.
func (c *mapChecker) check(pkg string) []string {
	files := c.src.in(pkg, false)
	if len(files) == 0 {
		return nil
	}
	c.load(pkg)
	info := c.info[pkg]
	var found []string
	for _, f := range files {
		imports := importsOf(f.ast)
		reasons := c.reasons(f)
		complain := func(n ast.Node, what string) {
			if line := c.src.fset.Position(n.Pos()).Line; reasons[line] || reasons[line-1] {
				return
			}
			found = append(found, fmt.Sprintf(
				"%s: %s is pure: %s has no order; sort the keys first, or say why it does not matter: %sREASON",
				c.src.at(n.Pos()), pkg, what, orderedMark))
		}
		sorted := make(map[ast.Node]bool)
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Body != nil {
					markSorted(n.Body, imports, sorted)
				}
			case *ast.RangeStmt:
				if isMap(info, n.X) && !sorted[n] && !orderFree(n, info) {
					complain(n, "a loop over a map")
				}
			case *ast.CallExpr:
				if x, name, ok := qualified(n.Fun); ok && imports[x] == "maps" && iterates(name) && !sorted[n] {
					complain(n, "maps."+name)
				}
			}
			return true
		})
	}
	return found
}

func iterates(name string) bool { return name == "Keys" || name == "Values" || name == "All" }

// reasons are the lines that carry the mark with a reason.
func (c *mapChecker) reasons(f *sourceFile) map[int]bool {
	lines := make(map[int]bool)
	for _, group := range f.ast.Comments {
		for _, comment := range group.List {
			if reason, ok := strings.CutPrefix(comment.Text, orderedMark); ok && strings.TrimSpace(reason) != "" {
				lines[c.src.fset.Position(comment.Pos()).Line] = true
			}
		}
	}
	return lines
}

func isMap(info *types.Info, x ast.Expr) bool {
	t := info.TypeOf(x)
	if t == nil {
		return false
	}
	under := t.Underlying()
	if tp, ok := t.(*types.TypeParam); ok {
		under = tp.Constraint().Underlying()
		if constraint, ok := under.(*types.Interface); ok && constraint.NumEmbeddeds() == 1 {
			if union, ok := constraint.EmbeddedType(0).(*types.Union); ok && union.Len() == 1 {
				under = union.Term(0).Type().Underlying()
			}
		}
	}
	_, ok := under.(*types.Map)
	return ok
}

// sorters take a sequence and leave its order behind.
var sorters = []string{"Sorted", "SortedFunc", "SortedStableFunc"}

// markSorted finds, in one function, the loops that only collect into a slice
// that is sorted further down, and the sequences that go straight into a sorter
// or into another map.
func markSorted(body *ast.BlockStmt, imports map[string]string, sorted map[ast.Node]bool) {
	sortedAt := make(map[string]token.Pos) // slice -> the last place where it is sorted
	ast.Inspect(body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		x, name, ok := qualified(call.Fun)
		if !ok {
			return true
		}
		from := imports[x]
		switch {
		case from == "slices" && slices.Contains(sorters, name), from == "maps" && name == "Collect":
			sorted[call.Args[0]] = true
		case from == "maps" && name == "Insert" && len(call.Args) == 2:
			sorted[call.Args[1]] = true
		case from == "slices" && strings.HasPrefix(name, "Sort"), from == "sort":
			sortedAt[types.ExprString(call.Args[0])] = call.Pos()
		}
		return true
	})
	ast.Inspect(body, func(n ast.Node) bool {
		if loop, ok := n.(*ast.RangeStmt); ok {
			if into, ok := collects(loop); ok && sortedAt[into] > loop.End() {
				sorted[loop] = true
			}
		}
		return true
	})
}

// collects names the slice when all that a loop does is to append to it, be it
// after a look at the entry or a change of the loop's own variables.
func collects(loop *ast.RangeStmt) (slice string, ok bool) {
	own := make(map[string]bool)
	for _, v := range []ast.Expr{loop.Key, loop.Value} {
		if id, ok := v.(*ast.Ident); ok {
			own[id.Name] = true
		}
	}
	ok = collectsIn(loop.Body.List, own, &slice)
	return slice, ok && slice != ""
}

func collectsIn(stmts []ast.Stmt, own map[string]bool, slice *string) bool {
	for _, stmt := range stmts {
		switch stmt := stmt.(type) {
		case *ast.IfStmt:
			if stmt.Init != nil || stmt.Else != nil || !collectsIn(stmt.Body.List, own, slice) {
				return false
			}
		case *ast.BranchStmt:
			if stmt.Tok != token.CONTINUE || stmt.Label != nil {
				return false
			}
		case *ast.AssignStmt:
			if len(stmt.Lhs) != 1 || len(stmt.Rhs) != 1 {
				return false
			}
			into := types.ExprString(stmt.Lhs[0])
			call, isCall := stmt.Rhs[0].(*ast.CallExpr)
			switch {
			case stmt.Tok == token.DEFINE:
				own[into] = true
			case own[into]:
			case isCall && types.ExprString(call.Fun) == "append" && types.ExprString(call.Args[0]) == into &&
				(*slice == "" || *slice == into):
				*slice = into
			default:
				return false
			}
		default:
			return false
		}
	}
	return true
}

// orderFree reports whether a loop only copies or deletes, entry by entry,
// under the key of the entry, or counts in whole numbers: then every order gives
// the same.
func orderFree(loop *ast.RangeStmt, info *types.Info) bool {
	key, ok := loop.Key.(*ast.Ident)
	if !ok || len(loop.Body.List) != 1 {
		return false
	}
	switch stmt := loop.Body.List[0].(type) {
	case *ast.AssignStmt:
		if len(stmt.Lhs) != 1 || !callsNothing(stmt.Rhs[0]) {
			return false
		}
		if stmt.Tok == token.ADD_ASSIGN {
			return isInteger(info, stmt.Lhs[0])
		}
		entry, ok := stmt.Lhs[0].(*ast.IndexExpr)
		return ok && stmt.Tok == token.ASSIGN && isMap(info, entry.X) &&
			key.Name != "_" && types.ExprString(entry.Index) == key.Name
	case *ast.ExprStmt:
		call, ok := stmt.X.(*ast.CallExpr)
		return ok && types.ExprString(call.Fun) == "delete" && types.ExprString(call.Args[1]) == key.Name
	}
	return false
}

// callsNothing reports whether an expression is free of calls, but for len.
func callsNothing(x ast.Expr) bool {
	free := true
	ast.Inspect(x, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && types.ExprString(call.Fun) != "len" {
			free = false
		}
		return free
	})
	return free
}

func isInteger(info *types.Info, x ast.Expr) bool {
	t := info.TypeOf(x)
	if t == nil {
		return false
	}
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsInteger != 0
}

// TestMapRules plants loops over maps, with and without an order.
func TestMapRules(t *testing.T) {
	t.Parallel()
	const loop, seq = "a loop over a map", "maps."
	for _, tc := range []struct{ name, text, want string }{
		{name: "parameter", text: "func f(m map[string]int) { for k := range m { g(k) } }", want: loop},
		{name: "field of another package", text: "import \"" + modulePath + "/internal/pipeline\"\n\nfunc f(p *pipeline.Plan) { for range p.Names { g() } }", want: loop},
		{name: "named type", text: "type set map[string]bool\n\nfunc f(s set) { for k := range s { g(k) } }", want: loop},
		{name: "cloned", text: "import \"maps\"\n\nfunc f(m map[string]int) { c := maps.Clone(m); for k := range c { g(k) } }", want: loop},
		{name: "type parameter", text: "func f[M ~map[string]V, V any](m M) { for k := range m { g(k) } }", want: loop},
		{name: "in a closure", text: "var f = func(m map[string]int) { for k := range m { g(k) } }", want: loop},
		{name: "keys", text: "import \"maps\"\n\nfunc f(m map[string]int) { for k := range maps.Keys(m) { g(k) } }", want: seq + "Keys"},
		{name: "sorted too early", text: "import \"slices\"\n\nfunc f(m map[string]int) (ks []string) { slices.Sort(ks); for k := range m { ks = append(ks, k) }; return }", want: loop},
		{name: "mark without a reason", text: "func f(m map[string]int) {\n\t//floors:ordered \n\tfor k := range m { g(k) }\n}", want: loop},

		{name: "slice", text: "func f(s []string) { for _, v := range s { g(v) } }"},
		{name: "sorted keys", text: "import (\"maps\"; \"slices\")\n\nfunc f(m map[string]int) { for _, k := range slices.Sorted(maps.Keys(m)) { g(k) } }"},
		{name: "collected and sorted", text: "import \"slices\"\n\nfunc f(m map[string]int) (ks []string) { for k := range m { ks = append(ks, k) }; slices.Sort(ks); return }"},
		{name: "copied", text: "func f(m, n map[string]int) { for k, v := range m { n[k] = v } }"},
		{name: "copied with a call", text: "func f(m, n map[string]int) { for k := range m { n[k] = g() } }", want: loop},
		{name: "changed, filtered, collected and sorted", text: "import \"slices\"\n\nfunc f(m map[string]int) (ks []string) { for k, v := range m { if v < 0 { continue }; if k == \"a\" { k = \"\" }; name := k + \"!\"; ks = append(ks, name) }; slices.Sort(ks); return }"},
		{name: "collected, and the last one kept", text: "import \"slices\"\n\nfunc f(m map[string]int) (ks []string) { last := \"\"; for k := range m { last = k; ks = append(ks, k) }; slices.Sort(ks); g(last); return }", want: loop},
		{name: "two slices, one sorted", text: "import \"slices\"\n\nfunc f(m map[string]int) (ks, ls []string) { for k := range m { ks = append(ks, k); ls = append(ls, k) }; slices.Sort(ks); return }", want: loop},
		{name: "summed", text: "func f(m map[string]string) (n int) { for k, v := range m { n += len(k) + len(v) }; return }"},
		{name: "joined", text: "func f(m map[string]string) (s string) { for _, v := range m { s += v }; return }", want: loop},
		{name: "summed with rounding", text: "func f(m map[string]float64) (s float64) { for _, v := range m { s += v }; return }", want: loop},
		{name: "deleted", text: "func f(m, n map[string]int) { for k := range m { delete(n, k) } }"},
		{name: "a reason", text: "func f(m map[string]int) (n int) {\n\t//floors:ordered the largest is the same in any order\n\tfor _, v := range m { n = max(n, v) }\n\treturn\n}"},
	} {
		src := treeOf(t, map[string]string{
			"internal/engine/a.go":   "package engine\n\n" + tc.text + "\n\nfunc g(...any) int { return 0 }\n",
			"internal/pipeline/a.go": "package pipeline\n\ntype Plan struct{ Names map[string]int }\n",
		})
		expect(t, tc.name, newMapChecker(src).check("internal/engine"), tc.want)
	}
}
