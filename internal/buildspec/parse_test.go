package buildspec_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/buildspec"
)

const full = `
version: 0.2
run-as: builder
env:
  shell: bash
  variables:
    ZED: 1.10
    ALPHA: "$PATH:/x"
    FLAG: yes
    EMPTY:
  parameter-store: {TOKEN: /app/token}
  secrets-manager:
    KEY: prod/db:password
  exported-variables: [VERSION, ALPHA]
  git-credential-helper: "yes"
phases:
  build:
    on-failure: abort
    commands:
      - make
      - |
        echo one
        echo two
    finally:
      - echo done
  install:
    runtime-versions:
      golang: 1.22
      nodejs: $NODE
    commands: []
  pre_build:
    run-as: other
    on-failure: Retry-3-.*connection timed out.*
    commands: [echo pre, 42]
artifacts:
  files: imagedefinitions.json
  name: x-$(date)
  discard-paths: Yes
  base-directory: $CODEBUILD_SRC_DIR_other
  exclude-paths: ['**/*.tmp']
  secondary-artifacts:
    second:
      files: ['**/*']
      base-directory: dist
      enable-symlinks: true
reports:
  unit:
    files: [r.xml]
cache:
  key: k
  paths: /root/.m2/**/*
batch: {}
proxy: {logs: no}
`

func TestParseFull(t *testing.T) {
	t.Parallel()
	got, err := buildspec.Parse([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	want := &buildspec.Spec{
		Version: "0.2",
		RunAs:   "builder",
		Env: buildspec.Env{
			Shell:               "bash",
			Variables:           []buildspec.Variable{{"ZED", "1.10"}, {"ALPHA", "$PATH:/x"}, {"FLAG", "yes"}, {"EMPTY", ""}},
			ParameterStore:      []buildspec.Variable{{"TOKEN", "/app/token"}},
			SecretsManager:      []buildspec.Variable{{"KEY", "prod/db:password"}},
			Exported:            []string{"VERSION", "ALPHA"},
			GitCredentialHelper: true,
		},
		Phases: []buildspec.Phase{
			{Type: buildspec.Install, Runtimes: []buildspec.Variable{{"golang", "1.22"}, {"nodejs", "$NODE"}}},
			{Type: buildspec.PreBuild, RunAs: "other", OnFailure: buildspec.OnFailureRetry, Commands: []string{"echo pre", "42"}},
			{Type: buildspec.Build, OnFailure: buildspec.OnFailureAbort, Commands: []string{"make", "echo one\necho two\n"}, Finally: []string{"echo done"}},
		},
		Artifacts: &buildspec.Artifacts{
			Primary: buildspec.Output{
				Files: []string{"imagedefinitions.json"}, ExcludePaths: []string{"**/*.tmp"},
				BaseDirectory: "$CODEBUILD_SRC_DIR_other", DiscardPaths: true, Name: "x-$(date)",
			},
			Secondary: []buildspec.SecondaryOutput{
				{"second", buildspec.Output{Files: []string{"**/*"}, BaseDirectory: "dist", EnableSymlinks: true}},
			},
		},
		Reports:  []buildspec.Report{{Group: "unit", Files: []string{"r.xml"}}},
		Cache:    &buildspec.Cache{Key: "k", Paths: []string{"/root/.m2/**/*"}},
		HasBatch: true,
		HasProxy: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	wantUnsupported := []string{
		"cache: nothing is restored or saved",
		"reports: test reports are not collected",
		"batch: this is a single build",
		"proxy: no proxy is used",
		"git-credential-helper: git has no credentials here",
		"run-as builder: commands run as the user of the sandbox",
		"pre_build/run-as other: commands run as the user of the sandbox",
		"pre_build/on-failure: a failed build is not retried",
	}
	if diff := cmp.Diff(wantUnsupported, got.Unsupported()); diff != "" {
		t.Error(diff)
	}
}

func TestParseForms(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		check      func(*buildspec.Spec) bool
	}{
		{"smallest", "version: 0.2\nphases: {}", func(s *buildspec.Spec) bool { return len(s.Phases) == 0 && len(s.Unsupported()) == 0 }},
		{"JSON", `{"version":"0.2","phases":{"build":{"commands":["a: b"]}}}`, func(s *buildspec.Spec) bool { return s.Phases[0].Commands[0] == "a: b" }},
		{"0.1", "version: 0.1\nenvironment_variables:\n  plaintext: {A: b}\nphases: {build: {commands: [x]}}", func(s *buildspec.Spec) bool {
			return s.Version == "0.1" && s.Env.Variables[0] == buildspec.Variable{Name: "A", Value: "b"}
		}},
		{"empty commands", "version: 0.2\nphases:\n  build:\n    commands:", func(s *buildspec.Spec) bool { return len(s.Phase(buildspec.Build).Commands) == 0 }},
		{"install without commands", "version: 0.2\nphases: {install: {runtime-versions: {golang: 1}}}", func(s *buildspec.Spec) bool { return len(s.Phases) == 1 }},
		{"unknown keys", "version: 0.2\nfoo: {bar: 1}\nphases: {build: {commands: [x], extra: 1}}", func(s *buildspec.Spec) bool { return len(s.Phases) == 1 }},
		{"alias", "version: 0.2\nx: &c [make]\nphases: {build: {commands: *c}}", func(s *buildspec.Spec) bool { return s.Phases[0].Commands[0] == "make" }},
		{"merge", "version: 0.2\nx: &c {commands: [make], on-failure: ABORT}\nphases: {build: {<<: *c, on-failure: CONTINUE}}", func(s *buildspec.Spec) bool {
			return s.Phases[0].Commands[0] == "make" && s.Phases[0].OnFailure == buildspec.OnFailureContinue
		}},
		{"only secondary artifacts", "version: 0.2\nphases: {}\nartifacts: {secondary-artifacts: {a: {files: x}}}", func(s *buildspec.Spec) bool {
			return len(s.Artifacts.Secondary) == 1 && s.Artifacts.Primary.Files == nil
		}},
		{"artifacts left empty", "version: 0.2\nphases: {}\nartifacts:\n", func(s *buildspec.Spec) bool { return s.Artifacts == nil }},
		{"retry count", "version: 0.2\nphases: {build: {on-failure: RETRY-2, commands: [x]}}", func(s *buildspec.Spec) bool { return s.Phases[0].OnFailure == buildspec.OnFailureRetry }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := buildspec.Parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if !tt.check(s) {
				t.Errorf("got %+v", s)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"empty", "", "The buildspec is empty"},
		{"comment only", "# nothing", "The buildspec is empty"},
		{"no YAML", "a: [", "yaml: "},
		{"tabs", "version: 0.2\nphases:\n\tbuild:", "yaml: "},
		{"a list", "- a", "Expected the buildspec to be of map type: found a list instead at line 1"},
		{"no version", "phases: {}", "version is required in the buildspec"},
		{"version 1", "version: 1.0\nphases: {}", `Invalid buildspec version "1.0" at line 1: it must be 0.1 or 0.2`},
		{"no phases", "version: 0.2", "phases is required in the buildspec"},
		{"unknown phase", "version: 0.2\nphases:\n  post-build: {commands: [x]}", "Unknown phase post-build at line 3: phases are install, pre_build, build and post_build"},
		{"colon in a command", "version: 0.2\nphases:\n  build:\n    commands:\n      - echo a: b\n", "Expected Commands[0] to be of string type: found subkeys instead at line 5, value of the key tag on line 4 might be empty"},
		{"colon in a later command", "version: 0.2\nphases:\n  build:\n    commands:\n      - x\n      - echo a: b\n", "Expected Commands[1] to be of string type: found subkeys instead at line 6, value of the key tag on line 5 might be empty"},
		{"commands no list", "version: 0.2\nphases:\n  build:\n    commands: make", "Expected phases/build/commands to be of list type: found a single value instead at line 4"},
		{"no commands", "version: 0.2\nphases:\n  build:\n    finally: [x]", "commands is required in phases/build at line 4"},
		{"no runtime", "version: 0.2\nphases:\n  install:\n    runtime-versions: {}", "Expected phases/install/runtime-versions to hold at least one runtime at line 4"},
		{"on-failure", "version: 0.2\nphases: {build: {on-failure: maybe, commands: [x]}}", `Invalid on-failure "maybe" at line 2: it must be ABORT, CONTINUE or RETRY`},
		{"on-failure count", "version: 0.2\nphases: {build: {on-failure: RETRY-101, commands: [x]}}", `Invalid on-failure "RETRY-101" at line 2: the count must be 0 to 100`},
		{"variable a list", "version: 0.2\nenv: {variables: {A: [1]}}\nphases: {}", "Expected env/variables/A to be of string type: found a list instead at line 2"},
		{"variable name", "version: 0.2\nenv: {variables: {A=B: 1}}\nphases: {}", `Expected env/variables to hold names of variables: found "A=B" at line 2`},
		{"twice", "version: 0.2\nphases: {}\nphases: {}", "Key phases appears twice in the buildspec, again at line 3"},
		{"artifacts without files", "version: 0.2\nphases: {}\nartifacts:\n  name: x", "files is required in artifacts at line 4"},
		{"secondary without files", "version: 0.2\nphases: {}\nartifacts: {files: a, secondary-artifacts: {b: {name: x}}}", "files is required in artifacts/secondary-artifacts/b at line 3"},
		{"no yes", "version: 0.2\nphases: {}\nartifacts: {files: a, discard-paths: perhaps}", `Expected artifacts/discard-paths to be yes or no: found "perhaps" at line 3`},
		{"NUL", "version: 0.2\nphases: {build: {commands: [\"a\\0b\"]}}", "Expected phases/build/commands[0] to be text: found a NUL character at line 2"},
		{"merge into itself", "version: 0.2\nphases: &p {<<: *p}", "Merge keys in phases are nested too deep at line 2"},
		{"too long", strings.Repeat("#", buildspec.MaxSize+1), "The buildspec is longer than 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := buildspec.Parse([]byte(tt.text))
			bad, ok := errors.AsType[*buildspec.Error](err)
			if !ok {
				t.Fatalf("got error %v", err)
			}
			if !strings.HasPrefix(bad.Message, tt.want) || (!strings.HasSuffix(tt.want, " ") && bad.Message != tt.want) {
				t.Errorf("got  %s\nwant %s", bad.Message, tt.want)
			}
		})
	}
}

func TestLocate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		setting string
		place   buildspec.Place
		text    string
	}{
		{"", buildspec.PlaceFile, "buildspec.yml"},
		{"  ", buildspec.PlaceFile, "buildspec.yml"},
		{"ci/build.yml", buildspec.PlaceFile, "ci/build.yml"},
		{"versions/build.yml", buildspec.PlaceFile, "versions/build.yml"},
		{"arn:aws:s3:::bucket/key", buildspec.PlaceS3, "arn:aws:s3:::bucket/key"},
		{`{"version":0.2}`, buildspec.PlaceInline, `{"version":0.2}`},
		{"version: 0.2", buildspec.PlaceInline, "version: 0.2"},
		{"phases:\nversion: 0.2", buildspec.PlaceInline, "phases:\nversion: 0.2"},
	}
	for _, tt := range tests {
		if place, text := buildspec.Locate(tt.setting); place != tt.place || text != tt.text {
			t.Errorf("Locate(%q) = %v, %q; want %v, %q", tt.setting, place, text, tt.place, tt.text)
		}
	}
}

// Globs of buildspecs: actions.md D.6.
func TestMatchPath(t *testing.T) {
	t.Parallel()
	tests := []struct {
		glob, file string
		want       bool
	}{
		{"my-file.jar", "my-file.jar", true},
		{"./my-file.jar", "my-file.jar", true},
		{"my-file.jar", "dir/my-file.jar", false},
		{"dir/my-file.jar", "dir/my-file.jar", true},
		{"**/*", "a", true},
		{"**/*", "a/b/c", true},
		{"**/*", ".hidden/.file", true},
		{"*", "a", true},
		{"*", ".hidden", true},
		{"*", "a/b", false},
		{"dir/*", "dir/a", true},
		{"dir/*", "dir/a/b", false},
		{"dir/**/*", "dir/a", true},
		{"dir/**/*", "dir/a/b/c", true},
		{"**/.*", "a/.env", true},
		{"**/.*", "a/env", false},
		{"**/.*/**/*", ".git/config", true},
		{"*.{js,css}", "a.css", true},
		{"[", "[", false},
		{`a\*`, "a*", true},
	}
	for _, tt := range tests {
		if got := buildspec.MatchPath(tt.glob, tt.file); got != tt.want {
			t.Errorf("MatchPath(%q, %q) = %v", tt.glob, tt.file, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{full, "", "version: 0.1\nphases: {}", "version: 0.2\nphases: &p {<<: [*p, *p]}",
		"version: 0.2\nphases:\n  build:\n    commands:\n      - echo a: b\n", "a: &a [*a, *a]\nversion: 0.2\nphases: *a", "!!merge x: y"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := buildspec.Parse(text)
		if err != nil {
			if bad, ok := errors.AsType[*buildspec.Error](err); !ok || bad.Message == "" {
				t.Fatalf("error %v of type %T", err, err)
			}
			return
		}
		if s.Version != buildspec.Version01 && s.Version != buildspec.Version02 {
			t.Errorf("version %q", s.Version)
		}
		if s.Artifacts != nil && len(s.Artifacts.Primary.Files) == 0 && len(s.Artifacts.Secondary) == 0 {
			t.Error("artifacts without files")
		}
		for _, v := range s.Env.Variables {
			if v.Name == "" || strings.ContainsAny(v.Name, "=\x00") || strings.ContainsRune(v.Value, 0) {
				t.Errorf("variable %q", v)
			}
		}
		s.Unsupported()
	})
}
