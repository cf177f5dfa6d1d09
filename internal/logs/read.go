package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/blob"
)

// Read returns at most max lines of a stream from a line number on, and about a
// megabyte of text. The error wraps ErrNoStream if nothing was written yet.
func (s *Store) Read(ctx context.Context, stream string, from int64, max int) (Page, error) {
	if err := checkStream(stream); err != nil {
		return Page{}, err
	}
	if from < 0 || max < 1 {
		return Page{}, fmt.Errorf("read log %s: from line %d, at most %d lines: both must be positive", stream, from, max)
	}
	for try := 0; ; try++ {
		page, err := s.read(ctx, stream, from, max)
		// A segment may be closed between finding and reading it.
		moved := errors.Is(err, os.ErrClosed) || errors.Is(err, blob.ErrNotExist) || errors.Is(err, errMoved)
		if err == nil || !moved || try == 3 {
			if err != nil {
				err = fmt.Errorf("read log %s: %w", stream, err)
			}
			return page, err
		}
	}
}

// errMoved: lines are no longer where they were found.
var errMoved = errors.New("the log changed while it was read")

// layout is a stream at one moment: its segments, the last of them perhaps being
// written here.
type layout struct {
	segments []segment
	// tail is the last segment when it is written here, tailNumber its number.
	tail       *tail
	tailNumber int64
	changed    <-chan struct{} // of the tail
}

func (l layout) end() int64 {
	last := l.segments[len(l.segments)-1]
	return last.first + last.lines
}

func (l layout) complete() bool { return !l.segments[len(l.segments)-1].open }

// layout finds the segments of a stream; ErrNoStream if there are none.
func (s *Store) layout(ctx context.Context, stream string) (layout, error) {
	l := layout{tail: s.tailOf(stream)}
	var err error
	if l.segments, err = s.segments(ctx, stream); err != nil {
		return layout{}, err
	}
	if l.tail != nil {
		var mine segment
		mine, l.changed = l.tail.state()
		l.tailNumber = mine.number
		switch {
		case mine.number > 0:
			// The row, if there is one, knows less or was written since.
			l.segments = append(l.segments[:min(len(l.segments), int(mine.number)-1)], mine)
		case len(l.segments) == 0:
			l.segments = []segment{mine}
		default:
			mine.number, mine.first = int64(len(l.segments))+1, l.end()
			l.segments = append(l.segments, mine)
		}
	}
	if len(l.segments) == 0 {
		return l, ErrNoStream
	}
	return l, nil
}

func (s *Store) read(ctx context.Context, stream string, from int64, max int) (Page, error) {
	l, err := s.layout(ctx, stream)
	if err != nil {
		return Page{}, err
	}
	p := page{next: from, max: max}
	for _, g := range l.segments {
		if p.next >= g.first+g.lines || p.full() {
			continue
		}
		if p.next < g.first {
			return Page{}, errMoved
		}
		before := p.next
		if err := s.readSegment(ctx, stream, l, g, &p); err != nil {
			return Page{}, err
		}
		if p.next == before {
			return Page{}, errMoved
		}
	}
	return Page{Lines: p.lines, Next: p.next, Complete: l.complete() && p.next >= l.end()}, nil
}

func (s *Store) readSegment(ctx context.Context, stream string, l layout, g segment, p *page) error {
	from := p.next - g.first
	switch {
	case l.tail != nil && g.number == l.tailNumber:
		return l.tail.read(p, from)
	case g.open:
		chunks, err := s.readChunks(ctx, stream, g.number, p.next)
		if err != nil {
			return err
		}
		for _, c := range chunks {
			r := newRecords(strings.NewReader(c.content))
			if err := r.skip(p.next - c.first); err != nil {
				return errMoved
			}
			if err := p.take(r); err != nil {
				return err
			}
			if p.full() {
				break
			}
		}
		return nil
	default:
		b, err := s.blobs.Open(ctx, g.blob)
		if err != nil {
			return err
		}
		defer b.Close()
		r, err := decompress(b, b.Size(), g.blocks, from)
		if err != nil {
			return fmt.Errorf("segment %d: %w", g.number, unexpected(err))
		}
		return p.take(r)
	}
}

// unexpected makes an early end an error that cannot be taken for the end.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// pollEvery is how often a waiting reader looks at a stream that another node
// writes, in case a wake-up was lost.
const pollEvery = 5 * time.Second

// Wait returns nil when the stream has a line with the number from, or is
// complete. The error wraps ErrNoStream if nothing was written yet, and is that
// of ctx when it ends first.
func (s *Store) Wait(ctx context.Context, stream string, from int64) error {
	if err := checkStream(stream); err != nil {
		return err
	}
	wake, cancel := s.db.Listen(topic(stream))
	defer cancel()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		l, err := s.layout(ctx, stream)
		if err != nil {
			return fmt.Errorf("wait for log %s: %w", stream, err)
		}
		if l.end() > from || l.complete() {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for log %s: %w", stream, ctx.Err())
		case <-l.changed:
		case <-wake:
		case <-poll.C:
		}
	}
}
