package build_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/provider/build"
	"github.com/penstock-cd/penstock/internal/provider/providertest"
	"github.com/penstock-cd/penstock/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Supervise()
	os.Exit(m.Run())
}

func newBox() sandbox.Sandbox { return sandbox.NewProcess() }

func codeBuild(t *testing.T, c build.Config) *build.CodeBuild {
	t.Helper()
	c.Sandbox = sandbox.NewProcess()
	p, err := build.NewCodeBuild(c, pipeline.CategoryBuild)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func commandsProvider(t *testing.T) *build.Commands {
	t.Helper()
	p, err := build.NewCommands(build.Config{Sandbox: sandbox.NewProcess()})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// source makes an attempt that builds one input with a buildspec and some files.
func source(t *testing.T, spec string, files map[string]string) provider.Attempt {
	t.Helper()
	a := providertest.NewAttempt(t, "build-1")
	all := map[string]string{"buildspec.yml": spec}
	for name, content := range files {
		all[name] = content
	}
	providertest.AddInput(t, &a, "Source", "c0ffee", providertest.Zip(t, all))
	a.Configuration["ProjectName"] = "shop-build"
	return a
}

func finish(t *testing.T, p provider.Provider, a provider.Attempt) provider.Report {
	t.Helper()
	r, err := providertest.Finish(t.Context(), p, a)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// succeed runs a CodeBuild attempt that must succeed.
func succeed(t *testing.T, a provider.Attempt) provider.Report {
	t.Helper()
	r := finish(t, codeBuild(t, build.Config{}), a)
	if r.Status != provider.Succeeded {
		t.Fatalf("%s: %s\n%s", r.ErrorCode, r.ErrorMessage, providertest.LogOf(a))
	}
	return r
}

// agent is the prefix of the agent's lines.
var agent = regexp.MustCompile(`(?m)^\[Container\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} `)

// output is the log without the agent's prefix, and without the workspace.
func output(a provider.Attempt) string {
	text := agent.ReplaceAllString(providertest.LogOf(a).String(), "# ")
	return strings.ReplaceAll(text, a.Workspace, "WORKSPACE")
}

// plain is what the commands printed.
func plain(a provider.Attempt) string { return commandOutput(output(a)) }

func commandOutput(log string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, "# ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestSuites(t *testing.T) {
	t.Parallel()
	commands := func(list ...string) func(*testing.T, *provider.Attempt) {
		return func(t *testing.T, a *provider.Attempt) { a.Commands = list }
	}
	const size = 64 << 20
	t.Run("Commands", func(t *testing.T) {
		t.Parallel()
		providertest.Suite{
			New: func(t *testing.T) provider.Provider { return commandsProvider(t) },
			Success: func(t *testing.T, a *provider.Attempt) {
				a.Commands = []string{"echo x >made", "V=1"}
				a.OutputVariables = []string{"V", "UNSET"}
				providertest.AddOutput(a, "Out")
			},
			Failure: commands("exit 3"),
			Endless: commands("echo it runs; sleep 1000"),
			Started: "it runs\n",
			Large: func(t *testing.T, a *provider.Attempt) int64 {
				a.Commands = []string{fmt.Sprintf("yes | head -c %d", size)}
				return size
			},
		}.Run(t)
	})
	t.Run("CodeBuild", func(t *testing.T) {
		t.Parallel()
		with := func(commands string) func(*testing.T, *provider.Attempt) {
			return func(t *testing.T, a *provider.Attempt) {
				spec := "version: 0.2\nphases: {build: {commands: [" + commands + "]}}\nartifacts: {files: '**/*'}"
				providertest.AddInput(t, a, "Source", "", providertest.Zip(t, map[string]string{"buildspec.yml": spec}))
				a.Configuration["ProjectName"] = "p"
				providertest.AddOutput(a, "Out")
			}
		}
		providertest.Suite{
			New:     func(t *testing.T) provider.Provider { return codeBuild(t, build.Config{}) },
			Success: with("echo x"),
			Failure: with("exit 3"),
			Endless: with("echo it runs; sleep 1000"),
			Started: "it runs\n",
		}.Run(t)
	})
}

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

// TestShell follows the table of actions.md D.3: what lives on from command to
// command.
func TestShell(t *testing.T) {
	t.Parallel()
	type script struct {
		version, env string
		commands     []string
	}
	phases := func(version, env string, commands ...string) script { return script{version, env, commands} }
	tests := []struct {
		name string
		script
		want string
	}{
		{"variables, exported or not", phases("0.2", "", "A=1", "export B=2", "echo $A $B", "sh -c 'echo $A $B'"), "1 2\n1 2\n"},
		{"directory", phases("0.2", "", "mkdir -p d/e && cd d", "basename $PWD; cd e", "basename $(pwd)"), "d\ne\n"},
		{"directory that went away", phases("0.2", "", "mkdir d && cd d && rmdir ../d", "basename $(pwd)"), "src\n"},
		{"quotes, line breaks, dollars", phases("0.2", "", `A='it'"'"'s "$x"
two'`, `printf '%s\n' "$A"`), "it's \"$x\"\ntwo\n"},
		{"unset", phases("0.2", "env: {variables: {A: x}}\n", "unset A", `echo "[$A]"`), "[]\n"},
		{"not functions, options, traps", phases("0.2", "", "f() { echo f; }; set -e; trap 'echo trapped' EXIT", "f 2>/dev/null || echo gone; false; echo on"), "trapped\ngone\non\n"},
		{"last line of a block counts", phases("0.2", "", "false\ntrue", "echo on"), "on\n"},
		{"exit 0 keeps nothing", phases("0.2", "", "A=1; exit 0", `echo "[$A]"`), "[]\n"},
		{"last exit", phases("0.2", "", "true", "echo $CODEBUILD_LAST_EXIT"), "0\n"},
		{"no input", phases("0.2", "", "cat", "read x || echo none"), "none\n"},
		{"background lives on", phases("0.2", "", "mkfifo p; (read x <p; echo $x >got) &", "echo hello >p; wait; while ! [ -s got ]; do :; done; cat got"), "hello\n"},
		{"bash", phases("0.2", "env: {shell: bash}\n", "A=(1 2); B=\"x y\"", `[[ $B == "x y" ]] && echo ${BASH_VERSION:+bash} "[${A[*]}]"`), "bash []\n"},
		{"PATH destroyed", phases("0.2", "", "PATH=", "echo still"), "still\n"},
		{"0.1 keeps nothing", phases("0.1", "env: {variables: {V: v}}\n", "A=1; cd /", `echo "[$A] $V"; basename $(pwd)`), "[] v\nsrc\n"},
		{"literal variables", phases("0.2", "env: {variables: {A: '$HOME/x'}}\n", `echo "$A"`), "$HOME/x\n"},
		{"a NUL is no result", phases("0.2", "", `printf 'a\000b\n'`), "a\x00b\n"},
		{"command with a heredoc", phases("0.2", "", "cat <<E\nx\nE", "echo on"), "x\non\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			commands, err := json.Marshal(tt.commands)
			if err != nil {
				t.Fatal(err)
			}
			a := source(t, fmt.Sprintf("version: %s\n%sphases: {build: {commands: %s}}", tt.version, tt.env, commands), nil)
			succeed(t, a)
			got := output(a)
			for _, c := range tt.commands {
				got = strings.Replace(got, "# Running command "+c+"\n", "", 1)
			}
			if got = commandOutput(got); got != tt.want {
				t.Errorf("got %q, want %q\n%s", got, tt.want, output(a))
			}
		})
	}
}

// TestEnvironment: a build sees what it must and nothing of the server.
func TestEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_SECRET_ACCESS_KEY": "server-secret", "AWS_PROFILE": "server-profile", "PENSTOCK_ROOT_SECRET_ACCESS_KEY": "root-secret",
		"PASSED_ON": "passed", "NOT_PASSED_ON": "host-only",
	} {
		t.Setenv(name, value)
	}
	a := source(t, "version: 0.2\nenv: {variables: {A: spec, B: spec, C: spec}}\nphases: {build: {commands: [env -0 >all]}}\nartifacts: {files: all}", nil)
	a.Configuration["EnvironmentVariables"] = `[{"name":"C","value":"action"},{"name":"CODEBUILD_CI","value":"no"},{"name":"bad-name","value":"x"},{"name":"EMPTY","value":"","type":"PLAINTEXT"}]`
	a.EncryptionKey = "arn:aws:kms:eu-central-1:111122223333:key/k"
	providertest.AddOutput(&a, "Out")
	p := codeBuild(t, build.Config{
		PassEnv: []string{"PASSED_ON", "ABSENT"},
		Now:     func() time.Time { return time.UnixMilli(1700000000123) },
		Projects: projects{"shop-build": {
			Environment: []build.Variable{{Name: "B", Value: "project"}, {Name: "C", Value: "project"}}, Image: "aws/codebuild/standard:7.0",
		}},
	})
	r := finish(t, p, a)
	if r.Status != provider.Succeeded {
		t.Fatalf("%+v\n%s", r, output(a))
	}
	got := map[string]string{}
	for _, entry := range strings.Split(a.Artifacts.(*providertest.Artifacts).Files(t, a.Outputs[0].Location)["all"], "\x00") {
		if name, value, ok := strings.Cut(entry, "="); ok {
			got[name] = strings.ReplaceAll(value, a.Workspace, "WORKSPACE")
		}
	}
	delete(got, "_")
	id := r.ExternalExecutionID
	uuid := strings.TrimPrefix(id, "shop-build:")
	want := map[string]string{
		"A": "spec", "B": "project", "C": "action", "EMPTY": "", "PASSED_ON": "passed",
		"PATH": os.Getenv("PATH"), "HOME": "WORKSPACE/home", "PWD": "WORKSPACE/src", "OLDPWD": got["OLDPWD"],
		"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1",
		"CODEBUILD_BUILD_ARN":               "arn:aws:codebuild:eu-central-1:111122223333:build/" + id,
		"CODEBUILD_BUILD_ID":                id,
		"CODEBUILD_BUILD_IMAGE":             "aws/codebuild/standard:7.0",
		"CODEBUILD_BUILD_SUCCEEDING":        "1",
		"CODEBUILD_BUILD_URL":               "https://console.aws.amazon.com/codebuild/home?region=eu-central-1#/builds/" + id + "/view/new",
		"CODEBUILD_CI":                      "true",
		"CODEBUILD_INITIATOR":               "codepipeline/shop",
		"CODEBUILD_KMS_KEY_ID":              "arn:aws:kms:eu-central-1:111122223333:key/k",
		"CODEBUILD_LAST_EXIT":               "0",
		"CODEBUILD_LOG_PATH":                uuid,
		"CODEBUILD_PROJECT_ARN":             "arn:aws:codebuild:eu-central-1:111122223333:project/shop-build",
		"CODEBUILD_RESOLVED_SOURCE_VERSION": "c0ffee",
		"CODEBUILD_SOURCE_REPO_URL":         "",
		"CODEBUILD_SOURCE_VERSION":          "arn:aws:s3:::store/shop/Source/abc1234",
		"CODEBUILD_SRC_DIR":                 "WORKSPACE/src",
		"CODEBUILD_START_TIME":              "1700000000123",
	}
	if want["OLDPWD"] == "" {
		delete(want, "OLDPWD")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

type projects map[string]build.Project

func (p projects) Project(_ context.Context, _, _, name string) (build.Project, bool, error) {
	project, ok := p[name]
	return project, ok, nil
}

func TestConfigRefused(t *testing.T) {
	t.Parallel()
	box := sandbox.NewProcess()
	for name, c := range map[string]build.Config{
		"no sandbox":  {},
		"credentials": {Sandbox: box, PassEnv: []string{"AWS_PROFILE"}},
		"own":         {Sandbox: box, PassEnv: []string{"PENSTOCK_DATA"}},
		"no name":     {Sandbox: box, PassEnv: []string{"A=B"}},
	} {
		if _, err := build.NewCommands(c); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := build.NewCodeBuild(build.Config{Sandbox: box}, pipeline.CategoryDeploy); err == nil {
		t.Error("a deploy category was accepted")
	}
}

// TestSeveralInputs: the primary source is the working directory, the others
// have variables of their own.
func TestSeveralInputs(t *testing.T) {
	t.Parallel()
	a := providertest.NewAttempt(t, "build-1")
	spec := "version: 0.2\nphases: {build: {commands: ['cat main $CODEBUILD_SRC_DIR_lib/lib', './run']}}"
	providertest.AddInput(t, &a, "lib", "", providertest.Zip(t, map[string]string{"lib": "lib\n"}))
	providertest.AddInput(t, &a, "main-app", "", providertest.Zip(t, map[string]string{
		"ci/spec.yml": spec, "main": "main\n", "run*": "#!/bin/sh\necho runs\n", "link": "-> main",
	}))
	a.Configuration = map[string]string{"ProjectName": "p", "PrimarySource": "main-app", "BuildspecOverride": "ci/spec.yml"}
	succeed(t, a)
	if got := plain(a); got != "main\nlib\nruns\n" {
		t.Errorf("got %q", got)
	}
	if want := "# CODEBUILD_SRC_DIR=WORKSPACE/src/s3/00\n# CODEBUILD_SRC_DIR_lib=WORKSPACE/src/s3/01\n# YAML location is WORKSPACE/src/s3/00/ci/spec.yml\n"; !strings.Contains(output(a), want) {
		t.Errorf("the log lacks %s:\n%s", want, output(a))
	}
}

// TestRefused: what cannot be done fails the action and says so.
func TestRefused(t *testing.T) {
	t.Parallel()
	const good = "version: 0.2\nphases: {build: {commands: ['true']}}"
	failed := func(phase, code, message string) string {
		return fmt.Sprintf("Build terminated with state: FAILED. Phase: %s, Code: %s, Message: %s", phase, code, message)
	}
	tests := []struct {
		name    string
		spec    string
		change  func(t *testing.T, a *provider.Attempt)
		code    string
		message string
	}{
		{"no project", good, func(t *testing.T, a *provider.Attempt) { delete(a.Configuration, "ProjectName") }, provider.CodeConfigurationError, "ProjectName is missing"},
		{"batch", good, set("BatchEnabled", "true"), provider.CodeConfigurationError, "BatchEnabled and CombineArtifacts: this server does not run batch builds yet"},
		{"primary unknown", good, set("PrimarySource", "Other"), provider.CodeConfigurationError, "PrimarySource Other is not an input artifact of the action"},
		{"primary missing", good, func(t *testing.T, a *provider.Attempt) {
			providertest.AddInput(t, a, "Second", "", nil)
		}, provider.CodeConfigurationError, "PrimarySource is required when there is more than one input artifact"},
		{"buildspec in S3", good, set("BuildspecOverride", "arn:aws:s3:::b/k"), provider.CodeConfigurationError, "The buildspec is at arn:aws:s3:::b/k; this server takes a buildspec inline or as a path in the source only"},
		{"variables no JSON", good, set("EnvironmentVariables", "{"), provider.CodeConfigurationError, "EnvironmentVariables is not a JSON array of objects with name, value and type, all of them strings: unexpected end of JSON input"},
		{"secret", good, set("EnvironmentVariables", `[{"name":"A","value":"x","type":"SECRETS_MANAGER"}]`), provider.CodeConfigurationError, "EnvironmentVariables: A is of type SECRETS_MANAGER, which this server cannot resolve yet; only PLAINTEXT works"},
		{"parameter", good, set("EnvironmentVariables", `[{"name":"A","value":"x","type":"PARAMETER_STORE"}]`), provider.CodeConfigurationError, "EnvironmentVariables: A is of type PARAMETER_STORE, which this server cannot resolve yet; only PLAINTEXT works"},
		{"hyphen in a secondary", good, func(t *testing.T, a *provider.Attempt) {
			providertest.AddInput(t, a, "my-lib", "", nil)
			a.Configuration["PrimarySource"] = "Source"
		}, provider.CodeJobFailed, "Error calling startBuild: Invalid input: identifier must contain only alphanumeric characters and underscores and be less than 128 characters in length (artifact my-lib)"},
		{"no buildspec", good, set("BuildspecOverride", "other.yml"), provider.CodeJobFailed, failed("DOWNLOAD_SOURCE", "YAML_FILE_ERROR", "stat WORKSPACE/src/other.yml: no such file or directory")},
		{"buildspec outside", good, set("BuildspecOverride", "../../etc/passwd"), provider.CodeJobFailed, failed("DOWNLOAD_SOURCE", "YAML_FILE_ERROR", "statat ../../etc/passwd: path escapes from parent")},
		{"no YAML", "version: 0.2\nphases: {build: {commands: [{a: b}]}}", nil, provider.CodeJobFailed, failed("DOWNLOAD_SOURCE", "YAML_FILE_ERROR", "Expected Commands[0] to be of string type: found subkeys instead at line 2, value of the key tag on line 1 might be empty")},
		{"no zip", "", func(t *testing.T, a *provider.Attempt) {
			a.Inputs = nil
			providertest.AddInput(t, a, "Source", "", []byte("raw"))
		}, provider.CodeJobFailed, failed("DOWNLOAD_SOURCE", "CLIENT_ERROR", "error while downloading key shop/Source/abc1234, error: not a zip file: zip: not a valid zip file")},
		{"no artifact", "", func(t *testing.T, a *provider.Attempt) { a.Inputs[0].Location.Key = "gone" }, provider.CodeJobFailed, failed("DOWNLOAD_SOURCE", "CLIENT_ERROR", "error while downloading key gone, error: NoSuchKey: The specified key does not exist.")},
		{"pointer without git", "", func(t *testing.T, a *provider.Attempt) {
			a.Inputs = nil
			providertest.AddInput(t, a, "Source", "", []byte(`{"CloneUrl":"https://example.com/r","CommitId":"c0ffee"}`))
			a.Inputs[0].CloneRef = true
		}, provider.CodeJobFailed, failed("DOWNLOAD_SOURCE", "CLIENT_ERROR", "error while downloading key shop/Source/abc1234, error: it is a pointer to a git repository (CODEBUILD_CLONE_REF), and this server is not configured to clone")},
		{"pointer by a build", "", func(t *testing.T, a *provider.Attempt) {
			a.Inputs = nil
			providertest.AddInput(t, a, "Source", "", []byte(`{"CloneUrl":"https://example.com/r","CommitId":"c0ffee"}`))
		}, provider.CodeJobFailed, failed("DOWNLOAD_SOURCE", "CLIENT_ERROR", "error while downloading key shop/Source/abc1234, error: it is a pointer to a git repository, but no source action in the format CODEBUILD_CLONE_REF wrote it")},
		{"spec secret", "version: 0.2\nenv: {secrets-manager: {A: b}}\nphases: {}", nil, provider.CodeJobFailed, failed("DOWNLOAD_SOURCE", "CLIENT_ERROR", "env/secrets-manager: this server cannot resolve A yet")},
		{"shell", "version: 0.2\nenv: {shell: powershell.exe}\nphases: {}", nil, provider.CodeJobFailed, failed("DOWNLOAD_SOURCE", "CLIENT_ERROR", `env/shell "powershell.exe" is not supported: it must be bash or /bin/sh`)},
		{"install fails", "version: 0.2\nphases: {install: {commands: ['exit 4']}, build: {commands: ['echo never']}}", nil, provider.CodeJobFailed, failed("INSTALL", "COMMAND_EXECUTION_ERROR", "Error while executing command: exit 4. Reason: exit status 4")},
		{"finally fails", "version: 0.2\nphases: {build: {commands: ['true'], finally: ['exit 5']}}", nil, provider.CodeJobFailed, failed("BUILD", "COMMAND_EXECUTION_ERROR", "Error while executing command: exit 5. Reason: exit status 5")},
		{"shell killed", "version: 0.2\nphases: {build: {on-failure: CONTINUE, commands: ['kill -9 $PPID; sleep 1000']}}", nil, provider.CodeJobFailed, failed("BUILD", "COMMAND_EXECUTION_ERROR", "Error while executing command: kill -9 $PPID; sleep 1000. Reason: the shell of the build ended: exit status 137")},
		{"variables too large", "version: 0.2\nenv: {exported-variables: [A]}\nphases: {build: {commands: ['A=$(head -c 122880 /dev/zero | tr \"\\0\" x)']}}", nil, provider.CodeJobFailed, "The output variables of the action have 122881 bytes; at most 122880 are allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := source(t, tt.spec, nil)
			if tt.change != nil {
				tt.change(t, &a)
			}
			r := finish(t, codeBuild(t, build.Config{}), a)
			message := strings.ReplaceAll(r.ErrorMessage, a.Workspace, "WORKSPACE")
			if r.Status != provider.Failed || r.ErrorCode != tt.code || message != tt.message {
				t.Errorf("got  %s %s: %s\nwant %s: %s\n%s", r.Status, r.ErrorCode, message, tt.code, tt.message, output(a))
			}
			if strings.Contains(plain(a), "never") {
				t.Error("a later phase ran")
			}
		})
	}
}

func set(key, value string) func(*testing.T, *provider.Attempt) {
	return func(t *testing.T, a *provider.Attempt) { a.Configuration[key] = value }
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

// TestOnFailure: the transitions are buildspec's; here only that the result
// follows them.
func TestOnFailure(t *testing.T) {
	t.Parallel()
	const spec = "version: 0.2\nphases: {build: {on-failure: %s, commands: ['exit 1']}, post_build: {commands: ['echo post']}}\nartifacts: {files: buildspec.yml}"
	for on, want := range map[string]struct {
		status   provider.Status
		post     string
		produced []string
	}{
		"CONTINUE": {provider.Succeeded, "post\n", []string{"Out"}},
		"ABORT":    {provider.Failed, "", nil},
		"''":       {provider.Failed, "post\n", []string{"Out"}},
	} {
		t.Run(on, func(t *testing.T) {
			t.Parallel()
			a := source(t, fmt.Sprintf(spec, on), nil)
			providertest.AddOutput(&a, "Out")
			r := finish(t, codeBuild(t, build.Config{}), a)
			if r.Status != want.status || plain(a) != want.post || !cmp.Equal(r.Produced, want.produced) {
				t.Errorf("%s, %q, %v\n%s", r.Status, plain(a), r.Produced, output(a))
			}
		})
	}
}

func TestCommandsAction(t *testing.T) {
	t.Parallel()
	a := providertest.NewAttempt(t, "commands-1")
	providertest.AddInput(t, &a, "First", "", providertest.Zip(t, map[string]string{"f": "first\n"}))
	providertest.AddInput(t, &a, "Second", "", providertest.Zip(t, map[string]string{"s": "second\n"}))
	a.Commands = []string{"cat f $CODEBUILD_SRC_DIR_Second/s", "OUT=$GIVEN-x", "mkdir -p out/deep && echo 1 >out/deep/a && ln -s a out/deep/l && echo 2 >rest"}
	a.Environment = []pipeline.EnvironmentVariable{{Name: "GIVEN", Value: "given"}}
	a.OutputVariables = []string{"OUT", "AWS_DEFAULT_REGION", "CODEBUILD_BUILD_ID", "UNSET"}
	providertest.AddOutput(&a, "Built", "out/**/*")
	r := finish(t, commandsProvider(t), a)
	if r.Status != provider.Succeeded || plain(a) != "first\nsecond\n" {
		t.Fatalf("%+v\n%s", r, output(a))
	}
	want := map[string]string{"OUT": "given-x", "AWS_DEFAULT_REGION": "eu-central-1", "CODEBUILD_BUILD_ID": "codepipeline-shop:" + r.ExternalExecutionID}
	if diff := cmp.Diff(want, r.OutputVariables); diff != "" {
		t.Error(diff)
	}
	files := a.Artifacts.(*providertest.Artifacts).Files(t, a.Outputs[0].Location)
	if diff := cmp.Diff(map[string]string{"out/deep/a": "1\n", "out/deep/l": "1\n"}, files); diff != "" {
		t.Error(diff)
	}
	for name, change := range map[string]func(*provider.Attempt){
		"network":  func(a *provider.Attempt) { a.Configuration["VpcId"] = "vpc-1" },
		"windows":  func(a *provider.Attempt) { a.Configuration["EnvironmentType"] = "WINDOWS_SERVER_2022_CONTAINER" },
		"secret":   func(a *provider.Attempt) { a.Environment[0].Type = "SECRETS_MANAGER" },
		"commands": func(a *provider.Attempt) { a.Commands = nil },
	} {
		a := providertest.NewAttempt(t, "commands-"+name)
		a.Commands = []string{"true"}
		a.Environment = []pipeline.EnvironmentVariable{{Name: "A", Value: "b"}}
		change(&a)
		if r := finish(t, commandsProvider(t), a); r.ErrorCode != provider.CodeConfigurationError {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestCloneRef: a pointer to a repository is cloned by who knows how.
func TestCloneRef(t *testing.T) {
	t.Parallel()
	a := providertest.NewAttempt(t, "build-1")
	providertest.AddInput(t, &a, "Source", "", []byte(`{"AccountId":"1","FullRepositoryName":"o/r","CloneUrl":"https://example.com/o/r","CommitId":"c0ffee","BranchName":"main"}`))
	a.Inputs[0].CloneRef = true
	a.Configuration["ProjectName"] = "p"
	p := codeBuild(t, build.Config{Clone: func(_ context.Context, url, commit, dir string) error {
		if url != "https://example.com/o/r" || commit != "c0ffee" {
			return fmt.Errorf("asked for %s of %s", commit, url)
		}
		return os.WriteFile(filepath.Join(dir, "buildspec.yml"), []byte("version: 0.2\nphases: {build: {commands: ['echo $CODEBUILD_SOURCE_REPO_URL']}}"), 0o600)
	}})
	if r := finish(t, p, a); r.Status != provider.Succeeded || plain(a) != "https://example.com/o/r\n" {
		t.Errorf("%+v\n%s", r, output(a))
	}
}

// TestStopLeavesNothing: a stopped build's processes are gone when Stop
// returns, and so is what it left in the workspace, write-protected or not.
func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()
	a := providertest.NewAttempt(t, "commands-1")
	a.Commands = []string{"mkdir -p $HOME/ro/x && chmod 500 $HOME/ro/x $HOME/ro", "sleep 1000 & echo $! >&1; echo it runs; wait"}
	p := commandsProvider(t)
	done := make(chan provider.Report, 1)
	go func() {
		r, err := p.Start(t.Context(), a)
		if err != nil {
			t.Error(err)
		}
		done <- r
	}()
	<-providertest.LogOf(a).Seen("it runs\n")
	if err := p.Stop(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	r := <-done
	if r.ErrorMessage != "Build terminated with state: STOPPED" || !strings.Contains(output(a), "# Phase complete: BUILD State: STOPPED\n") {
		t.Errorf("%+v\n%s", r, output(a))
	}
	left, err := os.ReadDir(a.Workspace)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the workspace: %v, %v", left, err)
	}
}

func TestTimeOut(t *testing.T) {
	t.Parallel()
	a := source(t, "version: 0.2\nphases: {build: {on-failure: CONTINUE, commands: ['sleep 1000'], finally: ['echo never']}, post_build: {commands: ['echo never']}}", nil)
	a.Deadline = time.Now().Add(200 * time.Millisecond)
	r := finish(t, codeBuild(t, build.Config{}), a)
	const message = "Build terminated with state: FAILED. Phase: BUILD, Code: BUILD_TIMED_OUT, Message: Build has timed out. "
	if r.ErrorMessage != message || !strings.Contains(output(a), "# Phase complete: BUILD State: TIMED_OUT\n") || strings.Contains(plain(a), "never") {
		t.Errorf("%+v\n%s", r, output(a))
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
