package build_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/provider/build"
	"github.com/penstock-cd/penstock/internal/provider/providertest"
)

// TestArtifacts follows actions.md C.1.4 and D.6: which files make an artifact.
func TestArtifacts(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"a.txt": "a", ".env": "e", "dir/b.txt": "b", "dir/sub/c*": "c", "dir/.hidden/d": "d",
		"out-1/x": "x1", "out-2/y": "y2", "out-2/x": "x2", "link": "-> a.txt", "away": "-> dir",
	}
	type artifacts map[string]map[string]string // by output
	tests := []struct {
		name, spec, outputs string
		want                artifacts
		fails, log          string
	}{
		{"one file", "{files: a.txt}", "Out", artifacts{"Out": {"a.txt": "a"}}, "", "Found 1 file(s)"},
		{"hyphen in the only output", "{files: a.txt}", "My-Out", artifacts{"My-Out": {"a.txt": "a"}}, "", ""},
		{"no section", "", "Out", artifacts{}, "", ""},
		{"no output", "{files: none}", "", artifacts{}, "", ""},
		{"top level only, hidden too", "{files: '*', exclude-paths: [buildspec.yml]}", "Out", artifacts{"Out": {"a.txt": "a", ".env": "e", "link": "a"}}, "", ""},
		{"everything below", "{files: 'dir/**/*'}", "Out", artifacts{"Out": {"dir/b.txt": "b", "dir/sub/c*": "c", "dir/.hidden/d": "d"}}, "", ""},
		{"excluded", "{files: 'dir/**/*', exclude-paths: ['dir/.*/**', '**/*.txt']}", "Out", artifacts{"Out": {"dir/sub/c*": "c"}}, "", ""},
		{"base directory", "{files: '**/*', base-directory: dir/sub}", "Out", artifacts{"Out": {"c*": "c"}}, "", ""},
		{"base directory by variable", "{files: $WHAT, base-directory: $CODEBUILD_SRC_DIR/dir}", "Out", artifacts{"Out": {"sub/c*": "c"}}, "", "Expanding base directory path: "},
		{"base directories by glob", "{files: '*', base-directory: 'out-*'}", "Out", artifacts{"Out": {"x": "x2", "y": "y2"}}, "", ""},
		{"paths discarded", "{files: ['**/*.txt', dir/sub/c], discard-paths: yes}", "Out", artifacts{"Out": {"a.txt": "a", "b.txt": "b", "c*": "c"}}, "", ""},
		{"absolute", "{files: [$CODEBUILD_SRC_DIR/dir/b.txt]}", "Out", artifacts{"Out": {"dir/b.txt": "b"}}, "", ""},
		{"links followed", "{files: [link, 'away/*']}", "Out", artifacts{"Out": {"link": "a", "away/b.txt": "b"}}, "", ""},
		{"links kept", "{files: [link, away, a.txt], enable-symlinks: yes}", "Out", artifacts{"Out": {"link": "-> a.txt", "away": "-> dir", "a.txt": "a"}}, "", ""},
		{"link that leads out", "{files: [leak, a.txt]}", "Out", artifacts{"Out": {"a.txt": "a"}}, "", "Skipping leak: the link leads nowhere or out of the folder"},
		{"made by commands elsewhere", "{files: late}", "Out", artifacts{"Out": {"late": "late\n"}}, "", ""},
		{"some missing", "{files: [none, a.txt]}", "Out", artifacts{"Out": {"a.txt": "a"}}, "", "Skipping invalid file path none"},
		{"all missing", "{files: [none]}", "Out", artifacts{}, "no matching artifact paths found", "Skipping invalid file path none"},
		{"base directory missing", "{files: '*', base-directory: gone}", "Out", artifacts{}, "no matching base directory path found for gone", ""},
		{"base directory outside", "{files: '*', base-directory: /etc}", "Out", artifacts{}, "no matching base directory path found for /etc: it is outside of the build's workspace", ""},
		{"base directory by a link outside", "{files: '*', base-directory: leak}", "Out", artifacts{}, "no matching base directory path found for leak: it is outside of the build's workspace", ""},
		{"parent", "{files: ['../../*']}", "Out", artifacts{}, "no matching artifact paths found", ""},
		{"several outputs", "{files: a.txt, secondary-artifacts: {one: {files: a.txt}, two: {files: b.txt, base-directory: dir}, other: {files: none}}}", "one two three",
			artifacts{"one": {"a.txt": "a"}, "two": {"b.txt": "b"}}, "", ""},
		{"one output, secondary of its name", "{files: none, secondary-artifacts: {Out: {files: a.txt}}}", "Out", artifacts{"Out": {"a.txt": "a"}}, "", ""},
		{"the second fails", "{secondary-artifacts: {one: {files: a.txt}, two: {files: none}}}", "one two", artifacts{"one": {"a.txt": "a"}}, "no matching artifact paths found", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			spec := "version: 0.2\nenv: {variables: {WHAT: sub/c}}\nphases: {build: {commands: ['ln -s /etc leak', 'echo late >late; cd /']}}\n"
			if tt.spec != "" {
				spec += "artifacts: " + tt.spec
			}
			a := source(t, spec, files)
			for name := range strings.FieldsSeq(tt.outputs) {
				providertest.AddOutput(&a, name)
			}
			r := finish(t, codeBuild(t, build.Config{}), a)
			message := ""
			if tt.fails != "" {
				message = "Build terminated with state: FAILED. Phase: UPLOAD_ARTIFACTS, Code: CLIENT_ERROR, Message: " + tt.fails
			}
			if r.ErrorMessage != message {
				t.Errorf("got  %s\nwant %s", r.ErrorMessage, message)
			}
			got := artifacts{}
			for _, out := range a.Outputs {
				if content, err := a.Artifacts.Open(t.Context(), out.Location); err == nil {
					content.Close()
					got[out.Name] = a.Artifacts.(*providertest.Artifacts).Files(t, out.Location)
				}
			}
			if tt.name == "top level only, hidden too" {
				delete(got["Out"], "late")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if len(r.Produced) != len(tt.want) {
				t.Errorf("produced %v", r.Produced)
			}
			if !strings.Contains(output(a), tt.log) {
				t.Errorf("the log lacks %q:\n%s", tt.log, output(a))
			}
		})
	}
}

// BenchmarkCommands is what a build costs beside its commands.
func BenchmarkCommands(b *testing.B) {
	p, err := build.NewCommands(build.Config{Sandbox: newBox()})
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		a := providertest.NewAttempt(b, "commands-"+string(rune('a'+i%26))+strings.Repeat("x", i/26))
		a.Commands = []string{":"}
		if r, err := p.Start(b.Context(), a); err != nil || r.Status != provider.Succeeded {
			b.Fatal(r, err)
		}
	}
}
