package dispatch

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"maps"
	"slices"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// JobData is what a worker is told of the work, beside the job's own members.
type JobData struct {
	Type         pipeline.ActionTypeID `json:"type"`
	PipelineName string                `json:"pipelineName"`
	StageName    string                `json:"stageName"`
	ActionName   string                `json:"actionName"`
	// Configuration is resolved. With a Job it holds secrets in clear; stored it
	// holds references to them under the keys in Secrets.
	Configuration map[string]string       `json:"configuration,omitempty"`
	Secrets       []string                `json:"secrets,omitempty"`
	Inputs        []JobArtifact           `json:"inputs,omitempty"`
	Outputs       []JobArtifact           `json:"outputs,omitempty"`
	EncryptionKey *pipeline.EncryptionKey `json:"encryptionKey,omitempty"`
}

// JobArtifact is an artifact of a job. Revision is that behind an input, if known.
type JobArtifact struct {
	pipeline.ArtifactLocation
	Revision string `json:"revision,omitempty"`
}

// Job is a job as its worker sees it.
type Job struct {
	ID     string
	Status engine.JobStatus
	// Nonce acknowledges the job.
	Nonce             string
	Account           string
	Region            string
	ExecutionID       string
	ActionID          string
	ContinuationToken string
	JobData
}

// The configuration properties by which a customer of a partner is known to the
// partner. A type that declares none has no secret between the two: the client is
// then the account, and so is its token.
const (
	propertyClientID    = "ClientId"
	propertyClientToken = "ClientToken"
)

// Client returns the id of a partner's customer and the token that proves that a
// worker knows the customer.
func (j *Job) Client() (id, token string) {
	id, token = j.Configuration[propertyClientID], j.Configuration[propertyClientToken]
	if id == "" {
		id = j.Account
	}
	if token == "" {
		token = id
	}
	return id, token
}

// jobData is what a job of an action that is about to run says, without secrets.
func (j *job) jobData(x effect) JobData {
	data := JobData{
		Type: j.plan.Type, PipelineName: j.key.Name, StageName: x.Stage, ActionName: x.Name,
		Configuration: j.withoutSecrets(), Secrets: slices.Sorted(maps.Keys(j.references)), EncryptionKey: j.store.EncryptionKey,
	}
	for _, in := range j.action.Inputs {
		data.Inputs = append(data.Inputs, JobArtifact{ArtifactLocation: in, Revision: j.revisionOf(in.Name)})
	}
	for _, out := range j.action.Allotted {
		data.Outputs = append(data.Outputs, JobArtifact{ArtifactLocation: out})
	}
	return data
}

// open makes a stored job what its worker sees, with secrets in clear.
func (d *Dispatcher) openJob(tx *db.Tx, row *jobRow, current engine.Job) (Job, error) {
	job := Job{
		ID: row.ID, Status: current.Status, Nonce: current.Nonce, Account: row.account, Region: row.region,
		ExecutionID: row.Execution, ActionID: row.Action, ContinuationToken: row.ContinuationToken,
	}
	if err := decodePart(row.data, &job.JobData); err != nil {
		return job, fmt.Errorf("decoding job %s: %w", row.ID, err)
	}
	for _, key := range job.Secrets {
		value, err := d.openSecret(tx, row.pipelineID, job.Configuration[key])
		if err != nil {
			return job, fmt.Errorf("reading the secret configuration value '%s' of job %s: %w", key, row.ID, err)
		}
		job.Configuration[key] = value
	}
	return job, nil
}

// checkClient compares a client token with that of the job's client, in a time
// that does not depend on it.
func (d *Dispatcher) checkClient(tx *db.Tx, row *jobRow, token string) error {
	job, err := d.openJob(tx, row, row.Job)
	if err != nil && !row.needed {
		return ErrJobNotFound // the token went with its pipeline
	}
	if err != nil {
		return err
	}
	_, want := job.Client()
	got, expected := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(want))
	if subtle.ConstantTimeCompare(got[:], expected[:]) != 1 {
		return ErrClientToken
	}
	return nil
}
