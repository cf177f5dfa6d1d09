package git

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
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

// hostRepo serves a repository by git's own CGI program on a loopback address,
// to whoever has the password.
func hostRepo(t *testing.T, dir, user, password string) *httptest.Server {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "--exec-path").Output()
	must(t, err)
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"}, Stderr: io.Discard,
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestHTTPCredentials(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	r := newRepo(t, filepath.Join(base, "owner", "repo"))
	id := r.commit("over http")
	const password = `s3cret "$(id)" 'x`
	server := hostRepo(t, base, "ann", password)
	remote, err := Remote{URL: server.URL, Username: "ann", Password: password}.Repository("owner/repo/.git")
	if !errors.Is(err, ErrName) {
		t.Fatalf("%v, %v", remote, err)
	}
	remote = Remote{URL: server.URL + "/owner/repo/.git", Username: "ann", Password: password}

	c := openCache(t)
	if _, err := c.Resolve(t.Context(), remote, "main"); !errors.Is(err, ErrName) {
		t.Errorf("http without leave: %v", err)
	}
	c.AllowLoopbackHTTP()
	if got, err := c.Resolve(t.Context(), remote, "main"); err != nil || got.ID != id {
		t.Fatalf("%v, %v", got.ID, err)
	}
	// Others do not read through the mirror that was fetched with a password.
	for _, other := range []Remote{
		{URL: remote.URL}, {URL: remote.URL, Username: "eve", Password: "wr0ng-one"},
	} {
		_, err := c.Commit(t.Context(), other, id)
		if !errors.Is(err, ErrDenied) {
			t.Errorf("%+v: %v", other, err)
		}
		if err != nil && strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	absent := remote
	absent.URL = server.URL + "/owner/none"
	if _, err := c.Resolve(t.Context(), absent, "main"); !errors.Is(err, ErrNoRepository) {
		t.Errorf("no repository: %v", err)
	}
	server.Close()
	if _, err := c.Resolve(t.Context(), remote, "main"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("server gone: %v", err)
	}
}

// A redirect to another host must not get the credentials.
func TestRedirectGetsNoCredentials(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var leaked []string
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		leaked = append(leaked, r.Header.Get("Authorization"))
		mu.Unlock()
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		http.Error(w, "", http.StatusUnauthorized)
	}))
	defer thief.Close()
	server := httptest.NewServer(http.RedirectHandler(thief.URL+"/x/info/refs?service=git-upload-pack", http.StatusFound))
	defer server.Close()
	c := openCache(t)
	c.AllowLoopbackHTTP()
	if _, err := c.Resolve(t.Context(), Remote{URL: server.URL + "/x", Username: "u", Password: "p"}, "main"); !errors.Is(err, ErrDenied) {
		t.Errorf("Resolve = %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(leaked) == 0 {
		t.Error("the redirect was not followed, this test shows nothing")
	}
	for _, h := range leaked {
		if h != "" {
			t.Errorf("credentials were sent to another host: %s", h)
		}
	}
}

// What is in the environment and arguments of git, seen by git itself.
func TestMadeEnvironment(t *testing.T) {
	t.Parallel()
	m := &mirror{remote: Remote{URL: "https://host/a", Password: "sesame"}, kind: overHTTPS}
	c := m.fetchCommand("/", branchesAndTags...)
	for _, a := range c.args {
		if strings.Contains(a, "sesame") || strings.Contains(a, "host") {
			t.Errorf("argument %q", a)
		}
	}
	env := strings.Join(c.environment(), "\n")
	for _, want := range []string{"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
		"GIT_ALLOW_PROTOCOL=https", "=protocol.ext.allow", "HOME=/dev/null", "PENSTOCK_GIT_PASSWORD=sesame"} {
		if !strings.Contains(env, want) {
			t.Errorf("no %s in the environment", want)
		}
	}
	if strings.Contains(env, "AWS_") || strings.Contains(env, "\nUSER=") {
		t.Error("git sees variables of the server")
	}
	for url, want := range map[string]string{"/a": "file", "https://h/a": "https", "git@h:a": "ssh"} {
		m := &mirror{remote: Remote{URL: url}}
		var err error
		m.kind, err = m.remote.kind()
		must(t, err)
		if got := m.command("fetch").protocols; got != want {
			t.Errorf("%s may use %q, want %q", url, got, want)
		}
	}
	ssh := sshCommand(Remote{SSHKeyFile: "/k'; touch x; '"})
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `ssh() { for a; do printf '%s\n' "$a"; done; }; `+ssh).Output()
	must(t, err)
	if !strings.HasSuffix(string(out), "-i\n/k'; touch x; '\n") {
		t.Errorf("the shell sees %q", out)
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	got := mask("a p@ss/w b p%40ss%2Fw c dTpwQHNzL3c= https://u:tok@host/x", []string{"p@ss/w", "u:p@ss/w", ""})
	if want := "a **** b **** c **** https://****@host/x"; got != want {
		t.Errorf("mask = %q, want %q", got, want)
	}
	long := &tail{most: 20}
	_, _ = long.Write([]byte("secret-that-is-cut-off\nkept line\n"))
	if got := long.String(); got != "...kept line\n" {
		t.Errorf("tail = %q", got)
	}
}

// A fetch that is cut off ends at once, with every process of it, and the next
// one is whole.
func TestFetchCutOff(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	r := newRepo(t, filepath.Join(base, "repo"))
	r.commit("first")
	backend := hostRepo(t, base, "", "")
	reached, goOn := make(chan struct{}, 10), make(chan struct{})
	hang := make(chan bool, 10)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		select {
		case <-hang:
			reached <- struct{}{}
			<-goOn
		default:
		}
		backend.Config.Handler.ServeHTTP(w, q)
	}))
	defer front.Close()
	c, remote := openCache(t), Remote{URL: front.URL + "/repo/.git"}
	c.AllowLoopbackHTTP()
	_, err := c.Resolve(t.Context(), remote, "main")
	must(t, err)
	second := r.commit("second")

	hang <- true
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := c.Resolve(ctx, remote, "main")
		done <- err
	}()
	<-reached
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Resolve = %v", err)
	}
	if !exists(filepath.Join(c.dir, remote.key(), "busy")) {
		t.Error("no mark of the fetch that was cut off")
	}
	// A process that lived on would hold the lock, and this would wait for it.
	if got, err := c.Resolve(t.Context(), remote, "main"); err != nil || got.ID != second {
		t.Errorf("%v, %v", got.ID, err)
	}
	close(goOn)
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
