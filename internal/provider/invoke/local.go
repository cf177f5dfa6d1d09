package invoke

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	_ "embed" // the bootstraps
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/sandbox"
)

//go:embed bootstrap/bootstrap.py
var bootstrapPython []byte

//go:embed bootstrap/bootstrap.mjs
var bootstrapNode []byte

// local runs functions on this machine: one process for each invocation, with the
// Lambda runtime API on a listener of its own, both of which end with it.
type local struct{ Config }

// stopGrace is how long a process may take to end once it has answered.
const stopGrace = time.Second

// invoke runs a function. It waits for the end in either mode: who asks owns the
// process, and asks again if it is lost.
func (l *local) invoke(ctx context.Context, name string, f Function, c call) ([]byte, error) {
	timeout := cmp.Or(f.Timeout, DefaultTimeout)
	arn := fmt.Sprintf("arn:%s:lambda:%s:%s:function:%s", l.partition(), c.attempt.Region, c.attempt.Account, name)
	i := newInvocation(uuid.NewString(), c.payload, time.Now().Add(timeout), arn)
	api, closeAPI, err := serve(i)
	if err != nil {
		return nil, err
	}
	defer closeAPI()
	spec, err := l.spec(ctx, name, f, c, timeout)
	if err != nil {
		return nil, err
	}
	spec.Env = append(spec.Env, "AWS_LAMBDA_RUNTIME_API="+api)
	process, err := l.Sandbox.Start(ctx, spec)
	if err != nil {
		// There is no such program, or the like: it will not be there the next time.
		return nil, &refusal{provider.CodeConfigurationError, fmt.Sprintf("The function %s cannot be started: %v", name, err)}
	}
	defer func() {
		_ = process.Stop()
		_, _ = process.Wait() // all that it printed is in the log then
	}()
	exited := make(chan error, 1)
	go func() {
		exit, err := process.Wait()
		exited <- ending(f, exit, err)
	}()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-i.done:
		return i.result, i.err
	case err := <-exited:
		i.end(nil, err) // unless it answered before
		return i.result, i.err
	case <-timer.C:
		return nil, &functionError{"", fmt.Sprintf("Task timed out after %.2f seconds", timeout.Seconds())}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ending is what the end of a process says of its function: a command answers by
// its exit status, a handler should have answered before.
func ending(f Function, exit sandbox.Exit, err error) error {
	switch {
	case err != nil:
		return &functionError{"", fmt.Sprintf("its output was lost: %v", err)}
	case exit.Signal != "":
		return &functionError{"Runtime.ExitError", "the function was ended by " + exit.Signal}
	case exit.Code == 0 && len(f.Command) > 0:
		return nil
	}
	return &functionError{"Runtime.ExitError", fmt.Sprintf("the function ended with exit status %d", exit.Code)}
}

// serve opens the runtime API of an invocation.
func serve(i *invocation) (address string, closeAPI func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("opening the Lambda runtime API: %w", err)
	}
	server := &http.Server{Handler: i.handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // it ends by Close
	return listener.Addr().String(), func() { _ = server.Close() }, nil
}

// spec is the process of an invocation, but for the runtime API.
func (l *local) spec(ctx context.Context, name string, f Function, c call, timeout time.Duration) (sandbox.Spec, error) {
	a := c.attempt
	s := sandbox.Spec{Dir: cmp.Or(f.Directory, a.Workspace), Stdout: a.Log, Stderr: a.Log, Grace: stopGrace}
	if len(f.Command) > 0 {
		s.Argv, s.Stdin = slices.Clone(f.Command), bytes.NewReader(c.payload)
	} else {
		argv, err := bootstrap(f, a.Workspace)
		if err != nil {
			return s, err
		}
		s.Argv = argv
	}
	env, err := l.environment(ctx, name, f, a, timeout)
	if err != nil {
		return s, err
	}
	for _, key := range slices.Sorted(maps.Keys(env)) {
		s.Env = append(s.Env, key+"="+env[key])
	}
	return s, nil
}

// bootstrap writes the program that has the handler, and says how to run it.
func bootstrap(f Function, workspace string) ([]string, error) {
	runtime, err := f.runtime()
	if err != nil {
		return nil, &refusal{provider.CodeConfigurationError, "The function cannot be started: " + err.Error()}
	}
	file, text := filepath.Join(workspace, "bootstrap.py"), bootstrapPython
	argv := []string{"python3", "-u", file}
	if runtime == node {
		file, text = filepath.Join(workspace, "bootstrap.mjs"), bootstrapNode
		argv = []string{"node", file}
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, fmt.Errorf("writing the bootstrap of a function: %w", err)
	}
	return argv, nil
}

// environment is what a function sees: what Lambda sets, where this server is, and
// credentials for calling back about its job.
func (l *local) environment(ctx context.Context, name string, f Function, a *provider.Attempt, timeout time.Duration) (map[string]string, error) {
	endpoint, err := l.Endpoint(ctx)
	if err != nil {
		return nil, err
	}
	job := iam.JobARN(l.partition(), a.Region, a.Account, a.Job.ID)
	issued, _, err := l.issue(a, iam.FunctionSession(a.Account, name, job, timeout+time.Minute))
	if err != nil {
		return nil, fmt.Errorf("making the credentials of function %s: %w", name, err)
	}
	env := map[string]string{
		"PATH": cmp.Or(os.Getenv("PATH"), "/usr/local/bin:/usr/bin:/bin"), "LANG": "C.UTF-8", "TZ": ":UTC",
		// Folders of code stay as they are.
		"PYTHONDONTWRITEBYTECODE": "1",
	}
	maps.Copy(env, f.Environment)
	maps.Copy(env, map[string]string{
		"HOME": a.Workspace, "TMPDIR": a.Workspace,
		"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": a.Region, "AWS_DEFAULT_REGION": a.Region,
		"AWS_ACCESS_KEY_ID": issued.AccessKeyID, "AWS_SECRET_ACCESS_KEY": issued.SecretAccessKey, "AWS_SESSION_TOKEN": issued.SessionToken,
		"AWS_LAMBDA_FUNCTION_NAME": name, "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
		"AWS_LAMBDA_LOG_GROUP_NAME":  "/aws/lambda/" + name,
		"AWS_LAMBDA_LOG_STREAM_NAME": time.Now().UTC().Format("2006/01/02") + "/[$LATEST]" + strings.ToLower(rand.Text()),
		"LAMBDA_TASK_ROOT":           cmp.Or(f.Directory, a.Workspace), "LAMBDA_RUNTIME_DIR": a.Workspace,
		"_HANDLER": f.Handler,
	})
	return env, nil
}
