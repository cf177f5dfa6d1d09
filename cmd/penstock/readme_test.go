package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/penstock-cd/penstock/internal/sigv4/sigv4test"
)

// commandsOf lists the shell commands of a section of the README.
func commandsOf(t *testing.T, heading string) []string {
	t.Helper()
	_, section, found := strings.Cut(readText(t, "../../README.md"), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("the README has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return commandsIn(section)
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// commandsIn lists the shell commands of a text, those that go over several lines
// as one.
func commandsIn(section string) []string {
	var commands []string
	for line := range strings.Lines(section) {
		last := len(commands) - 1
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			commands = append(commands, command)
		} else if last >= 0 && strings.HasSuffix(commands[last], "\\\n") {
			commands[last] += line
		}
	}
	return commands
}

// The sixty seconds of the README, word for word, with the real AWS command line.
func TestReadme(t *testing.T) {
	t.Parallel()
	sigv4test.AWSCLI(t)
	var script strings.Builder
	const build = `make build && export PATH="$PWD:$PATH"`
	state := `"$(aws codepipeline get-pipeline-state --name website --output text --query 'stageStates[?latestExecution.status==`
	for _, command := range commandsOf(t, "Sixty seconds with the AWS command line") {
		switch {
		case strings.HasPrefix(command, build):
			continue // the command under test is on the path
		case strings.Contains(command, "list-action-executions"): // a person has looked
			script.WriteString("until [ " + state + "`InProgress`].stageName')\" = Approve ]; do :; done\n")
		case strings.Contains(command, "list-pipeline-executions"):
			script.WriteString("until [ -z " + state + "`InProgress`].stageName')\" ]; do :; done\n")
		}
		script.WriteString("echo '" + strings.ReplaceAll(strings.TrimSpace(command), "'", `'\''`) + "'\n" + strings.ReplaceAll(command, "127.0.0.1:8700", "127.0.0.1:0"))
	}
	out := shell(t, script.String()+"wait\n") // the server was told to end
	for _, want := range []string{
		"|  Approve |", "Publish version ", "\tSucceeded\n", "Published by execution <code>", "Deploy/Publish | s3://demo-site/index.html", "is Succeeded\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nothing says %q:\n%s", want, out)
		}
	}
}

// TestCustomActionExample follows the README of examples/custom-action, word for
// word.
func TestCustomActionExample(t *testing.T) {
	t.Parallel()
	sigv4test.AWSCLI(t)
	var script strings.Builder
	for _, command := range commandsIn(readText(t, "../../examples/custom-action/README.md")) {
		if strings.HasPrefix(command, "aws codepipeline list-pipeline-executions") { // a person has looked
			script.WriteString("until penstock explain custom | grep -q 'is Succeeded'; do :; done\n")
		}
		script.WriteString(command)
	}
	out := shell(t, script.String()+"wait\n") // the server was told to end
	for _, want := range []string{
		" | Build/List Succeeded: listed 2 files", "listed 2 files for execution ", "\tSucceeded\n", "What is in the site\n- index.html\n- style.css\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nothing says %q:\n%s", want, out)
		}
	}
}

// shell runs a script where the examples are, in a repository, and returns its
// output.
func shell(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS("../../examples")); err != nil {
		t.Fatal(err)
	}
	script = `set -eu
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
git init -q . && git add . && git -c user.name=Ann -c user.email=ann@example.com commit -q -m all
` + script
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	bash := exec.CommandContext(ctx, "bash", "-c", script)
	bash.Dir = dir
	// All that it starts ends with it.
	bash.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	bash.Cancel = func() error { return syscall.Kill(-bash.Process.Pid, syscall.SIGKILL) }
	bash.Env = append(os.Environ(), "HOME="+dir, "AWS_PAGER=", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "PENSTOCK_DATA=")
	var out bytes.Buffer
	bash.Stdout, bash.Stderr = &out, &out
	if err := bash.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return out.String()
}
