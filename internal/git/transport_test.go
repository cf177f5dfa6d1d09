package git

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

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
