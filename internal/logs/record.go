package logs

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A record is one line as it is kept, in files, chunks and blobs alike: the time
// in milliseconds, a blank, the text, a line break.

// appendRecord appends a line of raw output as a record.
func appendRecord(out []byte, at int64, line []byte) []byte {
	out = strconv.AppendInt(out, at, 10)
	out = append(out, ' ')
	out = appendText(out, bytes.TrimSuffix(line, []byte{'\r'}))
	return append(out, '\n')
}

// appendText appends valid UTF-8 as it is, without NUL, which PostgreSQL cannot
// keep.
func appendText(out, line []byte) []byte {
	if utf8.Valid(line) && bytes.IndexByte(line, 0) < 0 {
		return append(out, line...)
	}
	text := strings.ToValidUTF8(string(line), "\uFFFD")
	return append(out, strings.ReplaceAll(text, "\x00", "\uFFFD")...)
}

// parseRecord reads a record without its line break.
func parseRecord(record []byte) (at int64, text string, ok bool) {
	stamp, rest, found := bytes.Cut(record, []byte{' '})
	at, err := strconv.ParseInt(string(stamp), 10, 64)
	return at, string(rest), found && err == nil
}

// records reads records one by one.
type records struct{ r *bufio.Reader }

func newRecords(r io.Reader) records { return records{bufio.NewReaderSize(r, MaxLine)} }

// next returns a record without its line break; at the end io.EOF. What a crash
// cut off before its line break is a record, too.
func (r records) next() ([]byte, error) {
	record, err := r.r.ReadBytes('\n')
	if err == nil {
		return record[:len(record)-1], nil
	}
	if errors.Is(err, io.EOF) && len(record) > 0 {
		return record, nil
	}
	return nil, err
}

// skip passes over n records.
func (r records) skip(n int64) error {
	for ; n > 0; n-- {
		if _, err := r.next(); err != nil {
			return err
		}
	}
	return nil
}

// page collects lines from a number on until there are max of them or their
// text is longer than a page should be.
type page struct {
	next  int64
	max   int
	bytes int
	lines []Line
}

// maxPageBytes bounds the text of a page.
const maxPageBytes = 1 << 20

func (p *page) full() bool { return len(p.lines) >= p.max || p.bytes >= maxPageBytes }

// take reads records until the page is full or they end.
func (p *page) take(r records) error {
	for !p.full() {
		record, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		at, text, ok := parseRecord(record)
		if !ok {
			return fmt.Errorf("line %d is not a record", p.next)
		}
		p.lines = append(p.lines, Line{Number: p.next, At: at, Text: text})
		p.next++
		p.bytes += len(text)
	}
	return nil
}

// block is a part of a blob that can be decompressed by itself.
type block struct {
	Line   int64 `json:"l"` // its first line, counted from the segment's
	Offset int64 `json:"o"` // where it begins in the blob
}

// blockBytes is the size of a block before compression.
const blockBytes = 256 << 10

// compress writes records as a gzip file of several members, each a block.
// Records that a crash spoiled are given the time of the one before.
func compress(w io.Writer, r records) (blocks []block, lines int64, err error) {
	counted := &countingWriter{w: w}
	z := gzip.NewWriter(counted)
	var lastAt int64
	size := blockBytes // so that the first record begins a block
	for {
		record, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		if at, _, ok := parseRecord(record); ok {
			lastAt = at
		} else {
			record = bytes.TrimSuffix(appendRecord(nil, lastAt, record), []byte{'\n'})
		}
		if size >= blockBytes {
			if len(blocks) > 0 {
				if err := z.Close(); err != nil {
					return nil, 0, err
				}
				z.Reset(counted)
			}
			blocks = append(blocks, block{Line: lines, Offset: counted.n})
			size = 0
		}
		n, err := z.Write(append(record, '\n'))
		if err != nil {
			return nil, 0, err
		}
		size += n
		lines++
	}
	return blocks, lines, z.Close()
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// decompress reads the records of a blob from a line on, counted from the
// segment's first.
func decompress(blob io.ReaderAt, size int64, blocks []block, from int64) (records, error) {
	i := sort.Search(len(blocks), func(i int) bool { return blocks[i].Line > from }) - 1
	if i < 0 {
		return records{}, io.EOF
	}
	z, err := gzip.NewReader(bufio.NewReader(io.NewSectionReader(blob, blocks[i].Offset, size-blocks[i].Offset)))
	if err != nil {
		return records{}, err
	}
	r := newRecords(z)
	return r, r.skip(from - blocks[i].Line)
}
