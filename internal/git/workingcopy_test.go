package git

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadWorkingCopy(t *testing.T) {
	t.Parallel()
	r := newRepo(t, t.TempDir())
	r.write(".gitignore", "*.log\nout/\n", 0o644)
	r.write("kept", "a", 0o644)
	r.write("gone", "a", 0o644)
	r.write("sub/file", "a", 0o644)
	r.write("replaced/file", "a", 0o644)
	r.write("forced.log", "a", 0o644)
	r.git("add", "-f", "forced.log")
	head := r.commit("first")
	r.git("remote", "add", "origin", "https://user:token@host/owner/repo.git")

	w, err := ReadWorkingCopy(t.Context(), r.dir)
	must(t, err)
	want := []string{".gitignore", "forced.log", "gone", "kept", "replaced/file", "sub/file"}
	if d := cmp.Diff(want, w.Files); d != "" {
		t.Error(d)
	}
	if w.Changed || w.Branch != "main" || w.Head == nil || w.Head.ID != head || w.Origin != "https://host/owner/repo.git" {
		t.Errorf("%+v", w)
	}

	must(t, os.Remove(filepath.Join(r.dir, "gone")))
	must(t, os.RemoveAll(filepath.Join(r.dir, "replaced")))
	must(t, os.Symlink("/etc", filepath.Join(r.dir, "replaced")))
	r.write("kept", "changed", 0o644)
	r.write("new dir/ö", "a", 0o644)
	r.write("noise.log", "a", 0o644)
	r.write("out/result", "a", 0o644)
	nested := newRepo(t, filepath.Join(r.dir, "nested"))
	nested.write("x", "a", 0o644)
	nested.commit("nested")
	w, err = ReadWorkingCopy(t.Context(), r.dir)
	must(t, err)
	want = []string{".gitignore", "forced.log", "kept", "new dir/ö", "replaced", "sub/file"}
	if d := cmp.Diff(want, w.Files); d != "" {
		t.Error(d)
	}
	if !w.Changed {
		t.Error("changes not seen")
	}

	// A folder in it sees only itself.
	w, err = ReadWorkingCopy(t.Context(), filepath.Join(r.dir, "sub"))
	must(t, err)
	if d := cmp.Diff([]string{"file"}, w.Files); d != "" || w.Changed || w.Head == nil {
		t.Errorf("%s%+v", d, w)
	}
	// A folder that is ignored as a whole is taken as it is.
	w, err = ReadWorkingCopy(t.Context(), filepath.Join(r.dir, "out"))
	must(t, err)
	if d := cmp.Diff([]string{"result"}, w.Files); d != "" || w.Head != nil {
		t.Errorf("%s%+v", d, w)
	}
}

func TestReadWorkingCopyWithoutCommit(t *testing.T) {
	t.Parallel()
	r := newRepo(t, t.TempDir())
	r.write("a", "a", 0o644)
	w, err := ReadWorkingCopy(t.Context(), r.dir)
	must(t, err)
	if d := cmp.Diff(WorkingCopy{Files: []string{"a"}, Branch: "main", Changed: true}, w); d != "" {
		t.Error(d)
	}
}

func TestReadPlainFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "a", "b", "c"), nil, 0o644))
	must(t, os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("a\n"), 0o644))
	must(t, os.Symlink("a", filepath.Join(dir, "link")))
	w, err := ReadWorkingCopy(t.Context(), dir)
	must(t, err)
	if d := cmp.Diff(WorkingCopy{Files: []string{".gitignore", "a/b/c", "link"}, Changed: true}, w); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{filepath.Join(dir, "none"), filepath.Join(dir, ".gitignore")} {
		if _, err := ReadWorkingCopy(t.Context(), bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}
