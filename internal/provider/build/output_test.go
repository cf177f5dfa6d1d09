package build_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/provider/build"
	"github.com/penstock-cd/penstock/internal/provider/providertest"
)

// TestLog compares the whole log with that recorded from CodeBuild (observed.md
// 17), as far as its lines are true here.
func TestLog(t *testing.T) {
	t.Parallel()
	a := source(t, `
version: 0.2
phases:
  pre_build:
    commands:
      - printf 'no line break'
  build:
    commands:
      - echo building; echo to stderr >&2
      - exit 7
      - echo never
    finally:
      - echo finally
  post_build:
    commands:
      - echo post $CODEBUILD_BUILD_SUCCEEDING $CODEBUILD_LAST_EXIT
artifacts:
  files: ['made/*', 'none']
cache:
  paths: [x]
`, map[string]string{"made/a": "1"})
	providertest.AddOutput(&a, "Built")
	r := finish(t, codeBuild(t, build.Config{}), a)
	const message = "Build terminated with state: FAILED. Phase: BUILD, Code: COMMAND_EXECUTION_ERROR, Message: Error while executing command: exit 7. Reason: exit status 7"
	if r.Status != provider.Failed || r.ErrorCode != provider.CodeJobFailed || r.ErrorMessage != message || r.Summary != message {
		t.Errorf("report %+v", r)
	}
	if !regexp.MustCompile(`^shop-build:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$`).MatchString(r.ExternalExecutionID) {
		t.Errorf("external id %q", r.ExternalExecutionID)
	}
	if diff := cmp.Diff([]string{"Built"}, r.Produced); diff != "" {
		t.Error(diff)
	}
	want := `# Running on Penstock, sandbox process
# Phase is DOWNLOAD_SOURCE
# CODEBUILD_SRC_DIR=WORKSPACE/src
# YAML location is WORKSPACE/src/buildspec.yml
# Processing environment variables
# No runtime version selected in buildspec.
# Moving to directory WORKSPACE/src
# Not supported by this server: cache: nothing is restored or saved
# Phases found in YAML: 3
#  PRE_BUILD: 1 commands
#  BUILD: 3 commands
#  POST_BUILD: 1 commands
# Phase complete: DOWNLOAD_SOURCE State: SUCCEEDED
# Phase context status code:  Message: 
# Entering phase INSTALL
# Phase complete: INSTALL State: SUCCEEDED
# Phase context status code:  Message: 
# Entering phase PRE_BUILD
# Running command printf 'no line break'
no line break
# Phase complete: PRE_BUILD State: SUCCEEDED
# Phase context status code:  Message: 
# Entering phase BUILD
# Running command echo building; echo to stderr >&2
building
to stderr
# Running command exit 7
# Command did not exit successfully exit 7 exit status 7
# Running command echo finally
finally
# Phase complete: BUILD State: FAILED
# Phase context status code: COMMAND_EXECUTION_ERROR Message: Error while executing command: exit 7. Reason: exit status 7
# Entering phase POST_BUILD
# Running command echo post $CODEBUILD_BUILD_SUCCEEDING $CODEBUILD_LAST_EXIT
post 0 0
# Phase complete: POST_BUILD State: SUCCEEDED
# Phase context status code:  Message: 
# Expanding base directory path: .
# Assembling file list
# Expanding file paths for base directory .
# Expanding made/*
# Found 1 file(s)
# Expanding none
# Skipping invalid file path none
# Phase complete: UPLOAD_ARTIFACTS State: SUCCEEDED
# Phase context status code:  Message: 
`
	if diff := cmp.Diff(want, output(a)); diff != "" {
		t.Error(diff)
	}
}

func TestExportedVariables(t *testing.T) {
	t.Parallel()
	a := source(t, `
version: 0.2
env:
  variables: {GIVEN: g}
  exported-variables: [PLAIN, LINES, GIVEN, UNSET, AWS_REGION, SUBSHELL, EMPTY, LATE]
phases:
  build:
    commands:
      - PLAIN=1.2.3
      - LINES="$(printf 'a\nb')"; EMPTY=
      - (SUBSHELL=x)
  post_build:
    commands: [LATE=yes]
`, nil)
	r := succeed(t, a)
	want := map[string]string{"PLAIN": "1.2.3", "LINES": "a\nb", "GIVEN": "g", "EMPTY": "", "LATE": "yes"}
	if diff := cmp.Diff(want, r.OutputVariables); diff != "" {
		t.Error(diff)
	}
	if r.Summary != "" {
		t.Errorf("a success has the summary %q", r.Summary)
	}
}

type fullDisk struct{ after int }

var errFull = errors.New("disk full")

func (f *fullDisk) Write(p []byte) (int, error) {
	if f.after -= len(p); f.after < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// TestLogLost: a build whose output cannot be kept fails and says so.
func TestLogLost(t *testing.T) {
	t.Parallel()
	for _, after := range []int{0, 1000, 100_000} {
		a := providertest.NewAttempt(t, fmt.Sprint("commands-", after))
		a.Commands = []string{"yes"}
		a.Log = &fullDisk{after}
		r := finish(t, commandsProvider(t), a)
		if r.Status != provider.Failed || r.ErrorCode != provider.CodeSystemUnavailable || !strings.Contains(r.ErrorMessage, "disk full") {
			t.Errorf("after %d bytes: %+v", after, r)
		}
	}
}

// failingStore keeps nothing.
type failingStore struct{ *providertest.Artifacts }

func (failingStore) Put(_ context.Context, _ pipeline.ArtifactLocation, content io.Reader) error {
	return errFull
}

func TestUploadFails(t *testing.T) {
	t.Parallel()
	a := source(t, "version: 0.2\nphases: {}\nartifacts: {files: '**/*'}", map[string]string{"large": strings.Repeat("x", 1<<20)})
	providertest.AddOutput(&a, "Out")
	a.Artifacts = failingStore{a.Artifacts.(*providertest.Artifacts)}
	r := finish(t, codeBuild(t, build.Config{}), a)
	const message = "Build terminated with state: FAILED. Phase: UPLOAD_ARTIFACTS, Code: CLIENT_ERROR, Message: Error in UPLOAD_ARTIFACTS phase: disk full"
	if r.ErrorMessage != message || r.Produced != nil {
		t.Errorf("%+v", r)
	}
}
