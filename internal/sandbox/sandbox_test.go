package sandbox_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/penstock-cd/penstock/internal/sandbox"
	"github.com/penstock-cd/penstock/internal/sandbox/sandboxtest"
)

// crashDir makes the test program a server that runs a tree in that folder and
// waits to be killed.
const crashDir = "SANDBOX_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	sandbox.Supervise()
	if dir := os.Getenv(crashDir); dir != "" {
		serveUntilKilled(dir, os.Getenv("SANDBOX_TEST_SCRIPT"))
	}
	os.Exit(m.Run())
}

func serveUntilKilled(dir, script string) {
	s := sandbox.Spec{
		Argv: []string{"/bin/sh", "-c", script}, Dir: dir, Env: []string{sandboxtest.Path},
		Stdout: os.Stdout, Stderr: os.Stderr,
	}
	p, err := sandbox.NewProcess().Start(context.Background(), s)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	_, _ = p.Wait()
	os.Exit(0)
}

func TestProcessSandbox(t *testing.T) {
	t.Parallel()
	sandboxtest.Run(t, func(*testing.T) sandbox.Sandbox { return sandbox.NewProcess() })
}

// TestServerKilled kills a server with -9 and sees its whole tree go.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	tree := sandboxtest.NewTree(t)
	server, lines := crashServer(t, tree)
	tree.Grown(t, lines)
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()
	tree.Gone(t)
}

// TestSupervisorKilled kills the supervisor: the command dies with it, and the
// server says that it does not know the exit.
func TestSupervisorKilled(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	spec := sandboxtest.Shell(t, "echo $PPID; sleep 1000 & sleep 1000")
	spec.Stdout = write
	p, err := sandbox.NewProcess().Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if exit, err := p.Wait(); err == nil {
		t.Errorf("exit %v is made up", exit)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

// crashServer starts this test program as a server.
func crashServer(t *testing.T, tree *sandboxtest.Tree) (*exec.Cmd, <-chan string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	spec := tree.Spec(t)
	server := exec.Command(self)
	server.Env = []string{crashDir + "=" + spec.Dir, "SANDBOX_TEST_SCRIPT=" + spec.Argv[2]}
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill() })
	lines := make(chan string, 10)
	go func() {
		defer close(lines)
		for scan := bufio.NewScanner(stdout); scan.Scan(); {
			lines <- scan.Text()
		}
	}()
	return server, lines
}
