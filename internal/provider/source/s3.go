package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// summaryMetadata is the user metadata that describes a revision.
const summaryMetadata = "codepipeline-artifact-revision-summary"

// S3 copies an object of a versioned bucket into an artifact.
type S3 struct{ objects provider.ObjectsFor }

var _ provider.Provider = (*S3)(nil)

// NewS3 returns the provider of sources in the buckets that objects chooses.
func NewS3(objects provider.ObjectsFor) *S3 { return &S3{objects: objects} }

// Type implements provider.Provider.
func (p *S3) Type() pipeline.ActionType { return sourceType(pipeline.OwnerAWS, "S3") }

// wanted is the object that an attempt asks for.
type wanted struct {
	bucket, key, version string
}

// Start copies the object. Its idempotency key is the artifact's location.
func (p *S3) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	output, bad := onlyOutput(a)
	if bad != nil {
		return *bad, nil
	}
	want, bad := wantedObject(a)
	if bad != nil {
		return *bad, nil
	}
	object, err := p.copy(ctx, a, want, output)
	if err != nil {
		return failS3(a, want, err)
	}
	summary := "Amazon S3 version id: " + object.VersionID
	revision := summary
	if told := object.Metadata[summaryMetadata]; told != "" {
		revision = cutRunes(told, maxSummary)
	}
	return provider.Report{
		Status: provider.Succeeded, Percent: 100, Summary: summary, ExternalExecutionID: object.VersionID,
		OutputVariables: map[string]string{
			"BucketName": want.bucket, "ObjectKey": want.key, "ETag": object.ETag, "VersionId": object.VersionID,
		},
		Produced: []string{output.Name},
		Revision: &pipeline.Revision{ID: object.VersionID, Summary: revision},
	}, nil
}

// wantedObject applies the overrides to the configuration.
func wantedObject(a provider.Attempt) (wanted, *provider.Report) {
	w := wanted{bucket: a.Configuration["S3Bucket"], key: a.Configuration["S3ObjectKey"]}
	for _, o := range a.Overrides {
		switch o.RevisionType {
		case pipeline.RevisionS3ObjectVersionID:
			w.version = o.RevisionValue
		case pipeline.RevisionS3ObjectKey:
			if !strings.EqualFold(a.Configuration["AllowOverrideForS3ObjectKey"], "true") {
				r := provider.Failure(provider.CodeConfigurationError, fmt.Sprintf(
					"The source revision of action %s overrides the S3 object key, which the action does not allow. Set AllowOverrideForS3ObjectKey to true to allow it.", a.ActionName))
				return wanted{}, &r
			}
			w.key = o.RevisionValue
		}
	}
	return w, nil
}

var errNotVersioned = errors.New("bucket is not versioned")

func (p *S3) copy(ctx context.Context, a provider.Attempt, want wanted, output provider.OutputArtifact) (provider.Object, error) {
	objects, err := p.objects(a)
	if err != nil {
		return provider.Object{}, err
	}
	versioned, err := objects.Versioned(ctx, want.bucket)
	if err != nil {
		return provider.Object{}, err
	}
	if !versioned {
		return provider.Object{}, errNotVersioned
	}
	object, content, err := objects.Get(ctx, want.bucket, want.key, want.version)
	if err != nil {
		return provider.Object{}, err
	}
	defer content.Close()
	if object.Size > maxS3Artifact {
		return provider.Object{}, errTooLarge
	}
	err = put(ctx, a.Artifacts, output.Location, maxS3Artifact, func(w io.Writer) error {
		n, err := io.Copy(w, provider.ContextReader(ctx, content))
		if err == nil && n != object.Size {
			err = fmt.Errorf("read object %s/%s: %w", want.bucket, want.key, io.ErrUnexpectedEOF)
		}
		return err
	})
	return object, err
}

// failS3 makes a verdict of what S3 said (observed.md 15). What is not S3's
// answer is returned as an error: the outcome is not known.
func failS3(a provider.Attempt, want wanted, err error) (provider.Report, error) {
	refusal, ok := errors.AsType[*provider.ObjectError](err)
	var code, text string
	switch {
	case errors.Is(err, errNotVersioned):
		code, text = provider.CodeConfigurationError, fmt.Sprintf(
			"Amazon S3 versioning is not enabled for the bucket %s. Enable versioning on the bucket, and then try again.", want.bucket)
	case errors.Is(err, errTooLarge):
		code, text = provider.CodeJobFailed, fmt.Sprintf("The Amazon S3 object %s/%s is larger than 7 GB.", want.bucket, want.key)
	case !ok || ours(err):
		if r := notKept(a, err); ours(err) && r != nil {
			return *r, nil
		}
		logf(a, "%v", err)
		return provider.Report{}, fmt.Errorf("fetch source of action %s: %w", a.ActionName, err)
	case refusal.Denied():
		code, text = provider.CodePermissionError, fmt.Sprintf(
			"The service role or action role does not have the permissions required to access the Amazon S3 bucket named %s. Update the permissions, and then try again. Error: %v", want.bucket, refusal)
	case want.version != "" && refusal.Code != provider.S3NoSuchBucket:
		code, text = provider.CodeRevisionUnavailable, fmt.Sprintf(
			"Version %s of the Amazon S3 object %s/%s is not available: %v", want.version, want.bucket, want.key, refusal)
	case refusal.Status == 404:
		code, text = provider.CodeConfigurationError, fmt.Sprintf(
			`Could not access the Amazon S3 object: "%s/%s". Make sure that the names of the bucket and object are both correct.`, want.bucket, want.key)
	default:
		code, text = provider.CodeConfigurationError, fmt.Sprintf("Could not read the Amazon S3 object %s/%s: %v", want.bucket, want.key, refusal)
	}
	logf(a, "%s", text)
	return provider.Failure(code, text), nil
}

// Await copies again: nothing of an earlier start is known to be whole.
func (p *S3) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return p.Start(ctx, a)
}

// Stop has nothing to do: the work ends with the context of Start.
func (p *S3) Stop(context.Context, provider.Attempt) error { return nil }
