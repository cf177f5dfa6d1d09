package s3

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// conditions judges the conditional headers of a get: 200, 304 or 412. An entity
// tag outranks a time, as in RFC 9110 13.2.2.
func conditions(h http.Header, o Object) int {
	modified := o.Modified.Truncate(time.Second) // headers carry no fractions
	if match := h.Get("If-Match"); match != "" {
		if !matches(match, o.ETag) {
			return http.StatusPreconditionFailed
		}
	} else if t, err := http.ParseTime(h.Get("If-Unmodified-Since")); err == nil && modified.After(t) {
		return http.StatusPreconditionFailed
	}
	if match := h.Get("If-None-Match"); match != "" {
		if matches(match, o.ETag) {
			return http.StatusNotModified
		}
	} else if t, err := http.ParseTime(h.Get("If-Modified-Since")); err == nil && !modified.After(t) {
		return http.StatusNotModified
	}
	return http.StatusOK
}

// matches says whether a list of entity tags holds the one given. Clients leave
// the quotes out at times.
func matches(list, etag string) bool {
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == "*" || strings.Trim(tag, `"`) == etag {
			return true
		}
	}
	return false
}

var (
	// errUnsatisfiable says that a range lies outside the content.
	errUnsatisfiable = errors.New("range not satisfiable")
	// errRanges says that several ranges are asked for at once.
	errRanges = errors.New("several ranges")
)

// span is a part of some content, in bytes.
type span struct{ start, length int64 }

func (s span) contentRange(size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", s.start, s.start+s.length-1, size)
}

// parseRange reads a Range header for content of the given size. ok is false
// for a header to ignore: none, or malformed. errUnsatisfiable says that the range
// lies outside, errRanges that there are several, which S3 does not serve.
func parseRange(header string, size int64) (part span, ok bool, err error) {
	text, found := strings.CutPrefix(header, "bytes=")
	if found && strings.Contains(text, ",") {
		return span{}, false, errRanges
	}
	first, last, dash := strings.Cut(strings.TrimSpace(text), "-")
	if !found || !dash || first == "" && last == "" {
		return span{}, false, nil
	}
	start, end := int64(0), size-1
	if first != "" {
		if start, ok = position(first); !ok {
			return span{}, false, nil
		}
	}
	if last != "" {
		n, ok := position(last)
		switch {
		case !ok || first != "" && n < start:
			return span{}, false, nil
		case first == "" && n == 0:
			return span{}, false, errUnsatisfiable
		case first == "":
			start = max(0, size-n)
		default:
			end = min(n, end)
		}
	}
	if start >= size {
		return span{}, false, errUnsatisfiable
	}
	return span{start: start, length: end - start + 1}, true, nil
}

// position reads digits; a number too large for 63 bits lies past every end.
func position(text string) (int64, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil || n > 0
}
