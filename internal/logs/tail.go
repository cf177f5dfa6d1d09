package logs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// markEvery is the distance of lines whose place in the file is remembered.
const markEvery = 256

// positionTimeout bounds the look at the database with which a segment begins.
const positionTimeout = 30 * time.Second

// tail is a segment that is being written on this node.
type tail struct {
	store  *Store
	stream string

	mu       sync.Mutex
	refs     int   // writers
	segment  int64 // its number; 0 until the first line
	first    int64 // number of its first line
	redactor redactor
	partial  []byte   // the line that is not complete
	file     *os.File // nil until the first byte
	size     int64
	lines    int64
	marks    []int64 // where line i*markEvery begins
	failed   error   // the file could not be written; nothing more is
	sealed   bool    // no line will be added
	changed  chan struct{}
	stop     chan struct{} // ends the flusher

	flushMu      sync.Mutex // serialises copies to the table; held without mu
	flushedLines int64
	flushedSize  int64
	closed       bool // the segment is kept
}

// join adds a writer unless the tail takes no more lines.
func (t *tail) join() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sealed {
		return false
	}
	t.refs++
	return true
}

// leave takes a writer off and reports whether it was the last. Then the tail
// takes no more output, and what it held back is written.
func (t *tail) leave() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refs--
	if t.refs > 0 {
		return false
	}
	t.partial = t.redactor.flush(t.partial)
	t.add(true)
	t.sealed = true
	t.wake()
	close(t.stop)
	return true
}

func (t *tail) hide(secrets []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.redactor.add(secrets)
}

func (t *tail) write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.sealed:
		return 0, ErrClosed
	case t.failed != nil:
		return 0, t.failed
	}
	t.partial = t.redactor.write(t.partial, p)
	t.add(false)
	if t.failed != nil {
		return 0, t.failed
	}
	return len(p), nil
}

// add moves the complete lines of partial to the file, at the end the rest too.
func (t *tail) add(last bool) {
	if t.failed != nil {
		return
	}
	at := t.store.now().UnixMilli()
	var out []byte
	var starts []int64 // of the lines in out
	rest := t.partial
	for {
		line, after, ok := cutLine(rest, last)
		if !ok {
			break
		}
		starts = append(starts, int64(len(out)))
		out = appendRecord(out, at, line)
		rest = after
	}
	t.partial = append(t.partial[:0], rest...)
	if len(out) == 0 {
		return
	}
	if err := t.append(out); err != nil {
		t.failed = fmt.Errorf("keep the log: %w", err)
		return
	}
	for _, start := range starts {
		if t.lines%markEvery == 0 {
			t.marks = append(t.marks, t.size+start)
		}
		t.lines++
	}
	t.size += int64(len(out))
	t.wake()
}

// cutLine cuts the first line off. One that is too long is split, but not
// within a character.
func cutLine(text []byte, last bool) (line, rest []byte, ok bool) {
	end := bytes.IndexByte(text, '\n')
	if end >= 0 && end <= MaxLine {
		return text[:end], text[end+1:], true
	}
	if len(text) > MaxLine {
		end = MaxLine
		for back := 0; back < utf8.UTFMax && !utf8.RuneStart(text[end]); back++ {
			end--
		}
		return text[:end], text[end:], true
	}
	return text, nil, last && len(text) > 0
}

// append writes to the file and makes it first when there is none.
func (t *tail) append(out []byte) error {
	if t.file == nil {
		ctx, cancel := context.WithTimeout(context.Background(), positionTimeout)
		defer cancel()
		var err error
		if t.segment, t.first, err = t.store.position(ctx, t.stream); err != nil {
			return err
		}
		if err := os.MkdirAll(t.store.dir, 0o700); err != nil {
			return err
		}
		f, err := os.OpenFile(t.path(), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		t.file = f
		go t.flusher()
	}
	_, err := t.file.WriteAt(out, t.size)
	return err
}

// path is the file's name; Recover reads it back.
func (t *tail) path() string {
	return filepath.Join(t.store.dir, t.stream+"."+strconv.FormatInt(t.segment, 10)+"."+strconv.FormatInt(t.first, 10)+".log")
}

// wake wakes those who wait for a change. The caller holds mu.
func (t *tail) wake() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// state is the segment as readers see it; its number is 0 if it has no lines.
func (t *tail) state() (g segment, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return segment{number: t.segment, first: t.first, lines: t.lines, open: !t.sealed}, t.changed
}

// read fills a page from a line on, counted from the segment's first.
func (t *tail) read(p *page, from int64) error {
	t.mu.Lock()
	file, size, lines := t.file, t.size, t.lines
	var mark int64
	if from < lines {
		mark = t.marks[from/markEvery]
	}
	t.mu.Unlock()
	if from >= lines {
		return nil
	}
	r := newRecords(io.NewSectionReader(file, mark, size-mark))
	if err := r.skip(from % markEvery); err != nil {
		return err
	}
	return p.take(r)
}
