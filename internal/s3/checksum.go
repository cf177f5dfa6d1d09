package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// Checksum is one of the additional checksums of S3, over the content.
type Checksum struct {
	// Algorithm is "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512",
	// "MD5", or "" for none.
	Algorithm string
	// Value is the base64 text of the big-endian sum; of an object uploaded in N
	// parts that of their sums, and "-N".
	Value string
}

// kind says what the checksum is of, in the words of S3.
func (c Checksum) kind() string {
	if strings.Contains(c.Value, "-") {
		return composite
	}
	return fullObject
}

const (
	composite  = "COMPOSITE"
	fullObject = "FULL_OBJECT"
)

// header is the name of the header that carries the checksum.
func (c Checksum) header() string {
	return sigv4.ChecksumPrefix + strings.ToLower(c.Algorithm)
}

// newHash returns the hash of the algorithm, or ErrUnsupportedChecksum.
func (c Checksum) newHash() (hash.Hash, error) {
	h, ok := sigv4.NewChecksum(c.header())
	if !ok {
		return nil, fmt.Errorf("%w %q", ErrUnsupportedChecksum, c.Algorithm)
	}
	return h, nil
}

// content reads what is put and answers an error in place of io.EOF when it is
// not what was announced, so that the blob never comes to be.
type content struct {
	r        io.Reader
	n        int64
	size     *int64
	md5      []byte
	md5Sum   hash.Hash
	checksum Checksum
	sum      hash.Hash // of the checksum's algorithm, nil for none
	ended    bool      // all was read and is right
}

func newContent(r io.Reader, opts PutOptions) (*content, error) {
	c := &content{r: r, size: opts.Size, checksum: opts.Checksum}
	if opts.ContentMD5 != "" {
		want, err := hex.DecodeString(opts.ContentMD5)
		if err != nil || len(want) != md5.Size {
			return nil, fmt.Errorf("%w: %q is no MD5", ErrBadDigest, opts.ContentMD5)
		}
		c.md5, c.md5Sum = want, md5.New()
	}
	if opts.Checksum.Algorithm != "" {
		sum, err := opts.Checksum.newHash()
		if err != nil {
			return nil, err
		}
		c.sum = sum
	}
	return c, nil
}

// Read implements io.Reader.
func (c *content) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.n > MaxObject {
		return n, ErrTooLarge
	}
	if c.md5Sum != nil {
		c.md5Sum.Write(p[:n])
	}
	if c.sum != nil {
		c.sum.Write(p[:n])
	}
	if err == io.EOF {
		err = c.verdict()
	}
	return n, err
}

func (c *content) verdict() error {
	if c.size != nil && *c.size != c.n {
		return fmt.Errorf("%w: %d bytes in place of %d", ErrSize, c.n, *c.size)
	}
	if c.md5Sum != nil && !bytes.Equal(c.md5Sum.Sum(nil), c.md5) {
		return fmt.Errorf("%w: the MD5 differs", ErrBadDigest)
	}
	if got := c.computed(); c.checksum.Value != "" && got.Value != c.checksum.Value {
		return fmt.Errorf("%w: the %s is %s, not %s", ErrBadDigest, got.Algorithm, got.Value, c.checksum.Value)
	}
	c.ended = true
	return io.EOF
}

// computed returns the checksum of what was read.
func (c *content) computed() Checksum {
	if c.sum == nil {
		return Checksum{}
	}
	return Checksum{Algorithm: c.checksum.Algorithm, Value: base64.StdEncoding.EncodeToString(c.sum.Sum(nil))}
}
