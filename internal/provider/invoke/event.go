package invoke

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// jobEvent is what a function of an action is told (observed.md 13).
type jobEvent struct {
	Job job `json:"CodePipeline.job"`
}

type job struct {
	ID        string  `json:"id"`
	AccountID string  `json:"accountId"`
	Data      jobData `json:"data"`
}

type jobData struct {
	ActionConfiguration struct {
		Configuration map[string]string `json:"configuration"`
	} `json:"actionConfiguration"`
	InputArtifacts      []artifact     `json:"inputArtifacts"`
	OutputArtifacts     []artifact     `json:"outputArtifacts"`
	ArtifactCredentials credentials    `json:"artifactCredentials"`
	ContinuationToken   string         `json:"continuationToken,omitempty"`
	EncryptionKey       *encryptionKey `json:"encryptionKey,omitempty"`
}

// artifact has a null for a revision that is not known.
type artifact struct {
	Name     string   `json:"name"`
	Revision *string  `json:"revision"`
	Location location `json:"location"`
}

type location struct {
	Type       string     `json:"type"`
	S3Location s3Location `json:"s3Location"`
}

type s3Location struct {
	BucketName string `json:"bucketName"`
	ObjectKey  string `json:"objectKey"`
}

type credentials struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
	SessionToken    string `json:"sessionToken"`
	// ExpirationTime is in epoch milliseconds.
	ExpirationTime int64 `json:"expirationTime,omitempty"`
}

type encryptionKey struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

// event is the payload for the job of an attempt.
func (c Config) event(a *provider.Attempt) ([]byte, error) {
	issued, err := c.artifactCredentials(a)
	if err != nil {
		return nil, err
	}
	e := jobEvent{Job: job{ID: a.Job.ID, AccountID: a.Account, Data: jobData{
		InputArtifacts: inputs(a), OutputArtifacts: outputs(a), ArtifactCredentials: issued,
		ContinuationToken: a.Job.ContinuationToken, EncryptionKey: keyOf(a),
	}}}
	e.Job.Data.ActionConfiguration.Configuration = a.Configuration
	return encode(e)
}

// encode is JSON with the characters of texts as they are.
func encode(v any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding an event: %w", err)
	}
	return bytes.TrimRight(text.Bytes(), "\n"), nil
}

func inputs(a *provider.Attempt) []artifact {
	list := []artifact{}
	for _, in := range a.Inputs {
		one := artifactAt(in.Location)
		if in.Revision != "" {
			one.Revision = &in.Revision
		}
		list = append(list, one)
	}
	return list
}

func outputs(a *provider.Attempt) []artifact {
	list := []artifact{}
	for _, out := range a.Outputs {
		list = append(list, artifactAt(out.Location))
	}
	return list
}

func artifactAt(at pipeline.ArtifactLocation) artifact {
	return artifact{Name: at.Name, Location: location{Type: "S3", S3Location: s3Location{BucketName: at.Bucket, ObjectKey: at.Key}}}
}

func keyOf(a *provider.Attempt) *encryptionKey {
	if a.EncryptionKey == "" {
		return nil
	}
	return &encryptionKey{ID: a.EncryptionKey, Type: "KMS"}
}

// artifactCredentials are those of a job. The log of the action does not show them.
func (c Config) artifactCredentials(a *provider.Attempt) (credentials, error) {
	var read, write []string
	for _, in := range a.Inputs {
		read = append(read, iam.ObjectARN(c.partition(), in.Location.Bucket, in.Location.Key))
	}
	for _, out := range a.Outputs {
		write = append(write, iam.ObjectARN(c.partition(), out.Location.Bucket, out.Location.Key))
	}
	issued, expires, err := c.issue(a, iam.JobSession(a.Account, a.Job.ID, read, write))
	if err != nil {
		return credentials{}, fmt.Errorf("making the credentials of job %s: %w", a.Job.ID, err)
	}
	return credentials{
		AccessKeyID: issued.AccessKeyID, SecretAccessKey: issued.SecretAccessKey, SessionToken: issued.SessionToken,
		ExpirationTime: expires.UnixMilli(),
	}, nil
}

// issue makes credentials of which the log of the attempt shows no secret: samples
// print the event that has them.
func (c Config) issue(a *provider.Attempt, session iam.Session) (sigv4.Credentials, time.Time, error) {
	issued, expires, err := c.IssueSession(session)
	if err != nil {
		return issued, expires, err
	}
	if log, ok := a.Log.(provider.MaskingLog); ok {
		log.Mask(issued.SecretAccessKey, issued.SessionToken)
	}
	return issued, expires, nil
}

func (c Config) partition() string {
	if c.Partition == "" {
		return "aws"
	}
	return c.Partition
}
