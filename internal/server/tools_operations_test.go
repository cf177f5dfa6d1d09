package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

	cpwire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/sigv4/sigv4test"
)

// toolCall is one call of the conversation that each tool has with a server.
type toolCall struct {
	operation string
	// input is JSON, in which $names stand for what was kept.
	input string
	// exception is the one that is the right answer; empty for success.
	exception string
	// want is a part of the exception's text, or "PATH=VALUE" of the answer: a path
	// of members and positions, or #PATH for the length of a list.
	want string
	// keep names a kept text: "NAME=PATH".
	keep string
	// paged asks for pages of one, and for all of them.
	paged bool
	// before is run before.
	before func(*bed, map[string]string)
}

// toolReply is what a tool says of an answer.
type toolReply struct {
	Answer    any
	Exception string
	Message   string
}

const (
	toolPipeline = `{"name": "demo", "pipelineType": "V2", "roleArn": "arn:aws:iam::111122223333:role/pipeline",
		"artifactStore": {"type": "S3", "location": "artifacts"}, "stages": [
		{"name": "Source", "actions": [{"name": "Pulse", "actionTypeId": {"category": "Source", "owner": "Custom", "provider": "Pulse", "version": "1"}, "outputArtifacts": [{"name": "App"}]}]},
		{"name": "Gate", "actions": [{"name": "Review", "actionTypeId": {"category": "Approval", "owner": "AWS", "provider": "Manual", "version": "1"}}]}]}`
	// toolGated has a condition that no execution meets by itself.
	toolGated = `{"name": "gated", "pipelineType": "V2", "executionMode": "QUEUED", "roleArn": "arn:aws:iam::111122223333:role/pipeline",
		"artifactStore": {"type": "S3", "location": "artifacts"}, "stages": [
		{"name": "Source", "actions": [{"name": "Pulse", "actionTypeId": {"category": "Source", "owner": "Custom", "provider": "Pulse", "version": "1"}, "outputArtifacts": [{"name": "App"}]}]},
		{"name": "Gate", "actions": [{"name": "Review", "actionTypeId": {"category": "Approval", "owner": "AWS", "provider": "Manual", "version": "1"}}],
			"beforeEntry": {"conditions": [{"result": "FAIL", "rules": [
				{"name": "One", "ruleTypeId": {"category": "Rule", "owner": "AWS", "provider": "VariableCheck", "version": "1"}, "configuration": {"Variable": "a", "Operator": "EQ", "Value": "b"}},
				{"name": "Two", "ruleTypeId": {"category": "Rule", "owner": "AWS", "provider": "VariableCheck", "version": "1"}, "configuration": {"Variable": "a", "Operator": "NE", "Value": "b"}}]}]}}]}`
	toolBounds  = `"inputArtifactDetails": {"minimumCount": 0, "maximumCount": 1}, "outputArtifactDetails": {"minimumCount": 0, "maximumCount": 1}`
	toolMake    = `"category": "Build", "provider": "Make", "version": "1"`
	toolCheck   = `"category": "Test", "owner": "ThirdParty", "provider": "Check", "version": "1"`
	toolARN     = "arn:aws:codepipeline:" + region + ":" + account + ":demo"
	toolUnknown = `"jobId": "` + sampleID + `"`
	toolGate    = `"pipelineName": "demo", "stageName": "Gate"`
	toolHook    = `"targetPipeline": "demo", "targetAction": "Pulse", "authentication": "UNAUTHENTICATED", "authenticationConfiguration": {}, "filters": [{"jsonPath": "$.ref"}]`
)

// waitForApproval keeps the token of the newest execution's approval.
func waitForApproval(b *bed, kept map[string]string) {
	kept["$token"] = b.token("demo", b.newest("demo"))
}

// converse holds the conversation with a tool, and sees that no operation is
// missing from it.
func (b *bed) converse(tool func(call toolCall, input string) toolReply) {
	b.t.Helper()
	missing := cpwire.Describe(cpwire.Unimplemented{}).Operations
	kept := map[string]string{"$pipeline": toolPipeline, "$gated": toolGated}
	reveal := func(text string) string {
		for name, value := range kept {
			text = strings.ReplaceAll(text, name, value)
		}
		return text
	}
	for i, call := range toolCalls() {
		delete(missing, call.operation)
		if call.before != nil {
			call.before(b, kept)
		}
		input := reveal(call.input)
		reply := tool(call, input)
		what := fmt.Sprintf("call %d, %s %s", i, call.operation, input)
		if reply.Exception != call.exception {
			b.t.Fatalf("%s: %q %s, want %q", what, reply.Exception, reply.Message, call.exception)
		}
		want := reveal(call.want)
		if call.exception != "" {
			if !strings.Contains(reply.Message, want) || reply.Message == "" {
				b.t.Errorf("%s says %q, want %q", what, reply.Message, want)
			}
			continue
		}
		if path, value, ok := strings.Cut(want, "="); ok && at(reply.Answer, path) != value {
			b.t.Errorf("%s: %s is %q, want %q in %v", what, path, at(reply.Answer, path), value, reply.Answer)
		}
		if name, path, ok := strings.Cut(call.keep, "="); ok {
			if kept[name] = at(reply.Answer, path); kept[name] == "" {
				b.t.Fatalf("%s: no %s in %v", what, path, reply.Answer)
			}
		}
	}
	for operation := range missing {
		b.t.Errorf("nobody called %s", operation)
	}
}

// at is the text at a path of an answer, empty if there is none.
func at(answer any, path string) string {
	path, length := strings.CutPrefix(path, "#")
	for name := range strings.SplitSeq(path, ".") {
		switch v := answer.(type) {
		case map[string]any:
			answer = v[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(v) {
				return ""
			}
			answer = v[i]
		default:
			return ""
		}
	}
	list, isList := answer.([]any)
	switch {
	case length && isList:
		return strconv.Itoa(len(list))
	case answer == nil, length:
		return ""
	}
	return fmt.Sprint(answer)
}

func TestAt(t *testing.T) {
	t.Parallel()
	answer := map[string]any{"a": []any{map[string]any{"b": 1.0}, "c"}}
	for path, want := range map[string]string{"a.0.b": "1", "a.1": "c", "#a": "2", "a.2": "", "b": "", "#a.1": "", "a.x": "", "a.1.c": ""} {
		if got := at(answer, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}

// cliError is what the AWS CLI says of an exception.
var cliError = regexp.MustCompile(`An error occurred \((\w+)\) when calling the (\w+) operation[^:]*: (.*)`)

// TestOperationsCLI calls every operation with the AWS CLI.
func TestOperationsCLI(t *testing.T) {
	t.Parallel()
	c := newCLI(newBed(t))
	c.converse(func(call toolCall, input string) toolReply {
		args := []string{"codepipeline", kebab(call.operation), "--cli-input-json", input, "--output", "json"}
		if call.paged && call.operation != "ListActionTypes" { // whose pages have no size
			args = append(args, "--page-size", "1")
		}
		var reply toolReply
		out, err := c.tool(c.dir, "aws", args...)
		if err != nil {
			match := cliError.FindStringSubmatch(out)
			if match == nil || match[2] != call.operation {
				c.t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
			}
			return toolReply{Exception: match[1], Message: match[3]}
		}
		if out != "" {
			c.must(json.Unmarshal([]byte(out), &reply.Answer))
		}
		return reply
	})
}

// kebab is the CLI's name of an operation.
func kebab(operation string) string {
	var name strings.Builder
	for i, r := range operation {
		if unicode.IsUpper(r) && i > 0 {
			name.WriteByte('-')
		}
		name.WriteRune(unicode.ToLower(r))
	}
	return name.String()
}

// TestOperationsBoto3 calls every operation with boto3, whose exceptions are
// classes and whose paginators read whole lists.
func TestOperationsBoto3(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	dir := t.TempDir()
	sigv4test.Boto3(t)
	script, err := filepath.Abs("testdata/operations.py")
	b.must(err)
	cmd := b.toolCommand(dir, nil, "python3", script)
	requests, answers := startTool(b, cmd)
	b.converse(func(call toolCall, input string) toolReply {
		size := 0
		if call.paged {
			size = 1
		}
		line, err := json.Marshal(map[string]any{"operation": call.operation, "input": json.RawMessage(input), "pageSize": size})
		b.must(err)
		_, err = fmt.Fprintf(requests, "%s\n", line)
		b.must(err)
		if !answers.Scan() {
			t.Fatalf("boto3 says no more after %s", line)
		}
		var reply struct {
			toolReply
			Class string
		}
		b.must(json.Unmarshal(answers.Bytes(), &reply))
		if reply.Exception != reply.Class {
			t.Errorf("%s: %s is of class %s", line, reply.Exception, reply.Class)
		}
		return reply.toolReply
	})
	b.must(requests.Close())
	b.must(cmd.Wait())
}

// startTool starts a program that answers lines with lines.
func startTool(b *bed, cmd *exec.Cmd) (io.WriteCloser, *bufio.Scanner) {
	b.t.Helper()
	in, err := cmd.StdinPipe()
	b.must(err)
	out, err := cmd.StdoutPipe()
	b.must(err)
	cmd.Stderr = b.t.Output()
	b.must(cmd.Start())
	return in, bufio.NewScanner(out)
}
