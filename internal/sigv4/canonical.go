package sigv4

import (
	"cmp"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// appendCanonical appends the canonical request with the given path, which is
// the text whose hash is signed.
func appendCanonical(dst []byte, r *http.Request, path, query string, signedHeaders []string, payloadHash string) []byte {
	dst = append(dst, cmp.Or(r.Method, http.MethodGet)...)
	dst = append(dst, '\n')
	dst = append(dst, path...)
	dst = append(dst, '\n')
	dst = append(dst, query...)
	dst = append(dst, '\n')
	for _, name := range signedHeaders {
		dst = append(dst, name...)
		dst = append(dst, ':')
		dst = appendHeader(dst, r, name)
		dst = append(dst, '\n')
	}
	dst = append(dst, '\n')
	dst = appendJoined(dst, signedHeaders, ';')
	dst = append(dst, '\n')
	return append(dst, payloadHash...)
}

func appendJoined(dst []byte, parts []string, sep byte) []byte {
	for i, p := range parts {
		if i > 0 {
			dst = append(dst, sep)
		}
		dst = append(dst, p...)
	}
	return dst
}

// appendHeader appends the canonical value of a header. net/http keeps some
// headers outside the header map: Host, Transfer-Encoding and, on the client's
// side, Content-Length.
func appendHeader(dst []byte, r *http.Request, name string) []byte {
	switch name {
	case "host":
		host := r.Host
		if host == "" {
			host = r.URL.Host
		}
		return appendTrimmed(dst, host)
	case "transfer-encoding":
		return appendJoined(dst, r.TransferEncoding, ',')
	}
	values := r.Header[textproto.CanonicalMIMEHeaderKey(name)]
	if len(values) == 0 && name == "content-length" && r.ContentLength >= 0 {
		return strconv.AppendInt(dst, r.ContentLength, 10)
	}
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendTrimmed(dst, v)
	}
	return dst
}

// appendTrimmed appends a value without blanks at its ends and with inner runs
// of blanks collapsed into one.
func appendTrimmed(dst []byte, v string) []byte {
	v = strings.Trim(v, " \t")
	if !strings.Contains(v, "  ") {
		return append(dst, v...)
	}
	for i := range len(v) {
		if v[i] == ' ' && v[i-1] == ' ' {
			continue
		}
		dst = append(dst, v[i])
	}
	return dst
}

// canonicalPaths returns the forms of the path a client may have signed. There
// is more than one only where clients differ: some normalise dot segments and
// repeated slashes of a path, some do not; for S3, some send characters as they
// are that the canonical form encodes. All forms name the same resource.
func canonicalPaths(escaped, service string) (first, second string) {
	if escaped == "" || escaped == "/" {
		return "/", ""
	}
	if service == serviceS3 {
		return alternatives(string(appendNormalEscapes(nil, escaped)), escaped)
	}
	plain := string(appendEscaped(nil, escaped, true))
	if !strings.Contains(escaped, "//") && !strings.Contains(escaped, "/.") {
		return plain, ""
	}
	return alternatives(string(appendEscaped(nil, removeDotSegments(escaped), true)), plain)
}

func alternatives(first, second string) (string, string) {
	if first == second {
		return first, ""
	}
	return first, second
}

// removeDotSegments resolves "." and ".." and drops empty segments, keeping a
// slash at the end.
func removeDotSegments(path string) string {
	var kept []string
	segments := strings.Split(path, "/")
	for _, s := range segments {
		switch s {
		case "", ".":
		case "..":
			if len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
		default:
			kept = append(kept, s)
		}
	}
	out := "/" + strings.Join(kept, "/")
	if len(kept) > 0 && segments[len(segments)-1] == "" {
		out += "/"
	}
	return out
}

const upperHex = "0123456789ABCDEF"

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// appendEscaped percent-encodes every byte that RFC 3986 does not call
// unreserved, except, in a path, the slash.
func appendEscaped(dst []byte, s string, path bool) []byte {
	for i := range len(s) {
		if c := s[i]; isUnreserved(c) || path && c == '/' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// appendNormalEscapes brings an already encoded path into the canonical
// encoding without encoding it twice. An encoded slash stays encoded.
func appendNormalEscapes(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' && i+2 < len(s) {
			if b, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				dst = appendEscaped(dst, string([]byte{byte(b)}), false)
				i += 2
				continue
			}
		}
		dst = appendEscaped(dst, s[i:i+1], true)
	}
	return dst
}

// canonicalQuery sorts the parameters by their encoded names, then by their
// encoded values, and leaves out the signature of a presigned request.
func canonicalQuery(raw string, presigned bool) (string, error) {
	if raw == "" {
		return "", nil
	}
	type parameter struct{ name, value string }
	var params []parameter
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, err := url.QueryUnescape(name)
		if err != nil {
			return "", err
		}
		v, err := url.QueryUnescape(value)
		if err != nil {
			return "", err
		}
		if presigned && n == "X-Amz-Signature" {
			continue
		}
		params = append(params, parameter{string(appendEscaped(nil, n, false)), string(appendEscaped(nil, v, false))})
	}
	slices.SortFunc(params, func(a, b parameter) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	var out []byte
	for i, p := range params {
		if i > 0 {
			out = append(out, '&')
		}
		out = append(out, p.name...)
		out = append(out, '=')
		out = append(out, p.value...)
	}
	return string(out), nil
}
