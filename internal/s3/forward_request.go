package s3

import (
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// outgoing is a request to another S3 that is not signed yet.
type outgoing struct {
	request *http.Request
	// hash is what is signed of the content.
	hash string
	// content is what is sent of the caller's, if any.
	content *proven
}

// end lets nothing read the caller's content any more.
func (o *outgoing) end() {
	if o.content != nil {
		o.content.end()
	}
}

// failed is what is wrong with the caller's content.
func (o *outgoing) failed() error {
	if o.content == nil {
		return nil
	}
	return o.content.failed()
}

// outgoing makes the request that passes this one on.
func (c *call) outgoing(to *Outside, f forwarded) (*outgoing, error) {
	out := &outgoing{request: c.requestTo(to, c.r.Method, c.key, c.keptQuery(f.query)), hash: sigv4.EmptyHash}
	header := out.request.Header
	for name, values := range c.r.Header {
		if !among(f.headers, name) {
			continue
		}
		switch {
		case name == "Content-Encoding":
			if value := contentEncoding(c.r.Header); value != "" {
				header[name] = []string{value}
			}
		case strings.HasPrefix(name, metadataPrefix):
			header[name] = []string{strings.Join(values, ",")}
		case values[0] != "":
			// One value: that by which the caller was let in.
			header[name] = values[:1]
		}
	}
	if !f.content {
		return out, nil
	}
	return out, c.attach(out)
}

// requestTo is a request for an object of a bucket elsewhere, or for the bucket.
func (c *call) requestTo(to *Outside, method, key string, query url.Values) *http.Request {
	u := *to.URL
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.EscapedPath(), "/")
	if key != "" || u.Path == "" {
		u.Path, u.RawPath = u.Path+"/"+key, u.RawPath+"/"+escapeKey(key)
	}
	// A plus is a blank to some and a plus to others.
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	header := http.Header{"User-Agent": {"Penstock"}}
	header["Via"] = append(slices.Clone(c.r.Header["Via"]), c.h.via)
	r := (&http.Request{Method: method, URL: &u, Host: u.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).
		WithContext(c.r.Context())
	return r
}

// plainPath refuses a key that would lead out of a bucket in a path: what stands
// before the other S3 may resolve its dots.
func plainPath(to *Outside, key string) error {
	if strings.Trim(to.URL.Path, "/") == "" {
		return nil // the bucket is in the host name
	}
	return plainKey(key)
}

// plainKey refuses a key that would lead out of the bucket whose name stands
// before it.
func plainKey(key string) error {
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "." || segment == ".." {
			return fail(http.StatusBadRequest, "InvalidURI",
				"The key has a segment %q, which cannot be passed on to the S3 that keeps the bucket: the name of the bucket stands before it.", segment)
		}
	}
	return nil
}

// escapeKey escapes as signatures want it: everything but letters, digits, "-._~"
// and the slash.
func escapeKey(key string) string {
	var b strings.Builder
	for _, part := range []byte(key) {
		switch {
		case 'a' <= part && part <= 'z', 'A' <= part && part <= 'Z', '0' <= part && part <= '9', strings.IndexByte("-._~/", part) >= 0:
			b.WriteByte(part)
		default:
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(part)|0x100, 16)[1:]))
		}
	}
	return b.String()
}

// keptQuery takes the parameters of the operation, one value of each.
func (c *call) keptQuery(names []string) url.Values {
	kept := url.Values{}
	for name, values := range c.query {
		if among(names, name) {
			kept[name] = values[:1]
		}
	}
	return kept
}

// among reports whether a name is in a list, in which one that ends in "-" stands
// for all that begin with it.
func among(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool {
		return n == name || strings.HasSuffix(n, "-") && strings.HasPrefix(name, n)
	})
}

// attach gives a request the caller's content: its framing is gone, and its end
// is sent when all of it was what the caller signed.
func (c *call) attach(out *outgoing) error {
	var opts PutOptions
	steps := []func(*PutOptions) error{c.readSize, c.readMD5, c.readChecksum}
	if c.operation == "CompleteMultipartUpload" {
		steps = steps[:2] // its checksums are of the object
	}
	for _, step := range steps {
		if err := step(&opts); err != nil {
			return err
		}
	}
	header := out.request.Header
	out.content = &proven{src: c.body, left: *opts.Size}
	out.request.ContentLength = *opts.Size
	out.hash = sigv4.UnsignedPayload
	if declared := c.r.Header.Get("X-Amz-Content-Sha256"); len(declared) == len(sigv4.EmptyHash) {
		out.hash = declared // which the other S3 compares, too
	}
	var body io.Reader = out.content
	if name := opts.Checksum.header(); opts.Checksum.Algorithm != "" && opts.Checksum.Value == "" {
		// The checksum follows the content, and so it must there.
		chunks, err := newTrailed(out.content, *opts.Size, name)
		if err != nil {
			return err
		}
		body = chunks
		out.hash = sigv4.StreamingUnsignedTrailer
		out.request.ContentLength = chunks.size()
		header.Set("X-Amz-Trailer", name)
		header.Set("X-Amz-Decoded-Content-Length", strconv.FormatInt(*opts.Size, 10))
		header[textproto.CanonicalMIMEHeaderKey("Content-Encoding")] = []string{strings.TrimSuffix("aws-chunked,"+header.Get("Content-Encoding"), ",")}
	}
	if out.request.ContentLength == 0 {
		return out.content.nothing()
	}
	if out.request.ContentLength > 1<<20 {
		header.Set("Expect", "100-continue") // a refusal comes before the content
	}
	out.request.Body = io.NopCloser(body)
	return nil
}
