package source

import (
	"context"
	"errors"
	"io"

	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/s3"
)

// Embedded gives the S3 actions of an attempt, sources and deploys alike, the
// buckets of this server that its account owns. What S3 would answer it answers
// in S3's words.
func Embedded(store *s3.Store) provider.ObjectsFor {
	return func(a provider.Attempt) (provider.Objects, error) {
		return embedded{store: store, account: a.Account}, nil
	}
}

type embedded struct {
	store   *s3.Store
	account string
}

// enter lets the owner's account in, as the S3 face does.
func (e embedded) enter(ctx context.Context, bucket string) error {
	b, err := e.store.HeadBucket(ctx, bucket)
	if err != nil {
		return answer(err)
	}
	if b.Owner.Account != e.account {
		return &provider.ObjectError{Code: provider.S3AccessDenied, Message: "Access Denied", Status: 403}
	}
	return nil
}

// Versioned implements provider.Objects.
func (e embedded) Versioned(ctx context.Context, bucket string) (bool, error) {
	if err := e.enter(ctx, bucket); err != nil {
		return false, err
	}
	v, err := e.store.GetBucketVersioning(ctx, bucket)
	return v == s3.VersioningEnabled, answer(err)
}

// Get implements provider.Objects.
func (e embedded) Get(ctx context.Context, bucket, key, versionID string) (provider.Object, io.ReadCloser, error) {
	if err := e.enter(ctx, bucket); err != nil {
		return provider.Object{}, nil, err
	}
	o, content, err := e.store.GetObject(ctx, bucket, key, versionID)
	if err != nil {
		return provider.Object{}, nil, answer(err)
	}
	return described(o), content, nil
}

// Put implements provider.Objects.
func (e embedded) Put(ctx context.Context, bucket, key string, content io.ReadSeeker, o provider.ObjectOptions) (provider.Object, error) {
	if err := e.enter(ctx, bucket); err != nil {
		return provider.Object{}, err
	}
	options := s3.PutOptions{Headers: s3.Headers{ContentType: o.ContentType, CacheControl: o.CacheControl, ACL: o.ACL}}
	if o.KMSKeyID != "" {
		options.SSE = s3.SSE{Algorithm: "aws:kms", KMSKeyID: o.KMSKeyID}
	}
	put := e.store.PutObject
	if o.Multipart {
		put = e.upload
	}
	written, err := put(ctx, bucket, key, content, options)
	if err != nil {
		return provider.Object{}, answer(err)
	}
	return described(written), nil
}

// upload is a put in the form of a multipart upload of one part.
func (e embedded) upload(ctx context.Context, bucket, key string, content io.Reader, o s3.PutOptions) (s3.Object, error) {
	begun, err := e.store.CreateUpload(ctx, bucket, key, o.Headers, "", "")
	if err != nil {
		return s3.Object{}, err
	}
	part, _, err := e.store.UploadPart(ctx, bucket, key, begun.ID, 1, content, s3.PutOptions{})
	if err == nil {
		var made s3.Object
		made, err = e.store.CompleteUpload(ctx, bucket, key, begun.ID, []s3.Completed{{Number: 1, ETag: part.ETag}}, s3.PutOptions{})
		if err == nil {
			return made, nil
		}
	}
	// An upload that cannot be taken back stays, as it does on S3. One whose outcome
	// is unknown may be complete: then there is nothing to take back.
	_ = e.store.AbortUpload(context.WithoutCancel(ctx), bucket, key, begun.ID)
	return s3.Object{}, err
}

func described(o s3.Object) provider.Object {
	return provider.Object{VersionID: o.VersionID, ETag: o.ETag, Size: o.Size, Modified: o.Modified, Metadata: o.Headers.Metadata}
}

// answer words the store's refusals as S3 does; other errors stay as they are.
func answer(err error) error {
	for _, known := range []struct {
		cause         error
		status        int
		code, message string
	}{
		{s3.ErrNoSuchBucket, 404, provider.S3NoSuchBucket, "The specified bucket does not exist"},
		{s3.ErrNoSuchKey, 404, provider.S3NoSuchKey, "The specified key does not exist."},
		{s3.ErrNoSuchVersion, 404, provider.S3NoSuchVersion, "The specified version does not exist."},
		{s3.ErrDeleteMarker, 405, provider.S3MethodNotAllowed, "The specified method is not allowed against this resource."},
		{s3.ErrInvalidBucketName, 400, "InvalidBucketName", "The specified bucket is not valid."},
		{s3.ErrInvalidKey, 400, "InvalidURI", "Couldn't parse the specified URI."},
		{s3.ErrKeyTooLong, 400, "KeyTooLongError", "Your key is too long"},
		{s3.ErrInvalidHeader, 400, provider.S3InvalidArgument, "A header value holds control characters or is not UTF-8."},
		{s3.ErrTooLarge, 400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size."},
	} {
		if errors.Is(err, known.cause) {
			return &provider.ObjectError{Code: known.code, Message: known.message, Status: known.status}
		}
	}
	return err
}
