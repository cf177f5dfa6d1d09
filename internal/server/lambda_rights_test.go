package server_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/penstock-cd/penstock/internal/server"
)

// toldFunction is what an invocation of TestLambdaRights was told.
type toldFunction struct {
	job         string
	environment map[string]string
	// keys are those for the artifacts.
	keys struct{ AccessKeyID, SecretAccessKey, SessionToken string }
}

// told waits for what the function of a name was told.
func (b *bed) told(folder, name string) (told toldFunction) {
	b.t.Helper()
	var text []byte
	b.until("the function "+name, func() (there bool) {
		var err error
		text, err = os.ReadFile(filepath.Join(folder, "event."+name))
		return err == nil
	})
	var event struct {
		Job struct {
			ID   string
			Data struct {
				ArtifactCredentials *struct{ AccessKeyID, SecretAccessKey, SessionToken string }
			}
		} `json:"CodePipeline.job"`
	}
	event.Job.Data.ArtifactCredentials = &told.keys
	b.must(json.Unmarshal(text, &event))
	told.job, told.environment = event.Job.ID, map[string]string{}
	text, err := os.ReadFile(filepath.Join(folder, "environment."+name))
	b.must(err)
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		told.environment[key] = value
	}
	return told
}

// TestLambdaRights: with the credentials that a function calls back with, its own
// job can be answered, and nothing else is open. What it prints of its secrets is
// masked in the log.
func TestLambdaRights(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := newBed(t, func(c *server.Config) {
		f := server.Function{Directory: dir, Command: []string{"sh", "-c", `
			env | tee "environment.$AWS_LAMBDA_FUNCTION_NAME"
			tee event; echo; mv event "event.$AWS_LAMBDA_FUNCTION_NAME"; echo printed`}}
		c.Functions = map[string]server.Function{"mine": f, "other": f}
	})
	b.bucket("artifacts")
	other := b.create(declare("other", pulseStage(), invokeStage("other", nil)))
	another := b.told(dir, "other")
	id := b.create(declare("mine", pulseStage(), invokeStage("mine", nil)))
	own := b.told(dir, "mine")

	cfg := b.config(region)
	e := own.environment
	cfg.Credentials = credentials.NewStaticCredentialsProvider(e["AWS_ACCESS_KEY_ID"], e["AWS_SECRET_ACCESS_KEY"], e["AWS_SESSION_TOKEN"])
	client, ctx := cp.NewFromConfig(cfg), t.Context()
	failed := &types.FailureDetails{Type: types.FailureTypeJobFailed, Message: aws.String("m")}
	name := aws.String("mine")
	for what, call := range map[string]func() error{
		"GetJobDetails of another job": func() error {
			_, err := client.GetJobDetails(ctx, &cp.GetJobDetailsInput{JobId: &another.job})
			return err
		},
		"PutJobSuccessResult of another job": func() error {
			_, err := client.PutJobSuccessResult(ctx, &cp.PutJobSuccessResultInput{JobId: &another.job})
			return err
		},
		"PutJobFailureResult of another job": func() error {
			_, err := client.PutJobFailureResult(ctx, &cp.PutJobFailureResultInput{JobId: &another.job, FailureDetails: failed})
			return err
		},
		"AcknowledgeJob": func() error {
			_, err := client.AcknowledgeJob(ctx, &cp.AcknowledgeJobInput{JobId: &own.job, Nonce: aws.String("1")})
			return err
		},
		"DeletePipeline": func() error {
			_, err := client.DeletePipeline(ctx, &cp.DeletePipelineInput{Name: name})
			return err
		},
		"GetPipeline": func() error {
			_, err := client.GetPipeline(ctx, &cp.GetPipelineInput{Name: name})
			return err
		},
		"StartPipelineExecution": func() error {
			_, err := client.StartPipelineExecution(ctx, &cp.StartPipelineExecutionInput{Name: name})
			return err
		},
		"ListPipelines": func() error {
			_, err := client.ListPipelines(ctx, &cp.ListPipelinesInput{})
			return err
		},
		"ListBuckets": func() error {
			_, err := s3.NewFromConfig(cfg).ListBuckets(ctx, &s3.ListBucketsInput{})
			return err
		},
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("%s: %v", what, err)
		}
	}
	details, err := client.GetJobDetails(ctx, &cp.GetJobDetailsInput{JobId: &own.job})
	if err != nil || aws.ToString(details.JobDetails.Id) != own.job {
		t.Errorf("its own details: %+v, %v", details, err)
	}
	_, err = client.PutJobSuccessResult(ctx, &cp.PutJobSuccessResultInput{JobId: &own.job})
	b.must(err)
	b.await("mine", id, types.PipelineExecutionStatusSucceeded)
	if s := b.execution("other", other).Status; s != types.PipelineExecutionStatusInProgress {
		t.Errorf("the other execution is %s", s)
	}

	var log string
	b.until("the log", func() bool {
		log = b.printed("mine", aws.ToString(b.called("mine", id).ActionExecutionId))
		return strings.Contains(log, "printed")
	})
	for what, secret := range map[string]string{
		"secret key": e["AWS_SECRET_ACCESS_KEY"], "session token": e["AWS_SESSION_TOKEN"],
		"secret key of the artifacts": own.keys.SecretAccessKey, "session token of the artifacts": own.keys.SessionToken,
	} {
		if secret == "" || strings.Contains(log, secret) {
			t.Errorf("the log has the %s %q", what, secret)
		}
	}
	if !strings.Contains(log, e["AWS_ACCESS_KEY_ID"]) || !strings.Contains(log, own.keys.AccessKeyID) || strings.Count(log, "***") != 4 {
		t.Errorf("the log: %s", log)
	}
}
