package awsjson

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Media types of requests. Only those with the prefix reach an operation.
const (
	mediaPrefix = "application/x-amz-json-"
	mediaPlain  = "application/json"
)

// mediaType returns the content type of a request without parameters.
func mediaType(r *http.Request) string {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(media))
}

// refused answers requests that are not of this protocol, before anything else
// is looked at. Either version of it is served to all services.
func (x *exchange) refused() bool {
	switch x.media {
	case mediaPlain, mediaPrefix + "1.0", mediaPrefix + "1.1":
		if x.r.Method == http.MethodPost {
			return false
		}
	default:
		prefix, name, _ := strings.Cut(x.target, ".")
		if x.r.Method == http.MethodPost && prefix != "" && name != "" {
			x.write(http.StatusNotFound, "text/xml", []byte("<UnknownOperationException/>\n"))
			return true
		}
	}
	x.write(http.StatusForbidden, "text/xml", []byte("<AccessDeniedException>\n"+
		"  <Message>Unable to determine service/operation name to be authorized</Message>\n"+
		"</AccessDeniedException>\n"))
	return true
}

// answerPlain answers content type application/json, which never reaches an
// operation, in the form AWS keeps for it.
func (x *exchange) answerPlain(valid bool) {
	status, name := http.StatusNotFound, "UnknownOperationException"
	if !valid {
		status, name = http.StatusBadRequest, "SerializationException"
	}
	x.write(status, mediaPlain, []byte(`{"Output":{"__type":"com.amazon.coral.service#`+name+`"},"Version":"1.0"}`))
}

// body reads the body, or answers 413 if it is larger than limit bytes. It never
// holds more than that in memory.
func (x *exchange) body(limit int64) ([]byte, bool) {
	if x.r.ContentLength > limit {
		x.tooLarge(limit)
		return nil, false
	}
	var buffer bytes.Buffer
	// The sender's word for the length is trusted for a small buffer only.
	buffer.Grow(int(min(maxInitialBuffer, bytes.MinRead+max(x.r.ContentLength, 0))))
	n, err := io.Copy(&buffer, io.LimitReader(x.r.Body, limit+1))
	switch {
	case n > limit:
		x.tooLarge(limit)
		return nil, false
	case err != nil:
		x.w.Header().Set("Connection", "close")
		x.answer(http.StatusBadRequest, &wireError{Type: "SerializationException"})
		return nil, false
	}
	return buffer.Bytes(), true
}

const maxInitialBuffer = 64 << 10

// tooLarge answers 413. What a client is still sending is thrown away up to a
// bound, because one that cannot finish sending does not read the answer.
func (x *exchange) tooLarge(limit int64) {
	if x.r.Header.Get("Expect") == "" {
		// An error here is the client going away.
		_, _ = io.CopyN(io.Discard, x.r.Body, 4*limit)
	}
	x.w.Header().Set("Connection", "close")
	x.write(http.StatusRequestEntityTooLarge, "", nil)
}

// write sends the whole answer.
func (x *exchange) write(status int, contentType string, body []byte) {
	header := x.w.Header()
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	x.status = status
	x.w.WriteHeader(status)
	// An error here is the client going away.
	_, _ = x.w.Write(body)
}
