package invoke

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/provider/providertest"
	"github.com/penstock-cd/penstock/internal/sandbox"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// TestMain gives the process what no function may see, and lets the SDK try once.
func TestMain(m *testing.M) {
	sandbox.Supervise()
	profile, err := os.CreateTemp("", "profile-")
	if err == nil {
		_, err = profile.WriteString("[profile leak]\n")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for name, value := range map[string]string{
		"PENSTOCK_LEAK": "leak", "PENSTOCK_ROOT_SECRET_ACCESS_KEY": "leak", "AWS_PROFILE": "leak", "AWS_CONFIG_FILE": profile.Name(),
		"AWS_MAX_ATTEMPTS": "1",
	} {
		os.Setenv(name, value)
	}
	status := m.Run()
	os.Remove(profile.Name())
	os.Exit(status)
}

// testConfig is one whose sessions tell what they open.
func testConfig(sessions *[]iam.Session) Config {
	return Config{
		Sandbox:  sandbox.NewProcess(),
		Endpoint: func(context.Context) (string, error) { return "http://127.0.0.1:1", nil },
		IssueSession: func(s iam.Session) (sigv4.Credentials, time.Time, error) {
			if sessions != nil {
				*sessions = append(*sessions, s)
			}
			return sigv4.Credentials{AccessKeyID: "ASIA", SecretAccessKey: "secret", SessionToken: "token"},
				time.UnixMilli(1575493418000), nil
		},
	}
}

func attempt(t *testing.T) provider.Attempt {
	a := providertest.NewAttempt(t, "a1")
	providertest.AddInput(t, &a, "In", "v1", nil)
	providertest.AddInput(t, &a, "Unknown", "", nil)
	providertest.AddOutput(&a, "Out")
	a.Configuration = map[string]string{"FunctionName": "f", "UserParameters": `{"a": "<&>"}`}
	a.Job = &provider.Job{ID: "11111111-2222-4333-8444-555555555555"}
	return a
}

// The event is to the letter what was recorded (observed.md 13).
func TestEvent(t *testing.T) {
	t.Parallel()
	var sessions []iam.Session
	c := testConfig(&sessions)
	a := attempt(t)
	got, err := c.event(&a)
	if err != nil {
		t.Fatal(err)
	}
	const begin = `{"CodePipeline.job":{"id":"11111111-2222-4333-8444-555555555555","accountId":"111122223333","data":{` +
		`"actionConfiguration":{"configuration":{"FunctionName":"f","UserParameters":"{\"a\": \"<&>\"}"}},` +
		`"inputArtifacts":[{"name":"In","revision":"v1","location":{"type":"S3","s3Location":{"bucketName":"store","objectKey":"shop/In/abc1234"}}},` +
		`{"name":"Unknown","revision":null,"location":{"type":"S3","s3Location":{"bucketName":"store","objectKey":"shop/Unknown/abc1234"}}}],` +
		`"outputArtifacts":[{"name":"Out","revision":null,"location":{"type":"S3","s3Location":{"bucketName":"store","objectKey":"shop/Out/out1234"}}}],` +
		`"artifactCredentials":{"accessKeyId":"ASIA","secretAccessKey":"secret","sessionToken":"token","expirationTime":1575493418000}`
	if diff := cmp.Diff(begin+`}}}`, string(got)); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	want := iam.Session{
		Account: a.Account, Role: "penstock-job", Name: a.Job.ID, Lifetime: 15 * time.Minute, Grants: []iam.Grant{
			{Actions: []string{"s3:GetObject", "s3:GetObjectVersion"}, Resources: []string{"arn:aws:s3:::store/shop/In/abc1234", "arn:aws:s3:::store/shop/Unknown/abc1234"}},
			{Actions: []string{"s3:PutObject", "s3:PutObjectAcl", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"}, Resources: []string{"arn:aws:s3:::store/shop/Out/out1234"}},
		},
	}
	if diff := cmp.Diff([]iam.Session{want}, sessions); diff != "" {
		t.Errorf("session (-want +got):\n%s", diff)
	}
	a.Job.ContinuationToken, a.EncryptionKey = "more", "alias/key"
	if got, err = c.event(&a); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(begin+`,"continuationToken":"more","encryptionKey":{"id":"alias/key","type":"KMS"}}}}`, string(got)); diff != "" {
		t.Errorf("continuation (-want +got):\n%s", diff)
	}
}

// The terms are those of AWS, with its text.
func TestTerms(t *testing.T) {
	t.Parallel()
	action, rule := New(testConfig(nil))
	a := attempt(t)
	want := provider.JobTerms{
		Timeout: 20 * time.Minute, Pause: 30 * time.Second, ExternalExecutionID: "f",
		TimeoutMessage: "The AWS Lambda function f failed to return a result. Check the function to verify that it has permission to call " +
			"the PutJobSuccessResult action and that it made a call to PutJobSuccessResult.",
	}
	if diff := cmp.Diff(want, action.JobTerms(a)); diff != "" {
		t.Errorf("action (-want +got):\n%s", diff)
	}
	a.Gate, want.FailureHolds = pipeline.GateOnFailure, true
	if diff := cmp.Diff(want, rule.JobTerms(a)); diff != "" {
		t.Errorf("rule after a failure (-want +got):\n%s", diff)
	}
}

// code writes the files of a function.
func code(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Functions of this machine return, fail, end and take too long, in each runtime.
func TestFunctions(t *testing.T) {
	t.Parallel()
	dir := code(t, map[string]string{
		"p.py": `
import os, time
def echo(event, context):
    print("in", os.environ["AWS_LAMBDA_FUNCTION_NAME"], os.environ["MORE"], os.environ["AWS_ENDPOINT_URL"], context.invoked_function_arn)
    return {"event": event, "left": 0 < context.get_remaining_time_in_millis() <= 60000, "leak": "leak" in os.environ.values()}
def fail(event, context):
    raise KeyError("no")
def leave(event, context):
    os._exit(3)
def hang(event, context):
    time.sleep(1000)
`,
		"j.js": `
exports.echo = async (event, context) => {
  console.log("in", process.env.AWS_LAMBDA_FUNCTION_NAME, process.env.MORE, process.env.AWS_ENDPOINT_URL, context.invokedFunctionArn);
  return { event, left: context.getRemainingTimeInMillis() > 0, leak: Object.values(process.env).includes("leak") };
};
exports.called = (event, context, callback) => setTimeout(() => callback(null, "back"), 1);
exports.fail = async () => { throw new TypeError("no"); };
exports.leave = async () => process.exit(3);
exports.hang = () => new Promise(() => setInterval(() => {}, 1000));
`,
		"m.mjs": `export const echo = async (event) => event;`,
		"c.sh":  "#!/bin/sh\ncat; echo; exit $1\n",
	})
	const arn = "arn:aws:lambda:eu-central-1:111122223333:function:f"
	for _, test := range []struct {
		name, program, handler string
		command                []string
		timeout                time.Duration
		want, printed, fails   string
	}{
		{name: "python", program: "python3", handler: "p.echo", want: `{"event": {"a": 1}, "left": true, "leak": false}`, printed: "in f more http://127.0.0.1:1 " + arn},
		{name: "python fails", program: "python3", handler: "p.fail", fails: "KeyError: 'no'", printed: "Traceback"},
		{name: "python leaves", program: "python3", handler: "p.leave", fails: "Runtime.ExitError: the function ended with exit status 3"},
		{name: "python hangs", program: "python3", handler: "p.hang", timeout: time.Second, fails: "Task timed out after 1.00 seconds"},
		{name: "python has none", program: "python3", handler: "p.none", fails: "AttributeError"},
		{name: "node", program: "node", handler: "j.echo", want: `{"event":{"a":1},"left":true,"leak":false}`, printed: "in f more http://127.0.0.1:1 " + arn},
		{name: "node module", program: "node", handler: "m.echo", want: `{"a":1}`},
		{name: "node calls back", program: "node", handler: "j.called", want: `"back"`},
		{name: "node fails", program: "node", handler: "j.fail", fails: "TypeError: no", printed: "TypeError: no"},
		{name: "node leaves", program: "node", handler: "j.leave", fails: "Runtime.ExitError: the function ended with exit status 3"},
		{name: "node hangs", program: "node", handler: "j.hang", timeout: time.Second, fails: "Task timed out after 1.00 seconds"},
		{name: "node has none", program: "node", handler: "j.none", fails: "j.none is undefined or not exported"},
		{name: "command", program: "sh", command: []string{"./c.sh", "0"}, printed: `{"a":1}`},
		{name: "command fails", program: "sh", command: []string{"./c.sh", "4"}, printed: `{"a":1}`, fails: "the function ended with exit status 4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(test.program); err != nil {
				t.Skipf("%s is not installed: %v", test.program, err)
			}
			fn := Function{Directory: dir, Handler: test.handler, Command: test.command, Environment: map[string]string{"MORE": "more"}, Timeout: test.timeout}
			if fn.Timeout == 0 {
				fn.Timeout = time.Minute
			}
			if err := fn.Check("f"); err != nil {
				t.Fatal(err)
			}
			c := testConfig(nil)
			c.Functions = map[string]Function{"f": fn}
			a := attempt(t)
			got, err := newFunctions(c).invoke(t.Context(), call{function: arn, payload: []byte(`{"a":1}`), attempt: &a})
			if test.fails == "" && err != nil || test.fails != "" && (err == nil || !strings.Contains(err.Error(), test.fails)) {
				t.Errorf("error %v, want %q", err, test.fails)
			}
			if _, ok := errors.AsType[*functionError](err); err != nil && !ok {
				t.Errorf("error %T", err)
			}
			if string(got) != test.want {
				t.Errorf("returned %s, want %s", got, test.want)
			}
			if log := providertest.LogOf(a).String(); !strings.Contains(log, test.printed) {
				t.Errorf("printed %q, want %q", log, test.printed)
			}
		})
	}
}

// A function sees what Lambda sets and what it is configured with, and nothing of
// the server's. Runtimes may be scripts that add their own, env does not.
func TestFunctionVariables(t *testing.T) {
	t.Parallel()
	var sessions []iam.Session
	c := testConfig(&sessions)
	c.Functions = map[string]Function{"f": {Command: []string{"env"}, Environment: map[string]string{"MORE": "more"}}}
	a := attempt(t)
	if _, err := newFunctions(c).invoke(t.Context(), call{function: "f", payload: []byte("{}"), attempt: &a}); err != nil {
		t.Fatal(err)
	}
	var seen []string
	for line := range strings.Lines(providertest.LogOf(a).String()) {
		name, _, _ := strings.Cut(line, "=")
		seen = append(seen, name)
	}
	slices.Sort(seen)
	want := []string{
		"AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME",
		"AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION",
		"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "HOME", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT", "LANG", "MORE", "PATH",
		"PYTHONDONTWRITEBYTECODE", "TMPDIR", "TZ", "_HANDLER",
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
	session := iam.Session{
		Account: a.Account, Role: "penstock-function", Name: "f", Lifetime: DefaultTimeout + time.Minute, Grants: []iam.Grant{{
			Actions:   []string{"codepipeline:PutJobSuccessResult", "codepipeline:PutJobFailureResult", "codepipeline:GetJobDetails"},
			Resources: []string{"arn:aws:codepipeline:eu-central-1:111122223333:job/" + a.Job.ID},
		}},
	}
	if diff := cmp.Diff([]iam.Session{session}, sessions); diff != "" {
		t.Errorf("session (-want +got):\n%s", diff)
	}
}

// A program that is not there ends the action; a function of a server that closes
// is not known to have ended.
func TestFunctionsThatDoNotRun(t *testing.T) {
	t.Parallel()
	c := testConfig(nil)
	c.Functions = map[string]Function{
		"none": {Command: []string{"./none"}, Directory: t.TempDir()}, "long": {Command: []string{"sleep", "1000"}},
	}
	action, _ := New(c)
	a := attempt(t)
	a.Configuration["FunctionName"] = "none"
	report, err := action.Start(t.Context(), a)
	if err != nil || report.Status != provider.Failed || report.ErrorCode != provider.CodeConfigurationError {
		t.Errorf("no program: %+v, %v", report, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := time.AfterFunc(50*time.Millisecond, cancel)
	defer stop.Stop()
	a.Configuration["FunctionName"] = "long"
	if report, err := action.Start(ctx, a); !errors.Is(err, context.Canceled) {
		t.Errorf("closing: %+v, %v", report, err)
	}
}

func TestFunctionCheck(t *testing.T) {
	t.Parallel()
	dir := code(t, map[string]string{"p.py": ""})
	for name, test := range map[string]struct {
		fn   Function
		want string
	}{
		"f":       {Function{Directory: dir, Handler: "p.handler"}, ""},
		"bad.ame": {Function{Directory: dir, Handler: "p.handler"}, "its name"},
		"none":    {Function{Directory: dir}, "neither a command nor a handler"},
		"nowhere": {Function{Handler: "p.handler"}, "no directory"},
		"nofile":  {Function{Directory: dir, Handler: "q.handler"}, "has no q.py"},
		"both":    {Function{Directory: dir, Handler: "p.handler", Command: []string{"x"}}, "it has a command"},
		"out":     {Function{Directory: dir, Handler: "../p.handler"}, "is not FILE.NAME"},
		"ruby":    {Function{Directory: dir, Handler: "p.handler", Runtime: "ruby3.4"}, "neither python nor node"},
		"slow":    {Function{Directory: dir, Handler: "p.handler", Timeout: time.Hour}, "its timeout of 3600 seconds is not between 0 and 900"},
		"env":     {Function{Directory: dir, Handler: "p.handler", Environment: map[string]string{"A B": ""}}, "no name of a variable"},
		"aws":     {Function{Directory: dir, Handler: "p.handler", Environment: map[string]string{"AWS_ENDPOINT_URL": ""}}, "has AWS_ENDPOINT_URL"},
		"lambda":  {Function{Command: []string{"x"}, Environment: map[string]string{"LAMBDA_TASK_ROOT": ""}}, "has LAMBDA_TASK_ROOT"},
		"handler": {Function{Command: []string{"x"}, Environment: map[string]string{"_HANDLER": ""}}, "has _HANDLER"},
		"home":    {Function{Command: []string{"x"}, Environment: map[string]string{"TMPDIR": ""}}, "has TMPDIR"},
		"like":    {Function{Command: []string{"x"}, Environment: map[string]string{"MY_AWS_": "", "LAMBDA": "", "PATH": "", "TZ": ""}}, ""},
		"gone":    {Function{Directory: filepath.Join(dir, "gone"), Command: []string{"x"}}, "is no folder"},
	} {
		err := test.fn.Check(name)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// The result of an action shows no secret that its function was given, whole or cut
// off, and neither does its log.
func TestFunctionsTellNoSecret(t *testing.T) {
	t.Parallel()
	dir := code(t, map[string]string{"p.py": `
import json, os
def fail(event, context):
    raise ValueError(json.dumps(event) + os.environ["AWS_SECRET_ACCESS_KEY"])
def tell(event, context):
    keys = event["data"]["actionCredentials"]
    return {"result": "Fail", "failureType": "JobFailed", "status": {"Summary": keys["secretAccessKey"] + "/" + keys["sessionToken"], "ExternalExecutionId": keys["sessionToken"]}}
def wrong(event, context):
    return {"result": event["data"]["actionCredentials"]["sessionToken"]}
`})
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skipf("python3 is not installed: %v", err)
	}
	c := testConfig(nil)
	var issued []string
	c.IssueSession = func(iam.Session) (sigv4.Credentials, time.Time, error) {
		n := fmt.Sprint(len(issued))
		issued = append(issued, "hush-secret-"+n, "hush-token-"+n)
		return sigv4.Credentials{AccessKeyID: "ASIA", SecretAccessKey: "hush-secret-" + n, SessionToken: "hush-token-" + n}, time.UnixMilli(1), nil
	}
	c.Functions = map[string]Function{}
	for _, name := range []string{"fail", "tell", "wrong"} {
		c.Functions[name] = Function{Directory: dir, Handler: "p." + name}
	}
	for name, want := range map[string]string{"fail": `"sessionToken": "***"`, "tell": "***/***", "wrong": `the result "***" is none`} {
		report, err := NewExecutors(c)("arn:aws:lambda:eu-central-1:111122223333:function:"+name, 0).Start(t.Context(), attempt(t))
		shown := report.ErrorMessage + report.Summary + report.ExternalExecutionID
		if err != nil || report.Status != provider.Failed || strings.Contains(shown, "hush") || !strings.Contains(report.ErrorMessage, want) {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
	}
	a := attempt(t)
	a.Configuration["FunctionName"] = "fail"
	action, _ := New(c)
	report, err := action.Start(t.Context(), a)
	if err != nil || report.Status != provider.InProgress {
		t.Errorf("event: %+v, %v", report, err)
	}
	var told string // by the server: what the function prints is for the log to mask
	for line := range strings.Lines(providertest.LogOf(a).String()) {
		if strings.HasPrefix(line, "Function fail: ") {
			told = line
		}
	}
	if !strings.Contains(told, "***") || strings.Contains(told, "hush") {
		t.Errorf("event: told %q", told)
	}
	s := &secretLog{}
	s.Mask("", "short", "a-long-secret-that-is-cut", "a-long")
	for text, want := range map[string]string{
		"a-long-secret-that-is-cut, and a-long-secret-that-": "***, and ***", "nothing is cut a": "nothing is cut a", "shor short a-long": "shor *** ***",
	} {
		if got := s.hide(text); got != want {
			t.Errorf("%q shows as %q, want %q", text, got, want)
		}
	}
}

// What the function of a declared type returns is judged (actions.md A.11).
func TestJudge(t *testing.T) {
	t.Parallel()
	a := attempt(t)
	for returned, want := range map[string]provider.Report{
		`{"result":"Success","status":{"ExternalExecutionId":"7","Summary":"s"},"outputVariables":{"A":"b"},"continuation":null}`: {
			Status: provider.Succeeded, Summary: "s", ExternalExecutionID: "7", OutputVariables: map[string]string{"A": "b"}, Produced: []string{"Out"},
		},
		`{"result":"CONTINUE","continuation":{"State": 1}}`: {Status: provider.InProgress, ContinuationToken: `{"State":1}`},
		`{"result":"fail","failureType":"PermissionsError","status":{"Summary":"s"}}`: {
			Status: provider.Failed, Summary: "s", ErrorCode: provider.CodePermissionError, ErrorMessage: "s",
		},
	} {
		if diff := cmp.Diff(want, judge([]byte(returned), &a)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", returned, diff)
		}
	}
	for _, returned := range []string{
		``, `null`, `{}`, `"Success"`, `{"result":"Done"}`, `{"result":"Fail"}`, `{"result":"Continue"}`, `{"result":"Success","failureType":"JobFailed"}`,
		`{"result":"Success","continuation":"x"}`, `{"result":"Fail","failureType":"Bad"}`, `{"result":"Continue","continuation":"x","outputVariables":{"A":"b"}}`,
		`{"result":"Continue","continuation":"` + strings.Repeat("x", 3000) + `"}`,
	} {
		if r := judge([]byte(returned), &a); r.Status != provider.Failed || r.ErrorCode != provider.CodeJobFailed ||
			!strings.HasPrefix(r.ErrorMessage, "The function returned no valid result: ") {
			t.Errorf("%.60s: %+v", returned, r)
		}
	}
}
