package s3

import (
	"cmp"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// Authenticator proves who sent a request. The reader gives the request's
// content, without any framing, and answers an error in place of io.EOF when the
// content is not what was signed. Errors of both are api.Exception values with
// the codes of S3.
type Authenticator interface {
	Authenticate(r *http.Request) (api.Caller, io.Reader, error)
}

// AuthenticatorFunc is a function that is an Authenticator.
type AuthenticatorFunc func(r *http.Request) (api.Caller, io.Reader, error)

// Authenticate implements Authenticator.
func (f AuthenticatorFunc) Authenticate(r *http.Request) (api.Caller, io.Reader, error) { return f(r) }

// Authorizer returns nil when the caller may do an action, such as
// "s3:GetObject", to the resource of an ARN, else an api.Exception.
type Authorizer func(caller api.Caller, action, resource string) error

// Handler is the HTTP face of a Store: S3's REST protocol, path style. The path
// must reach it as it was sent: no cleaning multiplexer may stand before it.
//
// It has the operations that sources, artifacts and deployments, and the tools
// that people feed them with, ask for: buckets and their versioning, objects and
// their tags, lists, copies, multipart uploads. Every other operation is answered
// with 501 NotImplemented and its name.
//
// A bucket is open to callers of its owner's account, as far as the Authorizer
// lets them. The region of the signature is not compared with the bucket's.
type Handler struct {
	store     *Store
	auth      Authenticator
	authorize Authorizer
	logger    *slog.Logger

	operations map[string]func(*call) error

	// What Forward sets.
	outside   OutsideFunc
	forwards  map[string]forwarded
	transport http.RoundTripper
	via       string // names this handler to those that requests pass
}

// NewHandler returns the face of store.
func NewHandler(store *Store, auth Authenticator, authorize Authorizer, logger *slog.Logger) *Handler {
	return &Handler{store: store, auth: auth, authorize: authorize, logger: logger, operations: operations()}
}

// call is one request.
type call struct {
	h         *Handler
	w         http.ResponseWriter
	r         *http.Request
	id        string
	caller    api.Caller
	body      io.Reader
	bucket    string
	key       string
	query     url.Values
	operation string
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{h: h, w: w, r: r, id: rand.Text()[:16]}
	header := w.Header()
	header.Set("x-amz-request-id", c.id)
	// What users store must not run as a page of this server's origin.
	header.Set("Content-Security-Policy", "sandbox")
	header.Set("X-Content-Type-Options", "nosniff")
	if err := c.serve(); err != nil {
		c.fail(err)
	}
}

// serve authenticates before it tells anything else about a request.
func (c *call) serve() (err error) {
	if strings.HasPrefix(c.r.Header.Get("Authorization"), "AWS ") { // version 2, as of 2006
		return fail(http.StatusBadRequest, "InvalidRequest", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
	}
	if isForm(c.r) {
		return notImplemented("PostObject")
	}
	c.caller, c.body, err = c.h.auth.Authenticate(c.r)
	if err != nil {
		return err
	}
	c.caller.RequestID = c.id
	c.caller.Partition = cmp.Or(c.caller.Partition, "aws")
	if c.bucket, c.key, err = splitPath(c.r.URL); err != nil {
		return err
	}
	if c.query, err = url.ParseQuery(c.r.URL.RawQuery); err != nil {
		return fail(http.StatusBadRequest, "InvalidURI", "Couldn't parse the specified URI.").with("URI", c.r.RequestURI)
	}
	c.adoptQuery()
	c.operation = operationOf(c.r.Method, c.bucket, c.key, c.query, c.r.Header)
	if err := c.refuseMeant(); err != nil {
		return err
	}
	return c.run()
}

// operations are the operations that are here.
func operations() map[string]func(*call) error {
	return map[string]func(*call) error{
		"ListBuckets": (*call).listBuckets, "CreateBucket": (*call).createBucket, "HeadBucket": (*call).headBucket,
		"DeleteBucket": (*call).deleteBucket, "GetBucketLocation": (*call).getBucketLocation,
		"GetBucketVersioning": (*call).getBucketVersioning, "PutBucketVersioning": (*call).putBucketVersioning,
		"ListObjects": (*call).listObjects, "ListObjectsV2": (*call).listObjects, "ListObjectVersions": (*call).listVersions,
		"PutObject": (*call).putObject, "CopyObject": (*call).copyObject,
		"GetObject": (*call).getObject, "HeadObject": (*call).getObject,
		"DeleteObject": (*call).deleteObject, "DeleteObjects": (*call).deleteObjects,
		"GetObjectTagging": (*call).getObjectTagging, "PutObjectTagging": (*call).putObjectTagging,
		"DeleteObjectTagging":   (*call).putObjectTagging,
		"CreateMultipartUpload": (*call).createUpload, "UploadPart": (*call).uploadPart, "UploadPartCopy": (*call).uploadPartCopy,
		"CompleteMultipartUpload": (*call).completeUpload, "AbortMultipartUpload": (*call).abortUpload,
		"ListParts": (*call).listParts, "ListMultipartUploads": (*call).listUploads,
	}
}

func (c *call) run() error {
	if c.operation == "" {
		return fail(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.").
			with("Method", c.r.Method)
	}
	do, ok := c.h.operations[c.operation]
	if !ok {
		return notImplemented(c.operation)
	}
	to, err := c.h.keeper(c.r.Context(), c.bucket)
	if err != nil {
		return err
	}
	switch {
	case to == nil:
		return do(c)
	case to.Others && c.operation == "CreateBucket":
		if err := c.mayBeHere(to); err != nil {
			return err
		}
		return do(c)
	}
	return c.forward(to)
}

// allow asks whether the caller may do the actions to the bucket, or to the
// object when the request has a key.
func (c *call) allow(actions ...string) error {
	return c.allowFor(c.bucket, c.key, actions...)
}

// allowFor is allow for a bucket or an object that the path does not name.
func (c *call) allowFor(bucket, key string, actions ...string) error {
	resource := "arn:" + c.caller.Partition + ":s3:::" + bucket
	if key != "" {
		resource += "/" + key
	}
	if bucket == "" {
		resource = "*"
	}
	for _, action := range actions {
		if err := c.h.authorize(c.caller, action, resource); err != nil {
			return err
		}
	}
	return nil
}

// ownerHeader names the account that the bucket must be of.
const ownerHeader = "X-Amz-Expected-Bucket-Owner"

// open asks whether the caller may do the actions, and returns the bucket, which
// must be of the caller's account.
func (c *call) open(actions ...string) (Bucket, error) {
	if err := c.allow(actions...); err != nil {
		return Bucket{}, err
	}
	return c.own(c.bucket, ownerHeader)
}

// own returns a bucket that is of the caller's account, and of that which a
// header names.
func (c *call) own(bucket, header string) (Bucket, error) {
	b, err := c.h.store.HeadBucket(c.r.Context(), bucket)
	if err != nil {
		return Bucket{}, err
	}
	return b, c.admit(b, header)
}

// admit refuses a bucket that is not of the caller's account, or not of that which
// a header names.
func (c *call) admit(b Bucket, header string) error {
	expected := c.r.Header.Get(header)
	if b.Owner.Account != c.caller.Account || expected != "" && expected != b.Owner.Account {
		return accessDenied()
	}
	return nil
}

// isForm tells an upload by a form, which has its signature in a field.
func isForm(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.RawQuery == "" && r.Header.Get("Authorization") == "" &&
		strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data")
}

// adoptQuery takes the headers that a presigned URL carries as parameters, which
// its signature covers, unless they were sent as headers too.
func (c *call) adoptQuery() {
	if !c.query.Has("X-Amz-Signature") && !sigv4.HasV2(c.r) {
		return
	}
	header := c.r.Header.Clone()
	for name, values := range c.query {
		canonical := http.CanonicalHeaderKey(name)
		if !strings.HasPrefix(canonical, "X-Amz-") || len(header[canonical]) > 0 {
			continue
		}
		switch canonical {
		case "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature",
			"X-Amz-Signedheaders", "X-Amz-Security-Token", "X-Amz-Content-Sha256":
		default:
			header[canonical] = values
		}
	}
	c.r = c.r.WithContext(c.r.Context()) // a copy: the request is the server's
	c.r.Header = header
}
