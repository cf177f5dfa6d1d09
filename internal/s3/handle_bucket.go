package s3

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// homeRegion is the one region that S3 treats as having no name.
const homeRegion = "us-east-1"

// maxDocument bounds the XML documents that clients send, maxLongDocument those
// with a thousand keys or ten thousand parts.
const (
	maxDocument     = 64 << 10
	maxLongDocument = 8 << 20
)

func malformedXML() *failure {
	return fail(http.StatusBadRequest, "MalformedXML",
		"The XML you provided was not well-formed or did not validate against our published schema")
}

// document reads the request's XML, of at most limit bytes, into v; empty says
// that there was none.
func (c *call) document(v any, limit int64) (empty bool, err error) {
	text, err := io.ReadAll(io.LimitReader(c.body, limit+1))
	if err != nil {
		return false, err
	}
	if int64(len(text)) > limit {
		return false, malformedXML()
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return true, nil
	}
	if err := xml.Unmarshal(text, v); err != nil {
		return false, malformedXML()
	}
	return false, nil
}

func (c *call) createBucket() error {
	if err := c.allow("s3:CreateBucket"); err != nil {
		return err
	}
	if err := c.refuseHeaders("X-Amz-Grant-"); err != nil {
		return err
	}
	if acl := c.r.Header.Get("X-Amz-Acl"); acl != "" && acl != "private" {
		return notImplemented("x-amz-acl: " + acl + " on a bucket")
	}
	if strings.EqualFold(c.r.Header.Get("X-Amz-Bucket-Object-Lock-Enabled"), "true") {
		return notImplemented("x-amz-bucket-object-lock-enabled")
	}
	var doc createBucketXML
	if _, err := c.document(&doc, maxDocument); err != nil {
		return err
	}
	if doc.Location != nil || doc.Bucket != nil || doc.Tags != nil {
		return notImplemented("CreateBucketConfiguration with Location, Bucket or Tags")
	}
	region, err := c.newBucketRegion(doc.Region)
	if err != nil {
		return err
	}
	err = c.h.store.CreateBucket(c.r.Context(), Owner{Account: c.caller.Account, Region: region}, c.bucket)
	if errors.Is(err, ErrBucketOwned) && region == homeRegion {
		err = nil // S3 keeps this old behaviour in us-east-1 only
	}
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/"+c.bucket)
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// newBucketRegion is where a bucket goes: us-east-1 takes buckets for every
// region, any other region only its own, which must be named.
func (c *call) newBucketRegion(constraint string) (string, error) {
	if constraint == "EU" {
		constraint = "eu-west-1"
	}
	here := cmp.Or(c.caller.Region, homeRegion)
	switch {
	case here == homeRegion:
		return cmp.Or(constraint, here), nil
	case constraint == here:
		return here, nil
	}
	return "", fail(http.StatusBadRequest, "IllegalLocationConstraintException",
		"The %s location constraint is incompatible for the region specific endpoint this request was sent to.",
		cmp.Or(constraint, "unspecified"))
}

func (c *call) headBucket() error {
	b, err := c.open("s3:ListBucket")
	if err != nil {
		return err
	}
	c.w.Header().Set("x-amz-bucket-region", b.Owner.Region)
	c.w.Header().Set("x-amz-access-point-alias", "false")
	c.w.WriteHeader(http.StatusOK)
	return nil
}

func (c *call) getBucketLocation() error {
	b, err := c.open("s3:GetBucketLocation")
	if err != nil {
		return err
	}
	answer := locationAnswer{Region: b.Owner.Region}
	if answer.Region == homeRegion {
		answer.Region = ""
	}
	c.xml(http.StatusOK, answer)
	return nil
}

func (c *call) getBucketVersioning() error {
	b, err := c.open("s3:GetBucketVersioning")
	if err != nil {
		return err
	}
	c.xml(http.StatusOK, versioningXML{Namespace: xmlNamespace, Status: string(b.Versioning)})
	return nil
}

func (c *call) putBucketVersioning() error {
	if _, err := c.open("s3:PutBucketVersioning"); err != nil {
		return err
	}
	var doc versioningXML
	if _, err := c.document(&doc, maxDocument); err != nil {
		return err
	}
	if doc.MFADelete != "" && doc.MFADelete != "Disabled" {
		return notImplemented("MfaDelete")
	}
	v := Versioning(doc.Status)
	if v != VersioningEnabled && v != VersioningSuspended {
		return fail(http.StatusBadRequest, "IllegalVersioningConfigurationException",
			"The Versioning element must be specified")
	}
	if err := c.h.store.PutBucketVersioning(c.r.Context(), c.bucket, v); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// maxBuckets is the most that one page of ListBuckets holds.
const maxBuckets = 10_000

func (c *call) listBuckets() error {
	if err := c.allow("s3:ListAllMyBuckets"); err != nil {
		return err
	}
	limit := maxBuckets
	if text := c.query.Get("max-buckets"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxBuckets {
			return invalidArgument("max-buckets", text, "Argument max-buckets must be an integer between 1 and %d", maxBuckets)
		}
		limit = n
	}
	token := c.query.Get("continuation-token")
	after, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return ErrInvalidToken
	}
	answer := bucketsAnswer{Owner: ownerOf(c.caller.Account), Prefix: c.query.Get("prefix")}
	region := c.query.Get("bucket-region")
	const batch = 1000
	for last := string(after); ; {
		list, err := c.h.store.ListBuckets(c.r.Context(), c.caller.Account, last, batch)
		if err != nil {
			return err
		}
		for _, b := range list {
			if !strings.HasPrefix(b.Name, answer.Prefix) || region != "" && region != b.Owner.Region {
				continue
			}
			if len(answer.Buckets) == limit {
				name := answer.Buckets[limit-1].Name
				answer.Next = base64.RawURLEncoding.EncodeToString([]byte(name))
				c.xml(http.StatusOK, answer)
				return nil
			}
			answer.Buckets = append(answer.Buckets, bucketXML{Name: b.Name, Created: xmlTime(b.Created), Region: b.Owner.Region})
		}
		if len(list) < batch {
			c.xml(http.StatusOK, answer)
			return nil
		}
		last = list[len(list)-1].Name
	}
}

// refuseHeaders answers NotImplemented for a header that asks for what is not
// here. A name that ends in "-" stands for all that begin with it.
func (c *call) refuseHeaders(names ...string) error {
	for sent := range c.r.Header {
		for _, name := range names {
			if sent == name || strings.HasSuffix(name, "-") && strings.HasPrefix(sent, name) {
				return notImplemented(strings.ToLower(sent))
			}
		}
	}
	return nil
}
