package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Newest returns the id of the newest version of an object; empty if there is no
// object, or its bucket keeps no versions.
func (e *ExternalS3) Newest(ctx context.Context, bucket, key string) (string, error) {
	out, err := e.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		err = e.answer(ctx, fmt.Sprintf("head object %s/%s", bucket, key), err)
		if refusal, ok := errors.AsType[*ObjectError](err); ok && refusal.Status == http.StatusNotFound {
			return "", nil
		}
		return "", err
	}
	if id := aws.ToString(out.VersionId); id != "null" {
		return id, nil
	}
	return "", nil
}
