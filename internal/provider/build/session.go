package build

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/buildspec"
	"github.com/penstock-cd/penstock/internal/sandbox"
)

// session is the one process of a build: a driver shell that runs one command
// after the other, each in a shell of its own. Variables and the working
// directory are carried from command to command in files, so that functions,
// options and traps are not, as in CodeBuild (actions.md D.3). What a command
// leaves running in the background lives until the session ends.
type session struct {
	process sandbox.Process
	orders  *io.PipeWriter
	results *demux
	ended   chan struct{} // closed when the process is gone
	exit    sandbox.Exit
	err     error // set before ended is closed
	dir     string
	source  string
	carry   bool // variables and directory are carried: version 0.2
	count   int
}

// driver is the shell script of the session's process. Its arguments: $1 the
// session's folder, $2 the shell of the commands, $3 the source directory, $4
// what marks a result in the output.
const driver = `
shell=$(command -v "$2") || { printf '\000%s nosuchshell\n' "$4"; exit 1; }
export -p >"$1/env"
printf '%s\n' "$3" >"$1/dir"
while read -r order; do
	{ IFS= read -r dir <"$1/dir" && cd -- "$dir"; } 2>/dev/null || cd -- "$3"
	/usr/bin/env -i "$shell" "$1/$order" </dev/null
	printf '\000%s %s\n' "$4" "$?"
done`

// errSessionEnded: the driver went away before the command's result came.
var errSessionEnded = errors.New("the shell of the build ended")

// newSession starts the driver. Dir is an empty folder of the session's own.
func newSession(ctx context.Context, box sandbox.Sandbox, spec *buildspec.Spec, dir, source string, env []string, out io.Writer) (*session, error) {
	shell, err := shellOf(spec)
	if err != nil {
		return nil, err
	}
	mark := rand.Text()
	orders, feed := io.Pipe()
	s := &session{
		orders: feed, results: newDemux(out, mark), ended: make(chan struct{}),
		dir: dir, source: source, carry: spec.Version != buildspec.Version01,
	}
	s.process, err = box.Start(ctx, sandbox.Spec{
		Argv:   []string{"/bin/sh", "-c", driver, "sh", dir, shell, source, mark},
		Dir:    source,
		Env:    env,
		Stdin:  orders,
		Stdout: s.results,
		Stderr: s.results,
	})
	if err != nil {
		return nil, fmt.Errorf("start the shell of the build: %w", err)
	}
	go func() {
		s.exit, s.err = s.process.Wait()
		orders.CloseWithError(errSessionEnded)
		close(s.ended)
	}()
	return s, nil
}

// shellOf is the program that runs the commands of a buildspec.
func shellOf(spec *buildspec.Spec) (string, error) {
	switch spec.Env.Shell {
	case "", "sh", "/bin/sh":
		return "/bin/sh", nil
	case "bash", "/bin/bash":
		return spec.Env.Shell, nil
	}
	return "", fmt.Errorf("env/shell %q is not supported: it must be bash or /bin/sh", spec.Env.Shell)
}

// run runs one command and returns its exit status. succeeding is what the
// command sees as CODEBUILD_BUILD_SUCCEEDING.
func (s *session) run(ctx context.Context, command string, succeeding bool) (int, error) {
	s.count++
	name := "command" + strconv.Itoa(s.count)
	text := filepath.Join(s.dir, name)
	if err := os.WriteFile(text, []byte(command+"\n"), 0o600); err != nil {
		return 0, err
	}
	defer os.Remove(text)
	return s.order(ctx, name+".sh", s.script(text, succeeding))
}

// script is what the command's shell runs: the variables of those before it, the
// command, then what those after it will find.
func (s *session) script(text string, succeeding bool) string {
	state := "0"
	if succeeding {
		state = "1"
	}
	env := quote(filepath.Join(s.dir, "env"))
	var b strings.Builder
	if s.carry {
		b.WriteString("set -a\n") // a plain NAME=value is exported, too
	}
	fmt.Fprintf(&b, ". %s\nexport CODEBUILD_BUILD_SUCCEEDING=%s\n", env, state)
	fmt.Fprintf(&b, ". %s\n", quote(text))
	if s.carry {
		fmt.Fprintf(&b, "CODEBUILD_LAST_EXIT=$?\nexport -p >%s\npwd >%s\nexit $CODEBUILD_LAST_EXIT\n",
			env, quote(filepath.Join(s.dir, "dir")))
	}
	return b.String()
}

// order has the driver run a script and waits for the result.
func (s *session) order(ctx context.Context, name, script string) (int, error) {
	file := filepath.Join(s.dir, name)
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		return 0, err
	}
	defer os.Remove(file)
	if _, err := io.WriteString(s.orders, name+"\n"); err != nil {
		return 0, s.gone(ctx)
	}
	select {
	case result := <-s.results.results:
		return parseResult(result)
	case <-s.ended:
	case <-ctx.Done():
		_ = s.process.Stop()
		<-s.ended
	}
	if context.Cause(ctx) == nil {
		select { // the result may have come with the end
		case result := <-s.results.results:
			return parseResult(result)
		default:
		}
	}
	return 0, s.gone(ctx)
}

// gone says why there is no result.
func (s *session) gone(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	<-s.ended
	if s.err != nil {
		return fmt.Errorf("%w: %w", errLogLost, s.err)
	}
	return fmt.Errorf("%w: exit status %d", errSessionEnded, s.exit.Code)
}

func parseResult(result string) (int, error) {
	code, err := strconv.Atoi(result)
	if err != nil {
		return 0, errors.New("the shell that env/shell names does not exist")
	}
	return code, nil
}

// maxEnvironment bounds what is read back of a build's variables.
const maxEnvironment = 4 << 20

// environment returns the variables as the commands left them.
func (s *session) environment(ctx context.Context) (map[string]string, error) {
	const file = "variables"
	script := fmt.Sprintf("set -a\n. %s\n/usr/bin/env -0 >%s\n", quote(filepath.Join(s.dir, "env")), quote(filepath.Join(s.dir, file)))
	if code, err := s.order(ctx, "variables.sh", script); err != nil {
		return nil, err
	} else if code != 0 {
		return nil, fmt.Errorf("read the variables of the build: exit status %d", code)
	}
	// The commands could reach this folder: no link of theirs is followed.
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the variables of the build: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxEnvironment+1))
	if err != nil {
		return nil, fmt.Errorf("read the variables of the build: %w", err)
	}
	if len(text) > maxEnvironment {
		return nil, fmt.Errorf("the variables of the build are longer than %d bytes", maxEnvironment)
	}
	return parseEnvironment(strings.Split(string(text), "\x00")), nil
}

// parseEnvironment makes a map of NAME=value.
func parseEnvironment(entries []string) map[string]string {
	variables := make(map[string]string, len(entries))
	for _, entry := range entries {
		if name, value, ok := strings.Cut(entry, "="); ok {
			variables[name] = value
		}
	}
	return variables
}

// closePatience is how long the driver may take to see that no orders follow.
const closePatience = 5 * time.Second

// close ends the driver and everything the commands left running.
func (s *session) close() {
	s.orders.Close()
	late := time.NewTimer(closePatience)
	defer late.Stop()
	select {
	case <-s.ended:
	case <-late.C:
		_ = s.process.Stop()
		<-s.ended
	}
}

// quote makes a word of the shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
