package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	cp "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/sandbox"
	"github.com/penstock-cd/penstock/internal/server"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

func TestMain(m *testing.M) {
	sandbox.Supervise()
	testscript.Main(m, map[string]func(){"penstock": main})
}

// TestScripts runs testdata/script. UPDATE_GOLDENS=1 writes the goldens anew.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("UPDATE_GOLDENS") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cli": cmdCLI, "start": cmdStart, "signal": cmdSignal, "ended": cmdEnded, "await": cmdAwait,
			"jsonlines": cmdJSONLines, "gone": cmdGone, "create": cmdCreate, "until-explained": cmdUntilExplained, "terminal": cmdTerminal, "api": cmdAPI, "bucket": cmdBucket,
		},
	})
}

// setUp gives every script an environment that says nothing about the machine.
func setUp(env *testscript.Env) error {
	env.Setenv("HOME", env.WorkDir)
	for name, value := range map[string]string{
		"GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.com",
		"GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@example.com", "TZ": "UTC",
	} {
		env.Setenv(name, value)
	}
	env.Values[processes{}] = map[string]*process{}
	return nil
}

// processes is the key of what start started.
type processes struct{}

// process is a command that runs beside the script.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// patience is how long anything is waited for. Nothing takes near as long.
const patience = 60 * time.Second

// cmdCLI runs the program and checks its exit status:
//
//	cli 2 run nothing
func cmdCLI(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: cli STATUS args...")
	}
	status := 0
	if err := ts.Exec("penstock", args[1:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("penstock: %v", err)
		}
		status = exit.ExitCode()
	}
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("penstock %s exits with %d, not %s", strings.Join(args[1:], " "), status, args[0])
	}
}

// cmdStart runs the program beside the script, with its output in NAME.out and
// NAME.err:
//
//	start NAME args...
func cmdStart(ts *testscript.TestScript, _ bool, args []string) {
	cmd := exec.Command(program(ts), args[1:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), environment(ts)
	out, err := os.Create(ts.MkAbs(args[0] + ".out"))
	ts.Check(err)
	defer out.Close()
	stderr, err := os.Create(ts.MkAbs(args[0] + ".err"))
	ts.Check(err)
	defer stderr.Close()
	cmd.Stdout, cmd.Stderr = out, stderr
	ts.Check(cmd.Start())
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		<-p.done
	})
	ts.Value(processes{}).(map[string]*process)[args[0]] = p
}

// program is the path of the command under test.
func program(ts *testscript.TestScript) string {
	bin, _, _ := strings.Cut(ts.Getenv("PATH"), string(filepath.ListSeparator))
	path, err := exec.LookPath(filepath.Join(bin, "penstock"))
	ts.Check(err)
	return path
}

// environment is what commands beside the script see.
func environment(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "TZ"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

// cmdSignal sends a signal: signal NAME INT|TERM|KILL.
func cmdSignal(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "KILL": os.Kill}
	ts.Check(started(ts, args[0]).cmd.Process.Signal(signals[args[1]]))
}

// cmdEnded waits for the end and checks the exit status: ended NAME STATUS.
func cmdEnded(ts *testscript.TestScript, _ bool, args []string) {
	p := started(ts, args[0])
	select {
	case <-p.done:
	case <-time.After(patience):
		ts.Fatalf("%s goes on", args[0])
	}
	if got := p.cmd.ProcessState.ExitCode(); strconv.Itoa(got) != args[1] {
		ts.Fatalf("%s ended with %d, not %s\n%s%s", args[0], got, args[1], ts.ReadFile(args[0]+".out"), ts.ReadFile(args[0]+".err"))
	}
}

func started(ts *testscript.TestScript, name string) *process {
	p := ts.Value(processes{}).(map[string]*process)[name]
	if p == nil {
		ts.Fatalf("%s was not started", name)
	}
	return p
}

// cmdAwait waits until a file exists and holds a text: await FILE [TEXT].
func cmdAwait(ts *testscript.TestScript, _ bool, args []string) {
	until(ts, strings.Join(args, " "), func() bool {
		content, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && (len(args) == 1 || strings.Contains(string(content), args[1]))
	})
}

// cmdGone waits until the process whose id is in a file has ended: gone FILE.
func cmdGone(ts *testscript.TestScript, _ bool, args []string) {
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[0])))
	ts.Check(err)
	until(ts, "the end of process "+strconv.Itoa(pid), func() bool {
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
	})
}

func until(ts *testscript.TestScript, what string, holds func() bool) {
	deadline := time.After(patience)
	for tick := time.Tick(10 * time.Millisecond); !holds(); {
		select {
		case <-tick:
		case <-deadline:
			ts.Fatalf("waited in vain for %s", what)
		}
	}
}

// cmdCreate creates a pipeline on the server of a data directory, with the
// script's folder as the value of its variable Work: create DATA FILE.
func cmdCreate(ts *testscript.TestScript, _ bool, args []string) {
	env, err := server.ReadEnvironment(ts.MkAbs(args[0]), sigv4.Credentials{})
	ts.Check(err)
	f, err := readDeclaration(ts.MkAbs(args[1]), nil)
	ts.Check(err)
	f.decl.Variables[0].DefaultValue = new(ts.MkAbs("."))
	text, err := json.Marshal(f.decl)
	ts.Check(err)
	in := &cp.CreatePipelineInput{Pipeline: &cp.PipelineDeclaration{}}
	ts.Check(json.Unmarshal(text, in.Pipeline))
	ts.Check(newClient(env.Endpoint, env.Region, env.Credentials).createPipeline(context.Background(), in))
}
