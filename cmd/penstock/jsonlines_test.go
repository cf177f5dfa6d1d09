package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// eventTypes are all types of the lines of --output json.
var eventTypes = []string{eventExecution, eventAction, eventLog, eventApproval, eventQuestion, eventNote, eventResult}

// cmdJSONLines checks that every line of a file is a JSON object of a known
// type, and that the file has a line with each of the wanted members:
//
//	jsonlines stdout 'type=log text=hello' ...
func cmdJSONLines(ts *testscript.TestScript, _ bool, args []string) {
	var objects []map[string]any
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			ts.Fatalf("%q is no JSON object: %v", line, err)
		}
		if kind, _ := object["type"].(string); !slices.Contains(eventTypes, kind) {
			ts.Fatalf("%q has no known type", line)
		}
		objects = append(objects, object)
	}
	for _, want := range args[1:] {
		if !slices.ContainsFunc(objects, func(o map[string]any) bool { return has(o, want) }) {
			ts.Fatalf("no line has %s", want)
		}
	}
}

func has(object map[string]any, want string) bool {
	for member := range strings.FieldsSeq(want) {
		name, value, _ := strings.Cut(member, "=")
		text, err := json.Marshal(object[name])
		if err != nil || strings.Trim(string(text), `"`) != value {
			return false
		}
	}
	return true
}

// docs/commands.md is where people read what the lines mean.
func TestEventTypesAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range eventTypes {
		if !strings.Contains(string(text), "| `"+kind+"` |") {
			t.Errorf("docs/commands.md does not explain the type %s", kind)
		}
	}
}
