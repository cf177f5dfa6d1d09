package s3

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/penstock-cd/penstock/internal/blob"
)

// source is the object that a copy is made of.
type source struct{ bucket, key, versionID string }

// copySource reads x-amz-copy-source: [/]bucket/key[?versionId=id], the key
// escaped.
func (c *call) copySource() (source, error) {
	text := c.r.Header.Get("X-Amz-Copy-Source")
	invalid := invalidArgument("x-amz-copy-source", text, "Invalid copy source object key")
	path, query, _ := strings.Cut(text, "?")
	path, err := url.PathUnescape(strings.TrimPrefix(path, "/"))
	if err != nil {
		return source{}, invalid
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return source{}, invalid
	}
	from := source{versionID: values.Get("versionId")}
	var found bool
	from.bucket, from.key, found = strings.Cut(path, "/")
	if !found || from.bucket == "" || CheckKey(from.key) != nil {
		return source{}, invalid
	}
	return from, nil
}

// openSource finds the object to copy, if the caller may read it and the
// conditions on it hold. The caller closes the content.
func (c *call) openSource(from source) (Object, blob.Reader, error) {
	action := "s3:GetObject"
	if from.versionID != "" {
		action = "s3:GetObjectVersion"
	}
	if err := c.allowFor(from.bucket, from.key, action); err != nil {
		return Object{}, nil, err
	}
	if outside, err := c.h.keeper(c.r.Context(), from.bucket); err != nil {
		return Object{}, nil, err
	} else if outside != nil {
		return Object{}, nil, copyBetween(from.bucket, c.bucket)
	}
	b, err := c.own(from.bucket, "X-Amz-Source-Expected-Bucket-Owner")
	if err != nil {
		return Object{}, nil, c.ofSource(from, err)
	}
	o, content, err := c.h.store.GetObject(c.r.Context(), from.bucket, from.key, from.versionID)
	if err != nil {
		return Object{}, nil, c.ofSource(from, err)
	}
	header := http.Header{}
	for _, name := range []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		header.Set(name, c.r.Header.Get("X-Amz-Copy-Source-"+name))
	}
	if conditions(header, o) != http.StatusOK {
		_ = content.Close()
		return Object{}, nil, ErrPreconditionFailed
	}
	if b.Versioning != VersioningNever {
		c.w.Header().Set("x-amz-copy-source-version-id", o.VersionID)
	}
	return o, content, nil
}

// ofSource tells an error of the source of a copy with the source's names.
func (c *call) ofSource(from source, err error) error {
	if errors.Is(err, ErrDeleteMarker) {
		return fail(http.StatusBadRequest, "InvalidRequest", "The source of a copy request may not specifically refer to a delete marker by version id.")
	}
	as := *c
	as.bucket, as.key = from.bucket, from.key
	as.query = url.Values{"versionId": {from.versionID}}
	if f := as.known(err); f != nil {
		return f
	}
	return err
}

func (c *call) copyObject() error {
	b, err := c.open(c.writeActions()...)
	if err != nil {
		return err
	}
	from, err := c.copySource()
	if err != nil {
		return err
	}
	if err := c.refuseHeaders("X-Amz-Copy-Source-Server-Side-Encryption-Customer-"); err != nil {
		return err
	}
	o, content, err := c.openSource(from)
	if err != nil {
		return err
	}
	defer content.Close()
	opts, err := c.copyOptions(from, o)
	if err != nil {
		return err
	}
	made, err := c.h.store.PutObject(c.r.Context(), c.bucket, c.key, content, opts)
	if err != nil {
		return err
	}
	c.setVersion(b, made)
	c.setSSE(made.Headers.SSE)
	answer := copyAnswer{
		XMLName: xml.Name{Local: "CopyObjectResult"}, Namespace: xmlNamespace, LastModified: xmlTime(made.Modified),
		ETag: quote(made.ETag), checksumXML: checksumElement(made.Checksum),
	}
	if made.Checksum.Algorithm != "" {
		answer.ChecksumType = made.Checksum.kind()
	}
	c.xml(http.StatusOK, answer)
	return nil
}

// copyOptions says what the copy gets: what the request says, or what the source
// has.
func (c *call) copyOptions(from source, o Object) (PutOptions, error) {
	h, err := c.objectHeaders()
	if err != nil {
		return PutOptions{}, err
	}
	replace, err := c.directive("X-Amz-Metadata-Directive")
	if err != nil {
		return PutOptions{}, err
	}
	if !replace {
		acl, sse, tags := h.ACL, h.SSE, h.Tags
		h = o.Headers
		h.ACL, h.SSE, h.Tags = acl, sse, tags
	}
	retag, err := c.directive("X-Amz-Tagging-Directive")
	if err != nil {
		return PutOptions{}, err
	}
	if !retag {
		h.Tags = o.Headers.Tags
	}
	if len(h.Tags) > 0 && !retag {
		if err := c.allow("s3:PutObjectTagging"); err != nil {
			return PutOptions{}, err
		}
		if err := c.allowFor(from.bucket, from.key, "s3:GetObjectTagging"); err != nil {
			return PutOptions{}, err
		}
	}
	itself := from.bucket == c.bucket && from.key == c.key && from.versionID == ""
	if itself && !replace && !retag && h.SSE == (SSE{}) {
		return PutOptions{}, fail(http.StatusBadRequest, "InvalidRequest",
			"This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	opts := PutOptions{Headers: h, Size: new(o.Size), reason: "CopyObject"}
	opts.Checksum.Algorithm = o.Checksum.Algorithm
	if asked := c.r.Header.Get("X-Amz-Checksum-Algorithm"); asked != "" {
		opts.Checksum.Algorithm = strings.ToUpper(asked)
	}
	err = c.readConditions(&opts)
	return opts, err
}

// directive reads a header that says whether something is copied or replaced.
func (c *call) directive(name string) (replace bool, err error) {
	switch value := c.r.Header.Get(name); value {
	case "", "COPY":
		return false, nil
	case "REPLACE":
		return true, nil
	default:
		return false, invalidArgument(strings.ToLower(name), value, "Unknown directive.")
	}
}

// copyRange takes the part of the source that UploadPartCopy asks for.
func (c *call) copyRange(o Object, content blob.Reader) (io.Reader, int64, error) {
	asked := c.r.Header.Get("X-Amz-Copy-Source-Range")
	if asked == "" {
		return content, o.Size, nil
	}
	first, last, _ := strings.Cut(strings.TrimPrefix(asked, "bytes="), "-")
	part, ok, err := parseRange(asked, o.Size)
	if err != nil || !ok || first == "" || last == "" {
		return nil, 0, invalidArgument("x-amz-copy-source-range", asked,
			"The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	}
	if n, _ := position(last); n >= o.Size {
		return nil, 0, invalidArgument("x-amz-copy-source-range", asked, "Range specified is not valid for source object of size: %d", o.Size)
	}
	if _, err := content.Seek(part.start, io.SeekStart); err != nil {
		return nil, 0, err
	}
	return io.LimitReader(content, part.length), part.length, nil
}
