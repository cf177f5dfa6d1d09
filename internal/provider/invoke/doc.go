// Package invoke has the providers whose actions are answered by a call: Lambda
// functions, at AWS, at an endpoint that speaks like it, or on this machine
// (reference: actions.md A.26, B.2, C.5; observed.md 13).
package invoke

import (
	"context"
	"regexp"
	"time"

	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/sandbox"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// Config is what the providers need.
type Config struct {
	Remote RemoteConfig
	// Functions are those of this machine, by name. They come before remote ones.
	Functions map[string]Function
	// Sandbox runs them.
	Sandbox sandbox.Sandbox
	// Endpoint is where functions of this machine find this server. It waits until
	// the server listens.
	Endpoint func(ctx context.Context) (string, error)
	// IssueSession makes the credentials of jobs and functions, and says when they
	// end.
	IssueSession func(iam.Session) (sigv4.Credentials, time.Time, error)
	// Pause is between a continuation and the job that it asks for; zero is that of
	// AWS.
	Pause time.Duration
	// Partition is that of ARNs, aws if empty.
	Partition string
}

var functionPattern = regexp.MustCompile(`^(?:arn:[^:]+:lambda:[^:]*:[^:]*:function:|[0-9]{12}:function:)?([A-Za-z0-9_-]+)(?::[A-Za-z0-9$_-]+)?$`)

// plainName is the name of a function in what may be its ARN, with a version.
func plainName(function string) string {
	if m := functionPattern.FindStringSubmatch(function); m != nil {
		return m[1]
	}
	return function
}

// mode is how a function is invoked.
type mode int

const (
	// event is asynchronous: nobody waits for what the function returns.
	event mode = iota
	// requestResponse waits for what the function returns.
	requestResponse
)

// call is one invocation.
type call struct {
	// function is a name or an ARN.
	function string
	mode     mode
	payload  []byte
	attempt  *provider.Attempt
}

// refusal says that a function cannot be invoked, now or later.
type refusal struct {
	code    string // the error code of the action
	message string
}

func (r *refusal) Error() string { return r.message }

// functions invokes functions wherever they are.
type functions struct {
	local  *local
	remote *remote
}

func newFunctions(c Config) *functions {
	return &functions{local: &local{c}, remote: &remote{config: c.Remote}}
}

// invoke invokes a function, and returns what it returned if the call asks for
// that. The error is a *refusal, a *functionError, or it is not known whether the
// function was invoked.
func (f *functions) invoke(ctx context.Context, c call) ([]byte, error) {
	if fn, ok := f.local.Functions[plainName(c.function)]; ok {
		return f.local.invoke(ctx, plainName(c.function), fn, c)
	}
	return f.remote.invoke(ctx, c)
}

// functionError says that a function was invoked and did not come to its end.
type functionError struct {
	kind, message string
}

func (e *functionError) Error() string {
	if e.kind == "" {
		return e.message
	}
	return e.kind + ": " + e.message
}
