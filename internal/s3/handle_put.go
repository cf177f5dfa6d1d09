package s3

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

const metadataPrefix = "X-Amz-Meta-"

func (c *call) putObject() error {
	if err := c.allow(c.writeActions()...); err != nil {
		return err
	}
	opts, err := c.putOptions()
	if err != nil {
		return err
	}
	// The put looks the bucket up in any case: looking before it as well would take
	// as long as the rest of its statements.
	var b Bucket
	opts.admit = func(found Bucket) error {
		b = found
		return c.admit(found, ownerHeader)
	}
	o, err := c.h.store.PutObject(c.r.Context(), c.bucket, c.key, c.body, opts)
	if err != nil {
		return err
	}
	c.setVersion(b, o)
	c.setSSE(o.Headers.SSE)
	c.setChecksum(o.Checksum)
	c.w.Header()["ETag"] = []string{quote(o.ETag)}
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// writeActions are what a put, a copy or an upload asks for.
func (c *call) writeActions() []string {
	actions := []string{"s3:PutObject"}
	if c.r.Header.Get("X-Amz-Acl") != "" {
		actions = append(actions, "s3:PutObjectAcl")
	}
	if c.r.Header.Get("X-Amz-Tagging") != "" {
		actions = append(actions, "s3:PutObjectTagging")
	}
	return actions
}

// putOptions reads the headers of a put.
func (c *call) putOptions() (PutOptions, error) {
	h, err := c.objectHeaders()
	opts := PutOptions{Headers: h}
	for _, step := range []func(*PutOptions) error{c.readSize, c.readMD5, c.readChecksum, c.readConditions} {
		if err == nil {
			err = step(&opts)
		}
	}
	return opts, err
}

// objectHeaders reads what goes with an object, and refuses what asks for more
// than is here.
func (c *call) objectHeaders() (Headers, error) {
	err := c.refuseHeaders("X-Amz-Object-Lock-", "X-Amz-Website-Redirect-Location", "X-Amz-Grant-",
		"X-Amz-Server-Side-Encryption-Customer-", "X-Amz-Write-Offset-Bytes")
	if err != nil {
		return Headers{}, err
	}
	h := c.r.Header
	headers := Headers{
		ContentType: h.Get("Content-Type"), CacheControl: h.Get("Cache-Control"),
		ContentDisposition: h.Get("Content-Disposition"), ContentLanguage: h.Get("Content-Language"),
		ContentEncoding: contentEncoding(h), Expires: h.Get("Expires"), Metadata: metadata(h),
	}
	if err := c.readClass(&headers); err != nil {
		return Headers{}, err
	}
	if err := c.readSSE(&headers); err != nil {
		return Headers{}, err
	}
	headers.Tags, err = parseTags(h.Get("X-Amz-Tagging"))
	return headers, err
}

// contentEncoding leaves out aws-chunked, which belongs to the transfer.
func contentEncoding(h http.Header) string {
	var kept []string
	for _, value := range h["Content-Encoding"] {
		for part := range strings.SplitSeq(value, ",") {
			if part = strings.TrimSpace(part); part != "" && !strings.EqualFold(part, "aws-chunked") {
				kept = append(kept, part)
			}
		}
	}
	return strings.Join(kept, ",")
}

// metadata returns the user's metadata; several headers of one name become one.
func metadata(h http.Header) map[string]string {
	m := map[string]string{}
	for name, values := range h {
		if rest, ok := strings.CutPrefix(name, metadataPrefix); ok && rest != "" {
			m[strings.ToLower(rest)] = strings.Join(values, ",")
		}
	}
	return m
}

func (c *call) readClass(headers *Headers) error {
	if class := c.r.Header.Get("X-Amz-Storage-Class"); class != "" && class != "STANDARD" {
		return notImplemented("x-amz-storage-class: " + class)
	}
	acls := []string{"", "private", "public-read", "public-read-write", "authenticated-read",
		"aws-exec-read", "bucket-owner-read", "bucket-owner-full-control"}
	headers.ACL = c.r.Header.Get("X-Amz-Acl")
	if !slices.Contains(acls, headers.ACL) {
		return invalidArgument("x-amz-acl", headers.ACL, "The canned ACL is not valid")
	}
	return nil
}

func (c *call) readSSE(headers *Headers) error {
	h := c.r.Header
	headers.SSE = SSE{
		Algorithm: h.Get("X-Amz-Server-Side-Encryption"),
		KMSKeyID:  h.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"),
		Context:   h.Get("X-Amz-Server-Side-Encryption-Context"),
		BucketKey: h.Get("X-Amz-Server-Side-Encryption-Bucket-Key-Enabled") == "true",
	}
	switch headers.SSE.Algorithm {
	case "aws:kms", "aws:kms:dsse":
		return nil
	case "", "AES256":
		if headers.SSE.KMSKeyID == "" && headers.SSE.Context == "" {
			return nil
		}
		return invalidArgument("x-amz-server-side-encryption", headers.SSE.Algorithm,
			"Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
	}
	return invalidArgument("x-amz-server-side-encryption", headers.SSE.Algorithm, "The encryption method specified is not supported")
}

// readSize takes the length of the content, which with aws-chunked framing is
// not Content-Length.
func (c *call) readSize(opts *PutOptions) error {
	size := c.r.ContentLength
	if strings.HasPrefix(c.r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		n, err := strconv.ParseInt(c.r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
		if err != nil {
			n = -1
		}
		size = n
	}
	if size < 0 {
		return fail(http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
	}
	if size > MaxObject {
		return ErrTooLarge
	}
	opts.Size = &size
	return nil
}

func (c *call) readMD5(opts *PutOptions) error {
	text := c.r.Header.Get("Content-Md5")
	if text == "" {
		return nil
	}
	sum, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(sum) != 16 {
		return fail(http.StatusBadRequest, "InvalidDigest", "The Content-MD5 you specified was invalid.").with("Content-MD5", text)
	}
	opts.ContentMD5 = hex.EncodeToString(sum)
	return nil
}

// readChecksum takes the one additional checksum, from a header or announced to
// follow the content, where the authenticator has compared it.
func (c *call) readChecksum(opts *PutOptions) error {
	found := c.headerChecksums()
	for name := range strings.SplitSeq(c.r.Header.Get("X-Amz-Trailer"), ",") {
		if algorithm, ok := checksumName(strings.TrimSpace(name)); ok {
			found = append(found, Checksum{Algorithm: algorithm})
		}
	}
	invalid := func(format string, args ...any) error {
		return fail(http.StatusBadRequest, "InvalidRequest", format, args...)
	}
	switch {
	case len(found) > 1:
		return invalid("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	case len(found) == 1:
		opts.Checksum = found[0]
	case c.r.Header.Get("X-Amz-Sdk-Checksum-Algorithm") != "":
		return invalid("x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	default:
		return nil
	}
	sum, err := opts.Checksum.newHash()
	if err != nil {
		return invalid("The algorithm of %s is not supported.", opts.Checksum.header())
	}
	given, err := base64.StdEncoding.DecodeString(opts.Checksum.Value)
	if err != nil || len(given) != 0 && len(given) != sum.Size() {
		return invalid("Value for %s header is invalid.", opts.Checksum.header())
	}
	return nil
}

func (c *call) headerChecksums() (found []Checksum) {
	for name, values := range c.r.Header {
		if algorithm, ok := checksumName(name); ok {
			found = append(found, Checksum{Algorithm: algorithm, Value: values[0]})
		}
	}
	return found
}

// checksumName takes the algorithm from the name of a header or trailer. Some
// settings share the prefix.
func checksumName(name string) (algorithm string, ok bool) {
	rest, ok := strings.CutPrefix(strings.ToLower(name), sigv4.ChecksumPrefix)
	switch rest {
	case "", "mode", "type", "algorithm":
		return "", false
	}
	return strings.ToUpper(rest), ok
}

func (c *call) readConditions(opts *PutOptions) error {
	switch value := c.r.Header.Get("If-None-Match"); value {
	case "":
	case "*":
		opts.IfNoneMatch = true
	default:
		return notImplemented("If-None-Match with an entity tag on " + c.operation)
	}
	opts.IfMatch = strings.Trim(c.r.Header.Get("If-Match"), `"`)
	return nil
}

// setVersion tells the version, which a bucket without versioning does not have.
func (c *call) setVersion(b Bucket, o Object) {
	if b.Versioning != VersioningNever && o.VersionID != "" {
		c.w.Header().Set("x-amz-version-id", o.VersionID)
	}
}

func (c *call) setSSE(sse SSE) {
	if sse.Algorithm == "" {
		return
	}
	h := c.w.Header()
	h.Set("x-amz-server-side-encryption", sse.Algorithm)
	if sse.KMSKeyID != "" {
		h.Set("x-amz-server-side-encryption-aws-kms-key-id", sse.KMSKeyID)
	}
	if sse.Context != "" {
		h.Set("x-amz-server-side-encryption-context", sse.Context)
	}
	if sse.BucketKey {
		h.Set("x-amz-server-side-encryption-bucket-key-enabled", "true")
	}
}

func (c *call) setChecksum(sum Checksum) {
	if sum.Algorithm == "" {
		return
	}
	c.w.Header().Set(sum.header(), sum.Value)
	c.w.Header().Set("x-amz-checksum-type", sum.kind())
}

func quote(etag string) string { return `"` + etag + `"` }
