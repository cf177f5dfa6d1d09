package git

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// zipped is what a zip holds: the mode and content of each entry.
func zipped(t *testing.T, b []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	files := map[string]string{}
	for _, f := range z.File {
		in, err := f.Open()
		must(t, err)
		content, err := io.ReadAll(in)
		must(t, err)
		files[f.Name] = f.Mode().String() + " " + string(content)
	}
	return files
}

func TestArchive(t *testing.T) {
	t.Parallel()
	r := newRepo(t, t.TempDir())
	sub := newRepo(t, t.TempDir())
	subID := sub.commit("sub")
	r.write("run.sh", "#!/bin/sh\n", 0o755)
	r.write("dir/ö\nline", "odd name", 0o644)
	r.write("$Id$", "kept", 0o644)
	r.write("left-out", "not left out", 0o644)
	r.write("id", "$Format:%H$\n", 0o644)
	r.write(".gitattributes", "left-out export-ignore\nid export-subst\n", 0o644)
	r.write("empty", "", 0o644)
	must(t, os.Symlink("run.sh", filepath.Join(r.dir, "link")))
	r.git("add", "-A")
	r.git("update-index", "--add", "--cacheinfo", "160000,"+subID+",module")
	r.git("commit", "-q", "-m", "all kinds")
	id := r.git("rev-parse", "HEAD")

	c, remote := openCache(t), Remote{URL: r.dir}
	var first, second bytes.Buffer
	must(t, c.Archive(t.Context(), remote, id, &first))
	must(t, c.Archive(t.Context(), remote, id, &second))
	want := map[string]string{
		"run.sh": "-rwxr-xr-x #!/bin/sh\n", "dir/ö\nline": "-rw-r--r-- odd name", "$Id$": "-rw-r--r-- kept",
		"left-out": "-rw-r--r-- not left out", "id": "-rw-r--r-- $Format:%H$\n", "empty": "-rw-r--r-- ",
		".gitattributes": "-rw-r--r-- left-out export-ignore\nid export-subst\n", "link": "Lrwxrwxrwx run.sh",
	}
	if d := cmp.Diff(want, zipped(t, first.Bytes())); d != "" {
		t.Error(d)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two archives of a commit differ")
	}
	if err := c.Archive(t.Context(), remote, id, failingWriter{}); !errors.Is(err, errFull) {
		t.Errorf("writing fails: %v", err)
	}
	if err := c.Archive(t.Context(), remote, strings.Repeat("2", 40), io.Discard); !errors.Is(err, ErrNoCommit) {
		t.Errorf("no commit: %v", err)
	}
}

var errFull = errors.New("disk full")

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errFull }

// A forged commit may name files that git add refuses.
func TestArchiveRefusesForgedNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"..", ".git", ".GIT"} {
		r := newRepo(t, t.TempDir())
		r.write("f", "x", 0o644)
		r.commit("honest")
		blob := r.git("rev-parse", "HEAD:f")
		mk := exec.CommandContext(t.Context(), "git", "mktree")
		mk.Dir, mk.Stdin = r.dir, strings.NewReader("100644 blob "+blob+"\tevil\n")
		inner, err := mk.Output()
		must(t, err)
		mk = exec.CommandContext(t.Context(), "git", "mktree")
		mk.Dir, mk.Stdin = r.dir, strings.NewReader("040000 tree "+strings.TrimSpace(string(inner))+"\t"+name+"\n")
		tree, err := mk.Output()
		must(t, err)
		id := r.git("commit-tree", "-m", "forged", strings.TrimSpace(string(tree)))
		r.git("update-ref", "refs/heads/main", id)
		err = openCache(t).Archive(t.Context(), Remote{URL: r.dir}, id, io.Discard)
		if !errors.Is(err, ErrName) {
			t.Errorf("file %s/evil: %v", name, err)
		}
	}
}
