package build_test

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/provider/build"
	"github.com/penstock-cd/penstock/internal/provider/providertest"
)

func ruleProvider(t *testing.T, make func(build.Config) (*build.Rule, error)) *build.Rule {
	t.Helper()
	p, err := make(build.Config{Sandbox: newBox()})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ruleSpec is a buildspec that an action would hand much on with.
const ruleSpec = `
version: 0.2
env: {exported-variables: [V]}
phases: {build: {commands: [V=1, COMMAND]}}
artifacts: {files: '**/*'}
`

func judged(command string) func(*testing.T, *provider.Attempt) {
	return func(t *testing.T, a *provider.Attempt) {
		spec := strings.Replace(ruleSpec, "COMMAND", command, 1)
		providertest.AddInput(t, a, "Source", "", providertest.Zip(t, map[string]string{"buildspec.yml": spec}))
		a.Configuration["ProjectName"] = "p"
	}
}

// TestRuleSuites: the promises of package provider.
func TestRuleSuites(t *testing.T) {
	t.Parallel()
	commands := func(list ...string) func(*testing.T, *provider.Attempt) {
		return func(t *testing.T, a *provider.Attempt) { a.Commands = list }
	}
	t.Run("Commands", func(t *testing.T) {
		t.Parallel()
		providertest.Suite{
			New:     func(t *testing.T) provider.Provider { return ruleProvider(t, build.NewCommandsRule) },
			Success: commands("true", "V=1"),
			Failure: commands("true", "exit 3", "true"),
			Endless: commands("echo it runs; sleep 1000"),
			Started: "it runs\n",
		}.Run(t)
	})
	t.Run("CodeBuild", func(t *testing.T) {
		t.Parallel()
		providertest.Suite{
			New:     func(t *testing.T) provider.Provider { return ruleProvider(t, build.NewCodeBuildRule) },
			Success: judged("echo x"),
			Failure: judged("exit 3"),
			Endless: judged("echo it runs; sleep 1000"),
			Started: "it runs\n",
		}.Run(t)
	})
}

// TestRuleVerdicts: a failed build is a verdict, a build that could not be made
// or was not over in time is none, and nothing but the verdict is handed on.
func TestRuleVerdicts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		fill func(*testing.T, *provider.Attempt)
		code string
	}{
		{"success", judged("echo x"), ""},
		{"failure", judged("exit 3"), provider.CodeJobFailed},
		{"no project", func(t *testing.T, a *provider.Attempt) {
			judged("echo x")(t, a)
			a.Configuration["ProjectName"] = ""
		}, provider.CodeConfigurationError},
		{"a source that cannot have its name", func(t *testing.T, a *provider.Attempt) {
			judged("echo x")(t, a)
			providertest.AddInput(t, a, "not-a-name", "", providertest.Zip(t, map[string]string{"x": "x"}))
			a.Configuration["PrimarySource"] = "Source"
		}, provider.CodeConfigurationError},
		{"too slow", func(t *testing.T, a *provider.Attempt) {
			judged("sleep 1000")(t, a)
			a.Deadline = time.Now().Add(300 * time.Millisecond)
		}, provider.CodeSystemUnavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := providertest.NewAttempt(t, "rule-"+strings.ReplaceAll(test.name, " ", "-"))
			test.fill(t, &a)
			r := finish(t, ruleProvider(t, build.NewCodeBuildRule), a)
			if r.ErrorCode != test.code || len(r.OutputVariables) != 0 || len(r.Produced) != 0 {
				t.Errorf("%+v, want %q\n%s", r, test.code, providertest.LogOf(a))
			}
		})
	}
}
