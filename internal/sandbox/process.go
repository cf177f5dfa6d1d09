package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// ProcessSandbox runs commands as processes of this host, as the user of the
// server. It keeps the server's environment from them and sees to it that they
// end; it hides nothing else of the host.
//
// Between the server and each command stands a supervisor: the server's own
// program, started again under another name (see Supervise). It hangs on a pipe
// to the server, and kills the whole tree of processes when the pipe closes, so
// even kill -9 of the server leaves nothing behind.
type ProcessSandbox struct{}

// NewProcess returns the sandbox of host processes. The program must call
// Supervise first of all.
func NewProcess() *ProcessSandbox { return &ProcessSandbox{} }

// Name is "process".
func (*ProcessSandbox) Name() string { return "process" }

// supervisorOverdue is how long after the grace the supervisor may take before
// it is taken for broken and killed itself.
const supervisorOverdue = 30 * time.Second

// process is a command under its supervisor.
type process struct {
	supervisor *exec.Cmd
	status     *json.Decoder
	statusPipe *os.File
	grace      time.Duration
	pid        int // the command's, and that of its group
	outputs    []*output

	mu       sync.Mutex // guards the next two
	control  *os.File   // the pipe on which everything hangs; nil when closed
	stopping bool       // the supervisor was told

	done chan struct{} // closed when exit and err are set
	exit Exit
	err  error
}

// Start starts a command under a new supervisor.
func (*ProcessSandbox) Start(ctx context.Context, s Spec) (Process, error) {
	if os.Args[0] == supervisorName {
		// The program ran on into its own business; going on would start
		// supervisors without end.
		panic("sandbox: the program does not call sandbox.Supervise first of all")
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Argv[0], err)
	}
	p := &process{grace: cmp.Or(s.Grace, DefaultGrace), done: make(chan struct{})}
	if err := p.start(s); err != nil {
		p.abandon()
		return nil, fmt.Errorf("start %s: %w", s.Argv[0], err)
	}
	go p.await()
	stopWatching := context.AfterFunc(ctx, func() { _ = p.Stop() })
	go func() {
		<-p.done
		stopWatching()
	}()
	return p, nil
}

// start starts the supervisor and hands it the order; when it returns nil, the
// command runs.
func (p *process) start(s Spec) error {
	program, err := ownProgram()
	if err != nil {
		return err
	}
	controlRead, controlWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer controlRead.Close()
	p.control = controlWrite
	statusRead, statusWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer statusWrite.Close()
	p.statusPipe = statusRead
	p.status = json.NewDecoder(statusRead)

	p.supervisor = &exec.Cmd{
		Path:       program,
		Args:       []string{supervisorName},
		Env:        []string{}, // the command can read its supervisor's environment
		Dir:        "/",
		ExtraFiles: []*os.File{controlRead, statusWrite},
		// A session of its own has no terminal to ask passwords from or to be
		// interrupted by.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	closeInherited, err := p.connect(s)
	defer closeInherited()
	if err != nil {
		return err
	}
	if s.Stdin != nil {
		stdin, err := p.supervisor.StdinPipe()
		if err != nil {
			return err
		}
		defer func() { go feed(stdin, s.Stdin) }()
	}
	if err := p.supervisor.Start(); err != nil {
		return err
	}
	for _, o := range p.outputs {
		go o.copy()
	}
	return p.order(s)
}

// order sends the command to the supervisor and waits for word that it runs.
func (p *process) order(s Spec) error {
	text, err := json.Marshal(order{Argv: s.Argv, Dir: s.Dir, Env: s.Env})
	if err != nil {
		return err
	}
	if _, err := p.control.Write(text); err != nil {
		return fmt.Errorf("the supervisor takes no orders (does main call sandbox.Supervise first?): %w", err)
	}
	if err := p.statusPipe.SetReadDeadline(time.Now().Add(supervisorOverdue)); err != nil {
		return err
	}
	var first report
	if err := p.status.Decode(&first); err != nil {
		return fmt.Errorf("the supervisor does not answer (does main call sandbox.Supervise first?): %w", err)
	}
	if first.Error != "" {
		return errors.New(first.Error)
	}
	p.pid = first.PID
	return p.statusPipe.SetReadDeadline(time.Time{})
}

// feed copies a command's input; whether the command reads it is its affair.
func feed(stdin io.WriteCloser, from io.Reader) {
	_, _ = io.Copy(stdin, from)
	stdin.Close()
}

// abandon cleans up after a start that failed.
func (p *process) abandon() {
	p.hangUp()
	if p.supervisor == nil || p.supervisor.Process == nil {
		for _, o := range p.outputs {
			o.pipe.Close()
		}
		if p.statusPipe != nil {
			p.statusPipe.Close()
		}
		return
	}
	_ = p.supervisor.Process.Kill()
	_ = p.supervisor.Wait()
	_ = p.drain(time.Second)
	p.statusPipe.Close()
}

// hangUp closes the control pipe: the supervisor kills what is left and ends.
func (p *process) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.control != nil {
		p.control.Close()
		p.control = nil
	}
}

// await sees the command to its end.
func (p *process) await() {
	defer close(p.done)
	var last report
	statusErr := p.status.Decode(&last)
	p.hangUp()
	waitErr := p.supervisor.Wait()
	p.statusPipe.Close()
	if statusErr != nil {
		// Somebody killed the supervisor. Its command dies with it; the rest of
		// the group is killed here; what left the group can no longer be found.
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
		_ = p.drain(time.Second)
		p.err = fmt.Errorf("the supervisor of process %d went away (%v): %w", p.pid, waitErr, statusErr)
		return
	}
	p.exit = Exit{Code: last.Code, Signal: last.Signal}
	p.err = p.drain(0)
	if last.Error != "" {
		p.err = errors.Join(p.err, errors.New(last.Error))
	}
}

// Wait waits for the end of the command, its descendants and its output.
func (p *process) Wait() (Exit, error) {
	<-p.done
	return p.exit, p.err
}

// Stop ends the command: SIGTERM to every process of the tree, then, after the
// grace, SIGKILL.
func (p *process) Stop() error {
	p.mu.Lock()
	if p.control != nil && !p.stopping {
		p.stopping = true
		text, err := json.Marshal(order{Stop: true, Grace: p.grace})
		if err == nil {
			// A supervisor that is just ending no longer reads; then there is
			// nothing to stop.
			_, _ = p.control.Write(text)
		}
	}
	p.mu.Unlock()
	overdue := time.NewTimer(p.grace + supervisorOverdue)
	defer overdue.Stop()
	select {
	case <-p.done:
		return nil
	case <-overdue.C:
	}
	_ = p.supervisor.Process.Kill()
	<-p.done
	return p.err
}
