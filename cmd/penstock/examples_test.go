package main

import (
	"bytes"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/sigv4/sigv4test"
)

// TestConditionsExample runs examples/conditions, with every outcome of its
// conditions that one run can have.
func TestConditionsExample(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("builds run on Linux")
	}
	for _, test := range []struct {
		name   string
		args   []string
		status int
		want   []string
		not    string
	}{
		{"good", nil, 0, []string{
			"Test/Flaky | it rains\n", "Test/Flaky | the weather is fine\n", "Release/KnownEnvironment Succeeded in ",
			"Release/Release | released to staging, in good health\n", "Release/Healthy Succeeded in ", "Execution Succeeded in ",
		}, "Release/Healthy Failed"},
		{"moon", []string{"--var", "Environment=moon"}, 1, []string{
			"Release/KnownEnvironment Failed in ", ": The variable does not match the value.\n", "Execution Failed in ",
		}, "Release/Release started"},
		{"bad", []string{"--var", "Health=bad"}, 1, []string{
			"Release/Release Succeeded in ", "Release/Healthy Failed in ", "Execution Failed in ",
		}, "Release/KnownEnvironment Failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "penstock", append([]string{"run", "../../examples/conditions"}, test.args...)...)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			err := cmd.Run()
			if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != test.status {
				t.Fatalf("%v\n%s", err, out.String())
			}
			for _, want := range test.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("nothing says %q:\n%s", want, out.String())
				}
			}
			if strings.Contains(out.String(), test.not) {
				t.Errorf("it says %q:\n%s", test.not, out.String())
			}
		})
	}
}

// TestLambdaExample runs examples/lambda.
func TestLambdaExample(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("builds run on Linux")
	}
	sigv4test.Boto3(t)
	cmd := exec.CommandContext(t.Context(), "penstock", "run", "../../examples/lambda", "--config", "../../examples/lambda/functions.yaml")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"Stamp/Stamp | stamped 4 files\n", "Show/Show | release: 4 files\n", "Show/Show | the stamp covers 4 files\n", "Execution Succeeded in ",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("nothing says %q:\n%s", want, out)
		}
	}
}
