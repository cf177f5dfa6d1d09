// Package sandboxtest checks that a sandbox keeps the promises of package
// sandbox. Every sandbox runs it in its own tests:
//
//	func TestProcess(t *testing.T) {
//		sandboxtest.Run(t, func(*testing.T) sandbox.Sandbox { return sandbox.NewProcess() })
//	}
//
// The sandbox must offer /bin/sh and the usual commands, and share the test's
// temporary folders.
package sandboxtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/sandbox"
)

// Path is a PATH with the usual commands.
const Path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Run runs the whole suite, each part with a sandbox of its own.
func Run(t *testing.T, make func(t *testing.T) sandbox.Sandbox) {
	parts := []struct {
		name string
		part func(t *testing.T, s sandbox.Sandbox)
	}{
		{"exit", exits},
		{"environment is made", environment},
		{"working directory", directory},
		{"input", input},
		{"outputs stay apart or in order", outputs},
		{"output larger than memory", large},
		{"writer that refuses", refusing},
		{"bad specs", badSpecs},
		{"stop politely", stopPolitely},
		{"stop the stubborn", stopStubborn},
		{"stop twice and late", stopTwice},
		{"context", contextEnds},
		{"nothing left behind", leftBehind},
		{"no terminal", noTerminal},
		{"many at once", many},
	}
	for _, p := range parts {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.part(t, make(t))
		})
	}
}

// Shell is a spec that runs a script in an empty folder with a bare PATH.
func Shell(t *testing.T, script string) sandbox.Spec {
	t.Helper()
	return sandbox.Spec{Argv: []string{"/bin/sh", "-c", script}, Dir: t.TempDir(), Env: []string{Path}}
}

func start(t *testing.T, s sandbox.Sandbox, spec sandbox.Spec) sandbox.Process {
	t.Helper()
	p, err := s.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	return p
}

// run runs a spec to its end and returns its whole output.
func run(t *testing.T, s sandbox.Sandbox, spec sandbox.Spec) (sandbox.Exit, string) {
	t.Helper()
	var out bytes.Buffer
	spec.Stdout, spec.Stderr = &out, &out
	exit, err := start(t, s, spec).Wait()
	if err != nil {
		t.Fatal(err)
	}
	return exit, out.String()
}

func exits(t *testing.T, s sandbox.Sandbox) {
	tests := []struct {
		script string
		want   sandbox.Exit
	}{
		{"true", sandbox.Exit{}},
		{"exit 7", sandbox.Exit{Code: 7}},
		{"kill -KILL $$", sandbox.Exit{Code: 137, Signal: "SIGKILL"}},
		{"kill -TERM $$", sandbox.Exit{Code: 143, Signal: "SIGTERM"}},
	}
	for _, tt := range tests {
		exit, out := run(t, s, Shell(t, tt.script))
		if diff := cmp.Diff(tt.want, exit); diff != "" {
			t.Errorf("%s: %s\n%s", tt.script, diff, out)
		}
	}
}

func environment(t *testing.T, s sandbox.Sandbox) {
	spec := Shell(t, "")
	spec.Argv = []string{"env"}
	spec.Env = []string{Path, "EMPTY=", "LINES=a\nb", "EQUALS=a=b", "HOME=/nowhere"}
	_, out := run(t, s, spec)
	got := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	want := []string{Path, "EMPTY=", "LINES=a", "b", "EQUALS=a=b", "HOME=/nowhere"}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// Its descendants, too, see no more, and neither does what it can read of
	// its parents: the server's environment holds credentials.
	exit, out := run(t, s, Shell(t, `[ -r /proc/$PPID/environ ] || exit 0; tr '\0' '\n' </proc/$PPID/environ | grep . && exit 1; exit 0`))
	if exit.Code != 0 {
		t.Errorf("the parent's environment is not empty: %s", out)
	}
}

func directory(t *testing.T, s sandbox.Sandbox) {
	spec := Shell(t, "pwd -P; touch made")
	_, out := run(t, s, spec)
	want, err := filepath.EvalSymlinks(spec.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(out) != want {
		t.Errorf("got %s, want %s", out, want)
	}
	if _, err := os.Stat(filepath.Join(spec.Dir, "made")); err != nil {
		t.Error(err)
	}
}

func input(t *testing.T, s sandbox.Sandbox) {
	if _, out := run(t, s, Shell(t, "cat; echo done")); out != "done\n" {
		t.Errorf("without input: %q", out)
	}
	spec := Shell(t, "cat; echo done")
	spec.Stdin = strings.NewReader("hello\n")
	if _, out := run(t, s, spec); out != "hello\ndone\n" {
		t.Errorf("with input: %q", out)
	}
	// A command may ignore its input, and an input may never end.
	blocked, _ := io.Pipe()
	spec = Shell(t, "echo done")
	spec.Stdin = blocked
	if _, out := run(t, s, spec); out != "done\n" {
		t.Errorf("with an endless input: %q", out)
	}
}

func outputs(t *testing.T, s sandbox.Sandbox) {
	var stdout, stderr bytes.Buffer
	spec := Shell(t, "echo out; echo err >&2")
	spec.Stdout, spec.Stderr = &stdout, &stderr
	if _, err := start(t, s, spec).Wait(); err != nil {
		t.Fatal(err)
	}
	if stdout.String() != "out\n" || stderr.String() != "err\n" {
		t.Errorf("stdout %q, stderr %q", &stdout, &stderr)
	}
	_, both := run(t, s, Shell(t, "for i in 1 2 3; do echo out $i; echo err $i >&2; done"))
	if want := "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n"; both != want {
		t.Errorf("order was lost: %q", both)
	}
	exit, err := start(t, s, Shell(t, "echo nobody listens; echo at all >&2; exit 3")).Wait()
	if err != nil || exit.Code != 3 {
		t.Errorf("discarded output: exit %v, error %v", exit, err)
	}
}

// counter counts bytes and the largest heap seen meanwhile.
type counter struct{ bytes, heap uint64 }

func (c *counter) Write(p []byte) (int, error) {
	if c.bytes%(32<<20) < uint64(len(p)) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		c.heap = max(c.heap, m.HeapAlloc)
	}
	c.bytes += uint64(len(p))
	return len(p), nil
}

func large(t *testing.T, s sandbox.Sandbox) {
	const size = 512 << 20
	var c counter
	spec := Shell(t, "head -c 536870912 /dev/zero")
	spec.Stdout = &c
	if _, err := start(t, s, spec).Wait(); err != nil {
		t.Fatal(err)
	}
	if c.bytes != size {
		t.Errorf("got %d bytes of %d", c.bytes, size)
	}
	if c.heap > size/4 {
		t.Errorf("the heap grew to %d bytes", c.heap)
	}
}

type refuser struct{}

var errRefused = errors.New("refused")

func (refuser) Write([]byte) (int, error) { return 0, errRefused }

func refusing(t *testing.T, s sandbox.Sandbox) {
	spec := Shell(t, "while echo x; do :; done")
	spec.Stdout = refuser{}
	if _, err := start(t, s, spec).Wait(); !errors.Is(err, errRefused) {
		t.Errorf("got error %v", err)
	}
}

func badSpecs(t *testing.T, s sandbox.Sandbox) {
	good := Shell(t, "true")
	tests := map[string]func(*sandbox.Spec){
		"no command":         func(s *sandbox.Spec) { s.Argv = nil },
		"empty command":      func(s *sandbox.Spec) { s.Argv = []string{""} },
		"unknown command":    func(s *sandbox.Spec) { s.Argv = []string{"no-such-command"} },
		"unknown file":       func(s *sandbox.Spec) { s.Argv = []string{"/no/such/file"} },
		"no PATH":            func(s *sandbox.Spec) { s.Argv, s.Env = []string{"true"}, nil },
		"NUL in argument":    func(s *sandbox.Spec) { s.Argv = []string{"echo", "a\x00b"} },
		"relative directory": func(s *sandbox.Spec) { s.Dir = "." },
		"no such directory":  func(s *sandbox.Spec) { s.Dir += "/gone" },
		"bad environment":    func(s *sandbox.Spec) { s.Env = []string{"NOVALUE"} },
		"NUL in environment": func(s *sandbox.Spec) { s.Env = []string{"A=\x00"} },
	}
	for name, spoil := range tests {
		spec := good
		spoil(&spec)
		if p, err := s.Start(t.Context(), spec); err == nil {
			exit, err := p.Wait()
			t.Errorf("%s: it ran: %v, %v", name, exit, err)
		}
	}
}

// lines passes each line on as it comes.
type lines struct {
	mu   sync.Mutex
	rest []byte
	C    chan string
}

func newLines() *lines { return &lines{C: make(chan string, 100)} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		i := bytes.IndexByte(l.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		l.C <- string(l.rest[:i])
		l.rest = l.rest[i+1:]
	}
}

func stopPolitely(t *testing.T, s sandbox.Sandbox) {
	out := newLines()
	spec := Shell(t, `trap 'echo polite; exit 5' TERM; sleep 1000 & echo ready; wait`)
	spec.Stdout, spec.Stderr = out, out
	p := start(t, s, spec)
	<-out.C
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	exit, err := p.Wait()
	if err != nil || exit.Code != 5 || exit.Signal != "" {
		t.Errorf("exit %v, error %v", exit, err)
	}
	if got := <-out.C; got != "polite" {
		t.Errorf("got %q", got)
	}
}

func stopStubborn(t *testing.T, s sandbox.Sandbox) {
	tree := NewTree(t)
	out := newLines()
	spec := tree.Spec(t)
	spec.Stdout, spec.Stderr = out, out
	spec.Grace = 50 * time.Millisecond
	p := start(t, s, spec)
	tree.Grown(t, out.C)
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	exit, err := p.Wait()
	if err != nil || exit.Signal != "SIGKILL" || exit.Code != 137 {
		t.Errorf("exit %v, error %v", exit, err)
	}
	tree.Gone(t)
}

func stopTwice(t *testing.T, s sandbox.Sandbox) {
	p := start(t, s, Shell(t, "exec sleep 1000"))
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if err := p.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for range 2 {
		if exit, err := p.Wait(); err != nil || exit.Signal != "SIGTERM" {
			t.Errorf("exit %v, error %v", exit, err)
		}
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

func contextEnds(t *testing.T, s sandbox.Sandbox) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := s.Start(ctx, Shell(t, "exec sleep 1000"))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if exit, err := p.Wait(); err != nil || exit.Signal != "SIGTERM" {
		t.Errorf("exit %v, error %v", exit, err)
	}
	if _, err := s.Start(ctx, Shell(t, "true")); !errors.Is(err, context.Canceled) {
		t.Errorf("start with an ended context: %v", err)
	}
}

func leftBehind(t *testing.T, s sandbox.Sandbox) {
	tree := NewTree(t)
	out := newLines()
	spec := tree.Spec(t)
	spec.Argv[2] = tree.Script() + "exit 4"
	spec.Stdout = out
	p := start(t, s, spec)
	exit, err := p.Wait()
	if err != nil || exit.Code != 4 {
		t.Errorf("exit %v, error %v", exit, err)
	}
	tree.Gone(t)
}

func noTerminal(t *testing.T, s sandbox.Sandbox) {
	if exit, _ := run(t, s, Shell(t, "exec 2>/dev/null; : </dev/tty")); exit.Code == 0 {
		t.Error("the command has a terminal, on which git or ssh would wait for a password")
	}
}

func many(t *testing.T, s sandbox.Sandbox) {
	var wg sync.WaitGroup
	for i := range 20 {
		spec := Shell(t, "sleep 0.01 & exit "+string(rune('0'+i%10)))
		wg.Go(func() {
			p, err := s.Start(t.Context(), spec)
			if err != nil {
				t.Error(err)
				return
			}
			if exit, err := p.Wait(); err != nil || exit.Code != i%10 {
				t.Errorf("exit %v, error %v", exit, err)
			}
		})
	}
	wg.Wait()
}
