package server_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/penstock-cd/penstock/internal/api/penstock"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/server"
	"github.com/penstock-cd/penstock/internal/sigv4/sigv4test"
)

// invokeStage is a stage whose action invokes a function.
func invokeStage(function string, more map[string]string) types.StageDeclaration {
	configuration := map[string]string{"FunctionName": function}
	for key, value := range more {
		configuration[key] = value
	}
	a := outputs(inputs(action("Call", "Invoke", "AWS", "Lambda", configuration), "App"), "Made")
	a.Namespace = aws.String("called")
	return stage("Call", a)
}

// called is the invocation's action execution.
func (b *bed) called(name, execution string) types.ActionExecutionDetail {
	b.t.Helper()
	for _, a := range b.actions(name, execution) {
		if aws.ToString(a.ActionName) == "Call" {
			return a
		}
	}
	b.t.Fatal("nothing was called")
	return types.ActionExecutionDetail{}
}

// printed is what an action has in its log.
func (b *bed) printed(name, action string) string {
	b.t.Helper()
	return lines(b.log(penstock.GetActionLogInput{PipelineName: &name, ActionExecutionId: &action}))
}

// function writes the code of a function.
func function(t testing.TB, file, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// need skips a test without a program, or a module of Python.
func need(t testing.TB, argv ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Skipf("%v: %v %s", argv, err, out)
	}
}

// A handler as people write it for AWS.
const pythonHandler = `
import io, json, zipfile
import boto3

pipeline = boto3.client("codepipeline")

def handler(event, context):
    job = event["CodePipeline.job"]
    data = job["data"]
    parameters = data["actionConfiguration"]["configuration"].get("UserParameters")
    print("asked for", parameters, "by", context.function_name, context.get_remaining_time_in_millis() > 0)
    if parameters == "fail":
        pipeline.put_job_failure_result(jobId=job["id"], failureDetails={"type": "JobFailed", "message": "as told"})
        return
    if parameters == "raise":
        raise ValueError("as told")
    if parameters == "continue" and not data.get("continuationToken"):
        pipeline.put_job_success_result(jobId=job["id"], continuationToken=json.dumps({"after": job["id"]}))
        return
    if parameters == "continue":
        assert json.loads(data["continuationToken"])["after"] != job["id"]
    keys = data["artifactCredentials"]
    s3 = boto3.client("s3", aws_access_key_id=keys["accessKeyId"], aws_secret_access_key=keys["secretAccessKey"],
        aws_session_token=keys["sessionToken"])
    at = data["inputArtifacts"][0]["location"]["s3Location"]
    archive = zipfile.ZipFile(io.BytesIO(s3.get_object(Bucket=at["bucketName"], Key=at["objectKey"])["Body"].read()))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as out:
        out.writestr("made.txt", "made of %d files" % len(archive.namelist()))
    to = data["outputArtifacts"][0]["location"]["s3Location"]
    s3.put_object(Bucket=to["bucketName"], Key=to["objectKey"], Body=made.getvalue())
    try:
        s3.put_object(Bucket=to["bucketName"], Key="elsewhere", Body=b"")
        raise AssertionError("wrote elsewhere")
    except s3.exceptions.ClientError:
        pass
    details = pipeline.get_job_details(jobId=job["id"])["jobDetails"]["data"]
    pipeline.put_job_success_result(jobId=job["id"], outputVariables={"Pipeline": details["pipelineContext"]["pipelineName"]},
        executionDetails={"summary": "not shown", "externalExecutionId": "not shown"})
`

// TestLambdaPython: an unmodified handler in Python reads its input, writes its
// output and calls back.
func TestLambdaPython(t *testing.T) {
	t.Parallel()
	sigv4test.Boto3(t)
	b := newBed(t, func(c *server.Config) {
		c.Functions = map[string]server.Function{"make": {Directory: function(t, "index.py", pythonHandler), Handler: "index.handler"}}
	})
	b.bucket("artifacts")
	last := stage("Last", action("Review", "Approval", "AWS", "Manual", map[string]string{"CustomData": "#{called.Pipeline}"}))
	id := b.create(declare("demo", pulseStage(), invokeStage("make", nil), last))
	b.until("the approval", func() bool { return b.state("demo", "Last").ActionStates[0].LatestExecution != nil })
	a := b.called("demo", id)
	result := a.Output.ExecutionResult
	if a.Status != types.ActionExecutionStatusSucceeded || aws.ToString(result.ExternalExecutionId) != "make" || result.ExternalExecutionSummary != nil ||
		!strings.Contains(aws.ToString(result.ExternalExecutionUrl), "make") || a.Output.OutputVariables["Pipeline"] != "demo" {
		t.Errorf("action %+v, result %+v", a, result)
	}
	at := a.Output.OutputArtifacts[0].S3location
	object, err := b.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: at.Bucket, Key: at.Key})
	b.must(err)
	content, err := io.ReadAll(object.Body)
	b.must(err)
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil || len(archive.File) != 1 || archive.File[0].Name != "made.txt" {
		t.Errorf("output %v", err)
	}
	id = b.create(declare("fails", pulseStage(), invokeStage("make", map[string]string{"UserParameters": "fail"})))
	b.await("fails", id, types.PipelineExecutionStatusFailed)
	a = b.called("fails", id)
	if e := a.Output.ExecutionResult.ErrorDetails; aws.ToString(e.Code) != "JobFailed" || aws.ToString(a.Output.ExecutionResult.ExternalExecutionSummary) != "as told" ||
		aws.ToString(a.Output.ExecutionResult.ExternalExecutionId) != "make" || len(a.Output.OutputArtifacts) != 0 {
		t.Errorf("failure %+v", a.Output.ExecutionResult)
	}
	// It goes on: another invocation, of another job with the token, ends the action.
	b.pause = time.Millisecond
	b.restart()
	id = b.create(declare("continues", pulseStage(), invokeStage("make", map[string]string{"UserParameters": "continue"})))
	b.await("continues", id, types.PipelineExecutionStatusSucceeded)
	a = b.called("continues", id)
	if printed := b.printed("continues", aws.ToString(a.ActionExecutionId)); strings.Count(printed, "asked for continue") != 2 ||
		a.Output.OutputVariables["Pipeline"] != "continues" {
		t.Errorf("it continued as %+v and printed %q", a.Output, printed)
	}
	// An error of the function ends nothing; while the action waits, it shows its
	// function in the state and no result in the history.
	id = b.create(declare("raises", pulseStage(), invokeStage("make", map[string]string{"UserParameters": "raise"})))
	b.until("the function to raise", func() bool {
		state := b.state("raises", "Call").ActionStates[0].LatestExecution
		return state != nil && strings.Contains(b.printed("raises", aws.ToString(state.ActionExecutionId)), "ValueError: as told")
	})
	a = b.called("raises", id)
	state := b.state("raises", "Call").ActionStates[0].LatestExecution
	if a.Status != types.ActionExecutionStatusInProgress || a.Output != nil && a.Output.ExecutionResult != nil || aws.ToString(state.ExternalExecutionId) != "make" {
		t.Errorf("waits as %+v, state %+v", a, state)
	}
}

// TestLambdaRule: a command is a function too; before a stage the rule holds if it
// says so, after a failure if it fails.
func TestLambdaRule(t *testing.T) {
	t.Parallel()
	sigv4test.Boto3(t)
	const check = `
import json, sys, boto3
job = json.load(sys.stdin)["CodePipeline.job"]
if job["data"]["actionConfiguration"]["configuration"]["UserParameters"] == "good":
    boto3.client("codepipeline").put_job_success_result(jobId=job["id"])
else:
    boto3.client("codepipeline").put_job_failure_result(jobId=job["id"], failureDetails={"type": "JobFailed", "message": "bad"})
`
	b := newBed(t, func(c *server.Config) {
		c.Functions = map[string]server.Function{"check": {Directory: function(t, "check.py", check), Command: []string{"python3", "check.py"}}}
	})
	b.bucket("artifacts")
	const good, bad = types.RuleExecutionStatusSucceeded, types.RuleExecutionStatusFailed
	tests := map[string]struct {
		says  string
		after bool
		rule  types.RuleExecutionStatus
	}{
		"good": {"good", false, good}, "bad": {"bad", false, bad},
		"good-after": {"good", true, bad}, "bad-after": {"bad", true, good},
	}
	ids := map[string]string{}
	for name, test := range tests {
		check := condition(types.ResultFail, ruleOf("Check", "LambdaInvoke", map[string]string{"FunctionName": "check", "UserParameters": test.says}))
		s := gateStage("Gate")
		if test.after {
			check[0].Result = types.ResultRollback
			s.OnFailure = &types.FailureConditions{Conditions: check}
		} else {
			s.BeforeEntry = &types.BeforeEntryConditions{Conditions: check}
		}
		id := b.create(declare(name, pulseStage(), s))
		ids[name] = id
		if test.after {
			b.gate.let(id, provider.Failure(provider.CodeJobFailed, "The gate fell."))
		} else {
			b.gate.let(id, provider.Report{Status: provider.Succeeded})
		}
	}
	for name, test := range tests {
		want := types.PipelineExecutionStatusFailed
		if name == "good" {
			want = types.PipelineExecutionStatusSucceeded
		}
		b.await(name, ids[name], want)
		rules := b.rules(name, ids[name])
		if len(rules) != 1 || rules[0].Status != test.rule || aws.ToString(rules[0].Output.ExecutionResult.ExternalExecutionId) != "check" {
			t.Errorf("%s: %+v", name, rules)
		}
	}
}

// TestLambdaExecutor: the function of a declared action type, here in Node, ends
// the action by what it returns, or goes on.
func TestLambdaExecutor(t *testing.T) {
	t.Parallel()
	need(t, "node", "--version")
	const code = `
exports.handler = async (event) => {
  console.log("job", typeof event.jobId, Object.keys(event.data).sort().join());
  const suite = event.data.actionConfiguration.Suite;
  if (suite === "fail") return { result: "Fail", failureType: "PermissionsError", status: { Summary: "as told" } };
  if (suite === "again" && !event.data.continuationToken) {
    return { result: "Continue", continuation: { step: 2, after: event.jobId }, status: { ExternalExecutionId: "6", Summary: "half" } };
  }
  if (suite === "again" && (event.data.continuationToken.step !== 2 || event.data.continuationToken.after === event.jobId)) throw new Error("token");
  return { result: "success", status: { ExternalExecutionId: "7", Summary: "checked" }, outputVariables: { Suite: suite } };
};
`
	b := newBed(t, func(c *server.Config) {
		c.Functions = map[string]server.Function{"check": {Directory: function(t, "index.js", code), Handler: "index.handler"}}
	})
	b.bucket("artifacts")
	_, err := b.cp.UpdateActionType(t.Context(), &cp.UpdateActionTypeInput{ActionType: &types.ActionTypeDeclaration{
		Id: &types.ActionTypeIdentifier{Category: types.ActionCategoryTest, Owner: aws.String("ThirdParty"), Provider: aws.String("Check"), Version: aws.String("1")},
		Executor: &types.ActionTypeExecutor{Type: types.ExecutorTypeLambda, Configuration: &types.ExecutorConfiguration{
			LambdaExecutorConfiguration: &types.LambdaExecutorConfiguration{
				LambdaFunctionArn: aws.String("arn:aws:lambda:" + region + ":" + account + ":function:check"),
			},
		}},
		InputArtifactDetails: &types.ActionTypeArtifactDetails{MaximumCount: 1}, OutputArtifactDetails: &types.ActionTypeArtifactDetails{},
		Properties: []types.ActionTypeProperty{{Name: aws.String("Suite"), Key: true}},
	}})
	b.must(err)
	run := func(suite string, status types.PipelineExecutionStatus) (types.ActionExecutionDetail, string) {
		call := stage("Call", inputs(action("Call", "Test", "ThirdParty", "Check", map[string]string{"Suite": suite}), "App"))
		id := b.create(declare(suite, pulseStage(), call))
		b.await(suite, id, status)
		a := b.called(suite, id)
		return a, b.printed(suite, aws.ToString(a.ActionExecutionId))
	}
	a, printed := run("all", types.PipelineExecutionStatusSucceeded)
	if r := a.Output.ExecutionResult; aws.ToString(r.ExternalExecutionId) != "7" || aws.ToString(r.ExternalExecutionSummary) != "checked" ||
		a.Output.OutputVariables["Suite"] != "all" {
		t.Errorf("success %+v", a.Output)
	}
	if !strings.Contains(printed, "job string actionConfiguration,actionCredentials,actionExecutionId,inputArtifacts,outputArtifacts") {
		t.Errorf("printed %q", printed)
	}
	b.pause = time.Millisecond
	b.restart()
	a, printed = run("again", types.PipelineExecutionStatusSucceeded)
	if a.Output.OutputVariables["Suite"] != "again" || strings.Count(printed, "job string") != 2 ||
		!strings.Contains(printed, "actionExecutionId,continuationToken,inputArtifacts") {
		t.Errorf("it continued as %+v and printed %q", a.Output, printed)
	}
	a, _ = run("fail", types.PipelineExecutionStatusFailed)
	if e := a.Output.ExecutionResult.ErrorDetails; aws.ToString(e.Code) != "PermissionError" {
		t.Errorf("failure %+v", a.Output.ExecutionResult)
	}
}

// TestLambdaElsewhere: functions that are not of this machine are invoked at the
// endpoint, asynchronously and signed; one that is not there fails the action.
func TestLambdaElsewhere(t *testing.T) {
	t.Parallel()
	events := make(chan map[string]any, 10)
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/2015-03-31/functions/far/invocations" {
			w.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"Type":"User","Message":"Function not found"}`)
			return
		}
		var event map[string]any
		if err := json.NewDecoder(r.Body).Decode(&event); err != nil || r.Header.Get("X-Amz-Invocation-Type") != "Event" ||
			!strings.Contains(r.Header.Get("Authorization"), "Credential=AKIAFAR/") {
			t.Errorf("%v %v", err, r.Header)
		}
		events <- event
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(far.Close)
	b := newBed(t, func(c *server.Config) {
		c.Lambda = server.Lambda{Endpoint: far.URL, AccessKeyID: "AKIAFAR", SecretAccessKey: "secret"}
	})
	b.bucket("artifacts")
	id := b.create(declare("demo", pulseStage(), invokeStage("far", map[string]string{"UserParameters": `{"a": "<b>"}`})))
	event := receive(t.Context(), events)
	job := event["CodePipeline.job"].(map[string]any)
	a := b.called("demo", id)
	if a.Status != types.ActionExecutionStatusInProgress {
		t.Errorf("the action is %s", a.Status)
	}
	b.restart() // the job is still the same, though it may be delivered once more
	_, err := b.cp.PutJobSuccessResult(t.Context(), &cp.PutJobSuccessResultInput{JobId: aws.String(job["id"].(string))})
	b.must(err)
	b.await("demo", id, types.PipelineExecutionStatusSucceeded)
	id = b.create(declare("none", pulseStage(), invokeStage("none", nil)))
	b.await("none", id, types.PipelineExecutionStatusFailed)
	r := b.called("none", id).Output.ExecutionResult
	if aws.ToString(r.ErrorDetails.Code) != "ConfigurationError" || r.ExternalExecutionId != nil || r.ExternalExecutionUrl != nil ||
		aws.ToString(r.ExternalExecutionSummary) != "The AWS Lambda function none does not exist." {
		t.Errorf("result %+v", r)
	}
}

func receive(ctx context.Context, events <-chan map[string]any) map[string]any {
	select {
	case e := <-events:
		return e
	case <-ctx.Done():
		return nil
	}
}
