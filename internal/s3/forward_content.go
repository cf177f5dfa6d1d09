package s3

import (
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"sync"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// errEnded is what a reader of content gets after its request is over.
var errEnded = errors.New("the request is over")

// proven reads content of a known length and gives its last byte only after its
// source has ended without an error: content that is not what was signed never
// becomes an object elsewhere.
type proven struct {
	src io.Reader

	mu   sync.Mutex // the transport reads while the handler goes
	left int64
	err  error
	over bool
}

// Read implements io.Reader.
func (p *proven) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return 0, errEnded
	}
	if p.err != nil || len(b) == 0 {
		return 0, p.err
	}
	if p.left > 1 {
		n, err := p.src.Read(b[:min(int64(len(b)), p.left-1)])
		p.left -= int64(n)
		if errors.Is(err, io.EOF) {
			err = ErrSize
		}
		p.err = err
		return n, err
	}
	if _, err := io.ReadFull(p.src, b[:p.left]); err != nil {
		if errors.Is(err, io.EOF) {
			err = ErrSize
		}
		p.err = err
		return 0, err
	}
	if p.err = atEnd(p.src); p.err != nil {
		return 0, p.err
	}
	p.err = io.EOF
	return int(p.left), io.EOF
}

// atEnd proves that a source ends here.
func atEnd(src io.Reader) error {
	var more [1]byte
	n, err := io.ReadFull(src, more[:])
	switch {
	case n > 0:
		return ErrSize
	case errors.Is(err, io.EOF):
		return nil
	}
	return err
}

// nothing proves that there is no content.
func (p *proven) nothing() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = atEnd(p.src)
	return p.err
}

// end lets nobody read any more.
func (p *proven) end() {
	// Not under the lock: a read may wait for the caller, whose answer is ready.
	go func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.over = true
	}()
}

// failed is why the content could not be read.
func (p *proven) failed() error {
	if !p.mu.TryLock() {
		return nil // it is being read
	}
	defer p.mu.Unlock()
	if errors.Is(p.err, io.EOF) {
		return nil
	}
	return p.err
}

// trailedChunk is how much content a chunk has.
const trailedChunk = 64 << 10

// trailed frames content as aws-chunked with a checksum behind it, unsigned.
type trailed struct {
	src    io.Reader
	length int64
	name   string
	sum    hash.Hash

	left  int64
	buf   []byte
	ready []byte // of buf, what is yet to be read
	ended bool
}

func newTrailed(src io.Reader, length int64, name string) (*trailed, error) {
	sum, ok := sigv4.NewChecksum(name)
	if !ok {
		return nil, fail(http.StatusBadRequest, "InvalidRequest", "The algorithm of %s is not supported.", name)
	}
	return &trailed{src: src, length: length, left: length, name: name, sum: sum}, nil
}

// size is the length with all framing.
func (t *trailed) size() int64 {
	chunk := func(n int64) int64 { return int64(len(fmt.Sprintf("%x\r\n\r\n", n))) + n }
	size := t.length / trailedChunk * chunk(trailedChunk)
	if rest := t.length % trailedChunk; rest > 0 {
		size += chunk(rest)
	}
	return size + int64(len(t.end(make([]byte, t.sum.Size()))))
}

func (t *trailed) end(sum []byte) string {
	return "0\r\n" + t.name + ":" + base64.StdEncoding.EncodeToString(sum) + "\r\n\r\n"
}

// Read implements io.Reader.
func (t *trailed) Read(b []byte) (int, error) {
	for len(t.ready) == 0 {
		if t.ended {
			return 0, io.EOF
		}
		if err := t.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, t.ready)
	t.ready = t.ready[n:]
	return n, nil
}

// next frames the next chunk. The last content comes when all of it is proven.
func (t *trailed) next() error {
	if t.left == 0 {
		if t.length == 0 {
			if err := atEnd(t.src); err != nil {
				return err
			}
		}
		t.ready, t.ended = []byte(t.end(t.sum.Sum(nil))), true
		return nil
	}
	n := min(t.left, trailedChunk)
	t.buf = fmt.Appendf(t.buf[:0], "%x\r\n", n)
	from := len(t.buf)
	t.buf = append(t.buf, make([]byte, n)...)
	if _, err := io.ReadFull(t.src, t.buf[from:]); err != nil {
		return err
	}
	t.sum.Write(t.buf[from:])
	t.buf = append(t.buf, '\r', '\n')
	t.ready, t.left = t.buf, t.left-n
	return nil
}
