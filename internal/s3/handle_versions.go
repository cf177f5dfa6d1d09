package s3

import (
	"encoding/xml"
	"net/http"
)

// markers reads what ListObjectVersions and ListMultipartUploads ask for, and
// how keys are written into the answer.
func (c *call) markers(id, limit string) (MarkerOptions, func(string) string, error) {
	opts := MarkerOptions{
		Prefix: c.query.Get("prefix"), Delimiter: c.query.Get("delimiter"),
		KeyMarker: c.query.Get("key-marker"), IDMarker: c.query.Get(id),
	}
	var err error
	if opts.Max, err = c.limit(limit); err != nil {
		return opts, nil, err
	}
	if opts.KeyMarker == "" && opts.IDMarker != "" && id == "version-id-marker" {
		return opts, nil, invalidArgument(id, opts.IDMarker, "A version-id marker cannot be specified without a key marker.")
	}
	name, err := c.encoding()
	return opts, name, err
}

func prefixElements(prefixes []string, name func(string) string) (list []prefixXML) {
	for _, prefix := range prefixes {
		list = append(list, prefixXML{Prefix: name(prefix)})
	}
	return list
}

func (c *call) listVersions() error {
	b, err := c.open("s3:ListBucketVersions")
	if err != nil {
		return err
	}
	opts, name, err := c.markers("version-id-marker", "max-keys")
	if err != nil {
		return err
	}
	var page MarkerPage[Object]
	if opts.Max > 0 {
		if page, err = c.h.store.ListVersions(c.r.Context(), c.bucket, opts); err != nil {
			return err
		}
	}
	answer := versionsAnswer{
		Name: b.Name, Prefix: name(opts.Prefix), KeyMarker: name(opts.KeyMarker), IDMarker: opts.IDMarker,
		NextKey: name(page.NextKey), NextID: page.NextID, MaxKeys: opts.Max, Delimiter: name(opts.Delimiter),
		EncodingType: c.query.Get("encoding-type"), IsTruncated: page.More,
		Prefixes: prefixElements(page.CommonPrefixes, name),
	}
	owner := ownerOf(b.Owner.Account)
	for _, o := range page.Entries {
		item := versionXML{
			XMLName: xml.Name{Local: "DeleteMarker"}, Key: name(o.Key), VersionID: o.VersionID, IsLatest: o.Latest,
			LastModified: xmlTime(o.Modified), Owner: owner,
		}
		if !o.DeleteMarker {
			item.XMLName.Local, item.ETag, item.Size, item.StorageClass = "Version", quote(o.ETag), new(o.Size), "STANDARD"
			if o.Checksum.Algorithm != "" {
				item.ChecksumAlgorithm, item.ChecksumType = o.Checksum.Algorithm, o.Checksum.kind()
			}
		}
		answer.Entries = append(answer.Entries, item)
	}
	c.xml(http.StatusOK, answer)
	return nil
}

func (c *call) listUploads() error {
	b, err := c.open("s3:ListBucketMultipartUploads")
	if err != nil {
		return err
	}
	opts, name, err := c.markers("upload-id-marker", "max-uploads")
	if err != nil {
		return err
	}
	var page MarkerPage[Upload]
	if opts.Max > 0 {
		if page, err = c.h.store.ListUploads(c.r.Context(), c.bucket, opts); err != nil {
			return err
		}
	}
	answer := uploadsAnswer{
		Bucket: b.Name, Prefix: name(opts.Prefix), KeyMarker: name(opts.KeyMarker), IDMarker: opts.IDMarker,
		NextKey: name(page.NextKey), NextID: page.NextID, MaxUploads: opts.Max, Delimiter: name(opts.Delimiter),
		EncodingType: c.query.Get("encoding-type"), IsTruncated: page.More,
		Prefixes: prefixElements(page.CommonPrefixes, name),
	}
	owner := ownerOf(b.Owner.Account)
	for _, u := range page.Entries {
		answer.Uploads = append(answer.Uploads, uploadXML{
			Key: name(u.Key), UploadID: u.ID, Initiator: owner, Owner: owner, StorageClass: "STANDARD",
			Initiated: xmlTime(u.Created), ChecksumAlgorithm: u.Algorithm, ChecksumType: u.Kind,
		})
	}
	c.xml(http.StatusOK, answer)
	return nil
}
