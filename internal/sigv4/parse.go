package sigv4

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Signature is the signature of a request as its sender states it. Nothing in
// it is proven before Verify returned nil.
type Signature struct {
	// AccessKeyID names the key that is said to have signed.
	AccessKeyID string
	// Time is when the request was signed, to the second, in UTC.
	Time time.Time
	// Date, Region, Service and Terminator are the credential scope; Date is
	// YYYYMMDD.
	Date       string
	Region     string
	Service    string
	Terminator string
	// SignedHeaders are the lower-case names of the signed headers.
	SignedHeaders []string
	// Value is the signature itself, in hexadecimal.
	Value string
	// Presigned is true for a signature in the query.
	Presigned bool
	// Expires is how long a presigned request is valid after Time.
	Expires time.Duration
	// PayloadHash is the declared hash of the body: hexadecimal SHA-256, one of
	// the constants of this package, or empty if the request does not say.
	PayloadHash string
	// SessionToken is the token of temporary credentials, or empty.
	SessionToken string

	// v2 is set for a signature of version 2, which has neither a scope nor a
	// time.
	v2 *v2
}

// Parse reads the signature from the Authorization header or the query. The
// error is an *Error.
func Parse(r *http.Request) (*Signature, error) {
	header := r.Header["Authorization"]
	const algorithm = "X-Amz-Algorithm="
	presigned := strings.HasPrefix(r.URL.RawQuery, algorithm) || strings.Contains(r.URL.RawQuery, "&"+algorithm)
	switch {
	case len(header) > 0 && presigned:
		return nil, invalid(Ambiguous, "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")
	case presigned:
		return parseQuery(r)
	case len(header) == 0 || strings.TrimSpace(header[0]) == "":
		return nil, missing()
	case len(header) > 1:
		return nil, incomplete("Authorization header must not be repeated. Authorization=" + strings.Join(header, ", "))
	}
	return parseHeader(r, header[0])
}

// ServiceOf is the service that a signature of version 4 names, also one that Parse
// refuses; "" without one. It proves nothing.
func ServiceOf(r *http.Request) string {
	credential := r.URL.Query().Get("X-Amz-Credential")
	if _, after, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		credential, _, _ = strings.Cut(after, ",")
	}
	if scope := strings.Split(strings.TrimSpace(credential), "/"); len(scope) == 5 {
		return scope[3]
	}
	return ""
}

func missing() *Error {
	return &Error{Reason: Missing, Code: "MissingAuthenticationTokenException", Message: "Missing Authentication Token"}
}

// parseHeader reads "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…".
func parseHeader(r *http.Request, header string) (*Signature, error) {
	algorithm, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if algorithm != Algorithm {
		if !strings.HasPrefix(algorithm, "AWS4-") {
			// Another scheme altogether, such as Bearer: not a token of ours.
			return nil, missing()
		}
		return nil, incomplete(fmt.Sprintf("Unsupported AWS 'algorithm': '%s'. Authorization=%s", algorithm, header))
	}
	var credential, signedHeaders, value string
	for part := range strings.SplitSeq(rest, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, v, ok := strings.Cut(part, "=")
		if !ok {
			return nil, incomplete(fmt.Sprintf("'%s' not a valid key=value pair (missing equal-sign) in Authorization header: '%s'.", part, header))
		}
		switch name {
		case "Credential":
			credential = v
		case "SignedHeaders":
			signedHeaders = v
		case "Signature":
			value = v
		}
	}
	date := cmp.Or(r.Header.Get(headerDate), r.Header.Get("Date"))
	var absent strings.Builder
	for _, p := range []struct{ name, value string }{{"Credential", credential}, {"Signature", value}, {"SignedHeaders", signedHeaders}} {
		if p.value == "" {
			absent.WriteString("Authorization header requires '" + p.name + "' parameter. ")
		}
	}
	if date == "" {
		absent.WriteString("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
	}
	if absent.Len() > 0 {
		return nil, incomplete(absent.String() + "Authorization=" + header)
	}
	s := &Signature{
		Value:        value,
		PayloadHash:  r.Header.Get(headerSHA256),
		SessionToken: r.Header.Get(headerToken),
	}
	if err := s.fill(credential, signedHeaders, date); err != nil {
		return nil, err
	}
	return s, nil
}

// parseQuery reads the X-Amz-* parameters of a presigned request.
func parseQuery(r *http.Request) (*Signature, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, incomplete("The query string cannot be read. Re-examine the query-string parameters.")
	}
	if v := query["X-Amz-Algorithm"]; len(v) == 0 || v[0] != Algorithm {
		return nil, incomplete("AWS query-string parameter 'X-Amz-Algorithm' must be '" + Algorithm + "'. Re-examine the query-string parameters.")
	}
	var absent strings.Builder
	for _, name := range []string{"X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", headerDate} {
		if query.Get(name) == "" {
			absent.WriteString("AWS query-string parameters must include '" + name + "'. ")
		}
	}
	if absent.Len() > 0 {
		return nil, incomplete(absent.String() + "Re-examine the query-string parameters.")
	}
	for _, name := range []string{"X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", headerDate, "X-Amz-Expires", headerToken, headerSHA256} {
		if len(query[name]) > 1 {
			return nil, incomplete("AWS query-string parameter '" + name + "' must not be repeated. Re-examine the query-string parameters.")
		}
	}
	s := &Signature{
		Value:        query.Get("X-Amz-Signature"),
		Presigned:    true,
		PayloadHash:  query.Get(headerSHA256),
		SessionToken: query.Get(headerToken),
	}
	if s.PayloadHash == "" {
		s.PayloadHash = r.Header.Get(headerSHA256)
	}
	if err := s.fillExpires(query.Get("X-Amz-Expires")); err != nil {
		return nil, err
	}
	if err := s.fill(query.Get("X-Amz-Credential"), query.Get("X-Amz-SignedHeaders"), query.Get(headerDate)); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Signature) fillExpires(text string) error {
	if text == "" {
		return incomplete("AWS query-string parameters must include 'X-Amz-Expires'. Re-examine the query-string parameters.")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return incomplete("X-Amz-Expires should be a number of at least 1 second")
	}
	if n > int64(maxExpires/time.Second) {
		return incomplete("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
	}
	s.Expires = time.Duration(n) * time.Second
	return nil
}

// fill reads the three composed fields common to both forms.
func (s *Signature) fill(credential, signedHeaders, date string) error {
	scope := strings.Split(credential, "/")
	if len(scope) != 5 || scope[0] == "" {
		return incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '" + credential + "'")
	}
	s.AccessKeyID, s.Date, s.Region, s.Service, s.Terminator = scope[0], scope[1], scope[2], scope[3], scope[4]
	if strings.ContainsAny(credential, "\r\n") {
		return incomplete("Credential must not contain line breaks")
	}
	t, err := parseTime(date)
	if err != nil {
		return incomplete("Date must be in ISO-8601 'basic format'. Got '" + date + "'. See http://en.wikipedia.org/wiki/ISO_8601")
	}
	s.Time = t
	s.SignedHeaders = strings.Split(signedHeaders, ";")
	if len(s.SignedHeaders) > maxSignedHeaders {
		return incomplete("SignedHeaders names too many headers")
	}
	for _, name := range s.SignedHeaders {
		if !isHeaderName(name) {
			return incomplete(fmt.Sprintf("SignedHeaders must be lower-case header names separated by semicolons. Got %q", signedHeaders))
		}
	}
	return nil
}

// parseTime reads the ISO-8601 basic format or, for the Date header, an HTTP date.
func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(timeFormat, text)
	if err != nil {
		if t, err = http.ParseTime(text); err != nil {
			return time.Time{}, err
		}
	}
	return t.UTC(), nil
}

// isHeaderName keeps everything that could be mistaken for another line of the
// canonical request out of the list of signed headers.
func isHeaderName(name string) bool {
	if name == "" {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c >= 0x7f || c == ':' || c == ',' || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}
