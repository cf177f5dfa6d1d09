package s3

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

func (c *call) listObjects() error {
	b, err := c.open("s3:ListBucket")
	if err != nil {
		return err
	}
	opts := ListOptions{
		Prefix: c.query.Get("prefix"), Delimiter: c.query.Get("delimiter"),
		StartAfter: c.query.Get("start-after"), Token: c.query.Get("continuation-token"),
		MaxKeys: MaxKeys,
	}
	if text := c.query.Get("max-keys"); text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 0 {
			return invalidArgument("max-keys", text, "Argument maxKeys must be an integer between 0 and 2147483647")
		}
		opts.MaxKeys = min(int(n), MaxKeys)
	}
	encoding := c.query.Get("encoding-type")
	if encoding != "" && encoding != "url" {
		return invalidArgument("encoding-type", encoding, "Invalid Encoding Method specified in Request")
	}
	if c.query.Has("continuation-token") && opts.Token == "" {
		return ErrInvalidToken
	}
	var page ListPage
	if opts.MaxKeys > 0 { // S3 answers 0 with an empty page that is the last
		if page, err = c.h.store.ListObjects(c.r.Context(), c.bucket, opts); err != nil {
			return err
		}
	}
	c.xml(http.StatusOK, c.listAnswer(b, opts, page, encoding))
	return nil
}

func (c *call) listAnswer(b Bucket, opts ListOptions, page ListPage, encoding string) objectsAnswer {
	name := func(key string) string { return key }
	if encoding == "url" {
		name = urlEncode
	}
	answer := objectsAnswer{
		Name: b.Name, Prefix: name(opts.Prefix), StartAfter: name(opts.StartAfter),
		Token: opts.Token, Next: page.Next, IsTruncated: page.Next != "",
		KeyCount: len(page.Objects) + len(page.CommonPrefixes), MaxKeys: opts.MaxKeys,
		Delimiter: name(opts.Delimiter), Encoding: encoding,
	}
	owned := c.query.Get("fetch-owner") == "true"
	for _, o := range page.Objects {
		item := objectXML{
			Key: name(o.Key), LastModified: xmlTime(o.Modified), ETag: quote(o.ETag),
			Size: o.Size, StorageClass: "STANDARD", ChecksumAlgorithm: o.Checksum.Algorithm,
		}
		if o.Checksum.Algorithm != "" {
			item.ChecksumType = "FULL_OBJECT"
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
