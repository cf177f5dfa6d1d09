package sigv4

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The parameters of a signature of version 2 in a query. The session token is
// x-amz-security-token, which is signed like every x-amz-*.
const (
	v2KeyID     = "AWSAccessKeyId"
	v2Signature = "Signature"
	v2Expires   = "Expires"
)

// HasV2 reports whether a request says that it has a signature of version 2 in
// its query, as boto3 and the first AWS CLI presign URLs where S3 is older than
// version 4.
func HasV2(r *http.Request) bool { return r.URL.Query().Has(v2KeyID) }

// ParseS3 is Parse for S3, which also takes version 2 in a query; not in a header.
// The error is an *Error.
func ParseS3(r *http.Request) (*Signature, error) {
	if !HasV2(r) {
		return Parse(r)
	}
	if len(r.Header["Authorization"]) > 0 || r.URL.Query().Has("X-Amz-Algorithm") {
		return nil, invalid(Ambiguous, "Found both 'AWSAccessKeyId' and another signature.")
	}
	return parseV2(r)
}

// v2 is what a signature of version 2 has that others have not.
type v2 struct {
	// expires is when the URL ends, in seconds since the epoch.
	expires int64
	// signed are the texts of which the signature is the HMAC of one.
	signed []string
}

// parseV2 reads what S3's developer guide of 2006-03-01 describes in "Query
// String Request Authentication Alternative".
func parseV2(r *http.Request) (*Signature, error) {
	params, err := v2Parameters(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	own := map[string]string{}
	for _, p := range params {
		own[p.name] = p.value
	}
	for _, name := range []string{v2KeyID, v2Signature, v2Expires} {
		if own[name] == "" {
			return nil, malformedV2("Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
		}
	}
	expires, err := strconv.ParseInt(own[v2Expires], 10, 64)
	if err != nil || strings.Trim(own[v2Expires], "0123456789") != "" {
		return nil, malformedV2("Invalid date (should be seconds since epoch): " + own[v2Expires])
	}
	headers, err := v2Headers(r.Header, params)
	if err != nil {
		return nil, err
	}
	query, err := v2Query(params)
	if err != nil {
		return nil, err
	}
	s := &Signature{
		AccessKeyID: own[v2KeyID], Service: serviceS3, Value: own[v2Signature], Presigned: true,
		SessionToken: headers[strings.ToLower(headerToken)], PayloadHash: headers[strings.ToLower(headerSHA256)],
	}
	if strings.HasPrefix(s.PayloadHash, "STREAMING-AWS4-") {
		return nil, malformedV2("Chunks that are signed with version 4 do not go with a signature of version 2: " + s.PayloadHash)
	}
	var text strings.Builder
	for _, line := range []string{r.Method, v2Header(r.Header, "Content-Md5"), v2Header(r.Header, "Content-Type"), own[v2Expires]} {
		text.WriteString(line + "\n")
	}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		text.WriteString(name + ":" + headers[name] + "\n")
	}
	s.v2 = &v2{expires: expires}
	for _, path := range v2Paths(r.URL.EscapedPath()) {
		s.v2.signed = append(s.v2.signed, text.String()+path+query)
	}
	return s, nil
}

func malformedV2(message string) *Error {
	return &Error{Reason: MalformedV2, Code: "AccessDenied", Message: message}
}

// v2Parameter is a parameter of a query, decoded. One that is bare has no equals
// sign, not even before an empty value.
type v2Parameter struct {
	name, value string
	bare        bool
}

// v2Parameters takes a query apart. A parameter that is part of what is signed must
// not stand twice: it would be unclear which one counts.
func v2Parameters(raw string) ([]v2Parameter, error) {
	if _, err := url.ParseQuery(raw); err != nil {
		return nil, malformedV2("The query string cannot be read. Re-examine the query-string parameters.")
	}
	var params []v2Parameter
	seen := map[string]bool{}
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		rawName, rawValue, valued := strings.Cut(part, "=")
		name, _ := url.QueryUnescape(rawName) // ParseQuery could, too
		value, _ := url.QueryUnescape(rawValue)
		key := name
		if isAmz(name) {
			key = strings.ToLower(name)
		}
		counts := isAmz(name) || v2Counts(name) || name == v2KeyID || name == v2Signature || name == v2Expires
		if counts && seen[key] {
			return nil, malformedV2("The query-string parameter '" + name + "' must not be repeated.")
		}
		seen[key] = true
		params = append(params, v2Parameter{name, value, !valued})
	}
	return params, nil
}

func isAmz(name string) bool { return strings.HasPrefix(strings.ToLower(name), "x-amz-") }

// v2Headers are the x-amz-* headers by their lower-case names. A presigned URL has
// them as parameters, which stand for headers that are not sent.
func v2Headers(h http.Header, params []v2Parameter) (map[string]string, error) {
	headers := map[string]string{}
	for name := range h {
		if isAmz(name) {
			headers[strings.ToLower(name)] = v2Header(h, name)
		}
	}
	for _, p := range params {
		name := strings.ToLower(p.name)
		if !isAmz(name) || len(h[textproto.CanonicalMIMEHeaderKey(name)]) > 0 {
			continue
		}
		// What no header can be could pass for other lines of the signed text.
		if !isHeaderName(name) || strings.ContainsFunc(p.value, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return nil, malformedV2("The query-string parameter '" + p.name + "' cannot be a header.")
		}
		headers[name] = p.value
	}
	return headers, nil
}

// v2Header is the signed form of a header.
func v2Header(h http.Header, name string) string {
	values := slices.Clone(h[name])
	for i := range values {
		values[i] = strings.TrimSpace(values[i])
	}
	return strings.Join(values, ",")
}

// v2Paths are the forms of a path that a client may have signed: as it was sent,
// and that of a bucket also with the slash that host names of buckets have.
func v2Paths(path string) []string {
	switch {
	case path == "":
		return []string{"/"}
	case strings.LastIndexByte(path, '/') == 0 && len(path) > 1:
		return []string{path + "/", path}
	}
	return []string{path}
}

// v2Query is the signed form of a query: the parameters that count, sorted, their
// values decoded.
func v2Query(params []v2Parameter) (string, error) {
	var counting []string
	for _, p := range params {
		if !v2Counts(p.name) {
			continue
		}
		// As the values are not encoded, one could pass for several parameters.
		_, rest, more := strings.Cut(p.value, "&")
		for ; more; _, rest, more = strings.Cut(rest, "&") {
			part, _, _ := strings.Cut(rest, "&")
			if name, _, _ := strings.Cut(part, "="); v2Counts(name) {
				return "", malformedV2("The query-string parameter '" + p.name + "' has another one in its value.")
			}
		}
		if p.bare {
			counting = append(counting, p.name)
		} else {
			counting = append(counting, p.name+"="+p.value)
		}
	}
	if len(counting) == 0 {
		return "", nil
	}
	slices.SortFunc(counting, func(a, b string) int {
		nameA, _, _ := strings.Cut(a, "=")
		nameB, _, _ := strings.Cut(b, "=")
		return strings.Compare(nameA, nameB)
	})
	return "?" + strings.Join(counting, "&"), nil
}

// v2Counts reports whether a parameter is part of what is signed: sub-resources,
// and headers of the answer. Other parameters, such as the prefix of a list, are
// not proven by version 2 at all.
func v2Counts(name string) bool {
	switch name {
	case "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location",
		"logging", "metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment",
		"restore", "select", "select-type", "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId",
		"versioning", "versions", "website",
		"response-cache-control", "response-content-disposition", "response-content-encoding",
		"response-content-language", "response-content-type", "response-expires":
		return true
	}
	return false
}

// verifyV2 proves that the holder of secret made the URL, and that it has not
// expired. S3 sets no bound to how far off that may be.
func (s *Signature) verifyV2(secret string, now time.Time) error {
	if now.Unix() > s.v2.expires {
		return invalid(PresignExpired, "Signature expired: "+strconv.FormatInt(s.v2.expires, 10)+" is now earlier than "+strconv.FormatInt(now.Unix(), 10))
	}
	given, err := base64.StdEncoding.Strict().DecodeString(s.Value)
	if err != nil {
		return mismatch()
	}
	for _, text := range s.v2.signed {
		h := hmac.New(sha1.New, []byte(secret))
		h.Write([]byte(text))
		if subtle.ConstantTimeCompare(h.Sum(nil), given) == 1 {
			return nil
		}
	}
	return mismatch()
}
