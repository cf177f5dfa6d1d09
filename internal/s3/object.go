package s3

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/penstock-cd/penstock/internal/blob"
)

// Object describes one version of an object.
type Object struct {
	Bucket string
	Key    string
	// VersionID is 32 characters of [A-Za-z0-9._], or "null" for a version that
	// was written while the bucket had no versioning.
	VersionID string
	// Sequence grows with every version of one key.
	Sequence int64
	// Latest says that it is the current version. Only ListVersions tells.
	Latest       bool
	DeleteMarker bool
	// Size is in bytes.
	Size int64
	// ETag is the MD5 of the content in lower-case hexadecimal, without quotes; of
	// an object uploaded in N parts the MD5 of their MD5s, and "-N".
	ETag     string
	Checksum Checksum
	Headers  Headers
	Modified time.Time

	contentKey string
}

// parts is the number of parts that the object was uploaded in, 0 for a put.
func (o Object) parts() int {
	_, count, _ := strings.Cut(o.ETag, "-")
	n, _ := strconv.Atoi(count) // 0 without a count
	return n
}

// uploadID is the upload that an object of parts was made by.
func (o Object) uploadID() string { return strings.TrimPrefix(o.contentKey, partsPrefix) }

// Headers are what a writer says about an object and a reader gets back.
type Headers struct {
	ContentType        string
	CacheControl       string
	ContentDisposition string
	ContentEncoding    string
	ContentLanguage    string
	Expires            string
	// ACL is the canned ACL as it was asked for; it opens nothing.
	ACL string
	// Metadata is the user's, keyed by lower-case names without "x-amz-meta-".
	Metadata map[string]string
	// Tags are the object's tags, which may change after the put.
	Tags []Tag
	SSE  SSE
}

// SSE is the server-side encryption that a writer asked for. It is kept and
// echoed; encrypting the disk is the operator's work.
type SSE struct {
	// Algorithm is "", "AES256", "aws:kms" or "aws:kms:dsse".
	Algorithm string
	KMSKeyID  string
	// Context is the base64 text of the encryption context.
	Context   string
	BucketKey bool
}

const (
	nullVersion    = "null"
	maxObjectKey   = 1024
	maxMetadata    = 2048
	defaultType    = "binary/octet-stream"
	versionIDLen   = 32
	sequenceLen    = 11 // of an id; with 6 bits each they hold 64
	versionIDChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"
)

// CheckKey returns ErrInvalidKey or ErrKeyTooLong unless key is 1 to 1,024 bytes
// of UTF-8 without NUL.
func CheckKey(key string) error {
	switch {
	case len(key) > maxObjectKey:
		return ErrKeyTooLong
	case key == "":
		return fmt.Errorf("%w: it is empty", ErrInvalidKey)
	case !utf8.ValidString(key):
		return fmt.Errorf("%w: it is not UTF-8", ErrInvalidKey)
	case strings.ContainsRune(key, 0):
		return fmt.Errorf("%w: it holds a NUL character", ErrInvalidKey)
	}
	return nil
}

// check refuses what could not be stored or given back as it was.
func (h Headers) check() error {
	size := 0
	values := []string{
		h.ContentType, h.CacheControl, h.ContentDisposition, h.ContentEncoding, h.ContentLanguage,
		h.Expires, h.ACL, h.SSE.Algorithm, h.SSE.KMSKeyID, h.SSE.Context,
	}
	for name, value := range h.Metadata {
		size += len(name) + len(value)
		values = append(values, name, value)
	}
	for _, v := range values {
		if !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl) {
			return fmt.Errorf("%w: %q", ErrInvalidHeader, v)
		}
	}
	if size > maxMetadata {
		return ErrMetadataTooLarge
	}
	return checkTags(h.Tags)
}

// newVersionID mints the id of the version with the sequence: 11 characters that
// tell it, so that no index of ids is needed, and 126 random bits in 21.
func newVersionID(sequence int64) string {
	id := make([]byte, versionIDLen)
	_, _ = rand.Read(id) // never fails
	for i := range id {
		if i < sequenceLen {
			id[i] = byte(sequence >> (6 * (sequenceLen - 1 - i)))
		}
		id[i] = versionIDChars[id[i]&63]
	}
	return string(id)
}

// sequenceOf returns the sequence that a version id tells, if it may tell one.
func sequenceOf(id string) (sequence int64, ok bool) {
	if len(id) != versionIDLen {
		return 0, false
	}
	for i := range sequenceLen {
		digit := strings.IndexByte(versionIDChars, id[i])
		if digit < 0 {
			return 0, false
		}
		sequence = sequence<<6 | int64(digit)
	}
	return sequence, sequence > 0
}

// validVersionID says whether id has the form of a version id.
func validVersionID(id string) bool {
	return id == nullVersion || len(id) == versionIDLen && strings.Trim(id, versionIDChars) == ""
}

// newContentKey mints the key of some content; its first two digits spread files
// over 256 folders.
func newContentKey(prefix string) string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	text := hex.EncodeToString(id)
	key := prefix + text[:2] + "/" + text
	if err := blob.CheckKey(key); err != nil {
		panic(err)
	}
	return key
}
