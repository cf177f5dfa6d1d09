package build_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/provider/build"
	"github.com/penstock-cd/penstock/internal/provider/providertest"
	"github.com/penstock-cd/penstock/internal/sandbox"
)

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
