package s3

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/penstock-cd/penstock/internal/blob"
)

// getObject serves GetObject and HeadObject, which differ in the content only.
func (c *call) getObject() error {
	versionID := c.query.Get("versionId")
	action := "s3:GetObject"
	if versionID != "" {
		action = "s3:GetObjectVersion"
	}
	b, err := c.open(action)
	if err != nil {
		return err
	}
	if err := c.refuseHeaders("X-Amz-Server-Side-Encryption-Customer-"); err != nil {
		return err
	}
	o, content, err := c.load(versionID)
	if err != nil {
		c.tellMarker(b, o)
		return err
	}
	if content != nil {
		defer content.Close()
	}
	c.setVersion(b, o)
	c.w.Header()["ETag"] = []string{quote(o.ETag)}
	c.w.Header().Set("Last-Modified", o.Modified.Format(http.TimeFormat))
	switch conditions(c.r.Header, o) {
	case http.StatusNotModified:
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	case http.StatusPreconditionFailed:
		return ErrPreconditionFailed
	}
	return c.send(o, content)
}

// load opens the object; HEAD needs no content, but for the places of the parts.
func (c *call) load(versionID string) (Object, blob.Reader, error) {
	if c.r.Method == http.MethodHead && !c.query.Has("partNumber") {
		o, err := c.h.store.HeadObject(c.r.Context(), c.bucket, c.key, versionID)
		return o, nil, err
	}
	return c.h.store.GetObject(c.r.Context(), c.bucket, c.key, versionID)
}

// tellMarker says that a delete marker is in the way, if one is.
func (c *call) tellMarker(b Bucket, o Object) {
	if !o.DeleteMarker {
		return
	}
	c.w.Header().Set("x-amz-delete-marker", "true")
	c.setVersion(b, o)
	if c.query.Has("versionId") {
		c.w.Header().Set("Allow", "DELETE")
	}
}

func (c *call) send(o Object, content blob.Reader) error {
	part, partial, err := c.part(o, content)
	if err != nil {
		return err
	}
	if partial && content != nil {
		if _, err := content.Seek(part.start, io.SeekStart); err != nil {
			return err
		}
	}
	c.setObjectHeaders(o)
	h := c.w.Header()
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Length", strconv.FormatInt(part.length, 10))
	status := http.StatusOK
	if partial {
		status = http.StatusPartialContent
		h.Set("Content-Range", part.contentRange(o.Size))
	} else if strings.EqualFold(c.r.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") {
		c.setChecksum(o.Checksum) // of the whole: says nothing about a part
	}
	c.w.WriteHeader(status)
	if c.r.Method == http.MethodHead {
		return nil
	}
	var src io.Reader = content
	if partial {
		src = io.LimitReader(content, part.length)
	}
	if n, err := io.Copy(c.w, src); err != nil || n != part.length {
		// The status is sent. The server breaks the connection of an answer that is
		// shorter than announced, so the client notices.
		c.h.logger.Warn("s3 answer broken off", "request_id", c.id, "bucket", c.bucket, "key", c.key, "sent", n, "error", err)
	}
	return nil
}

// part is the range, or the part of an upload, that was asked for, or all. A range of an older version than
// the current one (If-Range) gives all.
func (c *call) part(o Object, content blob.Reader) (span, bool, error) {
	whole := span{length: o.Size}
	asked := c.r.Header.Get("Range")
	if c.query.Has("partNumber") {
		if asked != "" {
			return whole, false, fail(http.StatusBadRequest, "InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
		}
		part, err := c.uploadedPart(o, content)
		return part, o.Size > 0, err // of nothing no range can be named
	}
	if unless := c.r.Header.Get("If-Range"); unless != "" && unless != quote(o.ETag) {
		asked = ""
	}
	part, ok, err := parseRange(asked, o.Size)
	if errors.Is(err, errRanges) {
		return whole, false, notImplemented("Range with several ranges")
	}
	if err != nil {
		return whole, false, fail(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable").
			with("RangeRequested", asked).with("ActualObjectSize", strconv.FormatInt(o.Size, 10))
	}
	if !ok {
		return whole, false, nil
	}
	return part, true, nil
}

func (c *call) setObjectHeaders(o Object) {
	h := c.w.Header()
	set := func(name, value, override string) {
		if asked := c.query.Get(override); asked != "" {
			value = asked
		}
		if value != "" {
			h.Set(name, value)
		}
	}
	set("Content-Type", o.Headers.ContentType, "response-content-type")
	set("Cache-Control", o.Headers.CacheControl, "response-cache-control")
	set("Content-Disposition", o.Headers.ContentDisposition, "response-content-disposition")
	set("Content-Encoding", o.Headers.ContentEncoding, "response-content-encoding")
	set("Content-Language", o.Headers.ContentLanguage, "response-content-language")
	set("Expires", o.Headers.Expires, "response-expires")
	for name, value := range o.Headers.Metadata {
		h[strings.ToLower(metadataPrefix)+name] = []string{value} // clients mind the case
	}
	if n := len(o.Headers.Tags); n > 0 {
		h.Set("x-amz-tagging-count", strconv.Itoa(n))
	}
	c.setSSE(o.Headers.SSE)
}

// uploadedPart finds a part of an object that was uploaded in parts; any other
// object is one part.
func (c *call) uploadedPart(o Object, content blob.Reader) (span, error) {
	number, err := c.partNumber()
	if err != nil {
		return span{}, err
	}
	part, ok := span{length: o.Size}, number == 1
	if j, several := content.(*joined); several {
		part, ok = j.part(number)
		c.w.Header().Set("x-amz-mp-parts-count", strconv.Itoa(o.parts()))
	}
	if !ok {
		return span{}, fail(http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber", "The requested partnumber is not satisfiable").
			with("PartNumberRequested", strconv.Itoa(number)).with("ActualPartCount", strconv.Itoa(max(1, o.parts())))
	}
	return part, nil
}
