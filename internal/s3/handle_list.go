package s3

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// listObjects serves ListObjects and ListObjectsV2, which differ in how the next
// page is asked for.
func (c *call) listObjects() error {
	b, err := c.open("s3:ListBucket")
	if err != nil {
		return err
	}
	opts := ListOptions{Prefix: c.query.Get("prefix"), Delimiter: c.query.Get("delimiter")}
	if opts.MaxKeys, err = c.limit("max-keys"); err != nil {
		return err
	}
	name, err := c.encoding()
	if err != nil {
		return err
	}
	if c.operation == "ListObjects" {
		opts.Marker = c.query.Get("marker")
	} else {
		opts.StartAfter, opts.Token = c.query.Get("start-after"), c.query.Get("continuation-token")
		if c.query.Has("continuation-token") && opts.Token == "" {
			return ErrInvalidToken
		}
	}
	var page ListPage
	if opts.MaxKeys > 0 { // S3 answers 0 with an empty page that is the last
		if page, err = c.h.store.ListObjects(c.r.Context(), c.bucket, opts); err != nil {
			return err
		}
	}
	c.xml(http.StatusOK, c.listAnswer(b, opts, page, name))
	return nil
}

// limit reads how many entries a page may hold.
func (c *call) limit(parameter string) (int, error) {
	text := c.query.Get(parameter)
	if text == "" {
		return MaxKeys, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0, invalidArgument(parameter, text, "Argument %s must be an integer between 0 and 2147483647", parameter)
	}
	return min(int(n), MaxKeys), nil
}

// encoding returns how keys are written into the answer.
func (c *call) encoding() (func(string) string, error) {
	switch encoding := c.query.Get("encoding-type"); encoding {
	case "":
		return func(key string) string { return key }, nil
	case "url":
		return urlEncode, nil
	default:
		return nil, invalidArgument("encoding-type", encoding, "Invalid Encoding Method specified in Request")
	}
}

func (c *call) listAnswer(b Bucket, opts ListOptions, page ListPage, name func(string) string) objectsAnswer {
	answer := objectsAnswer{
		Name: b.Name, Prefix: name(opts.Prefix), IsTruncated: page.Next != "", MaxKeys: opts.MaxKeys,
		Delimiter: name(opts.Delimiter), Encoding: c.query.Get("encoding-type"),
	}
	owned := true
	if c.operation == "ListObjects" {
		answer.Marker = new(name(opts.Marker))
		if opts.Delimiter != "" { // without one clients take the last key
			answer.NextMarker = name(page.last())
		}
	} else {
		answer.StartAfter, answer.Token, answer.Next = name(opts.StartAfter), opts.Token, page.Next
		answer.KeyCount = new(len(page.Objects) + len(page.CommonPrefixes))
		owned = c.query.Get("fetch-owner") == "true"
	}
	for _, o := range page.Objects {
		item := objectXML{
			Key: name(o.Key), LastModified: xmlTime(o.Modified), ETag: quote(o.ETag),
			Size: o.Size, StorageClass: "STANDARD", ChecksumAlgorithm: o.Checksum.Algorithm,
		}
		if o.Checksum.Algorithm != "" {
			item.ChecksumType = o.Checksum.kind()
		}
		if owned {
			item.Owner = ownerOf(b.Owner.Account)
		}
		answer.Contents = append(answer.Contents, item)
	}
	for _, prefix := range page.CommonPrefixes {
		answer.Prefixes = append(answer.Prefixes, prefixXML{Prefix: name(prefix)})
	}
	return answer
}

// urlEncode escapes a key for encoding-type=url, which keeps slashes.
func urlEncode(key string) string {
	return strings.NewReplacer("+", "%20", "%2F", "/").Replace(url.QueryEscape(key))
}
