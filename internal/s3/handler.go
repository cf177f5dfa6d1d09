package s3

import (
	"cmp"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/penstock-cd/penstock/internal/api"
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
// It has CreateBucket, HeadBucket, GetBucketLocation, ListBuckets,
// GetBucketVersioning, PutBucketVersioning, PutObject, GetObject, HeadObject,
// DeleteObject and ListObjectsV2. Every other operation, multipart uploads
// among them, is answered with 501 NotImplemented and its name; "aws s3 cp" uses
// them for files from 8 MB on unless its multipart_threshold is raised.
//
// A bucket is open to callers of its owner's account, as far as the Authorizer
// lets them. The region of the signature is not compared with the bucket's.
type Handler struct {
	store     *Store
	auth      Authenticator
	authorize Authorizer
	logger    *slog.Logger
}

// NewHandler returns the face of store.
func NewHandler(store *Store, auth Authenticator, authorize Authorizer, logger *slog.Logger) *Handler {
	return &Handler{store: store, auth: auth, authorize: authorize, logger: logger}
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
	c.operation = operationOf(c.r.Method, c.bucket, c.key, c.query, c.r.Header)
	return c.run()
}

func (c *call) run() error {
	switch c.operation {
	case "ListBuckets":
		return c.listBuckets()
	case "CreateBucket":
		return c.createBucket()
	case "HeadBucket":
		return c.headBucket()
	case "GetBucketLocation":
		return c.getBucketLocation()
	case "GetBucketVersioning":
		return c.getBucketVersioning()
	case "PutBucketVersioning":
		return c.putBucketVersioning()
	case "ListObjectsV2":
		return c.listObjects()
	case "PutObject":
		return c.putObject()
	case "GetObject", "HeadObject":
		return c.getObject()
	case "DeleteObject":
		return c.deleteObject()
	case "":
		return fail(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.").
			with("Method", c.r.Method)
	}
	return notImplemented(c.operation)
}

// allow asks whether the caller may do the actions to the bucket, or to the
// object when the request has a key.
func (c *call) allow(actions ...string) error {
	resource := "arn:" + c.caller.Partition + ":s3:::" + c.bucket
	if c.key != "" {
		resource += "/" + c.key
	}
	if c.bucket == "" {
		resource = "*"
	}
	for _, action := range actions {
		if err := c.h.authorize(c.caller, action, resource); err != nil {
			return err
		}
	}
	return nil
}

// open asks whether the caller may do the actions, and returns the bucket, which
// must be of the caller's account.
func (c *call) open(actions ...string) (Bucket, error) {
	if err := c.allow(actions...); err != nil {
		return Bucket{}, err
	}
	b, err := c.h.store.HeadBucket(c.r.Context(), c.bucket)
	if err != nil {
		return Bucket{}, err
	}
	expected := c.r.Header.Get("X-Amz-Expected-Bucket-Owner")
	if b.Owner.Account != c.caller.Account || expected != "" && expected != b.Owner.Account {
		return Bucket{}, accessDenied()
	}
	return b, nil
}
