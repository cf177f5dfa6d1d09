package sandbox

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// supervisorName is the name under which a program is its own supervisor.
const supervisorName = "penstock-sandbox-supervisor"

// The supervisor's ends of the two pipes to the server.
const (
	controlFD = 3
	statusFD  = 4
)

// unkillable is how long the supervisor tries to kill processes that it may not
// kill (a program that became another user) before it says so and ends.
const unkillable = 10 * time.Second

// askEvery is how often, during the grace, processes are looked for that were
// not asked to end yet.
const askEvery = 20 * time.Millisecond

// order is what the server tells a supervisor: first the command, then perhaps
// to stop it. The end of the pipe means that the server is gone.
type order struct {
	Argv  []string      `json:"argv,omitempty"`
	Dir   string        `json:"dir,omitempty"`
	Env   []string      `json:"env,omitempty"`
	Stop  bool          `json:"stop,omitempty"`
	Grace time.Duration `json:"grace,omitempty"`
}

// report is what a supervisor tells the server: first that the command runs or
// why not, last how it ended.
type report struct {
	PID    int    `json:"pid,omitempty"`
	Code   int    `json:"code"`
	Signal string `json:"signal,omitempty"`
	Error  string `json:"error,omitempty"`
}

// Supervise must be called before anything else in main, and in TestMain of
// tests that start sandboxed processes. Usually it returns at once. In a process
// that was started to be a supervisor it does that work and does not return.
func Supervise() {
	if os.Args[0] != supervisorName {
		return
	}
	// The command's death signal is bound to the thread that starts it.
	runtime.LockOSThread()
	unix.CloseOnExec(controlFD)
	unix.CloseOnExec(statusFD)
	// Caught, not ignored: what is ignored stays ignored in the command. The
	// server decides when a command stops, whoever signals the session.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGPIPE)
	status := json.NewEncoder(os.NewFile(statusFD, "status"))
	orders := json.NewDecoder(os.NewFile(controlFD, "control"))
	code := 0
	if err := status.Encode(supervise(orders, status)); err != nil {
		code = 1
	}
	// Not os.Exit, whose last duties (the race detector's second of patience)
	// belong to the program, not to its supervisor.
	syscall.Exit(code)
}

// supervise runs the one command of a supervisor and returns the last report.
func supervise(orders *json.Decoder, status *json.Encoder) report {
	if err := adoptOrphans(); err != nil {
		return report{Error: fmt.Sprintf("adopt orphaned processes: %v", err)}
	}
	var command order
	if err := orders.Decode(&command); err != nil {
		return report{Error: fmt.Sprintf("read the order: %v", err)}
	}
	pid, err := launch(command)
	if err != nil {
		return report{Error: err.Error()}
	}
	w := watch{
		pid:       pid,
		ended:     make(chan syscall.WaitStatus, 1),
		childless: make(chan struct{}),
		stop:      make(chan time.Duration),
		hungUp:    make(chan struct{}),
		asked:     map[int]bool{},
	}
	go w.reap()
	go w.listen(orders)
	if err := status.Encode(report{PID: pid}); err != nil {
		w.kill()
		return report{Error: err.Error()}
	}
	return w.loop()
}

// launch starts the command in a process group of its own.
func launch(command order) (int, error) {
	program, err := lookUp(command.Argv[0], command.Dir, command.Env)
	if err != nil {
		return 0, err
	}
	if info, err := os.Stat(command.Dir); err != nil {
		return 0, fmt.Errorf("working directory: %w", err)
	} else if !info.IsDir() {
		return 0, fmt.Errorf("working directory %s is no directory", command.Dir)
	}
	pid, err := syscall.ForkExec(program, command.Argv, &syscall.ProcAttr{
		Dir:   command.Dir,
		Env:   command.Env,
		Files: []uintptr{0, 1, 2},
		Sys:   groupOfItsOwn(),
	})
	if err != nil {
		return 0, fmt.Errorf("execute %s: %w", program, err)
	}
	return pid, nil
}

// lookUp finds a command as its own environment would: a name with a slash is a
// path from dir, any other is looked for along PATH.
func lookUp(name, dir string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, nil
	}
	search := ""
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, "PATH="); ok {
			search = value
		}
	}
	for _, folder := range filepath.SplitList(search) {
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(dir, folder)
		}
		candidate := filepath.Join(folder, name)
		if info, err := os.Stat(candidate); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("command %q is not in PATH (%s): %w", name, search, fs.ErrNotExist)
}

// watch is a running command under supervision.
type watch struct {
	pid       int
	ended     chan syscall.WaitStatus // the command's own end
	childless chan struct{}           // closed when no descendant is left
	stop      chan time.Duration      // the server asks to stop; the grace
	hungUp    chan struct{}           // closed when the server is gone
	asked     map[int]bool            // to end
}

// loop decides, from what happens, whom to signal; it returns when nothing of
// the command is left.
func (w *watch) loop() report {
	last := report{Error: "the command's end was not seen"}
	var grace, again <-chan time.Time
	for {
		select {
		case state := <-w.ended:
			last = ending(state)
			if grace == nil && !w.kill() {
				last.Error = "processes are left that cannot be killed"
				return last
			}
		case <-w.childless:
			killStrays(w.pid)
			select {
			case state := <-w.ended:
				last = ending(state)
			default:
			}
			return last
		case patience := <-w.stop:
			if grace == nil {
				grace = time.After(patience)
				w.ask()
				again = time.Tick(askEvery)
			}
		case <-again:
			w.ask()
		case <-grace:
			if !w.kill() {
				last.Error = "processes are left that cannot be killed"
				return last
			}
		case <-w.hungUp:
			w.kill()
			return last
		}
	}
}

// ending tells how a command ended.
func ending(state syscall.WaitStatus) report {
	if state.Signaled() {
		return report{Code: 128 + int(state.Signal()), Signal: unix.SignalName(state.Signal())}
	}
	return report{Code: state.ExitStatus()}
}

// reap collects every child that ends, the command and the orphans of its tree.
func (w *watch) reap() {
	for {
		var state syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &state, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			close(w.childless)
			return
		case pid == w.pid:
			w.ended <- state
		}
	}
}

// listen passes on the server's requests until the server is gone.
func (w *watch) listen(orders *json.Decoder) {
	for {
		var o order
		if err := orders.Decode(&o); err != nil {
			close(w.hungUp)
			return
		}
		if o.Stop {
			w.stop <- o.Grace
		}
	}
}

// ask sends SIGTERM to every process of the tree, once to each, and wakes
// stopped ones. A process that was just being made is found the next time.
func (w *watch) ask() {
	for _, pid := range descendants(w.pid) {
		if w.asked[pid] {
			continue
		}
		w.asked[pid] = true
		_ = syscall.Kill(pid, syscall.SIGTERM)
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
}

// kill kills the tree, again and again because it may grow meanwhile, and
// reports whether nothing is left.
func (w *watch) kill() bool {
	deadline := time.Now().Add(unkillable)
	for pause := time.Millisecond; time.Now().Before(deadline); pause = min(2*pause, 50*time.Millisecond) {
		for _, pid := range descendants(w.pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		select {
		case <-w.childless:
			return true
		case <-time.After(pause):
		}
	}
	return false
}
