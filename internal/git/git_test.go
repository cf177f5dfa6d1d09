package git

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// repo is a real repository of a test.
type repo struct {
	t   *testing.T
	dir string
}

func newRepo(t *testing.T, dir string, args ...string) repo {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	r := repo{t, dir}
	r.git(append([]string{"init", "-q", "-b", "main"}, args...)...)
	return r
}

func (r repo) git(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=Ann Author", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_AUTHOR_DATE=2024-02-29T12:00:00+0100",
		"GIT_COMMITTER_NAME=Carl", "GIT_COMMITTER_EMAIL=carl@example.com", "GIT_COMMITTER_DATE=2024-03-01T00:00:00Z")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r repo) write(name, content string, mode fs.FileMode) {
	r.t.Helper()
	p := filepath.Join(r.dir, name)
	must(r.t, os.MkdirAll(filepath.Dir(p), 0o755))
	must(r.t, os.WriteFile(p, []byte(content), mode))
	must(r.t, os.Chmod(p, mode))
}

func (r repo) commit(message string) string {
	r.t.Helper()
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", message)
	return r.git("rev-parse", "HEAD")
}

func openCache(t *testing.T) *Cache {
	t.Helper()
	c, err := Open(t.TempDir())
	must(t, err)
	return c
}

func TestResolve(t *testing.T) {
	t.Parallel()
	r := newRepo(t, filepath.Join(t.TempDir(), "a repo"))
	c, remote := openCache(t), Remote{URL: r.dir}
	if _, err := c.Resolve(t.Context(), remote, "main"); !errors.Is(err, ErrNoBranch) {
		t.Errorf("empty repository: %v", err)
	}
	id := r.commit("first line\n\nbody ü \"quoted\"\n\n")
	got, err := c.Resolve(t.Context(), remote, "main")
	must(t, err)
	want := Commit{
		ID: id, AuthorName: "Ann Author", AuthorEmail: "ann@example.com", Message: "first line\n\nbody ü \"quoted\"",
		AuthorDate: time.Date(2024, 2, 29, 11, 0, 0, 0, time.UTC), CommitterDate: time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}

	// A branch that moves, by force too, and one that changes to a folder.
	second := r.commit("second")
	r.git("branch", "x")
	for branch, want := range map[string]string{"main": second, "x": second} {
		if got, err := c.Resolve(t.Context(), remote, branch); err != nil || got.ID != want {
			t.Errorf("%s: %v, %v", branch, got.ID, err)
		}
	}
	r.git("reset", "-q", "--hard", id)
	r.git("branch", "-D", "x")
	r.git("branch", "x/y")
	for branch, want := range map[string]string{"main": id, "x/y": id} {
		if got, err := c.Resolve(t.Context(), remote, branch); err != nil || got.ID != want {
			t.Errorf("%s: %v, %v", branch, got.ID, err)
		}
	}
	for branch, want := range map[string]error{"x": ErrNoBranch, "none": ErrNoBranch, "-x": ErrName, "a..b": ErrName, id: ErrNoBranch} {
		if _, err := c.Resolve(t.Context(), remote, branch); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", branch, err, want)
		}
	}
	if _, err := c.Resolve(t.Context(), Remote{URL: t.TempDir()}, "main"); !errors.Is(err, ErrNoRepository) {
		t.Errorf("no repository: %v", err)
	}
}

func TestCommit(t *testing.T) {
	t.Parallel()
	r := newRepo(t, t.TempDir())
	first := r.commit("first")
	c, remote := openCache(t), Remote{URL: r.dir}
	got, err := c.Commit(t.Context(), remote, first)
	if err != nil || got.Message != "first" {
		t.Fatalf("%+v, %v", got, err)
	}
	// Newer than the mirror, and on no branch or tag at all.
	second := r.commit("second")
	r.git("checkout", "-q", "--detach")
	lost := r.commit("on no branch")
	r.git("checkout", "-q", "main")
	for id, message := range map[string]string{second: "second", lost: "on no branch"} {
		if got, err := c.Commit(t.Context(), remote, id); err != nil || got.Message != message {
			t.Errorf("%s: %+v, %v", message, got, err)
		}
	}
	tree := r.git("rev-parse", "HEAD^{tree}")
	for id, want := range map[string]error{strings.Repeat("1", 40): ErrNoCommit, tree: ErrNoCommit, "main": ErrName, first[:12]: ErrName, "-x": ErrName} {
		if _, err := c.Commit(t.Context(), remote, id); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", id, err, want)
		}
	}
	// The mirror answers when the remote is gone.
	must(t, os.Rename(filepath.Join(r.dir, ".git", "objects"), filepath.Join(r.dir, ".git", "gone")))
	if _, err := c.Commit(t.Context(), remote, first); err != nil {
		t.Error(err)
	}
}

func TestSHA256Repository(t *testing.T) {
	t.Parallel()
	r := newRepo(t, t.TempDir(), "--object-format=sha256")
	r.write("a", "b", 0o644)
	id := r.commit("long ids")
	c, remote := openCache(t), Remote{URL: r.dir}
	got, err := c.Resolve(t.Context(), remote, "main")
	if err != nil || got.ID != id || len(id) != 64 {
		t.Fatalf("%+v, %v", got, err)
	}
	must(t, c.Archive(t.Context(), remote, id, io.Discard))
	must(t, c.Clone(t.Context(), remote, id, filepath.Join(t.TempDir(), "clone")))
}

func TestClone(t *testing.T) {
	t.Parallel()
	r := newRepo(t, t.TempDir())
	r.write("f", "one", 0o644)
	first := r.commit("first")
	r.git("tag", "v1")
	r.write("f", "two", 0o644)
	r.commit("second")
	must(t, os.WriteFile(filepath.Join(r.dir, ".git", "hooks", "post-checkout"), []byte("#!/bin/sh\ntouch hooked\n"), 0o755))
	c, remote := openCache(t), Remote{URL: r.dir, Password: "sesame"}
	dir := filepath.Join(t.TempDir(), "clone")
	must(t, c.Clone(t.Context(), remote, first, dir))
	got := repo{t, dir}
	if b, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || string(b) != "one" {
		t.Errorf("content %q, %v", b, err)
	}
	for _, tt := range []struct{ want, got string }{
		{first, got.git("rev-parse", "HEAD")},
		{"HEAD", got.git("rev-parse", "--abbrev-ref", "HEAD")},
		{r.git("rev-parse", "main"), got.git("rev-parse", "origin/main")},
		{first, got.git("rev-parse", "v1")},
		{r.dir, got.git("remote", "get-url", "origin")},
		{"", got.git("status", "--porcelain")},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
	config, err := os.ReadFile(filepath.Join(dir, ".git", "config"))
	if must(t, err); strings.Contains(string(config), "sesame") {
		t.Error("the clone holds the password")
	}
	if exists(filepath.Join(dir, "hooked")) {
		t.Error("a hook ran")
	}
}

// Two caches stand for two processes: flock does not tell them apart.
func TestTwoProcessesRace(t *testing.T) {
	t.Parallel()
	r := newRepo(t, t.TempDir())
	r.write("f", strings.Repeat("x", 10000), 0o644)
	id := r.commit("raced")
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 6 {
		c, err := Open(dir)
		must(t, err)
		wg.Go(func() {
			if got, err := c.Resolve(t.Context(), Remote{URL: r.dir}, "main"); err != nil || got.ID != id {
				t.Errorf("%v, %v", got.ID, err)
			}
			if err := c.Archive(t.Context(), Remote{URL: r.dir}, id, io.Discard); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// What a killed server can leave behind, each found and made good.
func TestUnfinishedMirrors(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(t *testing.T, dir string){
		"first fetch killed": func(t *testing.T, dir string) {
			must(t, os.Rename(filepath.Join(dir, "repo.git"), filepath.Join(dir, "new.git")))
			must(t, os.RemoveAll(filepath.Join(dir, "new.git", "refs")))
		},
		"locks left": func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "busy"), nil, 0o600))
			must(t, os.WriteFile(filepath.Join(dir, "repo.git", "packed-refs.lock"), nil, 0o600))
			must(t, os.MkdirAll(filepath.Join(dir, "repo.git", "refs", "heads"), 0o700))
			must(t, os.WriteFile(filepath.Join(dir, "repo.git", "refs", "heads", "main.lock"), nil, 0o600))
		},
		"objects lost": func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "busy"), nil, 0o600))
			must(t, os.RemoveAll(filepath.Join(dir, "repo.git", "objects")))
			must(t, os.MkdirAll(filepath.Join(dir, "repo.git", "objects"), 0o700))
		},
		"damaged without a mark": func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "repo.git", "HEAD"), nil, 0o600))
			must(t, os.WriteFile(filepath.Join(dir, "repo.git", "config"), []byte("[core"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t, t.TempDir())
			r.write("f", "x", 0o644)
			r.commit("first")
			c, remote := openCache(t), Remote{URL: r.dir}
			_, err := c.Resolve(t.Context(), remote, "main")
			must(t, err)
			second := r.commit("second")
			harm(t, filepath.Join(c.dir, remote.key()))
			again, err := Open(c.dir)
			must(t, err)
			if got, err := again.Resolve(t.Context(), remote, "main"); err != nil || got.ID != second {
				t.Errorf("%v, %v", got.ID, err)
			}
			if err := again.Archive(t.Context(), remote, second, io.Discard); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCancelKillsGit(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	defer write.Close()
	began := make(chan struct{})
	c := command{args: []string{"cat-file", "--batch"}, dir: newRepo(t, t.TempDir()).dir, stdin: &signalReader{read, began}}
	done := make(chan error)
	go func() { done <- c.run(ctx) }()
	<-began
	cancel()
	write.Close()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("run = %v", err)
	}
}

// signalReader tells when it is read first: the command has started then.
type signalReader struct {
	io.Reader
	began chan struct{}
}

func (r *signalReader) Read(p []byte) (int, error) {
	if r.began != nil {
		close(r.began)
		r.began = nil
	}
	return r.Reader.Read(p)
}

func BenchmarkResolveLocal(b *testing.B) {
	dir := b.TempDir()
	for _, args := range [][]string{
		{"init", "-q", "-b", "main", dir},
		{"-C", dir, "-c", "user.name=a", "-c", "user.email=b", "commit", "-q", "--allow-empty", "-m", "x"},
	} {
		if out, err := exec.CommandContext(b.Context(), "git", args...).CombinedOutput(); err != nil {
			b.Fatalf("%v %s", err, out)
		}
	}
	c, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := c.Resolve(b.Context(), Remote{URL: dir}, "main"); err != nil {
			b.Fatal(err)
		}
	}
}
