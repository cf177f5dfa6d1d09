package build

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/penstock-cd/penstock/internal/provider"
)

// remembered is how many reports of ended builds are kept, for a caller that
// could not commit the first and asks again.
const remembered = 256

// The causes for which a build ends early.
var (
	errStopped = errors.New("the build was stopped")
	errLogLost = errors.New("the build's output could not be kept")
)

// runner runs the builds of one provider, each at most once.
type runner struct {
	config Config
	builds *builds
}

func newRunner(c Config) runner {
	return runner{config: c, builds: &builds{running: map[string]*running{}, ended: map[string]provider.Report{}}}
}

// builds knows what runs and what ended lately, by attempt.
type builds struct {
	mu      sync.Mutex
	running map[string]*running
	ended   map[string]provider.Report
	order   []string // of ended, oldest first
}

// running is a build under way.
type running struct {
	cancel context.CancelCauseFunc
	done   chan struct{} // closed after the report was set
	report provider.Report
}

// enter finds the build of an attempt or begins it: exactly one of the results
// is set, and begun tells the caller to run it.
func (b *builds) enter(id string, cancel context.CancelCauseFunc) (r *running, ended *provider.Report, begun bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if report, ok := b.ended[id]; ok {
		return nil, &report, false
	}
	if r, ok := b.running[id]; ok {
		return r, nil, false
	}
	r = &running{cancel: cancel, done: make(chan struct{})}
	b.running[id] = r
	return r, nil, true
}

// find is enter without beginning.
func (b *builds) find(id string) (*running, *provider.Report) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if report, ok := b.ended[id]; ok {
		return nil, &report
	}
	return b.running[id], nil
}

// leave ends a build.
func (b *builds) leave(id string, r *running, report provider.Report) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.running, id)
	b.ended[id] = report
	b.order = append(b.order, id)
	if len(b.order) > remembered {
		delete(b.ended, b.order[0])
		b.order = b.order[1:]
	}
	r.report = report
	close(r.done)
}

// start runs an attempt's build in this call, unless it runs or ran already.
func (p runner) start(ctx context.Context, a provider.Attempt, read func() (order, *provider.Report)) (provider.Report, error) {
	buildCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if !a.Deadline.IsZero() {
		var cancelDeadline context.CancelFunc
		buildCtx, cancelDeadline = context.WithDeadline(buildCtx, a.Deadline)
		defer cancelDeadline()
	}
	r, ended, begun := p.builds.enter(a.ID, cancel)
	switch {
	case ended != nil:
		return *ended, nil
	case !begun:
		return r.wait(ctx)
	}
	report := provider.Failure(provider.CodeSystemUnavailable, "The build ended unexpectedly.")
	defer func() { p.builds.leave(a.ID, r, report) }() // also when it panics
	o, refused := read()
	if refused != nil {
		report = *refused
		return report, nil
	}
	report = newBuild(p.config, o).run(buildCtx)
	if err := ctx.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		// Nobody waits for this build any more; it was ended with the call.
		return provider.Report{}, fmt.Errorf("run the build of action execution %s: %w", a.ID, context.Cause(ctx))
	}
	return report, nil
}

func (r *running) wait(ctx context.Context) (provider.Report, error) {
	select {
	case <-r.done:
		return r.report, nil
	case <-ctx.Done():
		return provider.Report{}, context.Cause(ctx)
	}
}

// Await joins a build that runs in this process or repeats its report. A build
// that is not known any more is lost.
func (p runner) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	r, ended := p.builds.find(a.ID)
	switch {
	case ended != nil:
		return *ended, nil
	case r != nil:
		return r.wait(ctx)
	}
	return provider.Failure(provider.CodeSystemUnavailable, "The outcome of the build is unknown: it is not running on this node."), nil
}

// Stop ends the build with every process it started, and returns when they are
// gone.
func (p runner) Stop(ctx context.Context, a provider.Attempt) error {
	r, _ := p.builds.find(a.ID)
	if r == nil {
		return nil
	}
	r.cancel(errStopped)
	_, err := r.wait(ctx)
	return err
}
