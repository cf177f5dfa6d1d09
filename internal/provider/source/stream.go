package source

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// The largest artifacts (actions.md 1.8).
const (
	maxGitArtifact = 1 << 30
	maxS3Artifact  = 7 << 30
)

// errTooLarge is the cause when an artifact is beyond its limit.
var errTooLarge = errors.New("artifact is too large")

// put streams what write produces into an artifact, at most limit bytes. When
// write returns an error nothing is kept.
func put(ctx context.Context, artifacts provider.Artifacts, location pipeline.ArtifactLocation, limit int64, write func(io.Writer) error) error {
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := write(&limited{w: w, left: limit})
		w.CloseWithError(err) // the end of the content when err is nil
		written <- err
	}()
	var stop error = io.ErrClosedPipe
	kept := artifacts.Put(ctx, location, r)
	if kept != nil {
		kept = &keepError{name: location.Name, err: kept}
		stop = kept
	}
	r.CloseWithError(stop)
	// When write failed first, keeping failed because of it; when keeping failed
	// first, write failed with that error.
	if err := <-written; err != nil {
		return err
	}
	return kept
}

// keepError is trouble with our own storage: it says nothing about the action.
type keepError struct {
	name string
	err  error
}

func (e *keepError) Error() string { return fmt.Sprintf("keep artifact %s: %v", e.name, e.err) }

func (e *keepError) Unwrap() error { return e.err }

// ours reports whether an error is no fault of the action.
func ours(err error) bool {
	_, is := errors.AsType[*keepError](err)
	return is
}

// notKept is the verdict about an artifact that its store does not take; nil for
// trouble that may be over the next time.
func notKept(a provider.Attempt, err error) *provider.Report {
	said, ok := errors.AsType[*provider.ObjectError](err)
	if !ok || len(a.Outputs) == 0 {
		return nil
	}
	code, out := provider.CodeConfigurationError, a.Outputs[0]
	if said.Denied() {
		code = provider.CodePermissionError
	}
	r := provider.Failure(code, fmt.Sprintf("The output artifact %s could not be written to the artifact bucket %s: %v",
		out.Name, out.Location.Bucket, said))
	logf(a, "%s", r.ErrorMessage)
	return &r
}

// limited refuses to write more than it has left.
type limited struct {
	w    io.Writer
	left int64
}

func (l *limited) Write(p []byte) (int, error) {
	if int64(len(p)) > l.left {
		return 0, errTooLarge
	}
	n, err := l.w.Write(p)
	l.left -= int64(n)
	return n, err
}

// onlyOutput is the one output artifact of a source action.
func onlyOutput(a provider.Attempt) (provider.OutputArtifact, *provider.Report) {
	if len(a.Outputs) != 1 {
		r := provider.Failure(provider.CodeConfigurationError, fmt.Sprintf("A source action has exactly one output artifact, %s has %d.", a.ActionName, len(a.Outputs)))
		return provider.OutputArtifact{}, &r
	}
	return a.Outputs[0], nil
}

// logf tells whoever follows the action; the log is no reason to fail.
func logf(a provider.Attempt, format string, args ...any) {
	if a.Log != nil {
		fmt.Fprintf(a.Log, format+"\n", args...)
	}
}
