package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// Outside is a bucket that another S3 keeps. The handler forwards what callers of
// this server want of it, signed anew: nobody but the handler knows its key.
type Outside struct {
	// Account owns the bucket as far as callers of this server are concerned.
	Account string
	// Bucket is the bucket's name there, and URL the address of the bucket.
	Bucket string
	URL    *url.URL
	Region string
	// Store names the S3 and who asks it: between buckets of one store objects can
	// be copied.
	Store string
	// Others says that the bucket is none that was named, but any that the store
	// here does not have. It can be made here then.
	Others bool
	// Credentials sign the requests.
	Credentials func(context.Context) (sigv4.Credentials, error)
}

// OutsideFunc finds who keeps a bucket; nil is the store here.
type OutsideFunc func(ctx context.Context, bucket string) (*Outside, error)

// Forward has the handler pass on what is asked of buckets that are kept
// elsewhere. It must be called before the handler is used.
func (h *Handler) Forward(outside OutsideFunc) {
	h.outside = outside
	h.forwards = forwards()
	h.via = "1.1 penstock-" + strings.ToLower(rand.Text()[:12])
	h.transport = &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       30 * time.Second, // before servers end it
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
		ExpectContinueTimeout: time.Second,
		// Content is passed on as it is.
		DisableCompression: true,
		WriteBufferSize:    64 << 10,
		ReadBufferSize:     64 << 10,
	}
}

// keeper finds who keeps a bucket; nil is the store here.
func (h *Handler) keeper(ctx context.Context, bucket string) (*Outside, error) {
	if h.outside == nil || CheckBucketName(bucket) != nil {
		return nil, nil
	}
	return h.outside(ctx, bucket)
}

// forwarded is how an operation is passed on. Only what is named here goes along:
// a parameter or a header that this server does not know could make another
// operation of the request than the one that the caller may do.
type forwarded struct {
	// actions are what the caller must be allowed to do.
	actions func(*call) []string
	// query lists the parameters, headers the headers; one that ends in "-" stands
	// for all that begin with it.
	query, headers []string
	// content says that the request has any.
	content bool
	// do takes the place of passing the request on as it is.
	do func(*call, *Outside, forwarded) error
}

func fixed(actions ...string) func(*call) []string {
	return func(*call) []string { return actions }
}

// versioned is what an operation on an object, or on one of its versions, asks
// for.
func versioned(action string) func(*call) []string {
	return func(c *call) []string {
		if c.query.Get("versionId") != "" {
			return []string{action + "Version"}
		}
		return []string{action}
	}
}

// forwards are the operations that are passed on: those of the store here, but
// for the making and removing of buckets, which belong to those who run the
// other S3.
func forwards() map[string]forwarded {
	checks := []string{"Content-Md5", "X-Amz-Checksum-", "X-Amz-Sdk-Checksum-Algorithm"}
	document := append([]string{"Content-Type"}, checks...)
	conditions := []string{"If-Match", "If-None-Match"}
	stored := slices.Concat([]string{
		"Content-Type", "Cache-Control", "Content-Disposition", "Content-Language", "Content-Encoding", "Expires",
		"X-Amz-Meta-", "X-Amz-Acl", "X-Amz-Tagging", "X-Amz-Storage-Class", "X-Amz-Server-Side-Encryption",
		"X-Amz-Server-Side-Encryption-",
	}, conditions, checks)
	read := append([]string{"Range", "If-Range", "If-Modified-Since", "If-Unmodified-Since", "X-Amz-Checksum-Mode"}, conditions...)
	copying := []string{"X-Amz-Copy-Source-", "X-Amz-Metadata-Directive", "X-Amz-Tagging-Directive"}
	object := []string{"versionId", "partNumber", "response-"}
	list := []string{"prefix", "delimiter", "encoding-type", "max-keys"}
	tags := func(c *call) []string { return []string{c.tagAction()} }
	return map[string]forwarded{
		"HeadBucket":          {actions: fixed("s3:ListBucket")},
		"GetBucketLocation":   {actions: fixed("s3:GetBucketLocation"), query: []string{"location"}},
		"GetBucketVersioning": {actions: fixed("s3:GetBucketVersioning"), query: []string{"versioning"}},
		"PutBucketVersioning": {actions: fixed("s3:PutBucketVersioning"), query: []string{"versioning"}, headers: document, content: true},
		"ListObjects":         {actions: fixed("s3:ListBucket"), query: append([]string{"marker"}, list...)},
		"ListObjectsV2": {actions: fixed("s3:ListBucket"),
			query: append([]string{"list-type", "start-after", "continuation-token", "fetch-owner"}, list...)},
		"ListObjectVersions": {actions: fixed("s3:ListBucketVersions"),
			query: append([]string{"versions", "key-marker", "version-id-marker"}, list...)},
		"ListMultipartUploads": {actions: fixed("s3:ListBucketMultipartUploads"),
			query: append([]string{"uploads", "key-marker", "upload-id-marker", "max-uploads"}, list...)},
		"GetObject":             {actions: versioned("s3:GetObject"), query: object, headers: read},
		"HeadObject":            {actions: versioned("s3:GetObject"), query: object, headers: read},
		"PutObject":             {actions: (*call).writeActions, headers: stored, content: true},
		"CopyObject":            {actions: (*call).writeActions, headers: slices.Concat(stored, copying), do: (*call).forwardCopy},
		"DeleteObject":          {actions: versioned("s3:DeleteObject"), query: []string{"versionId"}, do: (*call).forwardDelete},
		"DeleteObjects":         {actions: fixed(), do: (*call).forwardDeletes},
		"GetObjectTagging":      {actions: tags, query: []string{"tagging", "versionId"}},
		"PutObjectTagging":      {actions: tags, query: []string{"tagging", "versionId"}, headers: document, content: true},
		"DeleteObjectTagging":   {actions: tags, query: []string{"tagging", "versionId"}},
		"CreateMultipartUpload": {actions: (*call).writeActions, query: []string{"uploads"}, headers: stored},
		"UploadPart":            {actions: fixed("s3:PutObject"), query: []string{"uploadId", "partNumber"}, headers: checks, content: true},
		"UploadPartCopy":        {actions: fixed("s3:PutObject"), query: []string{"uploadId", "partNumber"}, headers: copying, do: (*call).forwardCopy},
		"CompleteMultipartUpload": {actions: fixed("s3:PutObject"), query: []string{"uploadId"},
			headers: slices.Concat(document, conditions, []string{"X-Amz-Mp-Object-Size"}), content: true},
		"AbortMultipartUpload": {actions: fixed("s3:AbortMultipartUpload"), query: []string{"uploadId"}},
		"ListParts": {actions: fixed("s3:ListMultipartUploadParts"),
			query: []string{"uploadId", "max-parts", "part-number-marker", "encoding-type"}},
	}
}

// forward passes a request on to who keeps the bucket.
func (c *call) forward(to *Outside) error {
	f, ok := c.h.forwards[c.operation]
	if !ok {
		if err := c.allow("s3:" + c.operation); err != nil {
			return err
		}
		return notImplemented(c.operation + " of a bucket that is kept by another S3")
	}
	if err := c.allow(f.actions(c)...); err != nil {
		return err
	}
	if err := c.ownOutside(to, "X-Amz-Expected-Bucket-Owner"); err != nil {
		return err
	}
	if c.key != "" {
		if err := CheckKey(c.key); err != nil {
			return err
		}
		if err := plainPath(to, c.key); err != nil {
			return err
		}
	}
	err := c.refuseHeaders("X-Amz-Object-Lock-", "X-Amz-Website-Redirect-Location", "X-Amz-Grant-",
		"X-Amz-Server-Side-Encryption-Customer-", "X-Amz-Copy-Source-Server-Side-Encryption-Customer-",
		"X-Amz-Write-Offset-Bytes", "X-Amz-Mfa", "X-Amz-Bypass-Governance-Retention")
	if err != nil {
		return err
	}
	if slices.Contains(c.r.Header["Via"], c.h.via) {
		c.h.logger.Error("the S3 of an artifact store is this server itself", "request_id", c.id, "bucket", c.bucket, "endpoint", to.URL.Host)
		return fail(http.StatusLoopDetected, "InternalError", "The S3 that is configured for bucket %s is this server itself.", c.bucket)
	}
	if f.do != nil {
		return f.do(c, to, f)
	}
	return c.pass(to, f)
}

// ownOutside lets the account in that owns the bucket and that a header expects.
func (c *call) ownOutside(to *Outside, header string) error {
	expected := c.r.Header.Get(header)
	if to.Account != c.caller.Account || expected != "" && expected != to.Account {
		return accessDenied()
	}
	return nil
}

// pass sends the request as it is and its answer back.
func (c *call) pass(to *Outside, f forwarded) error {
	out, err := c.outgoing(to, f)
	if err != nil {
		return err
	}
	answer, err := c.exchange(to, out)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return c.relay(answer)
}

// exchange sends a request that is signed now. An answer is one that callers may
// see: see refusedOutside.
func (c *call) exchange(to *Outside, out *outgoing) (*http.Response, error) {
	credentials, err := to.Credentials(c.r.Context())
	if err != nil {
		c.log(err)
		return nil, fail(http.StatusServiceUnavailable, "ServiceUnavailable",
			"There are no credentials for the S3 that keeps bucket %s.", c.bucket)
	}
	defer out.end()
	sigv4.Sign(out.request, out.hash, credentials, to.Region, "s3", time.Now())
	answer, err := c.h.transport.RoundTrip(out.request)
	if err == nil {
		return c.refusedOutside(answer)
	}
	if wrong := out.failed(); wrong != nil {
		return nil, wrong // the caller's content, not the other S3
	}
	if c.r.Context().Err() != nil || errors.Is(err, context.Canceled) {
		return nil, context.Canceled
	}
	c.log(err)
	return nil, fail(http.StatusServiceUnavailable, "ServiceUnavailable",
		"The S3 that keeps bucket %s cannot be reached. Please try again.", c.bucket)
}
