package logs

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/penstock-cd/penstock/internal/blob"
	"github.com/penstock-cd/penstock/internal/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is the package's tables.
func Schema() db.Schema {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return db.Schema{Name: "logs", Files: files}
}

var (
	// ErrNoStream: nothing was written to the stream yet, or it is unknown.
	ErrNoStream = errors.New("there is no such log")
	// ErrStreamID: a stream id is 1 to 100 letters, digits and hyphens.
	ErrStreamID = errors.New("invalid log stream id")
)

// Line is one line of a stream.
type Line struct {
	// Number counts from 0.
	Number int64
	// At is when the line came, in milliseconds since the epoch.
	At int64
	// Text is valid UTF-8 without line breaks, at most MaxLine bytes long.
	Text string
}

// Page is a part of a stream.
type Page struct {
	Lines []Line
	// Next is where to read on.
	Next int64
	// Complete is set when the stream is closed and has no line from Next on.
	// An action that waits for something remote may open it again.
	Complete bool
}

// MaxLine is the longest line, in bytes; longer ones are split.
const MaxLine = 64 << 10

// flushEvery is how often the lines of an open stream are copied to the table.
const flushEvery = 5 * time.Second

// Store keeps streams. It is safe for concurrent use.
type Store struct {
	db     *db.DB
	blobs  blob.Store
	dir    string
	node   string
	logger *slog.Logger
	now    func() time.Time

	mu   sync.Mutex
	open map[string]*tail
}

// New makes a store whose open streams have their files in dir, which belongs
// to this node alone and is made when it is needed. The node's name must be the
// same after a restart. Call Recover before the first Writer.
func New(d *db.DB, blobs blob.Store, dir, node string, logger *slog.Logger) *Store {
	return &Store{db: d, blobs: blobs, dir: dir, node: node, logger: logger, now: time.Now, open: map[string]*tail{}}
}

var streamID = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z-]{0,99}$`)

func checkStream(stream string) error {
	if !streamID.MatchString(stream) {
		return fmt.Errorf("%w %q", ErrStreamID, stream)
	}
	return nil
}

func topic(stream string) string { return "logs/" + stream }

// blobKey is where a closed segment is kept; a second attempt to close it
// writes the same blob again.
func blobKey(stream string, segment int64) string {
	return "logs/" + stream[:min(2, len(stream))] + "/" + stream + "." + strconv.FormatInt(segment, 10)
}

// Writer opens a stream for writing, or joins those who write it on this node
// already; it must be closed. Nothing is kept until the first byte comes. Of
// what is written from now on, every occurrence of a secret becomes ***.
func (s *Store) Writer(ctx context.Context, stream string, secrets []string) (*Writer, error) {
	if err := checkStream(stream); err != nil {
		return nil, err
	}
	for {
		t := s.tailFor(stream)
		if t.join() {
			t.hide(secrets)
			return &Writer{store: s, tail: t}, nil
		}
		// Its last writer is closing it, or could not: it is closed first.
		if err := s.close(ctx, t); err != nil {
			return nil, fmt.Errorf("open log %s: %w", stream, err)
		}
	}
}

// tailFor is the open tail of a stream on this node, a new one if there is none.
func (s *Store) tailFor(stream string) *tail {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.open[stream]
	if t == nil {
		t = &tail{store: s, stream: stream, changed: make(chan struct{}), stop: make(chan struct{})}
		s.open[stream] = t
	}
	return t
}

// position finds where a stream goes on: the number of its next segment and of
// that segment's first line. A segment that another node left open is ended
// first: whoever writes a stream here knows that the node is gone.
func (s *Store) position(ctx context.Context, stream string) (number, first int64, err error) {
	segments, err := s.segments(ctx, stream)
	if err != nil || len(segments) == 0 {
		return 1, 0, err
	}
	last := segments[len(segments)-1]
	if last.open {
		if last, err = s.endLost(ctx, stream, last); err != nil {
			return 0, 0, err
		}
	}
	return last.number + 1, last.first + last.lines, nil
}

// forget ends the service of a tail that is closed for good.
func (s *Store) forget(t *tail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[t.stream] == t {
		delete(s.open, t.stream)
	}
}

// tailOf is the open tail of a stream on this node, or nil.
func (s *Store) tailOf(stream string) *tail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[stream]
}

// Writer writes one stream. It is safe for concurrent use.
type Writer struct {
	store *Store
	tail  *tail
	once  sync.Once
	err   error
}

// Write appends output. Bytes that are no valid UTF-8 are replaced; what follows
// the last line break waits for the rest of its line.
func (w *Writer) Write(p []byte) (int, error) { return w.tail.write(p) }

// Mask has every occurrence of more secrets become ***, in what is written from now
// on.
func (w *Writer) Mask(secrets ...string) { w.tail.hide(secrets) }

// Close gives the stream up; the last of its writers closes it, which keeps it
// as a compressed blob. After an error the stream stays readable from its file,
// and Recover closes it after a restart.
func (w *Writer) Close(ctx context.Context) error {
	w.once.Do(func() {
		if w.tail.leave() {
			w.err = w.store.close(ctx, w.tail)
		}
	})
	return w.err
}

// ErrClosed is returned by Write after the stream was closed.
var ErrClosed = fmt.Errorf("log stream: %w", os.ErrClosed)
