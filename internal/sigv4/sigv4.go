// Package sigv4 signs and verifies AWS Signature Version 4, the proof that an
// HTTP request was made by the holder of a secret key.
//
// A server calls Parse, looks up the secret of Signature.AccessKeyID, and calls
// Verify with the hash of the body it read; Parse alone proves nothing. Bodies
// too large to read first (S3 uploads) are verified while they are read, by
// Signature.Body: as a whole, or chunk by chunk ("aws-chunked"). A client calls
// Sign.
//
// ParseS3 also reads version 2 in the query of an S3 request, which old clients
// presign URLs with. It proves less: neither the host nor parameters that are no
// sub-resource, and nothing of the body but its Content-MD5.
//
// The list of signed headers is the client's choice and differs from one SDK to
// the next, so verification follows that list and only insists that the headers
// which change the meaning of a request are on it.
//
// The rules are those of the IAM guide, "Create a signed AWS API request", and
// for S3 of the S3 API reference, "Authenticating Requests".
package sigv4

import "time"

// Algorithm is the only supported value of the algorithm field.
const Algorithm = "AWS4-HMAC-SHA256"

// Values of the x-amz-content-sha256 header that are not a hash. Only S3 knows
// them.
const (
	UnsignedPayload          = "UNSIGNED-PAYLOAD"
	StreamingSigned          = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	StreamingSignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	StreamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// EmptyHash is the lower-case hexadecimal SHA-256 of an empty body.
const EmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

const (
	terminator = "aws4_request"
	serviceS3  = "s3"
	timeFormat = "20060102T150405Z"

	headerDate   = "X-Amz-Date"
	headerToken  = "X-Amz-Security-Token"
	headerSHA256 = "X-Amz-Content-Sha256"

	// maxSkew is how far the clocks of client and server may differ.
	maxSkew = 5 * time.Minute
	// maxSkewS3 is the wider tolerance of S3.
	maxSkewS3 = 15 * time.Minute
	// maxExpires is the longest validity of a presigned request.
	maxExpires = 7 * 24 * time.Hour
	// maxSignedHeaders bounds the work an unauthenticated request can cause.
	maxSignedHeaders = 100
)

// Credentials are an access key pair, with a session token if it is temporary.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
}

// Reason tells why a signature or a signed body was refused, for callers whose
// protocol has names of its own (S3).
type Reason int

// The reasons.
const (
	// Missing: the request carries no signature.
	Missing Reason = iota + 1
	// Incomplete: the signature cannot be read, or parts of it are absent.
	Incomplete
	// Ambiguous: signatures in both the header and the query.
	Ambiguous
	// Scope: the credential scope is for another day, service or version.
	Scope
	// Unsigned: a header that must be signed is not.
	Unsigned
	// Mismatch: the signature is not the one the secret key gives.
	Mismatch
	// Expired: the request was signed too long ago.
	Expired
	// NotYetCurrent: the request was signed in the future.
	NotYetCurrent
	// PresignExpired: the presigned request has outlived its X-Amz-Expires.
	PresignExpired
	// Payload: the declared kind of payload hash is not acceptable.
	Payload
	// PayloadMismatch: the body is not the one whose hash was signed.
	PayloadMismatch
	// ChecksumMismatch: a checksum header or trailer does not match the body.
	ChecksumMismatch
	// BodyMalformed: the aws-chunked framing or its trailer cannot be read.
	BodyMalformed
	// BodyIncomplete: the body ended early.
	BodyIncomplete
	// MalformedV2: a signature of version 2 cannot be read, or parts of it are
	// absent.
	MalformedV2
)

// Error is a refused signature. Code and Message are what the AWS JSON services
// answer; errors of a body carry the names of S3.
type Error struct {
	Reason  Reason
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func invalid(reason Reason, message string) *Error {
	return &Error{Reason: reason, Code: "InvalidSignatureException", Message: message}
}

func incomplete(message string) *Error {
	return &Error{Reason: Incomplete, Code: "IncompleteSignatureException", Message: message}
}

func mismatch() *Error {
	return invalid(Mismatch, "The request signature we calculated does not match the signature you provided. "+
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
}
