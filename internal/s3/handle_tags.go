package s3

import (
	"net/http"
	"strings"
)

// tagAction is what an operation on the tags of an object, or of one of its
// versions, asks for.
func (c *call) tagAction() string {
	if c.query.Get("versionId") != "" {
		return "s3:" + strings.Replace(c.operation, "Object", "ObjectVersion", 1)
	}
	return "s3:" + c.operation
}

func (c *call) getObjectTagging() error {
	b, err := c.open(c.tagAction())
	if err != nil {
		return err
	}
	o, err := c.h.store.HeadObject(c.r.Context(), c.bucket, c.key, c.query.Get("versionId"))
	if err != nil {
		return err
	}
	answer := taggingXML{Namespace: xmlNamespace}
	for _, t := range o.Headers.Tags {
		answer.Tags = append(answer.Tags, tagXML(t))
	}
	c.setVersion(b, o)
	c.xml(http.StatusOK, answer)
	return nil
}

// putObjectTagging serves PutObjectTagging, and DeleteObjectTagging, which puts
// none.
func (c *call) putObjectTagging() error {
	b, err := c.open(c.tagAction())
	if err != nil {
		return err
	}
	var tags []Tag
	status := http.StatusNoContent
	if c.operation == "PutObjectTagging" {
		status = http.StatusOK
		var doc taggingXML
		empty, err := c.document(&doc, maxDocument)
		if err != nil {
			return err
		}
		if empty {
			return malformedXML()
		}
		for _, t := range doc.Tags {
			tags = append(tags, Tag(t))
		}
	}
	o, err := c.h.store.PutObjectTagging(c.r.Context(), c.bucket, c.key, c.query.Get("versionId"), tags)
	if err != nil {
		return err
	}
	c.setVersion(b, o)
	c.w.WriteHeader(status)
	return nil
}
