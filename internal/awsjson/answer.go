package awsjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/penstock-cd/penstock/internal/api"
)

// wireError is an exception on the wire. AWS front ends spell the text of a
// type error with a capital letter.
type wireError struct {
	Type         string `json:"__type"`
	Message      string `json:"message,omitempty"`
	CapitalLabel string `json:"Message,omitempty"`
}

// commonErrors are the exceptions any operation may answer without declaring
// them.
var commonErrors = []string{
	"AccessDeniedException",
	"ExpiredTokenException",
	"IncompleteSignatureException",
	"InvalidSignatureException",
	"MissingAuthenticationTokenException",
	"RequestTimeoutException",
	"SerializationException",
	"ServiceUnavailableException",
	"ThrottlingException",
	"UnknownOperationException",
	"UnrecognizedClientException",
	"ValidationException",
}

// encode writes an output the way the wire wants it: without HTML escapes.
func encode(v any) ([]byte, error) {
	var buffer bytes.Buffer
	e := json.NewEncoder(&buffer)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}

// succeed answers with an output; one that is nil is an empty body.
func (x *exchange) succeed(op *operation, output any) {
	var body []byte
	if output != nil {
		var err error
		if body, err = encode(output); err != nil {
			x.fail(op, err)
			return
		}
	}
	if string(body) == "null" {
		body = nil
	}
	x.write(http.StatusOK, op.contentType, body)
}

// fail answers with an error: as it is if op may answer it, else without detail
// and logged. A nil op may answer any exception.
func (x *exchange) fail(op *operation, err error) {
	if e, ok := errors.AsType[*serializationError](err); ok {
		x.answer(http.StatusBadRequest, &wireError{Type: "SerializationException", CapitalLabel: e.message})
		return
	}
	if e, ok := errors.AsType[api.Exception](err); ok {
		if status, allowed := statusOf(op, e); allowed {
			x.answer(status, &wireError{Type: e.ErrorCode(), Message: e.ErrorMessage()})
			return
		}
	}
	if _, logged := errors.AsType[*panicked](err); !logged {
		x.logger.Error("request failed", "request_id", x.id, "target", x.target, "error", err.Error())
	}
	if x.trouble != nil {
		if text := x.trouble(err); text != "" {
			x.answer(http.StatusServiceUnavailable, &wireError{Type: "ServiceUnavailableException", Message: text})
			return
		}
	}
	x.answer(http.StatusInternalServerError, &wireError{Type: "InternalFailure"})
}

// statusOf tells whether an operation may answer an exception, and the status.
func statusOf(op *operation, e api.Exception) (status int, allowed bool) {
	code := e.ErrorCode()
	if op != nil && slices.Contains(op.Exceptions, code) {
		return http.StatusBadRequest, true
	}
	if op != nil && !slices.Contains(commonErrors, code) {
		return 0, false
	}
	if plain, ok := e.(*api.Error); ok && plain.Status != 0 {
		return plain.Status, true
	}
	return http.StatusBadRequest, true
}

// answer sends an exception.
func (x *exchange) answer(status int, e *wireError) {
	body, err := encode(e)
	if err != nil {
		// Two strings can always be encoded.
		panic(err)
	}
	x.w.Header().Set("X-Amzn-Errortype", e.Type)
	x.write(status, x.media, body)
}
