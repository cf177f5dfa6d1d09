package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/blob"
	"github.com/penstock-cd/penstock/internal/db"
)

// failure is an error as S3 answers it.
type failure struct {
	status  int
	code    string
	message string
	// details are elements that some codes add, such as Key.
	details []detail
}

// detail is one such element.
type detail struct{ name, value string }

func (f *failure) Error() string        { return f.code + ": " + f.message }
func (f *failure) ErrorCode() string    { return f.code }
func (f *failure) ErrorMessage() string { return f.message }

func fail(status int, code, format string, args ...any) *failure {
	return &failure{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// with adds a detail.
func (f *failure) with(name, value string) *failure {
	f.details = append(f.details, detail{name, value})
	return f
}

func invalidArgument(name, value, format string, args ...any) *failure {
	return fail(http.StatusBadRequest, "InvalidArgument", format, args...).
		with("ArgumentName", name).with("ArgumentValue", value)
}

func accessDenied() *failure {
	return fail(http.StatusForbidden, "AccessDenied", "Access Denied")
}

// notImplemented refuses an operation, or a header that asks for more than an
// operation does here.
func notImplemented(what string) *failure {
	return fail(http.StatusNotImplemented, "NotImplemented",
		"A header or operation you provided implies functionality that is not implemented: %s", what)
}

// public turns an error into what the client reads. internal is true for those
// that only the log explains.
func (c *call) public(err error) (f *failure, internal bool) {
	if own, ok := errors.AsType[*failure](err); ok {
		return own, false
	}
	if f := c.known(err); f != nil {
		return f, false
	}
	if ex, ok := errors.AsType[api.Exception](err); ok {
		return fromException(ex), false
	}
	switch {
	case errors.Is(err, blob.ErrFull), errors.Is(err, db.ErrFull):
		return fail(http.StatusInsufficientStorage, "InsufficientStorage", "The server has no space left to store the object."), true
	case errors.Is(err, blob.ErrReadOnly), errors.Is(err, db.ErrReadOnly):
		return fail(http.StatusServiceUnavailable, "ServiceUnavailable", "The server cannot write to its storage."), true
	}
	return fail(http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again."), true
}

// known maps the errors of the store, and those of reading a request.
func (c *call) known(err error) *failure {
	bad, notFound, conflict := http.StatusBadRequest, http.StatusNotFound, http.StatusConflict
	switch {
	case errors.Is(err, ErrNoSuchBucket):
		return fail(notFound, "NoSuchBucket", "The specified bucket does not exist").with("BucketName", c.bucket)
	case errors.Is(err, ErrNoSuchKey):
		return fail(notFound, "NoSuchKey", "The specified key does not exist.").with("Key", c.key)
	case errors.Is(err, ErrNoSuchVersion):
		return c.noSuchVersion()
	case errors.Is(err, ErrDeleteMarker):
		return fail(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.").
			with("Method", c.r.Method).with("ResourceType", "DeleteMarker")
	case errors.Is(err, ErrBucketExists):
		return fail(conflict, "BucketAlreadyExists", "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.").with("BucketName", c.bucket)
	case errors.Is(err, ErrBucketOwned):
		return fail(conflict, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.").with("BucketName", c.bucket)
	case errors.Is(err, ErrInvalidBucketName):
		return fail(bad, "InvalidBucketName", "The specified bucket is not valid.").with("BucketName", c.bucket)
	case errors.Is(err, ErrInvalidKey):
		return fail(bad, "InvalidURI", "Couldn't parse the specified URI.").with("URI", c.r.URL.EscapedPath())
	case errors.Is(err, ErrKeyTooLong):
		return fail(bad, "KeyTooLongError", "Your key is too long").with("Size", fmt.Sprint(len(c.key))).with("MaxSizeAllowed", fmt.Sprint(maxObjectKey))
	case errors.Is(err, ErrInvalidHeader):
		return fail(bad, "InvalidArgument", "A header value holds control characters or is not UTF-8.")
	case errors.Is(err, ErrMetadataTooLarge):
		return fail(bad, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size").with("MaxSizeAllowed", fmt.Sprint(maxMetadata))
	case errors.Is(err, ErrBucketNotEmpty):
		return fail(conflict, "BucketNotEmpty", "The bucket you tried to delete is not empty").with("BucketName", c.bucket)
	case errors.Is(err, ErrPreconditionFailed):
		return fail(http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
	case errors.Is(err, ErrBadDigest):
		return fail(bad, "BadDigest", "The checksum you specified did not match what we received.")
	case errors.Is(err, ErrSize), errors.Is(err, io.ErrUnexpectedEOF):
		return fail(bad, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header")
	case errors.Is(err, ErrTooLarge), isTooLarge(err):
		return fail(bad, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size.").with("MaxSizeAllowed", fmt.Sprint(int64(MaxObject)))
	case errors.Is(err, ErrBusy), errors.Is(err, db.ErrConflict):
		return fail(conflict, "OperationAborted", "A conflicting conditional operation is currently in progress against this resource. Please try again.")
	case errors.Is(err, ErrInvalidToken):
		return invalidArgument("continuation-token", c.query.Get("continuation-token"), "The continuation token provided is incorrect")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fail(bad, "RequestTimeout", "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.")
	}
	return c.knownOfUploads(err)
}

// knownOfUploads maps the errors of uploads and tags.
func (c *call) knownOfUploads(err error) *failure {
	bad := http.StatusBadRequest
	switch {
	case errors.Is(err, ErrInvalidTag):
		return fail(bad, "InvalidTag", "The tags are not valid: %s.", reason(err, ErrInvalidTag))
	case errors.Is(err, ErrNoSuchUpload):
		return fail(http.StatusNotFound, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.").
			with("UploadId", c.query.Get("uploadId"))
	case errors.Is(err, ErrInvalidPartOrder):
		return fail(bad, "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.").
			with("UploadId", c.query.Get("uploadId"))
	case errors.Is(err, ErrInvalidPart):
		return fail(bad, "InvalidPart", "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.").
			with("UploadId", c.query.Get("uploadId"))
	case errors.Is(err, ErrPartTooSmall):
		return fail(bad, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size").with("MinSizeAllowed", fmt.Sprint(MinPart))
	case errors.Is(err, ErrChecksumKind), errors.Is(err, ErrUnsupportedChecksum):
		return fail(bad, "InvalidRequest", "Checksum type mismatch occurred: the algorithm or its type does not go with this upload.")
	}
	return nil
}

// reason is what an error says behind one that it wraps.
func reason(err, wrapped error) string {
	_, text, _ := strings.Cut(err.Error(), wrapped.Error()+": ")
	return text
}

func (c *call) noSuchVersion() *failure {
	id := c.query.Get("versionId")
	if !validVersionID(id) {
		return invalidArgument("versionId", id, "Invalid version id specified")
	}
	return fail(http.StatusNotFound, "NoSuchVersion", "The specified version does not exist.").
		with("Key", c.key).with("VersionId", id)
}

func isTooLarge(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}

// fromException gives an exception of the authenticator or authorizer its
// status. Its name for a denial is that of the JSON services.
func fromException(ex api.Exception) *failure {
	f := &failure{status: http.StatusBadRequest, code: ex.ErrorCode(), message: ex.ErrorMessage()}
	switch f.code {
	case "AccessDeniedException":
		f.code, f.status = "AccessDenied", http.StatusForbidden
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed":
		f.status = http.StatusForbidden
	case "NotImplemented":
		f.status = http.StatusNotImplemented
	case "MissingContentLength":
		f.status = http.StatusLengthRequired
	}
	if e, ok := errors.AsType[*api.Error](ex); ok && e.Status != 0 {
		f.status = e.Status
	}
	return f
}

// log tells the operator what the client is not told.
func (c *call) log(err error) {
	c.h.logger.Error("s3 request failed", "request_id", c.id, "operation", c.operation,
		"bucket", c.bucket, "key", c.key, "error", err)
}

// fail answers with an error. HEAD has no room for a body.
func (c *call) fail(err error) {
	f, internal := c.public(err)
	if internal {
		c.log(err)
	}
	if c.r.Method == http.MethodHead || f.status == http.StatusNotModified {
		c.w.WriteHeader(f.status)
		return
	}
	answer := errorAnswer{Code: f.code, Message: f.message, Resource: c.r.URL.Path, RequestID: c.id}
	for _, d := range f.details {
		answer.Details = append(answer.Details, xmlDetail{XMLName: xml.Name{Local: d.name}, Value: d.value})
	}
	c.xml(f.status, answer)
}
