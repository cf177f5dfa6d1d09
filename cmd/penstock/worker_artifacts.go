package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	cp "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// objects opens the job's artifacts with the credentials of the job.
func (j *doneJob) objects(ctx context.Context) (*provider.ExternalS3, error) {
	keys := j.data.ArtifactCredentials
	if keys == nil {
		return nil, errors.New("the job has artifacts but no credentials for them")
	}
	at := j.client.codepipeline
	return provider.NewExternalS3(ctx, provider.ExternalS3Config{
		Endpoint: cmp.Or(os.Getenv("AWS_ENDPOINT_URL_S3"), at.Endpoint), Region: at.Region, PathStyle: true,
		AccessKeyID: deref(keys.AccessKeyId), SecretAccessKey: deref(keys.SecretAccessKey), SessionToken: deref(keys.SessionToken),
	})
}

// at is where an artifact is.
func at(a cp.Artifact) (bucket, key string, err error) {
	if a.Location == nil || a.Location.S3Location == nil {
		return "", "", fmt.Errorf("artifact %s has no location in S3", deref(a.Name))
	}
	return deref(a.Location.S3Location.BucketName), deref(a.Location.S3Location.ObjectKey), nil
}

// download brings the input artifacts.
func (j *doneJob) download(ctx context.Context) error {
	if len(j.data.InputArtifacts) == 0 {
		return nil
	}
	objects, err := j.objects(ctx)
	if err != nil {
		return err
	}
	for _, a := range j.data.InputArtifacts {
		if err := j.bring(ctx, objects, a); err != nil {
			return fmt.Errorf("bringing input artifact %s: %w", deref(a.Name), err)
		}
	}
	return nil
}

// zipFile is a file on disk that is unzipped.
type zipFile struct {
	*os.File
	size int64
}

func (f zipFile) Size() int64 { return f.size }

// bring downloads an artifact and unzips it; what is no zip stays a file.
func (j *doneJob) bring(ctx context.Context, objects *provider.ExternalS3, a cp.Artifact) error {
	bucket, key, err := at(a)
	if err != nil {
		return err
	}
	_, content, err := objects.Get(ctx, bucket, key, "")
	if err != nil {
		return err
	}
	defer content.Close()
	file, err := os.CreateTemp(j.dirs.root, "download-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	size, err := io.Copy(file, provider.ContextReader(ctx, content))
	if err != nil {
		return err
	}
	dir := j.dirs.input(deref(a.Name))
	err = provider.Unzip(ctx, zipFile{file, size}, dir, provider.Limits{})
	if errors.Is(err, provider.ErrNotZip) {
		return os.Rename(file.Name(), filepath.Join(dir, path.Base(key)))
	}
	return err
}

// upload zips and uploads the output artifacts, with credentials that are new: the
// command may have taken longer than the first ones are good for.
func (j *doneJob) upload(ctx context.Context) error {
	if len(j.data.OutputArtifacts) == 0 {
		return nil
	}
	var out cp.GetJobDetailsOutput
	if err := j.client.codepipeline.Call(ctx, "GetJobDetails", &cp.GetJobDetailsInput{JobId: &j.id}, &out); err != nil {
		return fmt.Errorf("asking for new credentials: %w", err)
	}
	if out.JobDetails != nil && out.JobDetails.Data != nil {
		j.data.ArtifactCredentials = out.JobDetails.Data.ArtifactCredentials
	}
	objects, err := j.objects(ctx)
	if err != nil {
		return err
	}
	for _, a := range j.data.OutputArtifacts {
		if err := j.keep(ctx, objects, a); err != nil {
			return fmt.Errorf("keeping output artifact %s: %w", deref(a.Name), err)
		}
	}
	return nil
}

// maxPlainPut is what S3 takes in one request.
const maxPlainPut = 5 << 30

func (j *doneJob) keep(ctx context.Context, objects *provider.ExternalS3, a cp.Artifact) error {
	bucket, key, err := at(a)
	if err != nil {
		return err
	}
	name := deref(a.Name)
	entries, err := provider.ZipEntries(ctx, j.dirs.output(name), provider.ZipOptions{Symlinks: true})
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return &failure{cp.FailureTypeJobFailed, fmt.Sprintf(
			"The command left no file for the output artifact %s: it belongs into the folder $PENSTOCK_OUTPUT_%s.", name, notInNames.ReplaceAllString(name, "_"))}
	}
	file, err := os.CreateTemp(j.dirs.root, "upload-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if err := provider.WriteZip(ctx, file, entries); err != nil {
		return err
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	options := provider.ObjectOptions{ContentType: "application/zip", Multipart: size > maxPlainPut}
	if k := j.data.EncryptionKey; k != nil {
		options.KMSKeyID = deref(k.Id)
	}
	_, err = objects.Put(ctx, bucket, key, file, options)
	return err
}
