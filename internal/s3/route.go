package s3

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// splitPath takes a path-style request path apart. It works on the escaped form
// so that an escaped slash cannot move the border between bucket and key, and
// changes nothing else: "." and ".." and empty segments are part of a key.
func splitPath(u *url.URL) (bucket, key string, err error) {
	rawBucket, rawKey, _ := strings.Cut(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	bucket, err = url.PathUnescape(rawBucket)
	if err == nil {
		key, err = url.PathUnescape(rawKey)
	}
	if err != nil {
		return "", "", ErrInvalidKey
	}
	return bucket, key, nil
}

// subresource is a query parameter that makes another operation of a request.
// An entry of the form "Xs" means GetXs, PutXs and DeleteXs; one with a "!" is
// the name itself, whatever the method.
type subresource struct{ parameter, operation string }

func bucketSubresources() []subresource {
	return []subresource{
		{"accelerate", "BucketAccelerateConfiguration"}, {"acl", "BucketAcl"},
		{"analytics", "BucketAnalyticsConfiguration"}, {"cors", "BucketCors"},
		{"delete", "!DeleteObjects"}, {"encryption", "BucketEncryption"},
		{"intelligent-tiering", "BucketIntelligentTieringConfiguration"},
		{"inventory", "BucketInventoryConfiguration"}, {"lifecycle", "BucketLifecycleConfiguration"},
		{"location", "BucketLocation"}, {"logging", "BucketLogging"},
		{"metadataConfiguration", "BucketMetadataConfiguration"},
		{"metadataTable", "BucketMetadataTableConfiguration"}, {"metrics", "BucketMetricsConfiguration"},
		{"notification", "BucketNotificationConfiguration"}, {"object-lock", "ObjectLockConfiguration"},
		{"ownershipControls", "BucketOwnershipControls"}, {"policy", "BucketPolicy"},
		{"policyStatus", "BucketPolicyStatus"}, {"publicAccessBlock", "PublicAccessBlock"},
		{"replication", "BucketReplication"}, {"requestPayment", "BucketRequestPayment"},
		{"session", "!CreateSession"}, {"tagging", "BucketTagging"},
		{"uploads", "!ListMultipartUploads"}, {"versioning", "BucketVersioning"},
		{"versions", "!ListObjectVersions"}, {"website", "BucketWebsite"},
	}
}

func objectSubresources() []subresource {
	return []subresource{
		{"acl", "ObjectAcl"}, {"attributes", "ObjectAttributes"}, {"encryption", "ObjectEncryption"},
		{"legal-hold", "ObjectLegalHold"}, {"renameObject", "!RenameObject"},
		{"restore", "!RestoreObject"}, {"retention", "ObjectRetention"},
		{"select", "!SelectObjectContent"}, {"tagging", "ObjectTagging"}, {"torrent", "ObjectTorrent"},
		{"uploads", "!CreateMultipartUpload"},
	}
}

// operationOf names the S3 operation of a request, whether there is one here or
// not; "" for a method that S3 does not have.
func operationOf(method, bucket, key string, query url.Values, header http.Header) string {
	verb := map[string]string{
		http.MethodGet: "Get", http.MethodHead: "Head", http.MethodPut: "Put",
		http.MethodDelete: "Delete", http.MethodPost: "Post",
	}[method]
	switch {
	case verb == "":
		return ""
	case bucket == "":
		if verb == "Get" {
			return "ListBuckets"
		}
		return ""
	case key == "":
		return bucketOperation(verb, query)
	}
	return objectOperation(verb, query, header)
}

func bucketOperation(verb string, query url.Values) string {
	if name := subOperation(verb, query, bucketSubresources()); name != "" {
		return name
	}
	switch verb {
	case "Get":
		if query.Get("list-type") == "2" {
			return "ListObjectsV2"
		}
		return "ListObjects"
	case "Put":
		return "CreateBucket"
	case "Post":
		return "PostObject"
	}
	return verb + "Bucket"
}

func objectOperation(verb string, query url.Values, header http.Header) string {
	copying := header.Get("X-Amz-Copy-Source") != ""
	if query.Has("uploadId") {
		switch {
		case verb == "Put" && copying:
			return "UploadPartCopy"
		case verb == "Put":
			return "UploadPart"
		case verb == "Post":
			return "CompleteMultipartUpload"
		case verb == "Delete":
			return "AbortMultipartUpload"
		}
		return "ListParts"
	}
	if name := subOperation(verb, query, objectSubresources()); name != "" {
		return name
	}
	switch {
	case verb == "Put" && copying:
		return "CopyObject"
	case verb == "Post":
		return ""
	}
	return verb + "Object"
}

func subOperation(verb string, query url.Values, list []subresource) string {
	for _, s := range list {
		if !query.Has(s.parameter) {
			continue
		}
		if name, ok := strings.CutPrefix(s.operation, "!"); ok {
			return name
		}
		return verb + s.operation
	}
	return ""
}

// parameters are what a query may have besides subresources, whether an operation
// looks at them or not. Those of AWS's own (X-Amz-) and x-id come on top.
func parameters() []string {
	return []string{
		"AWSAccessKeyId", "Expires", "Signature", "bucket-region", "continuation-token", "delimiter", "encoding-type",
		"fetch-owner", "key-marker", "list-type", "marker", "max-buckets", "max-keys", "max-parts", "max-uploads",
		"part-number-marker", "partNumber", "prefix", "response-cache-control", "response-content-disposition",
		"response-content-encoding", "response-content-language", "response-content-type", "response-expires",
		"start-after", "upload-id-marker", "uploadId", "version-id-marker", "versionId",
	}
}

// refuseMeant refuses requests that mean something else than their method and path
// say: those of operations that are newer than this handler, which are told by a
// parameter without a value, and those with the name of their bucket in the host.
func (c *call) refuseMeant() error {
	host := c.r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	// Which names this server has is not known. Under localhost it has no others, and
	// the SDKs that put buckets there also say which operation they mean.
	label, local := strings.CutSuffix(strings.ToLower(host), ".localhost")
	meant := c.query.Get("x-id")
	if _, here := c.h.operations[meant]; meant != "" && !here {
		return notImplemented(meant)
	}
	if local && CheckBucketName(label) == nil || meant != "" && meant != c.operation {
		return fail(http.StatusBadRequest, "InvalidRequest",
			"This endpoint takes the name of a bucket in the path only, not in the name of the host (%s). "+
				"Have the client use path style: UsePathStyle, forcePathStyle or addressing_style = path.", host)
	}
	for name, values := range c.query {
		known := name == "x-id" || slices.Contains(parameters(), name) || strings.HasPrefix(strings.ToLower(name), "x-amz-") ||
			slices.ContainsFunc(slices.Concat(bucketSubresources(), objectSubresources()), func(s subresource) bool { return s.parameter == name })
		if !known && !slices.ContainsFunc(values, func(v string) bool { return v != "" }) {
			return notImplemented(c.r.Method + " ?" + name)
		}
	}
	return nil
}
