package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// forwardCopy passes a copy on, which both buckets must be of one S3 for.
func (c *call) forwardCopy(to *Outside, f forwarded) error {
	from, err := c.copySource()
	if err != nil {
		return err
	}
	action := "s3:GetObject"
	if from.versionID != "" {
		action = "s3:GetObjectVersion"
	}
	if err := c.allowFor(from.bucket, from.key, action); err != nil {
		return err
	}
	source, err := c.h.keeper(c.r.Context(), from.bucket)
	if err != nil {
		return err
	}
	if source == nil || source.Store != to.Store {
		return copyBetween(from.bucket, c.bucket)
	}
	if err := c.ownOutside(source, "X-Amz-Source-Expected-Bucket-Owner"); err != nil {
		return err
	}
	if err := plainKey(from.key); err != nil {
		return err
	}
	if c.operation == "CopyObject" {
		if err := c.mayCopyTags(source, from); err != nil {
			return err
		}
	}
	out, err := c.outgoing(to, f)
	if err != nil {
		return err
	}
	text := source.Bucket + "/" + escapeKey(from.key)
	if from.versionID != "" {
		text += "?versionId=" + url.QueryEscape(from.versionID)
	}
	out.request.Header.Set("X-Amz-Copy-Source", text)
	answer, err := c.exchange(to, out)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return c.relay(answer)
}

// mayBeHere asks the S3 that keeps all other buckets for one that is to be made here:
// who uses it there would not find it any more.
func (c *call) mayBeHere(to *Outside) error {
	if err := c.allow("s3:CreateBucket"); err != nil {
		return err
	}
	answer, err := c.exchange(to, &outgoing{request: c.requestTo(to, http.MethodHead, "", nil), hash: sigv4.EmptyHash})
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusNotFound:
		return nil
	case http.StatusOK, http.StatusForbidden:
		return ErrBucketExists
	}
	return fail(http.StatusServiceUnavailable, "ServiceUnavailable",
		"The S3 that keeps the other buckets does not say whether it has %s. Please try again.", c.bucket)
}

// copyBetween refuses a copy from one S3 to another.
func copyBetween(from, to string) *failure {
	return notImplemented(fmt.Sprintf("a copy between buckets that different S3s keep (%s, %s): get the object and put it", from, to))
}

// mayCopyTags asks for the permissions on tags if the copy takes any along.
func (c *call) mayCopyTags(source *Outside, from source) error {
	retag, err := c.directive("X-Amz-Tagging-Directive")
	if err != nil || retag {
		return err
	}
	query := url.Values{"tagging": {""}}
	if from.versionID != "" {
		query.Set("versionId", from.versionID)
	}
	answer, err := c.exchange(source, &outgoing{request: c.requestTo(source, http.MethodGet, from.key, query), hash: sigv4.EmptyHash})
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	switch status := answer.StatusCode; {
	case status == http.StatusOK:
	case status >= 500 && status != http.StatusNotImplemented || status == http.StatusTooManyRequests:
		return fail(http.StatusServiceUnavailable, "ServiceUnavailable",
			"The S3 that keeps bucket %s does not say which tags the source of the copy has. Please try again.", from.bucket)
	default:
		return nil // there are none to take along, or the copy will be refused as this was
	}
	var tags taggingXML
	if err := xml.NewDecoder(io.LimitReader(answer.Body, maxDocument)).Decode(&tags); err != nil {
		return fmt.Errorf("reading the tags of the source of a copy: %w", err)
	}
	if len(tags.Tags) == 0 {
		return nil
	}
	if err := c.allow("s3:PutObjectTagging"); err != nil {
		return err
	}
	return c.allowFor(from.bucket, from.key, "s3:GetObjectTagging")
}

// forwardDelete passes a deletion on that has no condition: one that this server
// does not know must not be lost.
func (c *call) forwardDelete(to *Outside, f forwarded) error {
	if err := c.refuseHeaders("If-Match", "X-Amz-If-Match-"); err != nil {
		return err
	}
	return c.pass(to, f)
}

// forwardDeletes asks for permission for each of the keys and passes on those
// that have it.
func (c *call) forwardDeletes(to *Outside, _ forwarded) error {
	var doc deleteXML
	empty, err := c.document(&doc, maxLongDocument)
	if err != nil {
		return err
	}
	if empty || len(doc.Objects) == 0 || len(doc.Objects) > maxDeletes {
		return malformedXML()
	}
	var refused []deleteErrorXML
	allowed := forwardedDelete{Namespace: xmlNamespace, Quiet: doc.Quiet}
	for _, o := range doc.Objects {
		if o.ETag != nil || o.Modified != nil || o.Size != nil {
			return notImplemented("conditions in DeleteObjects")
		}
		if err := c.mayDelete(o); err != nil {
			refused = append(refused, c.deleteError(ObjectID{Key: o.Key, VersionID: o.VersionID}, err))
			continue
		}
		allowed.Objects = append(allowed.Objects, forwardedKey{Key: o.Key, VersionID: o.VersionID})
	}
	if len(allowed.Objects) == 0 {
		c.xml(http.StatusOK, deleteAnswer{Errors: refused})
		return nil
	}
	text, err := xml.Marshal(allowed)
	if err != nil {
		return fmt.Errorf("encoding the keys to delete: %w", err)
	}
	sum := md5.Sum(text)
	out := &outgoing{request: c.requestTo(to, http.MethodPost, "", url.Values{"delete": {""}}), hash: sigv4.Hash(text)}
	out.request.Header.Set("Content-Type", "application/xml")
	out.request.Header.Set("Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
	out.request.ContentLength = int64(len(text))
	out.request.Body = io.NopCloser(bytes.NewReader(text))
	answer, err := c.exchange(to, out)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if len(refused) == 0 || answer.StatusCode != http.StatusOK {
		return c.relay(answer)
	}
	var done forwardedDeleted
	if err := xml.NewDecoder(io.LimitReader(answer.Body, maxLongDocument)).Decode(&done); err != nil {
		return fmt.Errorf("reading what was deleted: %w", err)
	}
	c.xml(http.StatusOK, deleteAnswer{Deleted: done.Deleted, Errors: append(refused, done.Errors...)})
	return nil
}

// forwardedDelete is the document of DeleteObjects as it is sent.
type forwardedDelete struct {
	XMLName   xml.Name       `xml:"Delete"`
	Namespace string         `xml:"xmlns,attr"`
	Objects   []forwardedKey `xml:"Object"`
	Quiet     bool           `xml:"Quiet"`
}

type forwardedKey struct {
	Key       string
	VersionID string `xml:"VersionId,omitempty"`
}

// forwardedDeleted is the answer to it, with or without a namespace.
type forwardedDeleted struct {
	XMLName xml.Name         `xml:"DeleteResult"`
	Deleted []deletedXML     `xml:"Deleted"`
	Errors  []deleteErrorXML `xml:"Error"`
}
