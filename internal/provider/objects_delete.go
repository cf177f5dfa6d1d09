package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Delete removes an object for good, with every version of it. Where versions may
// not be listed, or are not known, the object is deleted as S3 does it then. An
// object or a bucket that is not there is no error.
func (e *ExternalS3) Delete(ctx context.Context, bucket, key string) error {
	versions, err := e.versions(ctx, bucket, key)
	said, refused := errors.AsType[*ObjectError](err)
	switch {
	case refused && said.Code == S3NoSuchBucket:
		return nil
	case refused && said.Code == S3NoCredentials:
		return err
	case refused:
		versions = []string{""}
	case err != nil:
		return err
	}
	for _, version := range versions {
		in := &s3.DeleteObjectInput{Bucket: &bucket, Key: &key, VersionId: optional(version)}
		if _, err := e.client.DeleteObject(ctx, in); err != nil {
			err = e.answer(ctx, fmt.Sprintf("delete object %s/%s", bucket, key), err)
			if said, ok := errors.AsType[*ObjectError](err); ok && (said.Code == S3NoSuchKey || said.Code == S3NoSuchVersion) {
				continue
			}
			return err
		}
	}
	return nil
}

// versions lists the versions and delete markers of one object.
func (e *ExternalS3) versions(ctx context.Context, bucket, key string) (ids []string, err error) {
	pages := s3.NewListObjectVersionsPaginator(e.client, &s3.ListObjectVersionsInput{Bucket: &bucket, Prefix: &key})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, e.answer(ctx, fmt.Sprintf("list versions of object %s/%s", bucket, key), err)
		}
		more := false
		take := func(of, id *string) {
			if more = more || aws.ToString(of) != key; aws.ToString(of) == key {
				ids = append(ids, aws.ToString(id))
			}
		}
		for _, v := range page.Versions {
			take(v.Key, v.VersionId)
		}
		for _, m := range page.DeleteMarkers {
			take(m.Key, m.VersionId)
		}
		if more {
			break // keys are in order: others that begin alike come later
		}
	}
	return ids, nil
}
