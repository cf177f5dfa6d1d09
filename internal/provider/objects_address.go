package provider

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Address returns the URL of a bucket, for requests that the SDK does not make.
func (e *ExternalS3) Address(ctx context.Context, bucket string) (*url.URL, error) {
	o := e.client.Options()
	at, err := o.EndpointResolverV2.ResolveEndpoint(ctx, s3.EndpointParameters{
		Bucket: &bucket, Region: &o.Region, Endpoint: o.BaseEndpoint, ForcePathStyle: &o.UsePathStyle,
	})
	if err != nil {
		return nil, fmt.Errorf("finding the address of bucket %s: %w", bucket, err)
	}
	return &at.URI, nil
}

// Region is the region that requests are signed for.
func (e *ExternalS3) Region() string { return e.client.Options().Region }

// Credentials returns what requests are signed with now.
func (e *ExternalS3) Credentials(ctx context.Context) (aws.Credentials, error) {
	if e.identity == nil {
		return aws.Credentials{}, errors.New("there are no credentials for Amazon S3")
	}
	c, err := e.identity.Retrieve(ctx)
	if err != nil {
		return c, fmt.Errorf("taking the credentials for Amazon S3: %w", err)
	}
	return c, nil
}
