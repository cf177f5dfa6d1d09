package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// Objects is where S3 actions read and write: the buckets of this server, or an
// S3 elsewhere. An answer of S3 that says no is an *ObjectError; any other error
// means that the outcome is not known.
type Objects interface {
	// Versioned reports whether the bucket keeps every version of its objects.
	Versioned(ctx context.Context, bucket string) (bool, error)
	// Get opens an object, or one version of it when versionID is not empty.
	// The caller closes the reader.
	Get(ctx context.Context, bucket, key, versionID string) (Object, io.ReadCloser, error)
	// Put writes an object, replacing what is there; a bucket with versions gets
	// one more with each call.
	Put(ctx context.Context, bucket, key string, content io.ReadSeeker, options ObjectOptions) (Object, error)
}

// ObjectsFor chooses where the S3 actions of an attempt read and write, and as
// whom: by the account, region and role that the attempt has. An *ObjectError
// means that there is nowhere to go.
type ObjectsFor func(a Attempt) (Objects, error)

// Object describes one version of an object.
type Object struct {
	// VersionID is empty or "null" in a bucket without versions.
	VersionID string
	// ETag has no quotes.
	ETag string
	// Size is in bytes.
	Size     int64
	Modified time.Time
	// Metadata is the user's, keyed in lower case without "x-amz-meta-".
	Metadata map[string]string
}

// ObjectOptions go with the content of an object. Empty fields are not sent.
type ObjectOptions struct {
	ContentType  string
	CacheControl string
	// ACL is a canned ACL.
	ACL string
	// KMSKeyID makes S3 encrypt with this key (aws:kms).
	KMSKeyID string
	// Multipart asks for a multipart upload, which shows in the ETag.
	Multipart bool
}

// The codes of S3 that actions tell apart. CodeNoCredentials is ours: there is
// nothing to sign a request with.
const (
	S3NoSuchBucket     = "NoSuchBucket"
	S3NoSuchKey        = "NoSuchKey"
	S3NoSuchVersion    = "NoSuchVersion"
	S3AccessDenied     = "AccessDenied"
	S3InvalidArgument  = "InvalidArgument"
	S3MethodNotAllowed = "MethodNotAllowed"
	S3NoCredentials    = "NoCredentials"
)

// ObjectError is S3 saying no.
type ObjectError struct {
	Code, Message     string
	Status            int
	RequestID, HostID string
}

// Error is the text that CodePipeline shows after its own: S3's message and, in
// brackets, where it comes from.
func (e *ObjectError) Error() string {
	return fmt.Sprintf("%s (Service: Amazon S3; Status Code: %d; Error Code: %s; Request ID: %s; S3 Extended Request ID: %s; Proxy: null)",
		e.Message, e.Status, e.Code, cmp.Or(e.RequestID, "null"), cmp.Or(e.HostID, "null"))
}

// Denied reports whether other credentials or a policy are needed.
func (e *ObjectError) Denied() bool {
	return e.Status == 401 || e.Status == 403 || e.Code == S3NoCredentials
}

// ExternalS3Config says where an S3 is and who asks.
type ExternalS3Config struct {
	// Endpoint is a URL; empty means AWS, in Region.
	Endpoint string
	Region   string
	// PathStyle puts the bucket into the path, as most other S3s want it.
	PathStyle bool
	// AccessKeyID and the two after it sign requests; empty means the SDK's
	// usual places (environment, shared files, the machine's role).
	AccessKeyID, SecretAccessKey, SessionToken string
	// Logger receives what the SDK has to say; nil discards it.
	Logger *slog.Logger
}

// ExternalS3 is an S3 reached over the network by the official SDK.
type ExternalS3 struct {
	client   *s3.Client
	identity aws.CredentialsProvider
	partSize int64
}

var _ Objects = (*ExternalS3)(nil)

// maxPart is what S3 takes in one part and in one plain put.
const maxPart = 5 << 30

// answerTime is how long an S3 may take to begin its answer to a request that it
// has whole. Without a bound an S3 that hangs would hold an action to its end.
const answerTime = 2 * time.Minute

// NewExternalS3 prepares the client; it does not connect.
func NewExternalS3(ctx context.Context, c ExternalS3Config) (*ExternalS3, error) {
	load := []func(*config.LoadOptions) error{config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.ResponseHeaderTimeout = answerTime
	}))}
	if c.Region != "" {
		load = append(load, config.WithRegion(c.Region))
	}
	if c.AccessKeyID != "" {
		load = append(load, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)))
	}
	if c.Endpoint != "" {
		// Checksums beyond the signature are not known to every S3.
		load = append(load, config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
			config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired))
	}
	loaded, err := LoadSDK(ctx, c.Logger, load...)
	if err != nil {
		return nil, fmt.Errorf("configure external S3: %w", err)
	}
	client := s3.NewFromConfig(loaded, func(o *s3.Options) {
		o.UsePathStyle = c.PathStyle
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
		if o.Region == "" {
			o.Region = "us-east-1"
		}
	})
	return &ExternalS3{client: client, identity: loaded.Credentials, partSize: maxPart}, nil
}

// Versioned implements Objects.
func (e *ExternalS3) Versioned(ctx context.Context, bucket string) (bool, error) {
	out, err := e.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &bucket})
	if err != nil {
		return false, e.answer(ctx, "get versioning of bucket "+bucket, err)
	}
	return out.Status == types.BucketVersioningStatusEnabled, nil
}

// Get implements Objects.
func (e *ExternalS3) Get(ctx context.Context, bucket, key, versionID string) (Object, io.ReadCloser, error) {
	in := &s3.GetObjectInput{Bucket: &bucket, Key: &key, VersionId: optional(versionID)}
	out, err := e.client.GetObject(ctx, in)
	if err != nil {
		return Object{}, nil, e.answer(ctx, fmt.Sprintf("get object %s/%s", bucket, key), err)
	}
	return Object{
		VersionID: aws.ToString(out.VersionId), ETag: unquote(aws.ToString(out.ETag)), Size: aws.ToInt64(out.ContentLength),
		Modified: aws.ToTime(out.LastModified), Metadata: out.Metadata,
	}, out.Body, nil
}

// Put implements Objects.
func (e *ExternalS3) Put(ctx context.Context, bucket, key string, content io.ReadSeeker, o ObjectOptions) (Object, error) {
	if o.Multipart {
		return e.putParts(ctx, bucket, key, content, o)
	}
	in := &s3.PutObjectInput{
		Bucket: &bucket, Key: &key, Body: content,
		ContentType: optional(o.ContentType), CacheControl: optional(o.CacheControl), ACL: types.ObjectCannedACL(o.ACL),
	}
	if o.KMSKeyID != "" {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &o.KMSKeyID
	}
	out, err := e.client.PutObject(ctx, in)
	if err != nil {
		return Object{}, e.answer(ctx, fmt.Sprintf("put object %s/%s", bucket, key), err)
	}
	return Object{VersionID: aws.ToString(out.VersionId), ETag: unquote(aws.ToString(out.ETag))}, nil
}

// putParts writes an object as a multipart upload, of one part if it fits.
func (e *ExternalS3) putParts(ctx context.Context, bucket, key string, content io.ReadSeeker, o ObjectOptions) (Object, error) {
	doing := fmt.Sprintf("put object %s/%s in parts", bucket, key)
	in := &s3.CreateMultipartUploadInput{
		Bucket: &bucket, Key: &key,
		ContentType: optional(o.ContentType), CacheControl: optional(o.CacheControl), ACL: types.ObjectCannedACL(o.ACL),
	}
	if o.KMSKeyID != "" {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &o.KMSKeyID
	}
	begun, err := e.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return Object{}, e.answer(ctx, doing, err)
	}
	parts, err := e.uploadParts(ctx, bucket, key, begun.UploadId, content)
	if err == nil {
		out, completed := e.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &bucket, Key: &key, UploadId: begun.UploadId,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		})
		if completed == nil {
			return Object{VersionID: aws.ToString(out.VersionId), ETag: unquote(aws.ToString(out.ETag))}, nil
		}
		err = completed
	}
	// Parts of an upload that nobody completes cost money until someone looks.
	_, _ = e.client.AbortMultipartUpload(context.WithoutCancel(ctx), &s3.AbortMultipartUploadInput{Bucket: &bucket, Key: &key, UploadId: begun.UploadId})
	return Object{}, e.answer(ctx, doing, err)
}

func (e *ExternalS3) uploadParts(ctx context.Context, bucket, key string, upload *string, content io.ReadSeeker) ([]types.CompletedPart, error) {
	size, err := content.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	var parts []types.CompletedPart
	for from := int64(0); from == 0 || from < size; from += e.partSize {
		number := int32(len(parts) + 1)
		out, err := e.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &bucket, Key: &key, UploadId: upload, PartNumber: &number,
			Body: &window{content: content, start: from, size: min(e.partSize, size-from)},
		})
		if err != nil {
			return nil, err
		}
		parts = append(parts, types.CompletedPart{ETag: out.ETag, PartNumber: &number})
	}
	return parts, nil
}

// window is a part of a seekable content. It alone uses the content.
type window struct {
	content         io.ReadSeeker
	start, size, at int64
}

func (w *window) Read(p []byte) (int, error) {
	if w.at >= w.size {
		return 0, io.EOF
	}
	if _, err := w.content.Seek(w.start+w.at, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := w.content.Read(p[:min(int64(len(p)), w.size-w.at)])
	w.at += int64(n)
	return n, err
}

func (w *window) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += w.at
	case io.SeekEnd:
		offset += w.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start of a part")
	}
	w.at = offset
	return offset, nil
}

// answer makes an *ObjectError of what S3 says, but for troubles of the service
// that may be over the next time.
func (e *ExternalS3) answer(ctx context.Context, doing string, err error) error {
	said, ok := errors.AsType[smithy.APIError](err)
	response, answered := errors.AsType[*awshttp.ResponseError](err)
	if !ok || !answered {
		if ctx.Err() == nil && e.identity != nil {
			if _, err := e.identity.Retrieve(ctx); err != nil {
				return &ObjectError{Code: S3NoCredentials, Message: "There are no credentials for Amazon S3: " + err.Error() + "."}
			}
		}
		return fmt.Errorf("%s: %w", doing, err)
	}
	status := response.HTTPStatusCode()
	if status >= 500 || status == 429 {
		return fmt.Errorf("%s: %w", doing, err)
	}
	refusal := &ObjectError{Code: said.ErrorCode(), Message: said.ErrorMessage(), Status: status, RequestID: response.ServiceRequestID()}
	if host, ok := errors.AsType[s3.ResponseError](err); ok {
		refusal.HostID = host.ServiceHostID()
	}
	return refusal
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func unquote(etag string) string {
	if n := len(etag); n >= 2 && etag[0] == '"' && etag[n-1] == '"' {
		return etag[1 : n-1]
	}
	return etag
}
