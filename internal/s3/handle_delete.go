package s3

import (
	"errors"
	"net/http"
)

func (c *call) deleteBucket() error {
	if _, err := c.open("s3:DeleteBucket"); err != nil {
		return err
	}
	if err := c.h.store.DeleteBucket(c.r.Context(), c.bucket); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) deleteObject() error {
	versionID := c.query.Get("versionId")
	action := "s3:DeleteObject"
	if versionID != "" {
		action = "s3:DeleteObjectVersion"
	}
	if _, err := c.open(action); err != nil {
		return err
	}
	if c.query.Has("versionId") && versionID == "" {
		return ErrNoSuchVersion
	}
	if err := c.refuseHeaders("If-Match", "X-Amz-If-Match-", "X-Amz-Mfa", "X-Amz-Bypass-Governance-Retention"); err != nil {
		return err
	}
	deleted, err := c.h.store.DeleteObject(c.r.Context(), c.bucket, c.key, versionID)
	if err != nil {
		return err
	}
	if deleted.VersionID != "" {
		c.w.Header().Set("x-amz-version-id", deleted.VersionID)
	}
	if deleted.DeleteMarker {
		c.w.Header().Set("x-amz-delete-marker", "true")
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// maxDeletes is the most keys of one DeleteObjects.
const maxDeletes = 1000

// deleteObjects asks for permission for each of the keys.
func (c *call) deleteObjects() error {
	if _, err := c.open(); err != nil {
		return err
	}
	if err := c.refuseHeaders("X-Amz-Mfa", "X-Amz-Bypass-Governance-Retention"); err != nil {
		return err
	}
	var doc deleteXML
	empty, err := c.document(&doc, maxLongDocument)
	if err != nil {
		return err
	}
	if empty || len(doc.Objects) == 0 || len(doc.Objects) > maxDeletes {
		return malformedXML()
	}
	answer := deleteAnswer{}
	var allowed []ObjectID
	for _, o := range doc.Objects {
		if o.ETag != nil || o.Modified != nil || o.Size != nil {
			return notImplemented("conditions in DeleteObjects")
		}
		if err := c.mayDelete(o); err != nil {
			answer.Errors = append(answer.Errors, c.deleteError(ObjectID{Key: o.Key, VersionID: o.VersionID}, err))
			continue
		}
		allowed = append(allowed, ObjectID{Key: o.Key, VersionID: o.VersionID})
	}
	for _, result := range c.h.store.DeleteObjects(c.r.Context(), c.bucket, allowed) {
		if result.Err != nil {
			answer.Errors = append(answer.Errors, c.deleteError(result.ObjectID, result.Err))
			continue
		}
		if doc.Quiet {
			continue
		}
		item := deletedXML{Key: result.Key, VersionID: result.ObjectID.VersionID}
		if result.DeleteMarker {
			item.DeleteMarker, item.DeleteMarkerID = true, result.Deleted.VersionID
		}
		answer.Deleted = append(answer.Deleted, item)
	}
	c.xml(http.StatusOK, answer)
	return nil
}

func (c *call) mayDelete(o deleteObjectXML) error {
	action := "s3:DeleteObject"
	if o.VersionID != "" {
		action = "s3:DeleteObjectVersion"
	}
	if err := CheckKey(o.Key); err != nil {
		return err
	}
	return c.allowFor(c.bucket, o.Key, action)
}

// deleteError tells why one key could not be deleted.
func (c *call) deleteError(id ObjectID, err error) deleteErrorXML {
	of := *c
	of.key = id.Key
	f, internal := of.public(err)
	if errors.Is(err, ErrNoSuchVersion) {
		f = invalidArgument("VersionId", id.VersionID, "Invalid version id specified")
	}
	if internal {
		c.log(err)
	}
	return deleteErrorXML{Key: id.Key, VersionID: id.VersionID, Code: f.code, Message: f.message}
}
