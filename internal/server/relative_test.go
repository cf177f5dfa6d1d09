package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/server"
)

// TestRelativeData: a data directory, and a folder of functions, that are relative
// to where the server starts are as good as others. Functions run in folders of
// their own.
func TestRelativeData(t *testing.T) {
	need(t, "python3", "--version")
	t.Chdir(t.TempDir())
	for file, text := range map[string]string{
		"code/index.py":  "import os\ndef handler(event, context):\n    print('at', os.environ['HOME'], os.environ['TMPDIR'])\n",
		"code/index.js":  "exports.handler = async () => console.log('at', process.env.HOME, process.env.TMPDIR);\n",
		"code/places.sh": "#!/bin/sh\necho at $HOME $TMPDIR\n",
	} {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	b := newBed(t, func(c *server.Config) {
		c.Data, c.Blobs = "", "content" // the default is relative too
		c.Functions = map[string]server.Function{
			"python":  {Directory: "code", Handler: "index.handler", Runtime: "python"},
			"node":    {Directory: "code", Handler: "index.handler", Runtime: "node"},
			"command": {Directory: "code", Command: []string{"./places.sh"}},
		}
	})
	b.bucket("artifacts")
	here, err := os.Getwd()
	b.must(err)
	for _, name := range []string{"python", "node", "command"} {
		b.create(declare(name, pulseStage(), invokeStage(name, nil)))
		var printed string
		b.until(name+" to print", func() bool {
			state := b.state(name, "Call").ActionStates[0].LatestExecution
			if state == nil {
				return false
			}
			printed = b.printed(name, aws.ToString(state.ActionExecutionId))
			return strings.Contains(printed, "|")
		})
		workspaces := filepath.Join(here, server.DefaultData, "workspaces") + "/"
		if words := strings.FieldsFunc(printed, func(r rune) bool { return r == ' ' || r == '|' }); len(words) < 4 || words[1] != "at" ||
			!strings.HasPrefix(words[2], workspaces) || words[3] != words[2] {
			t.Errorf("%s printed %q", name, printed)
		}
	}
}

// Every path of the configuration is placed, and what was given stays as it is.
func TestPlaces(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	given := server.Config{
		Data: "d", Connections: map[string]server.Connection{"*": {URL: "ssh://git@host", SSHKeyFile: "keys/id"}, "x": {URL: "/srv"}},
		Functions: map[string]server.Function{"f": {Directory: "f"}, "g": {Command: []string{"./g"}}},
	}
	got, err := given.Placed()
	if err != nil {
		t.Fatal(err)
	}
	want := server.Config{
		Data:        filepath.Join(here, "d"),
		Connections: map[string]server.Connection{"*": {URL: "ssh://git@host", SSHKeyFile: filepath.Join(here, "keys/id")}, "x": {URL: "/srv"}},
		Functions:   map[string]server.Function{"f": {Directory: filepath.Join(here, "f")}, "g": {Command: []string{"./g"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("placed (-want +got):\n%s", diff)
	}
	if given.Functions["f"].Directory != "f" || given.Connections["*"].SSHKeyFile != "keys/id" {
		t.Errorf("the given configuration became %+v", given)
	}
}
