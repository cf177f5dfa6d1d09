package server_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/server"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// crashData names, in the environment of this test program, the folder of a
// server that the program is to be instead of running tests.
const crashData = "PENSTOCK_TEST_CRASH_DATA"

// crashDatabase and crashBlobs name, beside crashData, the database and the folder
// of content that several servers share.
const (
	crashDatabase = "PENSTOCK_TEST_CRASH_DATABASE"
	crashBlobs    = "PENSTOCK_TEST_CRASH_BLOBS"
)

// crashFunctions names, beside crashData, the folder of the code of the functions
// that the server has.
const crashFunctions = "PENSTOCK_TEST_CRASH_FUNCTIONS"

// The key pair of the servers that are killed.
var crashKey = sigv4.Credentials{AccessKeyID: "AKIACRASHCRASHCRASH1", SecretAccessKey: "a-secret-of-the-crash-test"}

// lifelineFD is a pipe that the server and everything it starts inherits and
// nobody writes to: its end tells that all of them are gone. Supervisors of
// builds use the numbers below it.
const lifelineFD = 10

// crashServe is a server until it is killed, or the test that started it ends.
func crashServe(data string) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := server.Start(context.Background(), server.Config{
		Listen: "127.0.0.1:0", Data: data, Account: account, Region: region,
		RootAccessKeyID: crashKey.AccessKeyID, RootSecretAccessKey: crashKey.SecretAccessKey,
		CodeCommit: filepath.Join(filepath.Dir(data), "repositories"),
		Database:   os.Getenv(crashDatabase), Blobs: os.Getenv(crashBlobs), Functions: crashedFunctions(os.Getenv(crashFunctions)),
	}, server.Options{Version: "crash", Providers: []provider.Provider{pulse{}}, Logger: log})
	if err != nil {
		log.Error("starting", "error", err)
		os.Exit(1)
	}
	for _, name := range []string{"sources", "sites", "objects"} {
		if err := s.EnsureBucket(context.Background(), name); err != nil {
			log.Error("making a bucket", "error", err)
			os.Exit(1)
		}
	}
	fmt.Println(s.Endpoint())
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(1)
}

// life is one server process, from its start to its kill.
type life struct {
	t        testing.TB
	cmd      *exec.Cmd
	stdin    io.WriteCloser
	stderr   *crashLog
	endpoint chan string   // receives once, or is closed
	gone     chan struct{} // closed when no process of it is left
}

// crashLog keeps what the servers of a test say.
type crashLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *crashLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// errors are the lines of level ERROR, but for requests that a client gave up.
func (l *crashLog) errors() (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.SplitSeq(l.text.String(), "\n") {
		bad := strings.Contains(line, "level=ERROR") || strings.Contains(line, "panic")
		if bad && !strings.Contains(line, "context canceled") {
			lines = append(lines, line)
		}
	}
	return lines
}

// spawn starts a server on a data directory, with more variables in its
// environment.
func spawn(t testing.TB, data string, log *crashLog, more ...string) *life {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	lifeline, inherited, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer inherited.Close()
	l := &life{t: t, cmd: exec.Command(program), stderr: log, endpoint: make(chan string, 1), gone: make(chan struct{})}
	l.cmd.Env = append(append(os.Environ(), crashData+"="+data), more...)
	l.cmd.Stderr = log
	l.cmd.ExtraFiles = make([]*os.File, lifelineFD-2)
	l.cmd.ExtraFiles[lifelineFD-3] = inherited
	if l.stdin, err = l.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := l.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(l.gone)
		defer lifeline.Close()
		_, _ = io.Copy(io.Discard, lifeline)
	}()
	go func() {
		defer close(l.endpoint)
		if line, err := bufio.NewReader(stdout).ReadString('\n'); err == nil {
			l.endpoint <- strings.TrimSpace(line)
		}
	}()
	return l
}

// ready waits until the server serves and returns its endpoint.
func (l *life) ready() string {
	l.t.Helper()
	select {
	case endpoint, ok := <-l.endpoint:
		if ok {
			return endpoint
		}
	case <-crashTimer(patience):
	}
	l.kill()
	l.t.Fatalf("the server did not come up again; its log:\n%s", l.stderr.text.String())
	return ""
}

// kill is kill -9.
func (l *life) kill() {
	l.t.Helper()
	if err := l.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		l.t.Error(err)
	}
	_ = l.cmd.Wait()
	l.stdin.Close()
}

// childless waits until nothing that the killed server had started is left.
func (l *life) childless() {
	l.t.Helper()
	select {
	case <-l.gone:
	case <-crashTimer(20 * time.Second):
		l.t.Errorf("processes outlive the server %d that started them", l.cmd.Process.Pid)
	}
}

func crashTimer(d time.Duration) <-chan time.Time { return time.NewTimer(d).C }
