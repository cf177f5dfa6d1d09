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
)

// commandsOf lists the shell commands of a section of the README, those that go
// over several lines as one.
func commandsOf(t *testing.T, heading string) []string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("the README has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
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
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("the AWS CLI is not installed")
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS("../../examples")); err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString(`set -eu
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
git init -q . && git add . && git -c user.name=Ann -c user.email=ann@example.com commit -q -m all
`)
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
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	bash := exec.CommandContext(ctx, "bash", "-c", script.String())
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
	for _, want := range []string{
		"|  Approve |", "Publish version ", "\tSucceeded\n", "Published by execution <code>", "Deploy/Publish | s3://demo-site/index.html", "is Succeeded\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("nothing says %q:\n%s", want, out.String())
		}
	}
}
