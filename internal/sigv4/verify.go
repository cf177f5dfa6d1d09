package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// CheckScope refuses a credential scope that is not meant for the given service,
// before any key is looked up. Any region is accepted: a caller that serves
// only some compares Region itself.
func (s *Signature) CheckScope(service string) error {
	switch {
	case s.v2 != nil && service == serviceS3:
		return nil
	case s.Terminator != terminator:
		return invalid(Scope, "Credential should be scoped with a valid terminator: 'aws4_request'")
	case s.Service != service:
		return invalid(Scope, "Credential should be scoped to correct service: '"+service+"'")
	case s.Date != s.Time.Format("20060102"):
		return invalid(Scope, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP")
	case s.Region == "":
		return invalid(Scope, "Credential should be scoped to a valid Region, not ''")
	}
	return nil
}

// Verify proves that the holder of secret signed this request, at most five
// minutes (S3: fifteen) from now. For a service other than S3, bodyHash is the
// hexadecimal SHA-256 of the body that was read, and a declared payload hash
// must be equal to it; for S3 it is the declared PayloadHash, and the body is
// yet to be checked (see Body). Callers check the scope first. The error is an
// *Error.
func (s *Signature) Verify(r *http.Request, bodyHash, secret string, now time.Time) error {
	var keys KeyCache
	return keys.Verify(s, r, bodyHash, secret, now)
}

// KeyCache is Verify with a memory: the signing key derived from a secret is
// the same for all requests of a day, region and service. The zero value is
// ready for use, by any number of goroutines.
type KeyCache struct {
	mu   sync.RWMutex
	keys map[keyID][]byte
}

// keyID holds the secret itself, so that a replaced secret cannot be verified
// with the key of the old one.
type keyID struct{ secret, date, region, service string }

// maxCachedKeys bounds the memory; past it the cache starts anew.
const maxCachedKeys = 1024

// Verify is Signature.Verify.
func (k *KeyCache) Verify(s *Signature, r *http.Request, bodyHash, secret string, now time.Time) error {
	if s.v2 != nil {
		return s.verifyV2(secret, now)
	}
	// The string to sign relies on a scope that holds together, also when the
	// caller forgot to check it.
	if err := s.CheckScope(s.Service); err != nil {
		return err
	}
	if err := s.checkTime(now); err != nil {
		return err
	}
	if err := s.checkSignedHeaders(r); err != nil {
		return err
	}
	if s.Service != serviceS3 && s.PayloadHash != "" && s.PayloadHash != bodyHash {
		return s.payloadError()
	}
	given, err := hex.DecodeString(s.Value)
	if err != nil || len(given) != sha256.Size {
		return mismatch()
	}
	query, err := canonicalQuery(r.URL.RawQuery, s.Presigned)
	if err != nil {
		return mismatch()
	}
	id := keyID{secret, s.Date, s.Region, s.Service}
	key, cached := k.get(id)
	if !cached {
		key = deriveKey(id)
	}
	first, second := canonicalPaths(r.URL.EscapedPath(), s.Service)
	ok := s.matches(r, first, query, bodyHash, key, given)
	if !ok && second != "" {
		ok = s.matches(r, second, query, bodyHash, key, given)
	}
	if !ok {
		return mismatch()
	}
	if !cached {
		// Only keys that verified something are kept, so that requests without
		// the secret cannot push the useful ones out.
		k.put(id, key)
	}
	return nil
}

func (s *Signature) matches(r *http.Request, path, query, bodyHash string, key, given []byte) bool {
	var buffer [1536]byte
	canonical := sha256.Sum256(appendCanonical(buffer[:0], r, path, query, s.SignedHeaders, bodyHash))
	text := s.appendStringToSign(buffer[:0], Algorithm)
	text = hex.AppendEncode(text, canonical[:])
	return subtle.ConstantTimeCompare(hmacSHA256(key, text), given) == 1
}

// appendStringToSign appends the lines that all strings to sign begin with:
// algorithm, time, scope.
func (s *Signature) appendStringToSign(dst []byte, algorithm string) []byte {
	dst = append(dst, algorithm...)
	dst = append(dst, '\n')
	dst = s.Time.AppendFormat(dst, timeFormat)
	dst = append(dst, '\n')
	for _, part := range []string{s.Date, s.Region, s.Service} {
		dst = append(dst, part...)
		dst = append(dst, '/')
	}
	dst = append(dst, terminator...)
	return append(dst, '\n')
}

// checkTime refuses what was signed too long ago or in the future.
func (s *Signature) checkTime(now time.Time) error {
	skew, minutes := maxSkew, "5 min.)"
	if s.Service == serviceS3 {
		skew, minutes = maxSkewS3, "15 min.)"
	}
	now = now.UTC()
	signed, current := s.Time.Format(timeFormat), now.Format(timeFormat)
	if latest := now.Add(skew); s.Time.After(latest) {
		return invalid(NotYetCurrent, "Signature not yet current: "+signed+" is still later than "+
			latest.Format(timeFormat)+" ("+current+" + "+minutes)
	}
	if s.Presigned {
		if end := s.Time.Add(s.Expires); now.After(end) {
			return invalid(PresignExpired, "Signature expired: "+end.Format(timeFormat)+" is now earlier than "+current)
		}
		return nil
	}
	if earliest := now.Add(-skew); s.Time.Before(earliest.Truncate(time.Second)) {
		return invalid(Expired, "Signature expired: "+signed+" is now earlier than "+
			earliest.Format(timeFormat)+" ("+current+" - "+minutes)
	}
	return nil
}

// checkSignedHeaders insists on the headers that change what a request means.
// x-amz-date and x-amz-content-sha256 are part of the signed text by themselves.
func (s *Signature) checkSignedHeaders(r *http.Request) error {
	if !slices.Contains(s.SignedHeaders, "host") {
		return invalid(Unsigned, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range r.Header {
		if !strings.HasPrefix(name, "X-Amz-") || name == headerDate || name == headerSHA256 {
			continue
		}
		if s.Service != serviceS3 && name != "X-Amz-Target" && name != headerToken {
			continue
		}
		if !slices.Contains(s.SignedHeaders, strings.ToLower(name)) {
			return invalid(Unsigned, "'"+name+"' must be a 'SignedHeader' in the AWS Authorization.")
		}
	}
	return nil
}

// payloadError tells a wrong hash from a kind of payload only S3 has.
func (s *Signature) payloadError() error {
	if s.PayloadHash == UnsignedPayload || strings.HasPrefix(s.PayloadHash, "STREAMING-") {
		return invalid(Payload, "The value of 'X-Amz-Content-SHA256' must be the SHA-256 of the body: '"+s.PayloadHash+"' is not supported by this service.")
	}
	return mismatch()
}

func (k *KeyCache) get(id keyID) ([]byte, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	key, ok := k.keys[id]
	return key, ok
}

func (k *KeyCache) put(id keyID, key []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil || len(k.keys) >= maxCachedKeys {
		k.keys = map[keyID][]byte{}
	}
	k.keys[id] = key
}

func deriveKey(id keyID) []byte {
	key := hmacSHA256([]byte("AWS4"+id.secret), []byte(id.date))
	key = hmacSHA256(key, []byte(id.region))
	key = hmacSHA256(key, []byte(id.service))
	return hmacSHA256(key, []byte(terminator))
}

func hmacSHA256(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}
