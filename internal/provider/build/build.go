package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/buildspec"
	"github.com/penstock-cd/penstock/internal/provider"
)

// commandError is the status code of a phase whose command failed; timedOut of
// one that ran out of time.
const (
	commandError = "COMMAND_EXECUTION_ERROR"
	timedOut     = "BUILD_TIMED_OUT"
)

// stopped is the state of a build that somebody ended.
const stopped = "STOPPED"

// maxVariables bounds the output variables of one action, in bytes of names and
// values.
const maxVariables = 122_880

// failure is why a phase failed: the phase's context.
type failure struct{ code, message string }

// build is one build under way.
type build struct {
	config  Config
	order   order
	log     *containerLog
	walk    *buildspec.Walk
	started time.Time

	workspace string
	home      string
	source    string   // CODEBUILD_SRC_DIR
	inputDirs []string // by input
	cloneURL  string

	session   *session
	variables map[string]string // as far as they are known
	cause     *failure          // why the build fails, nil while it succeeds
	causedBy  buildspec.PhaseType
	state     string // FAILED, or STOPPED
	over      bool   // stopped, timed out or without its shell: no phase follows
	produced  []string
}

func newBuild(c Config, o order) *build {
	return &build{
		config: c, order: o, walk: buildspec.NewWalk(), started: c.Now(), state: "FAILED",
		log: &containerLog{now: c.Now, out: o.attempt.Log},
	}
}

// run carries the build out.
func (b *build) run(ctx context.Context) provider.Report {
	defer b.clean()
	var err error
	if b.workspace, err = filepath.Abs(b.order.attempt.Workspace); err == nil {
		err = b.layout()
	}
	if err != nil {
		return provider.Failure(provider.CodeSystemUnavailable, fmt.Sprintf("The workspace of the build cannot be made: %v", err))
	}
	for b.walk.Phase != buildspec.Completed && !b.over {
		b.phase(ctx)
	}
	if err := b.log.failed(); err != nil {
		return provider.Failure(provider.CodeSystemUnavailable, fmt.Sprintf("The log of the build cannot be kept: %v", err))
	}
	return b.report()
}

// clean removes what the build made. Folders that a command write-protected
// (Go's module cache is one) are opened first.
func (b *build) clean() {
	if b.session != nil {
		b.session.close()
	}
	for _, dir := range []string{"src", "home", "session"} {
		dir = filepath.Join(b.workspace, dir)
		if os.RemoveAll(dir) == nil {
			continue
		}
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				_ = os.Chmod(path, 0o700)
			}
			return nil
		})
		_ = os.RemoveAll(dir) // dispatch removes the workspace, and says if it cannot
	}
}

// phase runs the present phase and goes on to the next.
func (b *build) phase(ctx context.Context) {
	present := b.walk.Phase
	var failed *failure
	switch present {
	case buildspec.DownloadSource:
		failed = b.downloadSource(ctx)
	case buildspec.Install, buildspec.PreBuild, buildspec.Build, buildspec.PostBuild:
		b.log.printf("Entering phase %s", present)
		failed = b.commands(ctx, b.walk.Spec.Phase(present))
	case buildspec.UploadArtifacts:
		failed = b.endSession(ctx)
		if failed == nil {
			failed = b.uploadArtifacts(ctx)
		}
	}
	if present != buildspec.Finalizing {
		b.complete(present, failed)
	}
	before := b.walk.Succeeding()
	b.walk.Ended(failed == nil)
	// on-failure: CONTINUE forgives a failed command, not the end of the build.
	if failed != nil && b.cause == nil && (b.over || before && !b.walk.Succeeding()) {
		b.cause, b.causedBy = failed, present
	}
}

// complete logs the end of a phase.
func (b *build) complete(p buildspec.PhaseType, failed *failure) {
	switch {
	case failed == nil:
		b.log.printf("Phase complete: %s State: SUCCEEDED", p)
		b.log.printf("Phase context status code:  Message: ")
	case failed.code == timedOut:
		b.log.printf("Phase complete: %s State: TIMED_OUT", p)
		b.log.printf("Phase context status code: %s Message: %s", failed.code, failed.message)
	case b.state == stopped:
		b.log.printf("Phase complete: %s State: STOPPED", p)
	default:
		b.log.printf("Phase complete: %s State: FAILED", p)
		b.log.printf("Phase context status code: %s Message: %s", failed.code, failed.message)
	}
}

// commands runs the commands of a phase, then those that run finally. The
// first that fails ends its list.
func (b *build) commands(ctx context.Context, p buildspec.Phase) *failure {
	failed := b.list(ctx, p.Commands)
	if b.over {
		return failed
	}
	if last := b.list(ctx, p.Finally); failed == nil || b.over {
		return last
	}
	return failed
}

func (b *build) list(ctx context.Context, commands []string) *failure {
	for _, command := range commands {
		shown := strings.TrimRight(command, "\n")
		b.log.printf("Running command %s", shown)
		code, err := b.session.run(ctx, command, b.walk.Succeeding())
		switch {
		case err != nil && ctx.Err() != nil:
			return b.interrupted(ctx)
		case err != nil:
			b.over = true // there is no shell for what would follow
			return &failure{commandError, fmt.Sprintf("Error while executing command: %s. Reason: %v", brief(command), err)}
		case code != 0:
			b.log.printf("Command did not exit successfully %s exit status %d", shown, code)
			return &failure{commandError, fmt.Sprintf("Error while executing command: %s. Reason: exit status %d", brief(command), code)}
		}
	}
	return nil
}

// brief cuts a command down to what fits into a message.
func brief(command string) string {
	const longest = 1000
	command = strings.TrimRight(command, "\n")
	if runes := []rune(command); len(runes) > longest {
		return string(runes[:longest]) + "..."
	}
	return command
}

// interrupted is the failure of a phase that was cut short.
func (b *build) interrupted(ctx context.Context) *failure {
	b.over = true
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return &failure{timedOut, "Build has timed out. "}
	}
	b.state = stopped
	return &failure{}
}

// endSession reads what the commands left in the environment and ends what they
// left running, so that nothing writes while the artifacts are made.
func (b *build) endSession(ctx context.Context) *failure {
	if b.walk.Spec.Version != buildspec.Version01 {
		variables, err := b.session.environment(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return b.interrupted(ctx)
			}
			return &failure{clientError, err.Error()}
		}
		b.variables = variables
	}
	b.session.close()
	return nil
}

// report is the build's result.
func (b *build) report() provider.Report {
	r := provider.Report{
		Status: provider.Succeeded, Percent: 100,
		ExternalExecutionID: b.order.external,
		OutputVariables:     b.exported(),
		Produced:            b.produced,
	}
	if size := sizeOf(r.OutputVariables); size > maxVariables {
		r.Status, r.ErrorCode, r.OutputVariables = provider.Failed, provider.CodeJobFailed, nil
		r.ErrorMessage = fmt.Sprintf("The output variables of the action have %d bytes; at most %d are allowed", size, maxVariables)
	}
	if b.cause == nil {
		return r
	}
	r.Status, r.ErrorCode = provider.Failed, provider.CodeJobFailed
	if b.order.rule && b.cause.code == timedOut {
		r.ErrorCode = provider.CodeSystemUnavailable // no verdict: nobody knows how it would have ended
	}
	r.ErrorMessage = "Build terminated with state: " + b.state
	if b.state != stopped {
		r.ErrorMessage += fmt.Sprintf(". Phase: %s, Code: %s, Message: %s", b.causedBy, b.cause.code, b.cause.message)
	}
	r.Summary = r.ErrorMessage
	return r
}

// exported are the variables that the build hands on. One without a value is
// left out.
func (b *build) exported() map[string]string {
	if b.order.rule {
		return nil
	}
	out := map[string]string{}
	if b.walk.Spec == nil {
		return out
	}
	for _, name := range b.walk.Spec.Env.Exported {
		if value, ok := b.variables[name]; ok && !strings.HasPrefix(name, "AWS_") {
			out[name] = value
		}
	}
	for _, name := range b.order.exported {
		if value, ok := b.variables[name]; ok {
			out[name] = value
		}
	}
	return out
}

func sizeOf(variables map[string]string) int {
	size := 0
	for name, value := range variables {
		size += len(name) + len(value)
	}
	return size
}
