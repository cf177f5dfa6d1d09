package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// The last lines of a stream whose writer went away.
const (
	lostHere  = "[Penstock] The server ended while this was running; output after this line may be missing."
	lostThere = "[Penstock] The node %s went away while this was running; the output of its last seconds may be missing."
)

// close keeps the segment of a tail that nobody writes any more. It may be
// repeated, also by several at once.
func (s *Store) close(ctx context.Context, t *tail) error {
	t.flushMu.Lock() // wait for a copy under way
	defer t.flushMu.Unlock()
	if t.closed {
		return nil
	}
	if t.file == nil {
		t.closed = true
		s.forget(t)
		return t.failed
	}
	g := segment{number: t.segment, node: s.node, first: t.first, blob: blobKey(t.stream, t.segment)}
	if err := s.keep(ctx, t.stream, g, io.NewSectionReader(t.file, 0, t.size)); err != nil {
		return err
	}
	t.closed = true
	s.forget(t)
	return errors.Join(t.failed, t.file.Close(), os.Remove(t.path()))
}

// keep compresses records into the segment's blob, then commits it as closed.
// It may be repeated.
func (s *Store) keep(ctx context.Context, stream string, g segment, content io.Reader) error {
	read, write := io.Pipe()
	compressed := make(chan error, 1)
	go func() {
		var err error
		g.blocks, g.lines, err = compress(write, newRecords(content))
		compressed <- err
		write.CloseWithError(err)
	}()
	_, err := s.blobs.Put(ctx, g.blob, read)
	read.CloseWithError(err) // ends the compressor when Put gave up
	if compressErr := <-compressed; err == nil {
		err = compressErr
	}
	if err != nil {
		return fmt.Errorf("keep log %s: %w", stream, err)
	}
	if _, err := s.closeSegment(ctx, stream, g); err != nil {
		return fmt.Errorf("close log %s: %w", stream, err)
	}
	return nil
}

// Recover closes the streams that this node had open when it ended. It must run
// before the first Writer. It goes on after a stream that cannot be closed and
// returns all errors.
func (s *Store) Recover(ctx context.Context) error {
	var errs []error
	files, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, fmt.Errorf("recover logs: %w", err))
	}
	for _, f := range files {
		if err := s.recoverFile(ctx, f.Name()); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, s.EndNode(ctx, s.node))...)
}

var fileName = regexp.MustCompile(`^([0-9A-Za-z-]+)\.(\d+)\.(\d+)\.log$`)

// recoverFile closes the segment of a file that was left behind.
func (s *Store) recoverFile(ctx context.Context, name string) error {
	m := fileName.FindStringSubmatch(name)
	if m == nil || checkStream(m[1]) != nil {
		return nil // not ours
	}
	g := segment{node: s.node}
	g.number, _ = strconv.ParseInt(m[2], 10, 64)
	g.first, _ = strconv.ParseInt(m[3], 10, 64)
	g.blob = blobKey(m[1], g.number)
	path := filepath.Join(s.dir, name)
	known, err := s.segments(ctx, m[1])
	if err != nil {
		return fmt.Errorf("recover log %s: %w", m[1], err)
	}
	for _, k := range known {
		if k.number == g.number && !k.open {
			return os.Remove(path) // it was closed; only the removal was missed
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("recover log %s: %w", m[1], err)
	}
	defer f.Close()
	// A record that the crash cut off is ended, so that the note is a line.
	note := appendRecord(nil, s.now().UnixMilli(), []byte(lostHere))
	if err := s.keep(ctx, m[1], g, io.MultiReader(f, lineBreakIfCut(f), strings.NewReader(string(note)))); err != nil {
		return err
	}
	return os.Remove(path)
}

// lineBreakIfCut is a line break if the file does not end with one.
func lineBreakIfCut(f *os.File) io.Reader {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return strings.NewReader("")
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil || last[0] == '\n' {
		return strings.NewReader("")
	}
	return strings.NewReader("\n")
}

// EndNode closes the streams that a node left open, with what it had copied to
// the table. The node must be gone for good. It may be repeated.
func (s *Store) EndNode(ctx context.Context, node string) error {
	streams, err := s.leftOpen(ctx, node)
	if err != nil {
		return fmt.Errorf("end the logs of node %s: %w", node, err)
	}
	var errs []error
	for _, stream := range streams {
		if s.tailOf(stream) != nil {
			continue
		}
		segments, err := s.segments(ctx, stream)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, g := range segments {
			if g.open && g.node == node {
				_, err := s.endLost(ctx, stream, g)
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// endLost closes a segment with what is in the table, and says so in its last
// line. It returns the segment as closed.
func (s *Store) endLost(ctx context.Context, stream string, g segment) (segment, error) {
	note := string(appendRecord(nil, s.now().UnixMilli(), fmt.Appendf(nil, lostThere, g.node)))
	// Another blob than the node's own, in case it is not gone and closes later.
	g.blob = blobKey(stream, g.number) + ".lost"
	chunks := &chunkReader{ctx: ctx, store: s, stream: stream, segment: g}
	if err := s.keep(ctx, stream, g, io.MultiReader(chunks, strings.NewReader(note))); err != nil {
		return g, err
	}
	segments, err := s.segments(ctx, stream)
	if err != nil {
		return g, err
	}
	return segments[g.number-1], nil
}

// chunkReader reads the records of a segment from the table.
type chunkReader struct {
	ctx     context.Context
	store   *Store
	stream  string
	segment segment
	lines   int64
	rest    strings.Reader
}

func (c *chunkReader) Read(p []byte) (int, error) {
	for c.rest.Len() == 0 {
		chunks, err := c.store.readChunks(c.ctx, c.stream, c.segment.number, c.segment.first+c.lines)
		if err != nil {
			return 0, err
		}
		if len(chunks) == 0 {
			return 0, io.EOF
		}
		var all strings.Builder
		for _, k := range chunks {
			all.WriteString(k.content)
			c.lines += k.lines
		}
		c.rest.Reset(all.String())
	}
	return c.rest.Read(p)
}
