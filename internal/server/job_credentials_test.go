package server_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// What a job's credentials open, a URL signed with them opens too; no operation of
// CodePipeline is open to them, and each request for details makes others.
func TestJobCredentials(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	poll := benchTool(b)
	b.bucket("store")
	b.create((&workerBed{bed: b}).pipelineOf("demo"))
	jobs := patientPoll(b)
	if len(jobs) != 1 {
		t.Fatalf("polled %v for %+v", jobs, poll)
	}
	job := jobs[0]
	details, err := b.cp.GetJobDetails(t.Context(), &cp.GetJobDetailsInput{JobId: job.Id})
	b.must(err)
	first, second := job.Data.ArtifactCredentials, details.JobDetails.Data.ArtifactCredentials
	if *first.AccessKeyId == *second.AccessKeyId || *first.SessionToken == *second.SessionToken {
		t.Error("the details have the credentials of the poll")
	}
	cfg := b.config(region)
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*second.AccessKeyId, *second.SecretAccessKey, *second.SessionToken)
	client := s3.NewPresignClient(s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }))
	for key, want := range map[string]int{*job.Data.InputArtifacts[0].Location.S3Location.ObjectKey: 200, "demo/other": 403} {
		signed, err := client.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("store"), Key: aws.String(key)})
		b.must(err)
		response, err := http.Get(signed.URL)
		b.must(err)
		content, err := io.ReadAll(response.Body)
		b.must(err)
		response.Body.Close()
		if response.StatusCode != want || want == 200 && !strings.HasPrefix(string(content), "PK") {
			t.Errorf("%s: %s %.200s", key, response.Status, content)
		}
	}
	_, err = cp.NewFromConfig(cfg).AcknowledgeJob(t.Context(), &cp.AcknowledgeJobInput{JobId: job.Id, Nonce: job.Nonce})
	if err == nil || !strings.Contains(err.Error(), "AccessDeniedException") || !strings.Contains(err.Error(), "assumed-role/penstock-job/"+*job.Id) {
		t.Errorf("acknowledged with a job's credentials: %v", err)
	}
}
