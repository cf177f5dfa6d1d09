package s3

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
)

func (c *call) createUpload() error {
	if _, err := c.open(c.writeActions()...); err != nil {
		return err
	}
	h, err := c.objectHeaders()
	if err != nil {
		return err
	}
	algorithm := strings.ToUpper(c.r.Header.Get("X-Amz-Checksum-Algorithm"))
	u, err := c.h.store.CreateUpload(c.r.Context(), c.bucket, c.key, h, algorithm, c.r.Header.Get("X-Amz-Checksum-Type"))
	if err != nil {
		return err
	}
	c.setSSE(u.Headers.SSE)
	if u.Algorithm != "" {
		c.w.Header().Set("x-amz-checksum-algorithm", u.Algorithm)
		c.w.Header().Set("x-amz-checksum-type", u.Kind)
	}
	c.xml(http.StatusOK, createUploadAnswer{Bucket: c.bucket, Key: c.key, UploadID: u.ID})
	return nil
}

// partNumber reads which part a request means.
func (c *call) partNumber() (int, error) {
	text := c.query.Get("partNumber")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > MaxParts {
		return 0, invalidArgument("partNumber", text, "Part number must be an integer between 1 and %d, inclusive", MaxParts)
	}
	return n, nil
}

func (c *call) uploadPart() error {
	if _, err := c.open("s3:PutObject"); err != nil {
		return err
	}
	number, err := c.partNumber()
	if err != nil {
		return err
	}
	if err := c.refuseHeaders("X-Amz-Server-Side-Encryption-Customer-"); err != nil {
		return err
	}
	var opts PutOptions
	for _, step := range []func(*PutOptions) error{c.readSize, c.readMD5, c.readChecksum} {
		if err := step(&opts); err != nil {
			return err
		}
	}
	p, u, err := c.h.store.UploadPart(c.r.Context(), c.bucket, c.key, c.query.Get("uploadId"), number, c.body, opts)
	if err != nil {
		return err
	}
	c.setSSE(u.Headers.SSE)
	if p.Checksum.Algorithm != "" {
		c.w.Header().Set(p.Checksum.header(), p.Checksum.Value)
	}
	c.w.Header()["ETag"] = []string{quote(p.ETag)}
	c.w.WriteHeader(http.StatusOK)
	return nil
}

func (c *call) uploadPartCopy() error {
	if _, err := c.open("s3:PutObject"); err != nil {
		return err
	}
	number, err := c.partNumber()
	if err != nil {
		return err
	}
	if err := c.refuseHeaders("X-Amz-Server-Side-Encryption-Customer-", "X-Amz-Copy-Source-Server-Side-Encryption-Customer-"); err != nil {
		return err
	}
	from, err := c.copySource()
	if err != nil {
		return err
	}
	o, content, err := c.openSource(from)
	if err != nil {
		return err
	}
	defer content.Close()
	part, size, err := c.copyRange(o, content)
	if err != nil {
		return err
	}
	if size > MaxObject {
		return ErrTooLarge
	}
	p, u, err := c.h.store.UploadPart(c.r.Context(), c.bucket, c.key, c.query.Get("uploadId"), number, part, PutOptions{Size: &size})
	if err != nil {
		return err
	}
	c.setSSE(u.Headers.SSE)
	c.xml(http.StatusOK, copyAnswer{
		XMLName: xml.Name{Local: "CopyPartResult"}, Namespace: xmlNamespace, LastModified: xmlTime(p.Modified),
		ETag: quote(p.ETag), checksumXML: checksumElement(p.Checksum),
	})
	return nil
}

func (c *call) completeUpload() error {
	b, err := c.open("s3:PutObject")
	if err != nil {
		return err
	}
	var doc completeXML
	empty, err := c.document(&doc, maxLongDocument)
	if err != nil {
		return err
	}
	if empty || len(doc.Parts) == 0 || len(doc.Parts) > MaxParts {
		return malformedXML()
	}
	opts, err := c.completeOptions()
	if err != nil {
		return err
	}
	var list []Completed
	for _, p := range doc.Parts {
		done := Completed{Number: p.PartNumber, ETag: strings.Trim(p.ETag, `"`)}
		for _, algorithm := range []string{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"} {
			if value := *p.of(algorithm); value != "" {
				done.Checksum = Checksum{Algorithm: algorithm, Value: value}
			}
		}
		list = append(list, done)
	}
	o, err := c.h.store.CompleteUpload(c.r.Context(), c.bucket, c.key, c.query.Get("uploadId"), list, opts)
	if err != nil {
		return err
	}
	c.setVersion(b, o)
	c.setSSE(o.Headers.SSE)
	scheme := "http://"
	if c.r.TLS != nil {
		scheme = "https://"
	}
	answer := completeAnswer{
		Location: scheme + c.r.Host + c.r.URL.EscapedPath(), Bucket: c.bucket, Key: c.key,
		ETag: quote(o.ETag), checksumXML: checksumElement(o.Checksum),
	}
	if o.Checksum.Algorithm != "" {
		answer.ChecksumType = o.Checksum.kind()
	}
	c.xml(http.StatusOK, answer)
	return nil
}

// completeOptions reads what the object must be and meet.
func (c *call) completeOptions() (opts PutOptions, err error) {
	if err := c.readConditions(&opts); err != nil {
		return opts, err
	}
	if text := c.r.Header.Get("X-Amz-Mp-Object-Size"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return opts, invalidArgument("x-amz-mp-object-size", text, "The size of the object is not a number")
		}
		opts.Size = &n
	}
	for _, sum := range c.headerChecksums() {
		value, _, _ := strings.Cut(sum.Value, "-")
		if _, err := base64.StdEncoding.DecodeString(value); err != nil || opts.Checksum.Algorithm != "" {
			return opts, fail(http.StatusBadRequest, "InvalidRequest", "Value for %s header is invalid.", sum.header())
		}
		opts.Checksum = sum
	}
	return opts, nil
}

func (c *call) abortUpload() error {
	if _, err := c.open("s3:AbortMultipartUpload"); err != nil {
		return err
	}
	if err := c.h.store.AbortUpload(c.r.Context(), c.bucket, c.key, c.query.Get("uploadId")); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) listParts() error {
	b, err := c.open("s3:ListMultipartUploadParts")
	if err != nil {
		return err
	}
	limit, err := c.limit("max-parts")
	if err != nil {
		return err
	}
	after := 0
	if text := c.query.Get("part-number-marker"); text != "" {
		if after, err = strconv.Atoi(text); err != nil || after < 0 {
			return invalidArgument("part-number-marker", text, "Argument part-number-marker must be an integer between 0 and 2147483647")
		}
	}
	u, parts, err := c.h.store.ListParts(c.r.Context(), c.bucket, c.key, c.query.Get("uploadId"), after, limit+1)
	if err != nil {
		return err
	}
	owner := ownerOf(b.Owner.Account)
	answer := partsAnswer{
		Bucket: c.bucket, Key: c.key, UploadID: u.ID, Initiator: owner, Owner: owner, StorageClass: "STANDARD",
		Marker: after, MaxParts: limit, ChecksumAlgorithm: u.Algorithm, ChecksumType: u.Kind,
	}
	if len(parts) > limit {
		parts, answer.IsTruncated = parts[:limit], true
	}
	for _, p := range parts {
		answer.Next = p.Number
		answer.Parts = append(answer.Parts, partXML{
			PartNumber: p.Number, LastModified: xmlTime(p.Modified), ETag: quote(p.ETag), Size: p.Size,
			checksumXML: checksumElement(p.Checksum),
		})
	}
	c.xml(http.StatusOK, answer)
	return nil
}
