package s3

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxRefusal is how much of an answer is read to find out what it refuses.
const maxRefusal = 64 << 10

// refusedOutside takes from an answer what is no business of callers: that the
// other S3 is somewhere else, or does not like the key of this server. Where such
// an answer comes from, it would send them to a place for which they have no key,
// or make them doubt their own.
func (c *call) refusedOutside(answer *http.Response) (*http.Response, error) {
	status := answer.StatusCode
	if status < 300 || status == http.StatusNotModified {
		return answer, nil
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxRefusal))
	if err != nil {
		_ = answer.Body.Close()
		c.log(err)
		return nil, fail(http.StatusServiceUnavailable, "ServiceUnavailable",
			"The S3 that keeps bucket %s broke off its answer. Please try again.", c.bucket)
	}
	said := refusalXML{}
	_ = xml.Unmarshal(text, &said) // what is no XML has no code
	if status >= 400 && !aboutKey(said.Code) {
		answer.Body = rest{io.MultiReader(bytes.NewReader(text), answer.Body), answer.Body}
		return answer, nil
	}
	_ = answer.Body.Close()
	c.log(fmt.Errorf("the other S3 answers %s: %s: %s", answer.Status, said.Code, said.Message))
	if status < 400 {
		return nil, fail(http.StatusInternalServerError, "InternalError",
			"The S3 that keeps bucket %s says that the bucket is somewhere else. Its endpoint or region is configured wrongly.", c.bucket)
	}
	return nil, fail(http.StatusInternalServerError, "InternalError",
		"The S3 that keeps bucket %s does not take the credentials that this server is configured with (%s).", c.bucket, said.Code)
}

type refusalXML struct {
	XMLName xml.Name `xml:"Error"`
	Code    string
	Message string
}

// aboutKey reports whether a code of S3 is about the signature of a request.
func aboutKey(code string) bool {
	return slices.Contains([]string{
		"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired", "RequestTimeTooSkewed",
		"AuthorizationHeaderMalformed", "InvalidSecurity", "CredentialsNotSupported", "MissingSecurityHeader", "NotSignedUp",
	}, code)
}

// rest is an answer whose beginning was read.
type rest struct {
	io.Reader
	io.Closer
}

// relay gives the caller an answer.
func (c *call) relay(answer *http.Response) error {
	header := c.w.Header()
	for name, values := range answer.Header {
		if !among([]string{
			"X-Amz-", "Accept-Ranges", "Allow", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language",
			"Content-Range", "Content-Type", "Expires", "Last-Modified", "Retry-After",
		}, name) {
			continue
		}
		if strings.HasPrefix(name, metadataPrefix) {
			name = strings.ToLower(name) // clients mind the case
		}
		header[name] = values
	}
	if etag := answer.Header["Etag"]; etag != nil {
		header["ETag"] = etag
	}
	known := answer.ContentLength >= 0
	if known && answer.StatusCode != http.StatusNotModified && answer.StatusCode != http.StatusNoContent {
		header.Set("Content-Length", strconv.FormatInt(answer.ContentLength, 10))
	}
	c.w.WriteHeader(answer.StatusCode)
	var to io.Writer = c.w
	if !known {
		// It may take its time, and send blanks to say that it is alive.
		to = flushing{c.w, http.NewResponseController(c.w)}
	}
	if n, err := io.Copy(to, answer.Body); err != nil {
		c.h.logger.Warn("s3 answer of another S3 broken off", "request_id", c.id, "bucket", c.bucket, "key", c.key, "sent", n, "error", err)
		// The status is sent. Without the end of the answer the caller notices.
		panic(http.ErrAbortHandler)
	}
	return nil
}

// flushing sends what it is given at once.
type flushing struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write implements io.Writer.
func (f flushing) Write(b []byte) (int, error) {
	n, err := f.ResponseWriter.Write(b)
	if err == nil {
		err = f.control.Flush()
	}
	return n, err
}
