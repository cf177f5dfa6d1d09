package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/penstock-cd/penstock/internal/blob"
)

// joined reads the parts of an object as one content. It opens a part when it
// comes to it, so that an object of ten thousand parts costs one file at a time.
type joined struct {
	ctx    context.Context
	blobs  blob.Store
	pieces []piece
	size   int64

	pos     int64
	current blob.Reader // of the piece at index, nil when not open
	index   int

	// What ReadAt opened stays open, since another goroutine may be reading it.
	mu     sync.Mutex
	opened map[int]blob.Reader
}

var _ blob.Reader = (*joined)(nil)

func newJoined(ctx context.Context, blobs blob.Store, pieces []piece) *joined {
	j := &joined{ctx: ctx, blobs: blobs, pieces: pieces, opened: map[int]blob.Reader{}}
	for _, p := range pieces {
		j.size += p.size
	}
	return j
}

// Size implements blob.Reader.
func (j *joined) Size() int64 { return j.size }

// find returns the index of the piece that holds an offset below the size.
func (j *joined) find(offset int64) int {
	low, high := 0, len(j.pieces)
	for low+1 < high {
		if mid := (low + high) / 2; j.pieces[mid].start <= offset {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

func (j *joined) open(index int) (blob.Reader, error) {
	p := j.pieces[index]
	r, err := j.blobs.Open(j.ctx, p.key)
	if err == nil && r.Size() != p.size {
		err = fmt.Errorf("part %d is damaged: %d bytes in place of %d", p.number, r.Size(), p.size)
		_ = r.Close()
	}
	return r, err
}

// Read implements io.Reader.
func (j *joined) Read(p []byte) (int, error) {
	if j.pos >= j.size {
		return 0, io.EOF
	}
	index := j.find(j.pos)
	if j.current == nil || j.index != index {
		j.release()
		r, err := j.open(index)
		if err != nil {
			return 0, err
		}
		j.current, j.index = r, index
	}
	at := j.pieces[index]
	if left := at.start + at.size - j.pos; int64(len(p)) > left {
		p = p[:left]
	}
	n, err := j.current.ReadAt(p, j.pos-at.start)
	j.pos += int64(n)
	if errors.Is(err, io.EOF) {
		err = nil
		if n < len(p) {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// ReadAt implements io.ReaderAt.
func (j *joined) ReadAt(p []byte, offset int64) (int, error) {
	done := 0
	for done < len(p) {
		if offset >= j.size {
			return done, io.EOF
		}
		index := j.find(offset)
		r, err := j.shared(index)
		if err != nil {
			return done, err
		}
		at := j.pieces[index]
		want := min(int64(len(p)-done), at.start+at.size-offset)
		n, err := r.ReadAt(p[done:done+int(want)], offset-at.start)
		done, offset = done+n, offset+int64(n)
		if err != nil && (!errors.Is(err, io.EOF) || int64(n) < want) {
			return done, err
		}
	}
	return done, nil
}

func (j *joined) shared(index int) (blob.Reader, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if r := j.opened[index]; r != nil {
		return r, nil
	}
	r, err := j.open(index)
	if err == nil {
		j.opened[index] = r
	}
	return r, err
}

// Seek implements io.Seeker.
func (j *joined) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += j.pos
	case io.SeekEnd:
		offset += j.size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek to %d, before the content", offset)
	}
	j.pos = offset
	return offset, nil
}

// part returns the place of a part; ok is false when there is none of that
// number.
func (j *joined) part(number int) (part span, ok bool) {
	for _, p := range j.pieces {
		if p.number == number {
			return span{start: p.start, length: p.size}, true
		}
	}
	return span{}, false
}

func (j *joined) release() {
	if j.current != nil {
		_ = j.current.Close()
		j.current = nil
	}
}

// Close implements io.Closer.
func (j *joined) Close() error {
	j.release()
	j.mu.Lock()
	defer j.mu.Unlock()
	var err error
	for index, r := range j.opened {
		err = errors.Join(err, r.Close())
		delete(j.opened, index)
	}
	return err
}
