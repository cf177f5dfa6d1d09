package git

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	maxStderr = 4 << 10
	maxStdout = 256 << 20 // of commands whose whole output is read
	waitDelay = 5 * time.Second
)

// command is one call of git.
type command struct {
	// args are the subcommand and its arguments. What comes from outside stands
	// behind --end-of-options or --, or is passed on stdin or as configuration.
	args []string
	// dir is where git runs.
	dir string
	// config are settings for this call, in order.
	config [][2]string
	// env is added to the made environment.
	env []string
	// globalConfig is a configuration file that children of git read too.
	globalConfig string
	// protocols are the transports that may be used; empty means none.
	protocols string
	// secrets are masked in error texts.
	secrets []string
	// lock is handed to the child, so that the lock it stands for is held
	// until the last process of the call is gone, whatever becomes of us.
	lock   *os.File
	stdin  io.Reader
	stdout io.Writer
}

// settings hold for every call. They are given in the environment, where they
// win over those of the repository itself.
var settings = [][2]string{
	{"core.hooksPath", "/dev/null"},
	{"core.fsmonitor", "false"},
	{"core.quotePath", "false"},
	{"core.attributesFile", "/dev/null"},
	{"core.excludesFile", "/dev/null"},
	{"core.askPass", ""},
	{"credential.helper", ""},
	{"protocol.ext.allow", "never"},
	{"safe.directory", "*"},
	{"submodule.recurse", "false"},
	{"fetch.recurseSubmodules", "false"},
	{"log.showSignature", "false"},
	{"gc.autoDetach", "false"},
	{"maintenance.autoDetach", "false"},
	{"http.lowSpeedLimit", "1"},
	{"http.lowSpeedTime", "60"},
}

// inherited are the variables of the server that git and ssh may see: where
// programs and certificates are and how the network is reached.
var inherited = []string{
	"PATH", "TMPDIR", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_EXEC_PATH",
	"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy",
}

// environment is all that git sees.
func (c *command) environment() []string {
	global := c.globalConfig
	if global == "" {
		global = "/dev/null"
	}
	env := []string{
		// No home: no .netrc, no user configuration. ssh finds its own by the
		// user's entry in the password database.
		"HOME=/dev/null", "XDG_CONFIG_HOME=/dev/null",
		"LC_ALL=C", "LANGUAGE=",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + global, "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "GIT_NO_LAZY_FETCH=1",
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_LITERAL_PATHSPECS=1",
		"GIT_ALLOW_PROTOCOL=" + c.protocols, "GIT_PROTOCOL_FROM_USER=0",
	}
	for _, name := range inherited {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	env = append(env, c.env...)
	n := 0
	for _, list := range [][][2]string{settings, c.config} {
		for _, kv := range list {
			env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", n, kv[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", n, kv[1]))
			n++
		}
	}
	return append(env, "GIT_CONFIG_COUNT="+strconv.Itoa(n))
}

// start begins the command; finish must be called once after a nil error, from
// the same goroutine.
func (c *command) start(ctx context.Context) (finish func() error, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	binary, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotInstalled, err)
	}
	cmd := exec.CommandContext(ctx, binary, c.args...)
	cmd.Dir, cmd.Env = c.dir, c.environment()
	cmd.Stdin, cmd.Stdout = c.stdin, c.stdout
	stderr := &tail{most: maxStderr}
	cmd.Stderr = stderr
	cmd.SysProcAttr = attributes()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = waitDelay
	if c.lock != nil {
		cmd.ExtraFiles = []*os.File{c.lock}
	}
	// The kernel counts the death of the starting thread as ours.
	runtime.LockOSThread()
	if err := cmd.Start(); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("start git %s: %w", c.args[0], err)
	}
	return func() error {
		err := cmd.Wait()
		runtime.UnlockOSThread()
		return c.verdict(ctx, err, stderr.String())
	}, nil
}

func (c *command) verdict(ctx context.Context, err error, stderr string) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("git %s: %w", c.args[0], cause)
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return fmt.Errorf("git %s: %w", c.args[0], err)
	}
	said := mask(strings.TrimSpace(stderr), c.secrets)
	return &CommandError{Command: c.args[0], Exit: exit.ExitCode(), Stderr: said, Cause: causeOf(said)}
}

// run carries the command out.
func (c *command) run(ctx context.Context) error {
	finish, err := c.start(ctx)
	if err != nil {
		return err
	}
	return finish()
}

// output carries the command out and returns what it wrote.
func (c *command) output(ctx context.Context) ([]byte, error) {
	out := &capped{most: maxStdout}
	c.stdout = out
	if err := c.run(ctx); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// mask hides secrets, also as they stand in URLs and in basic authentication,
// and whatever looks like a password in a URL.
func mask(s string, secrets []string) string {
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret))} {
			s = strings.ReplaceAll(s, form, "****")
		}
	}
	return maskURL(s)
}

// tail keeps the end of what is written to it.
type tail struct {
	most    int
	kept    []byte
	dropped bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - t.most; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
		t.dropped = true
	}
	return len(p), nil
}

func (t *tail) String() string {
	text := string(t.kept)
	if t.dropped {
		// A secret cut in half would not be masked: begin with a whole line.
		_, after, _ := strings.Cut(text, "\n")
		text = "..." + after
	}
	return strings.ToValidUTF8(text, "?")
}

// capped is a buffer that refuses to grow without end.
type capped struct {
	bytes.Buffer
	most int
}

func (c *capped) Write(p []byte) (int, error) {
	if c.Len()+len(p) > c.most {
		return 0, fmt.Errorf("output is longer than %d bytes", c.most)
	}
	return c.Buffer.Write(p)
}
