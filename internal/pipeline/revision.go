package pipeline

// SourceRevisionOverride pins the revision that a source action takes
// (StartPipelineExecution, sourceRevisions).
type SourceRevisionOverride struct {
	ActionName    string       `json:"actionName"`
	RevisionType  RevisionType `json:"revisionType"`
	RevisionValue string       `json:"revisionValue"`
}

// RevisionType is the kind of a source revision override.
type RevisionType string

// The revision types of CodePipeline.
const (
	RevisionCommitID          RevisionType = "COMMIT_ID"
	RevisionImageDigest       RevisionType = "IMAGE_DIGEST"
	RevisionS3ObjectVersionID RevisionType = "S3_OBJECT_VERSION_ID"
	RevisionS3ObjectKey       RevisionType = "S3_OBJECT_KEY"
)

// Revision is what a source action fetched.
type Revision struct {
	ID               string `json:"id"`
	ChangeIdentifier string `json:"changeIdentifier,omitempty"`
	Summary          string `json:"summary,omitempty"`
	URL              string `json:"url,omitempty"`
	// Created is in milliseconds since the epoch, 0 when unknown.
	Created int64 `json:"created,omitempty"`
}

// ArtifactLocation is where an artifact's content is kept.
type ArtifactLocation struct {
	Name   string `json:"name"`
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
}

// Variable is a resolved pipeline variable.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
