package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// timeout is the time limit of the type (actions.md 1.7).
const timeout = 90 * time.Minute

// S3 writes an artifact to a bucket, as one object or file by file (reference:
// actions.md A.12 and observed.md 16). Nothing is deleted, and objects written
// before a failure stay.
type S3 struct {
	objects provider.ObjectsFor
	now     func() time.Time
}

var _ provider.Provider = (*S3)(nil)

// NewS3 returns the provider of deploys to the buckets that objects chooses.
func NewS3(objects provider.ObjectsFor) *S3 { return &S3{objects: objects, now: time.Now} }

// Type implements provider.Provider. Starting again is harmless: it writes the
// same objects again.
func (p *S3) Type() pipeline.ActionType {
	return pipeline.ActionType{
		ID:       pipeline.ActionTypeID{Category: pipeline.CategoryDeploy, Owner: pipeline.OwnerAWS, Provider: "S3", Version: "1"},
		Inputs:   pipeline.ArtifactBounds{Min: 1, Max: 1},
		Timeout:  timeout.Milliseconds(),
		WhenLost: pipeline.LostAgain,
	}
}

// refusal is a failure that the action shows.
type refusal struct{ code, text string }

func (r *refusal) Error() string { return r.text }

func refuse(code, format string, args ...any) error {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// Start deploys. Its idempotency keys are the keys of the objects, which follow
// from the configuration, the artifact and the attempt's id and deadline.
func (p *S3) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	t, err := p.target(a)
	if err == nil {
		err = p.deploy(ctx, a, t)
	}
	if failed, ok := errors.AsType[*refusal](err); ok {
		logf(a, "%s", failed.text)
		return provider.Failure(failed.code, failed.text), nil
	}
	if err != nil {
		logf(a, "%v", err)
		return provider.Report{}, fmt.Errorf("deploy action %s: %w", a.ActionName, err)
	}
	return provider.Report{Status: provider.Succeeded, Percent: 100, Summary: "Deployment Succeeded", ExternalExecutionID: t.id()}, nil
}

// Await deploys again: it is not known what an earlier start has written.
func (p *S3) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return p.Start(ctx, a)
}

// Stop has nothing to do: the work ends with the context of Start.
func (p *S3) Stop(context.Context, provider.Attempt) error { return nil }

// target is what the configuration says.
type target struct {
	bucket  string
	key     string // placeholders filled in
	extract bool
	options provider.ObjectOptions
}

// id is the external execution id.
func (t target) id() string {
	if t.key == "" {
		return t.bucket
	}
	return t.bucket + "/" + t.key
}

// cannedACLs are those that the action takes.
func cannedACLs() []string {
	return []string{"private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read", "bucket-owner-read", "bucket-owner-full-control"}
}

func (p *S3) target(a provider.Attempt) (target, error) {
	c := a.Configuration
	t := target{bucket: c["BucketName"], options: provider.ObjectOptions{
		ACL: c["CannedACL"], CacheControl: c["CacheControl"], KMSKeyID: c["KMSEncryptionKeyARN"],
	}}
	switch c["Extract"] {
	case "true":
		t.extract = true
	case "false":
		if key := c["ObjectKey"]; key == "" || strings.HasSuffix(key, "/") { // the latter names a folder
			return t, refuse(provider.CodeConfigurationError,
				"When the extract feature is disabled, you must provide an object. Edit your pipeline to fix the configuration.")
		}
	default:
		return t, refuse(provider.CodeConfigurationError,
			"Invalid value for configuration property '%s': 'Extract'. Edit your pipeline and set 'Extract' to either 'true' or 'false'.", c["Extract"])
	}
	if t.options.ACL != "" && !slices.Contains(cannedACLs(), t.options.ACL) {
		return t, refuse(provider.CodeConfigurationError,
			"Invalid value for configuration property '%s': 'CannedACL'. Edit your pipeline and set 'CannedACL' to one of %v.", t.options.ACL, cannedACLs())
	}
	t.key = fillIn(c["ObjectKey"], a.ID, p.begun(a))
	return t, nil
}

// begun is when the action began. The deadline tells, and unlike the clock it
// tells the same when the attempt is started again.
func (p *S3) begun(a provider.Attempt) time.Time {
	if a.Deadline.IsZero() {
		return p.now()
	}
	return a.Deadline.Add(-timeout)
}

func (p *S3) deploy(ctx context.Context, a provider.Attempt, t target) error {
	if len(a.Inputs) != 1 {
		return refuse(provider.CodeConfigurationError, "A deploy action to Amazon S3 has exactly one input artifact, %s has %d.", a.ActionName, len(a.Inputs))
	}
	artifact, err := openInput(ctx, a)
	if err != nil {
		return err
	}
	defer artifact.Close()
	objects, err := p.objects(a)
	if err != nil {
		return putFailed(t.bucket, err)
	}
	u := &uploader{objects: objects, target: t, workspace: a.Workspace, log: a.Log}
	if t.extract {
		return u.extract(ctx, artifact)
	}
	return u.whole(ctx, artifact)
}

func openInput(ctx context.Context, a provider.Attempt) (provider.Artifact, error) {
	where := a.Inputs[0].Location
	artifact, err := a.Artifacts.Open(ctx, where)
	said, ok := errors.AsType[*provider.ObjectError](err)
	if !ok && errors.Is(err, provider.ErrNoArtifact) {
		said = &provider.ObjectError{Code: provider.S3NoSuchKey, Message: "The specified key does not exist.", Status: 404}
	}
	if said != nil {
		return nil, refuse(provider.CodeConfigurationError,
			"The input artifact, %s/%s, does not exist or you do not have permissions to access it: %v", where.Bucket, where.Key, said)
	}
	if err != nil {
		return nil, fmt.Errorf("open input artifact %s: %w", a.Inputs[0].Name, err)
	}
	return artifact, nil
}

// putFailed makes a verdict of what S3 said. What is not S3's answer is returned
// as it is: the outcome is not known.
func putFailed(bucket string, err error) error {
	said, ok := errors.AsType[*provider.ObjectError](err)
	switch {
	case !ok:
		return err
	case said.Denied():
		return refuse(provider.CodePermissionError,
			"You do not have sufficient permissions to call s3.putObject for the deployment bucket, %s. Verify that the policy on the resource allows you to perform this task. If you choose a canned ACL for your Amazon S3 deployment action, the policy must include the PutObjectAcl action. If the object already exists, the policy must also include the PutObjectVersionAcl action. %v",
			bucket, said)
	case said.Code == provider.S3NoSuchBucket:
		return refuse(provider.CodeConfigurationError, "The deployment bucket, %s, does not exist: %v", bucket, said)
	default:
		return refuse(provider.CodeConfigurationError, "The object could not be written to the deployment bucket, %s: %v", bucket, said)
	}
}

// logf tells whoever follows the action; the log is no reason to fail.
func logf(a provider.Attempt, format string, args ...any) {
	if a.Log != nil {
		fmt.Fprintf(a.Log, format+"\n", args...)
	}
}

// tempFile is a file in the workspace that is gone when it is closed.
type tempFile struct{ *os.File }

func newTempFile(workspace string) (*tempFile, error) {
	f, err := os.CreateTemp(workspace, "entry-*")
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return &tempFile{f}, nil
}

func (t *tempFile) Close() error {
	return errors.Join(t.File.Close(), os.Remove(t.Name()))
}

// whole copies the artifact as it is, as CodePipeline does it: as a multipart
// upload without a content type of its own.
func (u *uploader) whole(ctx context.Context, artifact provider.Artifact) error {
	o := u.target.options
	o.ContentType, o.Multipart = octetStream, true
	content := io.NewSectionReader(artifact, 0, artifact.Size())
	if _, err := u.objects.Put(ctx, u.target.bucket, u.target.key, content, o); err != nil {
		return putFailed(u.target.bucket, err)
	}
	u.tell(u.target.key)
	return nil
}
