package server_test

import (
	"encoding/json"
	"fmt"
	"testing"
)

// crashBuildspec notes in the journal when it really runs, and leaves a process
// behind that tries to get away.
const crashBuildspec = `version: 0.2
phases:
  build:
    commands:
      - echo "begin Compile $EXECUTION" >> "$JOURNAL"
      - setsid sleep 300 > /dev/null 2>&1 &
      - sleep 0.03
      - echo built > out.txt
      - echo "end Compile $EXECUTION" >> "$JOURNAL"
artifacts:
  files: [out.txt]
`

// crashSource is the source as an archive, another one for each number.
func crashSource(t testing.TB, n int) []byte {
	return []byte(zipped(t, map[string]string{"buildspec.yml": crashBuildspec, "n.txt": fmt.Sprint(n)}))
}

const executionReference = "#{codepipeline.PipelineExecutionId}"

// crashCreate makes a pipeline: a source, two builds at once, an approval, a
// deployment. Its builds note in the journal what they do, if there is one.
func crashCreate(t *testing.T, c *crashClient, name, source string, journal ...string) {
	t.Helper()
	to := "/dev/null"
	if len(journal) > 0 {
		to = journal[0]
	}
	configuration := raw{"S3Bucket": "sources", "S3ObjectKey": "app.zip", "PollForSourceChanges": "false"}
	if source == "CodeCommit" {
		configuration = raw{"RepositoryName": "app", "BranchName": "main", "PollForSourceChanges": "false"}
	}
	variables, err := json.Marshal([]raw{{"name": "JOURNAL", "value": to}, {"name": "EXECUTION", "value": executionReference}})
	if err != nil {
		t.Fatal(err)
	}
	app := []raw{{"name": "App"}}
	crashCall(t, c, "CreatePipeline", rawPipeline(name,
		rawStage("Source", rawAction("Fetch", "Source", "AWS", source, raw{"configuration": configuration, "outputArtifacts": app})),
		rawStage("Build",
			rawAction("Compile", "Build", "AWS", "CodeBuild", raw{
				"inputArtifacts": app, "outputArtifacts": []raw{{"name": "Built"}},
				"configuration": raw{"ProjectName": "app", "EnvironmentVariables": string(variables)},
			}),
			rawAction("Check", "Compute", "AWS", "Commands", raw{
				"inputArtifacts": app,
				"commands":       []string{`echo "begin Check $EXECUTION" >> "$JOURNAL"`, `echo "end Check $EXECUTION" >> "$JOURNAL"`},
				"environmentVariables": []raw{
					{"name": "JOURNAL", "value": to}, {"name": "EXECUTION", "value": executionReference},
				},
			})),
		rawStage("Gate", rawAction("Review", "Approval", "AWS", "Manual", nil)),
		rawStage("Site", crashDeploy(name))))
}

// crashDeploy copies the artifact App to a bucket.
func crashDeploy(name string) raw {
	return rawAction("Publish", "Deploy", "AWS", "S3", raw{
		"inputArtifacts": []raw{{"name": "App"}},
		"configuration":  raw{"BucketName": "sites", "Extract": "false", "ObjectKey": name + ".zip"},
	})
}

// crashEntrance names the transition into the first stage.
func crashEntrance(name string) raw {
	return raw{"pipelineName": name, "stageName": "Source", "transitionType": "Inbound", "reason": "load"}
}
