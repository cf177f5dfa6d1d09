package build_test

import (
	"context"
	"encoding/json"
	"fmt"
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
