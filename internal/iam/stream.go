package iam

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// AuthenticateStream proves who sent an S3 request, by its header or as a
// presigned URL (of version 2, too: then the caller has no region), and returns its content: without aws-chunked framing, and
// checked against the signed hash, the chunk signatures and the checksums while
// it is read. The reader answers an *api.Error in place of io.EOF for content
// that is not what was signed; nothing read before may be kept then.
//
// Refusals are *api.Error values with the codes, texts and statuses of S3.
func (s *Service) AuthenticateStream(r *http.Request, service string) (api.Caller, io.Reader, error) {
	sig, err := sigv4.ParseS3(r)
	if err != nil {
		return api.Caller{}, nil, s3SignatureError(err, r)
	}
	if err := sig.CheckScope(service); err != nil {
		return api.Caller{}, nil, s3SignatureError(err, r)
	}
	key, err := s.holderOf(r, sig)
	switch {
	case errors.Is(err, errUnknownKey):
		return api.Caller{}, nil, &api.Error{Code: "InvalidAccessKeyId", Status: http.StatusForbidden,
			Message: "The AWS Access Key Id you provided does not exist in our records."}
	case errors.Is(err, errInvalidToken):
		return api.Caller{}, nil, &api.Error{Code: "InvalidToken", Status: http.StatusBadRequest,
			Message: "The provided token is malformed or otherwise invalid."}
	case errors.Is(err, errSessionExpired):
		return api.Caller{}, nil, &api.Error{Code: "ExpiredToken", Status: http.StatusBadRequest,
			Message: "The provided token has expired."}
	case err != nil:
		return api.Caller{}, nil, err
	}
	declared := sig.PayloadHash
	if declared == "" && sig.Presigned {
		declared = sigv4.UnsignedPayload
	}
	if declared == "" {
		return api.Caller{}, nil, &api.Error{Code: "InvalidRequest", Status: http.StatusBadRequest,
			Message: "Missing required header for this request: x-amz-content-sha256"}
	}
	if err := s.verifying.Verify(sig, r, declared, key.secret, s.now()); err != nil {
		return api.Caller{}, nil, s3SignatureError(err, r)
	}
	body, err := sig.Body(r, key.secret)
	if err != nil {
		return api.Caller{}, nil, s3BodyError(err)
	}
	s.note(sig.AccessKeyID, key.knownKey, sig.Service)
	return key.caller(r, sig), s3Body{body}, nil
}

// s3SignatureError is a refused signature in the words of S3.
func s3SignatureError(err error, r *http.Request) error {
	e := refusal(err)
	forbidden := func(code, message string) error {
		return &api.Error{Code: code, Message: message, Status: http.StatusForbidden}
	}
	switch e.Reason {
	case sigv4.Missing:
		return s3Unsigned(r.Header.Get("Authorization"))
	case sigv4.MalformedV2:
		return forbidden(e.Code, e.Message)
	case sigv4.Mismatch:
		return forbidden("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	case sigv4.Expired, sigv4.NotYetCurrent:
		return forbidden("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
	case sigv4.PresignExpired:
		return forbidden("AccessDenied", "Request has expired")
	case sigv4.Unsigned:
		return forbidden("AccessDenied", "There were headers present in the request which were not signed")
	case sigv4.Ambiguous:
		return &api.Error{Code: "InvalidArgument", Status: http.StatusBadRequest,
			Message: "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"}
	}
	code := "AuthorizationHeaderMalformed"
	if r.Header.Get("Authorization") == "" {
		code = "AuthorizationQueryParametersError"
	}
	return &api.Error{Code: code, Message: e.Message, Status: http.StatusBadRequest}
}

// s3Unsigned refuses a request without a signature, or with something else in its
// place.
func s3Unsigned(authorization string) error {
	switch {
	case strings.TrimSpace(authorization) == "":
		return &api.Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: "Access Denied"}
	case strings.HasPrefix(authorization, "AWS "):
		return &api.Error{Code: "InvalidRequest", Status: http.StatusBadRequest,
			Message: "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."}
	}
	return &api.Error{Code: "InvalidArgument", Status: http.StatusBadRequest, Message: "Unsupported Authorization Type"}
}

// s3BodyError gives an error of the body its status. Other errors, such as a
// broken connection, stay what they are.
func s3BodyError(err error) error {
	e, ok := errors.AsType[*sigv4.Error](err)
	if !ok {
		return err
	}
	status := http.StatusBadRequest
	switch {
	case e.Reason == sigv4.Mismatch:
		status = http.StatusForbidden
	case e.Code == "MissingContentLength":
		status = http.StatusLengthRequired
	case e.Code == "NotImplemented":
		status = http.StatusNotImplemented
	}
	return &api.Error{Code: e.Code, Message: e.Message, Status: status}
}

// s3Body translates the errors of a body.
type s3Body struct{ r io.Reader }

func (b s3Body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		err = s3BodyError(err)
	}
	return n, err
}
