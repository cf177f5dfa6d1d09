package server_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	"github.com/penstock-cd/penstock/internal/sigv4/sigv4test"
)

// tool runs a program of others against the server, as "penstock env" sets it up
// and without anything else of AWS in its environment.
func (b *bed) tool(dir, program string, args ...string) (string, error) {
	out, err := b.toolCommand(dir, nil, program, args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// toolCommand is a program as tool runs it, with more in its environment.
func (b *bed) toolCommand(dir string, env []string, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(b.t.Context(), program, args...)
	cmd.Dir = dir
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "AWS_") {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	root := b.Root()
	cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID="+root.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+root.SecretAccessKey,
		"AWS_DEFAULT_REGION="+region, "AWS_ENDPOINT_URL="+b.Endpoint(), "AWS_MAX_ATTEMPTS=1", "AWS_PAGER=",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+filepath.Join(dir, "none"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(dir, "none"))
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// cli is the AWS CLI in a folder of its own.
type cli struct {
	*bed
	dir string
}

func newCLI(b *bed) cli {
	if testing.Short() {
		b.t.Skip("the AWS CLI takes a second for each call")
	}
	sigv4test.AWSCLI(b.t)
	return cli{b, b.t.TempDir()}
}

// run runs a command that must succeed; --query makes its output short.
func (c cli) run(args ...string) string {
	c.t.Helper()
	out, err := c.tool(c.dir, "aws", args...)
	if err != nil {
		c.t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (c cli) text(query string, args ...string) string {
	c.t.Helper()
	return c.run(append(args, "--query", query, "--output", "text")...)
}

func (c cli) write(name, text string) {
	c.t.Helper()
	c.must(os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600))
}

// TestCLI drives a pipeline with the AWS CLI as somebody at a terminal would.
func TestCLI(t *testing.T) {
	t.Parallel()
	c := newCLI(newBed(t))
	c.write("app.zip", zipped(t, map[string]string{"index.html": "<h1>hello</h1>"}))
	declared := declare("web", sourceS3("upload", "app.zip", nil), reviewStage(map[string]string{"CustomData": "#{variables.Release}"}), deployS3("site", nil))
	declared.Variables = []types.PipelineVariableDeclaration{{Name: aws.String("Release"), DefaultValue: aws.String("one")}}
	c.write("pipeline.json", declarationJSON(t, declared))
	for _, bucket := range []string{"upload", "site"} {
		c.run("s3", "mb", "s3://"+bucket)
		c.run("s3api", "put-bucket-versioning", "--bucket", bucket, "--versioning-configuration", "Status=Enabled")
	}
	c.run("s3", "cp", "app.zip", "s3://upload/app.zip")
	if v := c.text("pipeline.version", "codepipeline", "create-pipeline", "--cli-input-json", "file://pipeline.json", "--tags", "key=team,value=a"); v != "1" {
		t.Errorf("created version %s", v)
	}
	first := c.newest("web")
	token := c.token("web", first)
	if got := c.text("stageStates[?stageName=='Gate'].actionStates[0].latestExecution.token", "codepipeline", "get-pipeline-state", "--name", "web"); got != token {
		t.Errorf("the CLI shows token %q, want %s", got, token)
	}
	c.run("codepipeline", "put-approval-result", "--pipeline-name", "web", "--stage-name", "Gate", "--action-name", "Review",
		"--token", token, "--result", "summary=fine,status=Approved")
	c.await("web", first, types.PipelineExecutionStatusSucceeded)
	if got := c.run("s3", "cp", "s3://site/index.html", "-"); got != "<h1>hello</h1>" {
		t.Errorf("deployed %q", got)
	}
	c.roundTrip()
	c.startAndStop()
}

// roundTrip feeds the output of get-pipeline to update-pipeline: only the
// version changes.
func (c cli) roundTrip() {
	c.t.Helper()
	before := c.text("metadata.created", "codepipeline", "get-pipeline", "--name", "web")
	got := c.run("codepipeline", "get-pipeline", "--name", "web", "--query", "{pipeline: pipeline}", "--output", "json")
	c.write("got.json", got)
	updated := c.run("codepipeline", "update-pipeline", "--cli-input-json", "file://got.json", "--output", "json")
	var was, is struct{ Pipeline map[string]any }
	c.must(json.Unmarshal([]byte(got), &was))
	c.must(json.Unmarshal([]byte(updated), &is))
	if was.Pipeline["version"] != 1.0 || is.Pipeline["version"] != 2.0 {
		c.t.Errorf("versions %v and %v", was.Pipeline["version"], is.Pipeline["version"])
	}
	delete(was.Pipeline, "version")
	delete(is.Pipeline, "version")
	if fmt.Sprint(was) != fmt.Sprint(is) {
		c.t.Errorf("updated\n%v, was\n%v", is, was)
	}
	if after := c.text("metadata.created", "codepipeline", "get-pipeline", "--name", "web"); after != before {
		c.t.Errorf("created %s, then %s", before, after)
	}
}

func (c cli) startAndStop() {
	c.t.Helper()
	id := c.text("pipelineExecutionId", "codepipeline", "start-pipeline-execution", "--name", "web", "--variables", "name=Release,value=two")
	c.token("web", id)
	if got := c.text("pipelineExecution.variables[0].resolvedValue", "codepipeline", "get-pipeline-execution", "--pipeline-name", "web", "--pipeline-execution-id", id); got != "two" {
		c.t.Errorf("variable %q", got)
	}
	c.run("codepipeline", "stop-pipeline-execution", "--pipeline-name", "web", "--pipeline-execution-id", id, "--abandon", "--reason", "over for today")
	c.await("web", id, types.PipelineExecutionStatusStopped)
	list := c.text("pipelineExecutionSummaries[].[status,stopTrigger.reason]", "codepipeline", "list-pipeline-executions", "--pipeline-name", "web")
	if list != "Stopped\tover for today\nSucceeded\tNone" {
		c.t.Errorf("executions %q", list)
	}
	actions := c.text("actionExecutionDetails[].actionName", "codepipeline", "list-action-executions", "--pipeline-name", "web")
	if actions != "Review\tFetch\tPublish\tReview\tFetch" {
		c.t.Errorf("actions %q", actions)
	}
	out, err := c.tool(c.dir, "aws", "codepipeline", "get-pipeline", "--name", "absent")
	if want := "(PipelineNotFoundException) when calling the GetPipeline operation: Account '" + account + "' does not have a pipeline with name 'absent'"; err == nil || !strings.Contains(out, want) {
		c.t.Errorf("a missing pipeline: %v\n%s", err, out)
	}
	c.run("codepipeline", "delete-pipeline", "--name", "web")
	if got := c.text("length(pipelines)", "codepipeline", "list-pipelines"); got != "0" {
		c.t.Errorf("%s pipelines are left", got)
	}
}

// declarationJSON is the input of create-pipeline.
func declarationJSON(t testing.TB, p *types.PipelineDeclaration) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"pipeline": camel(t, p)})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// camel gives the members of an SDK structure the names that the wire has.
func camel(t testing.TB, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	return lowered(tree, true)
}

// lowered makes member names begin with a small letter and drops members without
// a value; members says that the keys of v are member names, which those of a
// configuration are not.
func lowered(v any, members bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if e == nil || e == "" {
				continue
			}
			name := k
			if members {
				name = strings.ToLower(k[:1]) + k[1:]
			}
			out[name] = lowered(e, k != "Configuration")
		}
		return out
	case []any:
		for i := range v {
			v[i] = lowered(v[i], members)
		}
	}
	return v
}

// TestBoto3 reads lists with the paginators of boto3 and meets its exceptions.
func TestBoto3(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	dir := t.TempDir()
	sigv4test.Boto3(t)
	script, err := filepath.Abs("testdata/lists.py")
	b.must(err)
	for _, name := range []string{"a", "b", "c"} {
		b.create(declare(name, pulseStage(), reviewStage(nil)))
	}
	var want []string
	for range 4 {
		want = append(want, b.run(&cp.StartPipelineExecutionInput{Name: aws.String("a")}))
	}
	b.token("a", b.lastInside("a"))
	out, err := b.tool(dir, "python3", script)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got struct {
		Pipelines, Executions []string
		Actions               int
		Missing, Invalid      string
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Join(got.Pipelines, "") != "abc" || len(got.Executions) != 5 || got.Executions[0] != want[3] || got.Actions < 3 {
		t.Errorf("boto3 saw %+v, started were %v", got, want)
	}
	if got.Missing != "Account '"+account+"' does not have a pipeline with name 'absent'" || !strings.HasPrefix(got.Invalid, "1 validation error detected: Value at 'maxResults'") {
		t.Errorf("boto3 met %q and %q", got.Missing, got.Invalid)
	}
}

// lastInside waits for the source of the newest execution and returns the
// execution that holds the approval stage.
func (b *bed) lastInside(name string) string {
	b.t.Helper()
	newest := b.newest(name)
	b.until("the newest source to end", func() bool {
		s := b.state(name, "Source")
		return aws.ToString(s.LatestExecution.PipelineExecutionId) == newest && s.LatestExecution.Status == types.StageExecutionStatusSucceeded
	})
	return aws.ToString(b.state(name, "Gate").LatestExecution.PipelineExecutionId)
}
