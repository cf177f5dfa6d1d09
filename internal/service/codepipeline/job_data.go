package codepipeline

import (
	"fmt"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// jobData is what a worker is told: secrets in clear, as nowhere else
// (execution.md 1.11), and credentials that open the artifacts of this job.
func (s *Service) jobData(c api.Caller, job *dispatch.Job) (*wire.JobData, error) {
	data := &wire.JobData{
		ActionTypeId:        actionTypeID(job.Type),
		ActionConfiguration: &wire.ActionConfiguration{Configuration: job.Configuration},
		PipelineContext: &wire.PipelineContext{
			PipelineName: some(job.PipelineName),
			Stage:        &wire.StageContext{Name: some(job.StageName)},
			Action:       &wire.ActionContext{Name: some(job.ActionName), ActionExecutionId: some(job.ActionID)},
		},
		InputArtifacts:    jobArtifacts(job.Inputs),
		OutputArtifacts:   jobArtifacts(job.Outputs),
		ContinuationToken: some(job.ContinuationToken),
	}
	if data.ActionConfiguration.Configuration == nil {
		data.ActionConfiguration.Configuration = map[string]string{}
	}
	if job.Type.Owner == pipeline.OwnerCustom {
		data.PipelineContext.PipelineArn = some(pipeline.PipelineARN(c.Partition, job.Region, job.Account, job.PipelineName))
		data.PipelineContext.PipelineExecutionId = some(job.ExecutionID)
	}
	if k := job.EncryptionKey; k != nil {
		data.EncryptionKey = &wire.EncryptionKey{Id: some(k.ID), Type: wire.EncryptionKeyType(k.Type)}
	}
	var err error
	data.ArtifactCredentials, err = s.credentials(c, job)
	return data, err
}

func jobArtifacts(list []dispatch.JobArtifact) []wire.Artifact {
	out := []wire.Artifact{}
	for _, a := range list {
		out = append(out, wire.Artifact{
			Name: some(a.Name), Revision: some(a.Revision),
			Location: &wire.ArtifactLocation{Type: "S3", S3Location: &wire.S3ArtifactLocation{
				BucketName: some(a.Bucket), ObjectKey: some(a.Key),
			}},
		})
	}
	return out
}

// credentials read the inputs of a job and write its outputs, and nothing else. A
// job without artifacts has none.
func (s *Service) credentials(c api.Caller, job *dispatch.Job) (*wire.AWSSessionCredentials, error) {
	if len(job.Inputs)+len(job.Outputs) == 0 {
		return nil, nil
	}
	issued, _, err := s.auth.IssueSession(iam.JobSession(
		job.Account, job.ID, objectARNs(c.Partition, job.Inputs), objectARNs(c.Partition, job.Outputs)))
	if err != nil {
		return nil, fmt.Errorf("making the credentials of job %s: %w", job.ID, err)
	}
	return &wire.AWSSessionCredentials{
		AccessKeyId: some(issued.AccessKeyID), SecretAccessKey: some(issued.SecretAccessKey), SessionToken: some(issued.SessionToken),
	}, nil
}

func objectARNs(partition string, list []dispatch.JobArtifact) []string {
	var arns []string
	for _, a := range list {
		arns = append(arns, iam.ObjectARN(partition, a.Bucket, a.Key))
	}
	return arns
}
