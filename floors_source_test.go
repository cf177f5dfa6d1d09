package penstock_test

import (
	"bufio"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
)

// modulePath is the prefix of every import path of ours.
const modulePath = "github.com/penstock-cd/penstock"

// sourceFile is one parsed Go file of this module.
type sourceFile struct {
	path      string // slash-separated, from the root of the repository
	pkg       string // the folder, "." for the root
	test      bool   // a _test.go file
	generated bool
	lines     int
	ast       *ast.File
}

// tree is the parsed source of the whole module.
type tree struct {
	fset  *token.FileSet
	files []*sourceFile // sorted by path
}

// loadTree parses the module once for all tests of this package.
var loadTree = sync.OnceValues(func() (*tree, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	return parseTree(os.DirFS(root))
})

func sourceTree(t *testing.T) *tree {
	t.Helper()
	src, err := loadTree()
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// moduleRoot is the folder of this test, which is where go test starts it.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		return "", err
	}
	return dir, nil
}

// parseTree parses every Go file below the root, but for hidden folders,
// testdata and folders that are modules of their own.
func parseTree(root fs.FS) (*tree, error) {
	src := &tree{fset: token.NewFileSet()}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			// Another test may remove its files while we look.
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if d.IsDir() {
			return skipFolder(root, name)
		}
		if path.Ext(name) == ".go" {
			src.files = append(src.files, &sourceFile{
				path: name,
				pkg:  path.Dir(name),
				test: strings.HasSuffix(name, "_test.go"),
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, f := range src.files {
		group.Go(func() error {
			text, err := fs.ReadFile(root, f.path)
			if err != nil {
				return err
			}
			return f.parse(src.fset, text)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return src, nil
}

func skipFolder(root fs.FS, name string) error {
	if name == "." {
		return nil
	}
	base := path.Base(name)
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" {
		return fs.SkipDir
	}
	if _, err := fs.Stat(root, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func (f *sourceFile) parse(fset *token.FileSet, text []byte) error {
	parsed, err := parser.ParseFile(fset, f.path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	f.ast = parsed
	f.generated = ast.IsGenerated(parsed)
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	lines.Buffer(nil, len(text)+1)
	for lines.Scan() {
		f.lines++
	}
	return lines.Err()
}

// packages are the folders that hold Go files, sorted.
func (s *tree) packages() []string {
	var names []string
	for _, f := range s.files {
		names = append(names, f.pkg)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// in are the files of one package; test files only if asked for.
func (s *tree) in(pkg string, tests bool) []*sourceFile {
	var files []*sourceFile
	for _, f := range s.files {
		if f.pkg == pkg && (tests || !f.test) {
			files = append(files, f)
		}
	}
	return files
}

// at says where a node stands, as file:line.
func (s *tree) at(pos token.Pos) string {
	p := s.fset.Position(pos)
	return p.Filename + ":" + strconv.Itoa(p.Line)
}

// importsOf are the import paths of a file by the name they have in it; an
// import of ours keeps its full path.
func importsOf(f *ast.File) map[string]string {
	names := make(map[string]string)
	for _, spec := range f.Imports {
		target := importPath(spec)
		name := defaultName(target)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = target
	}
	return names
}

func importPath(spec *ast.ImportSpec) string {
	target, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value
	}
	return target
}

// defaultName is the name that a package most likely has: the last element of
// its path that is not a major version.
func defaultName(importPath string) string {
	base := path.Base(importPath)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" && path.Dir(importPath) != "." {
		base = path.Base(path.Dir(importPath))
	}
	return base
}

// ours gives the folder of an import of this module.
func ours(importPath string) (pkg string, ok bool) {
	if importPath == modulePath {
		return ".", true
	}
	return strings.CutPrefix(importPath, modulePath+"/")
}

// treeOf parses files given as text, to test the rules themselves.
func treeOf(t *testing.T, files map[string]string) *tree {
	t.Helper()
	src := &tree{fset: token.NewFileSet()}
	for name, text := range files {
		f := &sourceFile{path: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go")}
		if err := f.parse(src.fset, []byte(text)); err != nil {
			t.Fatal(err)
		}
		src.files = append(src.files, f)
	}
	slices.SortFunc(src.files, func(a, b *sourceFile) int { return strings.Compare(a.path, b.path) })
	return src
}
