package server_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/server"
	"github.com/penstock-cd/penstock/internal/sigv4/sigv4test"
)

// The functions of the crash tests note the job they were invoked for. While there
// is a file "hang" they do not end, and leave a process that tries to get away.
const (
	crashPython = `
import os, subprocess, sys, time

def begin(name, job):
    with open("journal", "a") as f:
        f.write(name + " " + job + "\n")
    if os.path.exists("hang"):
        subprocess.Popen(["sleep", "300"], start_new_session=True, close_fds=False)
        time.sleep(300)

def succeed(job):
    import boto3
    boto3.client("codepipeline").put_job_success_result(jobId=job)

def handler(event, context):
    job = event["CodePipeline.job"]["id"]
    begin("python", job)
    succeed(job)
`
	crashCommand = `
import json, sys, index
job = json.load(sys.stdin)["CodePipeline.job"]["id"]
index.begin("command", job)
index.succeed(job)
`
	crashNode = `
const fs = require("fs"), { spawn } = require("child_process");
exports.handler = async (event) => {
  fs.appendFileSync("journal", "node " + event.jobId + "\n");
  if (fs.existsSync("hang")) {
    spawn("sleep", ["300"], { detached: true, stdio: "inherit" });
    await new Promise(() => setInterval(() => {}, 1000));
  }
  return { result: "Success" };
};
`
)

// crashedFunctions are the functions of a server that is killed; none without a
// folder.
func crashedFunctions(folder string) map[string]server.Function {
	if folder == "" {
		return nil
	}
	return map[string]server.Function{
		"python":  {Directory: folder, Handler: "index.handler"},
		"command": {Directory: folder, Command: []string{"python3", "command.py"}},
		"node":    {Directory: folder, Handler: "node.handler", Runtime: "node"},
	}
}

// functionWorld is the folder of the functions and a client of the server's life.
type functionWorld struct {
	t      *testing.T
	folder string
	*crashClient
}

// journal waits until the functions were invoked n times in all, and returns the
// lines of each.
func (w *functionWorld) journal(n int) map[string][]string {
	w.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := crashTimer(patience); ; {
		text, err := os.ReadFile(filepath.Join(w.folder, "journal"))
		if err != nil && !os.IsNotExist(err) {
			w.t.Fatal(err)
		}
		jobs := map[string][]string{}
		for line := range strings.Lines(string(text)) {
			name, job, _ := strings.Cut(strings.TrimSpace(line), " ")
			jobs[name] = append(jobs[name], job)
		}
		if strings.Count(string(text), "\n") >= n {
			return jobs
		}
		select {
		case <-tick.C:
		case <-end:
			w.t.Fatalf("in vain for %d invocations: %v", n, jobs)
		}
	}
}

// await waits until the newest execution of each pipeline has a status.
func (w *functionWorld) await(status string, names ...string) {
	w.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := crashTimer(patience); len(names) > 0; {
		var out struct {
			Summaries []crashFacts `json:"pipelineExecutionSummaries"`
		}
		if err := w.Call(w.t.Context(), "ListPipelineExecutions", raw{"pipelineName": names[0]}, &out); err != nil {
			w.t.Fatal(err)
		}
		if out.Summaries[0].Status == status {
			names = names[1:]
			continue
		}
		select {
		case <-tick.C:
		case <-end:
			w.t.Fatalf("in vain for %s to be %s: %+v", names[0], status, out.Summaries)
		}
	}
}

// create makes a pipeline for each function: Lambda actions, and for "node" a
// declared type with a Lambda executor.
func (w *functionWorld) create() {
	w.t.Helper()
	crashCall(w.t, w.crashClient, "UpdateActionType", raw{"actionType": raw{
		"id": raw{"category": "Test", "owner": "ThirdParty", "provider": "Check", "version": "1"},
		"executor": raw{"type": "Lambda", "configuration": raw{"lambdaExecutorConfiguration": raw{
			"lambdaFunctionArn": "arn:aws:lambda:" + region + ":" + account + ":function:node",
		}}},
		"inputArtifactDetails":  raw{"minimumCount": 0, "maximumCount": 1},
		"outputArtifactDetails": raw{"minimumCount": 0, "maximumCount": 1},
	}})
	pulse := rawStage("Source", rawAction("Pulse", "Source", "Custom", "Pulse", raw{"outputArtifacts": []raw{{"name": "App"}}}))
	for _, name := range []string{"python", "command"} {
		crashCall(w.t, w.crashClient, "CreatePipeline", rawPipeline(name, pulse,
			rawStage("Call", rawAction("Call", "Invoke", "AWS", "Lambda", raw{"configuration": raw{"FunctionName": name}}))))
	}
	crashCall(w.t, w.crashClient, "CreatePipeline", rawPipeline("node", pulse,
		rawStage("Call", rawAction("Call", "Test", "ThirdParty", "Check", nil))))
}

// TestKilledWithFunctions kills a server while functions of this machine run. They
// die with it. The next server invokes them again for the same job, as Lambda
// does with asynchronous invocations, and their answers count; so does an answer
// that comes from elsewhere meanwhile.
func TestKilledWithFunctions(t *testing.T) {
	t.Parallel()
	sigv4test.Boto3(t)
	need(t, "node", "--version")
	dir := t.TempDir()
	w := &functionWorld{t: t, folder: filepath.Join(dir, "functions")}
	if err := os.Mkdir(w.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"index.py": crashPython, "command.py": crashCommand, "node.js": crashNode, "hang": ""} {
		if err := os.WriteFile(filepath.Join(w.folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log := &crashLog{}
	life := func(during func()) {
		l := spawn(t, filepath.Join(dir, "data"), log, crashFunctions+"="+w.folder)
		w.crashClient = newCrashClient(l.ready())
		defer w.close()
		during()
		l.kill()
		l.childless()
	}
	life(func() {
		w.create()
		w.journal(3)
	})
	life(func() {
		jobs := w.journal(6)
		// The function hangs again, and somebody else does its work.
		crashCall(t, w.crashClient, "PutJobSuccessResult", raw{"jobId": jobs["command"][0]})
		w.await("Succeeded", "command")
	})
	if err := os.Remove(filepath.Join(w.folder, "hang")); err != nil {
		t.Fatal(err)
	}
	life(func() {
		w.await("Succeeded", "python", "node", "command")
		jobs := w.journal(8)
		for name, want := range map[string]int{"python": 3, "node": 3, "command": 2} {
			if list := jobs[name]; len(list) != want || len(slices.Compact(slices.Clone(list))) != 1 {
				t.Errorf("function %s was invoked for jobs %q, want %d times the same one", name, list, want)
			}
		}
	})
	for _, line := range log.errors() {
		t.Error(line)
	}
}
