package sigv4

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxTrailers bounds the trailing headers of one body.
const maxTrailers = 20

// chunkReader removes the framing of an aws-chunked body:
//
//	hex-size[;chunk-signature=hex] CRLF content CRLF … 0[;…] CRLF [trailers] CRLF
//
// Each chunk's signature covers the previous signature and its content, so that
// chunks can be neither changed, reordered nor left out. It is compared at the
// end of the chunk; content is handed out before.
type chunkReader struct {
	src       *bufio.Reader
	signature *Signature
	signed    bool // chunks and trailers carry signatures
	trailing  bool // trailers follow the last chunk
	key       []byte
	previous  string // signature before the current chunk's
	given     string // the current chunk's signature
	chunk     hash.Hash
	left      int64 // content left in the current chunk
	total     int64 // content left in the body
	sums      map[string]hash.Hash
	err       error
}

func (s *Signature) newChunkReader(r *http.Request, body io.Reader, secret string) (*chunkReader, error) {
	total, err := decodedLength(r.Header)
	if err != nil {
		return nil, err
	}
	c := &chunkReader{
		src:       bufio.NewReader(body),
		signature: s,
		signed:    s.PayloadHash != StreamingUnsignedTrailer,
		trailing:  s.PayloadHash != StreamingSigned,
		key:       deriveKey(keyID{secret, s.Date, s.Region, s.Service}),
		previous:  s.Value,
		chunk:     sha256.New(),
		total:     total,
		sums:      map[string]hash.Hash{},
	}
	if !c.trailing {
		return c, nil
	}
	for _, value := range r.Header["X-Amz-Trailer"] {
		for name := range strings.SplitSeq(value, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			if !isChecksum(name) {
				continue
			}
			sum, ok := NewChecksum(name)
			if !ok {
				return nil, unknownChecksum(name)
			}
			c.sums[name] = sum
		}
	}
	return c, nil
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if c.err == nil && c.left == 0 {
		c.err = c.nextChunk()
	}
	if c.err != nil {
		return 0, c.err
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.src.Read(p)
	if c.signed {
		c.chunk.Write(p[:n])
	}
	for _, sum := range c.sums {
		sum.Write(p[:n])
	}
	c.left -= int64(n)
	c.total -= int64(n)
	switch {
	case c.left == 0:
		c.err = c.endChunk()
	case err != nil:
		c.err = noEOF(err)
	}
	return n, c.err
}

// nextChunk reads the line before a chunk; after the last one it finishes the
// body and returns io.EOF.
func (c *chunkReader) nextChunk() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	size, extension, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 63)
	if err != nil {
		return malformedBody("%q is not the size of a chunk", size)
	}
	if int64(n) > c.total {
		return malformedBody("more content than X-Amz-Decoded-Content-Length says")
	}
	if c.signed {
		given, ok := strings.CutPrefix(strings.TrimSpace(extension), "chunk-signature=")
		if !ok {
			return malformedBody("a chunk has no signature")
		}
		c.given = given
	}
	c.left = int64(n)
	if n > 0 {
		return nil
	}
	return c.finish()
}

// endChunk checks the signature of the chunk just read and the line break
// after it.
func (c *chunkReader) endChunk() error {
	if err := c.checkChunk(); err != nil {
		return err
	}
	line, err := c.line()
	if err == nil && line != "" {
		err = malformedBody("no line break after a chunk")
	}
	return err
}

func (c *chunkReader) checkChunk() error {
	if !c.signed {
		return nil
	}
	text := c.signature.appendStringToSign(nil, Algorithm+"-PAYLOAD")
	text = append(text, c.previous+"\n"+EmptyHash+"\n"...)
	text = hex.AppendEncode(text, c.chunk.Sum(nil))
	c.chunk.Reset()
	return c.compare(text)
}

// compare checks the given signature of a text and makes it the previous one.
func (c *chunkReader) compare(text []byte) error {
	given, err := hex.DecodeString(c.given)
	if err != nil || subtle.ConstantTimeCompare(hmacSHA256(c.key, text), given) != 1 {
		return &Error{Reason: Mismatch, Code: "SignatureDoesNotMatch",
			Message: "The request signature we calculated does not match the signature you provided. Check your key and signing method."}
	}
	c.previous = c.given
	return nil
}

// finish reads what follows the empty chunk.
func (c *chunkReader) finish() error {
	if err := c.checkChunk(); err != nil {
		return err
	}
	if c.total != 0 {
		return incompleteBody()
	}
	if c.trailing {
		if err := c.trailers(); err != nil {
			return err
		}
	}
	// The last line break is left out by some clients.
	rest, err := io.ReadAll(io.LimitReader(c.src, 16))
	if err != nil {
		return noEOF(err)
	}
	if len(bytes.Trim(rest, "\r\n")) > 0 {
		return malformedBody("content after the last chunk")
	}
	return io.EOF
}

// trailers reads the trailing headers and compares their checksums.
func (c *chunkReader) trailers() error {
	var signedText strings.Builder
	given := map[string]string{}
	for lines := 0; ; lines++ {
		if lines > maxTrailers {
			return malformedBody("too many trailers")
		}
		line, err := c.line()
		if errors.Is(err, io.ErrUnexpectedEOF) && line == "" {
			break
		}
		if err != nil {
			return err
		}
		if line == "" {
			// Some clients send an empty line before the signature.
			if c.complete(given) {
				break
			}
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return malformedBody("a trailer without a colon")
		}
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		given[name] = value
		if name != trailerSignature {
			signedText.WriteString(name + ":" + value + "\n")
		}
	}
	if !c.complete(given) {
		return malformedBody("a trailer that was announced is missing")
	}
	if c.signed {
		c.given = given[trailerSignature]
		text := c.signature.appendStringToSign(nil, Algorithm+"-TRAILER")
		text = append(text, c.previous+"\n"+Hash([]byte(signedText.String()))...)
		if err := c.compare(text); err != nil {
			return err
		}
	}
	return c.checkSums(given)
}

const trailerSignature = "x-amz-trailer-signature"

// complete tells whether all that was announced has been given.
func (c *chunkReader) complete(given map[string]string) bool {
	for name := range c.sums {
		if _, ok := given[name]; !ok {
			return false
		}
	}
	_, ok := given[trailerSignature]
	return ok || !c.signed
}

func (c *chunkReader) checkSums(given map[string]string) error {
	for name, sum := range c.sums {
		want, err := base64.StdEncoding.DecodeString(given[name])
		if err != nil || len(want) != sum.Size() {
			return &Error{Reason: ChecksumMismatch, Code: "InvalidRequest", Message: "Value for " + name + " trailing header is invalid."}
		}
		if !bytes.Equal(sum.Sum(nil), want) {
			return badDigest(name)
		}
	}
	return nil
}

// line reads one line without its break.
func (c *chunkReader) line() (string, error) {
	line, err := c.src.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", malformedBody("a line is too long")
	case err != nil:
		return strings.TrimSpace(string(line)), noEOF(err)
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

// noEOF makes the end of a body in its middle an error.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
