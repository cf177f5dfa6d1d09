package sigv4

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Body returns the content of an S3 request whose signature was verified with
// the same secret: without aws-chunked framing, and proven at its end. The
// reader answers an *Error in place of io.EOF if the content is not what was
// signed, or does not match a checksum or Content-MD5 sent with it; whatever
// was read before must then be thrown away.
func (s *Signature) Body(r *http.Request, secret string) (io.Reader, error) {
	body := io.Reader(r.Body)
	if r.Body == nil {
		body = http.NoBody
	}
	checked := &checkedReader{}
	declared := s.PayloadHash
	if declared == "" && s.Presigned {
		declared = UnsignedPayload
	}
	switch declared {
	case UnsignedPayload:
		checked.src = body
	case StreamingSigned, StreamingSignedTrailer, StreamingUnsignedTrailer:
		chunks, err := s.newChunkReader(r, body, secret)
		if err != nil {
			return nil, err
		}
		checked.src = chunks
	case "":
		return nil, &Error{Reason: Payload, Code: "InvalidRequest", Message: "Missing required header for this request: x-amz-content-sha256"}
	default:
		want, err := hex.DecodeString(declared)
		if err != nil || len(want) != sha256.Size {
			return nil, payloadKindError(declared)
		}
		checked.src = body
		checked.add(sha256.New(), want, &Error{Reason: PayloadMismatch, Code: "XAmzContentSHA256Mismatch",
			Message: "The provided 'x-amz-content-sha256' header does not match what was computed."})
	}
	if completes(r) {
		return checked, nil
	}
	if err := checked.addHeaders(r.Header); err != nil {
		return nil, err
	}
	return checked, nil
}

// completes tells the one request whose checksum headers are not of its body:
// that which completes a multipart upload states the checksum of the object.
func completes(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}

func payloadKindError(declared string) *Error {
	if strings.HasPrefix(declared, "STREAMING-AWS4-ECDSA-") {
		return &Error{Reason: Payload, Code: "NotImplemented", Message: "Asymmetric signatures are not supported: " + declared}
	}
	return &Error{Reason: Payload, Code: "InvalidArgument",
		Message: "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING- value or a valid sha256 value."}
}

// checkedReader hands content through and compares its sums at the end.
type checkedReader struct {
	src    io.Reader
	checks []check
	err    error
}

type check struct {
	hash   hash.Hash
	want   []byte
	failed *Error
}

func (c *checkedReader) add(h hash.Hash, want []byte, failed *Error) {
	c.checks = append(c.checks, check{h, want, failed})
}

// addHeaders adds the checksums that stand in the header of the request.
func (c *checkedReader) addHeaders(h http.Header) error {
	for name, values := range h {
		if !isChecksum(name) {
			continue
		}
		sum, ok := NewChecksum(name)
		if !ok {
			return unknownChecksum(name)
		}
		want, err := base64.StdEncoding.DecodeString(values[0])
		if err != nil || len(want) != sum.Size() {
			return &Error{Reason: ChecksumMismatch, Code: "InvalidRequest", Message: "Value for " + strings.ToLower(name) + " header is invalid."}
		}
		c.add(sum, want, badDigest(name))
	}
	if text := h.Get("Content-Md5"); text != "" {
		want, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(want) != md5.Size {
			return &Error{Reason: ChecksumMismatch, Code: "InvalidDigest", Message: "The Content-MD5 you specified was invalid."}
		}
		c.add(md5.New(), want, &Error{Reason: ChecksumMismatch, Code: "BadDigest", Message: "The Content-MD5 you specified did not match what we received."})
	}
	return nil
}

func unknownChecksum(name string) *Error {
	return &Error{Reason: ChecksumMismatch, Code: "InvalidRequest",
		Message: "The checksum algorithm of '" + strings.ToLower(name) + "' is not supported. Use CRC32, CRC32C, CRC64NVME, SHA1 or SHA256."}
}

func badDigest(name string) *Error {
	algorithm := strings.ToUpper(name[len(ChecksumPrefix):])
	return &Error{Reason: ChecksumMismatch, Code: "BadDigest", Message: "The " + algorithm + " you specified did not match the calculated checksum."}
}

func (c *checkedReader) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.src.Read(p)
	for _, k := range c.checks {
		k.hash.Write(p[:n])
	}
	switch {
	case errors.Is(err, io.EOF):
		c.err = c.verdict()
	case errors.Is(err, io.ErrUnexpectedEOF):
		c.err = incompleteBody()
	case err != nil:
		c.err = err
	}
	return n, c.err
}

func (c *checkedReader) verdict() error {
	for _, k := range c.checks {
		if !bytes.Equal(k.hash.Sum(nil), k.want) {
			return k.failed
		}
	}
	return io.EOF
}

func incompleteBody() *Error {
	return &Error{Reason: BodyIncomplete, Code: "IncompleteBody",
		Message: "You did not provide the number of bytes specified by the Content-Length HTTP header."}
}

func malformedBody(format string, args ...any) *Error {
	return &Error{Reason: BodyMalformed, Code: "InvalidRequest", Message: "The aws-chunked body cannot be read: " + fmt.Sprintf(format, args...)}
}

// decodedLength reads the length of the content, which aws-chunked requests
// must state because Content-Length counts the framing as well.
func decodedLength(h http.Header) (int64, error) {
	text := h.Get("X-Amz-Decoded-Content-Length")
	n, err := strconv.ParseInt(cmp.Or(text, "-"), 10, 64)
	if err != nil || n < 0 {
		return 0, &Error{Reason: BodyMalformed, Code: "MissingContentLength", Message: "You must provide the X-Amz-Decoded-Content-Length HTTP header."}
	}
	return n, nil
}
