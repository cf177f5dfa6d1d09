package invoke

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Function is a function of this machine: a command, or a folder with a handler.
type Function struct {
	// Command is run for each invocation, in Directory, with the event as its input.
	// It calls back like any function; what it prints is its log.
	Command []string
	// Directory has the code of the function. It is an absolute path.
	Directory string
	// Handler is FILE.NAME, as in Lambda.
	Handler string
	// Runtime is python or node, or the name of one of Lambda's runtimes for them;
	// empty is told by the file of the handler.
	Runtime string
	// Environment is what the function sees besides what Lambda sets.
	Environment map[string]string
	// Timeout is how long an invocation may take; zero is DefaultTimeout.
	Timeout time.Duration
}

// DefaultTimeout and MaxTimeout bound an invocation of a function of this machine.
// Lambda's default, 3 s, is for what starts at once; its maximum is the same.
const (
	DefaultTimeout = 5 * time.Minute
	MaxTimeout     = 15 * time.Minute
)

var (
	namePattern        = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	handlerPattern     = regexp.MustCompile(`^[A-Za-z0-9_/-]+(\.[A-Za-z0-9_-]+)*\.[A-Za-z_$][A-Za-z0-9_$]*$`)
	environmentPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	reservedPattern    = regexp.MustCompile(`^(?:AWS_.*|LAMBDA_.*|_HANDLER|HOME|TMPDIR)$`)
)

// Check reports the first thing wrong with a function.
func (f Function) Check(name string) error {
	if !namePattern.MatchString(name) {
		return errors.New("its name is not one to 64 letters, digits, - and _")
	}
	if f.Timeout < 0 || f.Timeout > MaxTimeout {
		return fmt.Errorf("its timeout of %v seconds is not between 0 and %v", f.Timeout.Seconds(), MaxTimeout.Seconds())
	}
	for key := range f.Environment {
		if !environmentPattern.MatchString(key) {
			return fmt.Errorf("its environment has %q, which is no name of a variable", key)
		}
		if reservedPattern.MatchString(key) {
			return fmt.Errorf("its environment has %s, which is set for every invocation", key)
		}
	}
	if info, err := os.Stat(f.Directory); f.Directory != "" && (err != nil || !info.IsDir()) {
		return fmt.Errorf("its directory %s is no folder", f.Directory)
	}
	if len(f.Command) > 0 {
		if f.Handler != "" || f.Runtime != "" {
			return errors.New("it has a command, so it has no handler and no runtime")
		}
		return nil
	}
	if f.Handler == "" {
		return errors.New("it has neither a command nor a handler")
	}
	if f.Directory == "" {
		return errors.New("it has a handler and no directory")
	}
	if !handlerPattern.MatchString(f.Handler) || strings.Contains(f.Handler, "..") {
		return fmt.Errorf("its handler %q is not FILE.NAME", f.Handler)
	}
	_, err := f.runtime()
	return err
}

// The runtimes.
const (
	python = "python"
	node   = "node"
)

// runtime is the program that has the handler.
func (f Function) runtime() (string, error) {
	switch {
	case strings.HasPrefix(f.Runtime, python):
		return python, nil
	case strings.HasPrefix(f.Runtime, node):
		return node, nil
	case f.Runtime != "":
		return "", fmt.Errorf("its runtime %q is neither python nor node", f.Runtime)
	}
	file := f.Handler[:strings.LastIndex(f.Handler, ".")]
	for _, suffix := range []struct{ suffix, runtime string }{{".py", python}, {".mjs", node}, {".js", node}, {".cjs", node}} {
		if _, err := os.Stat(filepath.Join(f.Directory, filepath.FromSlash(file)+suffix.suffix)); err == nil {
			return suffix.runtime, nil
		}
	}
	return "", fmt.Errorf("its directory %s has no %s.py, .mjs, .js or .cjs", f.Directory, file)
}
