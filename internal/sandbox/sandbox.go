// Package sandbox runs one command and streams its output. What the command can
// see and reach depends on the sandbox: the host process sandbox separates
// environment and lifetime only, the others (container, Kubernetes Job,
// bubblewrap) more.
//
// All of them promise the same, and package sandboxtest checks it: the command
// sees exactly the environment it is given; when it ends, when it is stopped and
// when the server dies, every process it left behind ends too; its output is
// never held in memory.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"
)

// DefaultGrace is the time between the polite and the final signal of Stop, for
// a Spec that names none.
const DefaultGrace = 10 * time.Second

// Spec says what to run.
type Spec struct {
	// Argv is the command and its arguments. A command without a slash is looked
	// up in the PATH of Env, not of the server.
	Argv []string
	// Dir is the absolute path of the working directory.
	Dir string
	// Env is the whole environment, as NAME=value; nothing is added to it.
	Env []string
	// Stdin is what the command reads; nil is an empty input.
	Stdin io.Reader
	// Stdout and Stderr receive the output as it comes; nil discards it. When
	// both are the same writer, the order of writes is kept and Write is never
	// called twice at once. A writer that returns an error ends the output: the
	// command sees a closed pipe, and Wait returns the error.
	Stdout, Stderr io.Writer
	// Grace is the time between the polite and the final signal of Stop; zero is
	// DefaultGrace.
	Grace time.Duration
}

// Exit is how a command ended.
type Exit struct {
	// Code is the exit status, or 128 plus the signal's number.
	Code int
	// Signal is the name of the signal that ended the command, such as SIGKILL;
	// empty if it ended by itself.
	Signal string
}

// Sandbox starts commands. It is safe for concurrent use.
type Sandbox interface {
	// Start starts a command and returns at once. An error means that it never
	// ran. When ctx ends later, the command is stopped as by Stop.
	Start(ctx context.Context, s Spec) (Process, error)
	// Name is the word by which configuration and log name the sandbox.
	Name() string
}

// Process is a started command. It is safe for concurrent use.
type Process interface {
	// Wait returns when the command and all it left behind have ended and all
	// output was written. It may be called any number of times. An error says
	// that the exit is not known, or that output was lost.
	Wait() (Exit, error)
	// Stop asks every process of the command to end, kills what is left after
	// the grace and returns when nothing is left. It may be called at any time,
	// more than once; after the end it does nothing.
	Stop() error
}

// Check reports the first thing wrong with a spec; every sandbox calls it first.
func (s Spec) Check() error {
	if len(s.Argv) == 0 || s.Argv[0] == "" {
		return errors.New("sandbox: no command given")
	}
	if !filepath.IsAbs(s.Dir) {
		return fmt.Errorf("sandbox: working directory %q is not absolute", s.Dir)
	}
	for _, arg := range s.Argv {
		if strings.ContainsRune(arg, 0) {
			return fmt.Errorf("sandbox: argument %q holds a NUL character", arg)
		}
	}
	for _, entry := range s.Env {
		name, _, ok := strings.Cut(entry, "=")
		if !ok || name == "" {
			return fmt.Errorf("sandbox: environment entry %q is not NAME=value", entry)
		}
		if strings.ContainsRune(entry, 0) {
			return fmt.Errorf("sandbox: environment variable %s holds a NUL character", name)
		}
	}
	return nil
}
