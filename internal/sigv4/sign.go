package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Hash returns the hexadecimal SHA-256 of a body, as Sign and Verify want it.
func Hash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Sign adds X-Amz-Date, the session token if there is one, for S3 the payload
// hash, and the Authorization header to a request about to be sent. bodyHash is
// the Hash of the body or, for S3 only, UnsignedPayload. All headers named
// content-* (but content-length), x-amz-* and x-penstock-* are signed, so they
// must be set before. Signing again replaces the signature.
func Sign(r *http.Request, bodyHash string, c Credentials, region, service string, now time.Time) {
	s := &Signature{
		AccessKeyID: c.AccessKeyID,
		Time:        now.UTC().Truncate(time.Second),
		Region:      region,
		Service:     service,
	}
	s.Date = s.Time.Format("20060102")
	r.Header.Set(headerDate, s.Time.Format(timeFormat))
	r.Header.Del(headerToken)
	if c.SessionToken != "" {
		r.Header.Set(headerToken, c.SessionToken)
	}
	if service == serviceS3 {
		r.Header.Set(headerSHA256, bodyHash)
	}
	s.SignedHeaders = signedHeaders(r.Header)
	// RawQuery that cannot be read is sent as it is and refused by the server.
	query, _ := canonicalQuery(r.URL.RawQuery, false)
	path, _ := canonicalPaths(r.URL.EscapedPath(), service)
	canonical := sha256.Sum256(appendCanonical(nil, r, path, query, s.SignedHeaders, bodyHash))
	text := hex.AppendEncode(s.appendStringToSign(nil, Algorithm), canonical[:])
	key := deriveKey(keyID{c.SecretAccessKey, s.Date, region, service})
	r.Header.Set("Authorization", Algorithm+
		" Credential="+strings.Join([]string{c.AccessKeyID, s.Date, region, service, terminator}, "/")+
		", SignedHeaders="+strings.Join(s.SignedHeaders, ";")+
		", Signature="+hex.EncodeToString(hmacSHA256(key, text)))
}

func signedHeaders(h http.Header) []string {
	names := []string{"host"}
	for name := range h {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") || strings.HasPrefix(lower, "x-penstock-") || strings.HasPrefix(lower, "content-") && lower != "content-length" {
			names = append(names, lower)
		}
	}
	slices.Sort(names)
	return names
}
