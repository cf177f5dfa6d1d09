package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/blob"
	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// bed is a database with blobs, as several nodes share them.
type bed struct {
	db    *db.DB
	blobs blob.Store
}

func newBed(t *testing.T, d *db.DB) bed {
	t.Helper()
	if err := d.Migrate(t.Context(), Schema()); err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return bed{d, blobs}
}

// node starts a node; dir outlives it.
func (b bed) node(t *testing.T, name, dir string) *Store {
	// A flush may still be under way when a test that lost its node is over: it
	// must not write to the test's output.
	return New(b.db, b.blobs, dir, name, slog.New(slog.DiscardHandler))
}

func each(t *testing.T, fn func(t *testing.T, b bed)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { fn(t, newBed(t, d)) })
}

func writer(t *testing.T, s *Store, stream string, secrets ...string) *Writer {
	t.Helper()
	w, err := s.Writer(t.Context(), stream, secrets)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func write(t *testing.T, w *Writer, text string) {
	t.Helper()
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func closeWriter(t *testing.T, w *Writer) {
	t.Helper()
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// texts reads a whole stream in pages of some lines and checks its numbering.
func texts(t *testing.T, s *Store, stream string, max int) (lines []string, complete bool) {
	t.Helper()
	for next := int64(0); ; {
		page, err := s.Read(t.Context(), stream, next, max)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range page.Lines {
			if line.Number != next {
				t.Fatalf("line %d where %d was due", line.Number, next)
			}
			next++
			lines = append(lines, line.Text)
		}
		if page.Next != next {
			t.Fatalf("next is %d, want %d", page.Next, next)
		}
		if page.Complete || len(page.Lines) == 0 {
			return lines, page.Complete
		}
	}
}

func wantLines(t *testing.T, s *Store, stream string, complete bool, want ...string) {
	t.Helper()
	got, done := texts(t, s, stream, 2)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if done != complete {
		t.Errorf("complete is %v, want %v", done, complete)
	}
}

func TestWriteReadClose(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bed) {
		dir := t.TempDir()
		s := b.node(t, "one", dir)
		w := writer(t, s, "stream-1", "s3cret")
		write(t, w, "first\nsec")
		wantLines(t, s, "stream-1", false, "first")
		write(t, w, "ond\r\n\nthe s3c")
		wantLines(t, s, "stream-1", false, "first", "second", "")
		write(t, w, "ret is \xff\x00\n")
		write(t, w, "rest s3c")
		want := []string{"first", "second", "", "the *** is \uFFFD\uFFFD"}
		wantLines(t, s, "stream-1", false, want...)
		closeWriter(t, w)
		wantLines(t, s, "stream-1", true, append(want, "rest s3c")...)
		if _, err := w.Write([]byte("late")); !errors.Is(err, os.ErrClosed) {
			t.Errorf("write after close: %v", err)
		}
		closeWriter(t, w)
		left, err := os.ReadDir(dir)
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
		wantLines(t, b.node(t, "two", t.TempDir()), "stream-1", true, append(want, "rest s3c")...)
		page, err := s.Read(t.Context(), "stream-1", 100, 5)
		if err != nil || len(page.Lines) > 0 || !page.Complete {
			t.Errorf("beyond the end: %+v, %v", page, err)
		}
	})
}

func TestNothingWrittenNothingLeft(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bed) {
		s := b.node(t, "one", t.TempDir())
		if _, err := s.Read(t.Context(), "unknown", 0, 1); !errors.Is(err, ErrNoStream) {
			t.Errorf("unknown stream: %v", err)
		}
		if err := s.Wait(t.Context(), "unknown", 0); !errors.Is(err, ErrNoStream) {
			t.Errorf("wait for an unknown stream: %v", err)
		}
		w := writer(t, s, "silent")
		wantLines(t, s, "silent", false)
		closeWriter(t, w)
		if _, err := s.Read(t.Context(), "silent", 0, 1); !errors.Is(err, ErrNoStream) {
			t.Errorf("silent stream: %v", err)
		}
		for _, id := range []string{"", "../x", "a/b", "a.b", "-x", strings.Repeat("x", 101)} {
			if _, err := s.Writer(t.Context(), id, nil); !errors.Is(err, ErrStreamID) {
				t.Errorf("stream %q: %v", id, err)
			}
			if _, err := s.Read(t.Context(), id, 0, 1); !errors.Is(err, ErrStreamID) {
				t.Errorf("stream %q: %v", id, err)
			}
		}
	})
}

// TestReopened: an action that waits for something remote opens its log again
// and again, on whichever node; the numbering goes on.
func TestReopened(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bed) {
		one, two := b.node(t, "one", t.TempDir()), b.node(t, "two", t.TempDir())
		w := writer(t, one, "s")
		write(t, w, "a\nb\n")
		closeWriter(t, w)
		w = writer(t, two, "s")
		wantLines(t, two, "s", false, "a", "b")
		write(t, w, "c\n")
		wantLines(t, two, "s", false, "a", "b", "c")
		closeWriter(t, w)
		closeWriter(t, writer(t, one, "s"))
		w = writer(t, one, "s")
		write(t, w, "d")
		closeWriter(t, w)
		for _, s := range []*Store{one, two} {
			wantLines(t, s, "s", true, "a", "b", "c", "d")
		}
	})
}

func TestSharedByWriters(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bed) {
		s := b.node(t, "one", t.TempDir())
		var wg sync.WaitGroup
		for i := range 8 {
			w := writer(t, s, "s", fmt.Sprintf("secret%d", i))
			wg.Go(func() {
				for range 100 {
					if _, err := fmt.Fprintf(w, "secret%d\n", i); err != nil {
						t.Error(err)
					}
				}
				if err := w.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		lines, complete := texts(t, s, "s", 10000)
		if !complete || len(lines) != 800 {
			t.Fatalf("%d lines, complete %v", len(lines), complete)
		}
		for _, line := range lines {
			if line != "***" {
				t.Fatalf("line %q", line)
			}
		}
	})
}

func TestLongLinesAndManyBlocks(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bed) {
		s := b.node(t, "one", t.TempDir())
		w := writer(t, s, "s")
		long := strings.Repeat("ä", 100_000)
		write(t, w, long+"\n")
		const n = 20_000
		for i := range n {
			write(t, w, fmt.Sprintf("line %d %s\n", i, strings.Repeat("x", i%100)))
		}
		check := func() {
			t.Helper()
			lines, _ := texts(t, s, "s", 3000)
			if len(lines) != n+4 {
				t.Fatalf("%d lines, want %d", len(lines), n+4)
			}
			if strings.Join(lines[:4], "") != long {
				t.Error("the long line was not kept whole")
			}
			for _, line := range lines[:4] {
				if len(line) > MaxLine {
					t.Errorf("a line of %d bytes", len(line))
				}
			}
			for _, i := range []int{0, 1, 255, 256, 9999, n - 1} {
				page, err := s.Read(t.Context(), "s", int64(i+4), 1)
				if err != nil || len(page.Lines) != 1 || !strings.HasPrefix(page.Lines[0].Text, fmt.Sprintf("line %d ", i)) {
					t.Errorf("line %d: %+v, %v", i, page, err)
				}
			}
		}
		check()
		closeWriter(t, w)
		check()
		segments, err := s.segments(t.Context(), "s")
		if err != nil || len(segments) != 1 || len(segments[0].blocks) < 4 {
			t.Errorf("the index has too few blocks: %+v, %v", segments, err)
		}
	})
}

func TestPagesAreBounded(t *testing.T) {
	t.Parallel()
	s := newBed(t, dbtest.SQLite(t)).node(t, "one", t.TempDir())
	w := writer(t, s, "s")
	write(t, w, strings.Repeat(strings.Repeat("x", MaxLine-1)+"\n", 40))
	page, err := s.Read(t.Context(), "s", 0, 10000)
	if err != nil || len(page.Lines) > 20 || len(page.Lines) < 10 {
		t.Errorf("%d lines of 64 KiB in a page, %v", len(page.Lines), err)
	}
	for _, bad := range []struct {
		from int64
		max  int
	}{{-1, 1}, {0, 0}} {
		if _, err := s.Read(t.Context(), "s", bad.from, bad.max); err == nil {
			t.Errorf("read %v was allowed", bad)
		}
	}
	closeWriter(t, w)
}

func TestWaitFollowsLive(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bed) {
		s := b.node(t, "one", t.TempDir())
		w := writer(t, s, "s")
		got := make(chan string)
		go func() {
			defer close(got)
			for next := int64(0); ; {
				if err := s.Wait(t.Context(), "s", next); err != nil {
					t.Error(err)
					return
				}
				page, err := s.Read(t.Context(), "s", next, 100)
				if err != nil {
					t.Error(err)
					return
				}
				for _, line := range page.Lines {
					got <- line.Text
				}
				next = page.Next
				if page.Complete {
					return
				}
			}
		}()
		for i := range 50 {
			write(t, w, fmt.Sprintf("%d\n", i))
			if line := <-got; line != fmt.Sprint(i) {
				t.Fatalf("got %q, want %d", line, i)
			}
		}
		closeWriter(t, w)
		if line, more := <-got; more {
			t.Errorf("after the end: %q", line)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := newBed(t, dbtest.SQLite(t)).node(t, "one", t.TempDir())
	w := writer(t, s, "s")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Wait(ctx, "s", 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	closeWriter(t, w)
}

// TestOtherNodeReads: what was copied to the table is seen elsewhere, and each
// line once.
func TestOtherNodeReads(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bed) {
		one, two := b.node(t, "one", t.TempDir()), b.node(t, "two", t.TempDir())
		w := writer(t, one, "s")
		write(t, w, "a\nb\n")
		if _, err := two.Read(t.Context(), "s", 0, 10); !errors.Is(err, ErrNoStream) {
			t.Fatalf("before the first copy: %v", err)
		}
		flush(t, w)
		wantLines(t, two, "s", false, "a", "b")
		waited := make(chan error, 1)
		go func() { waited <- two.Wait(t.Context(), "s", 2) }()
		long := strings.Repeat("x", chunkBytes-10)
		write(t, w, "c\n"+long+"\n"+long+"\nd\n")
		flush(t, w)
		flush(t, w)
		if err := <-waited; err != nil {
			t.Fatal(err)
		}
		wantLines(t, two, "s", false, "a", "b", "c", long, long, "d")
		wantLines(t, one, "s", false, "a", "b", "c", long, long, "d")
		go func() { waited <- two.Wait(t.Context(), "s", 6) }()
		closeWriter(t, w)
		if err := <-waited; err != nil {
			t.Fatal(err)
		}
		wantLines(t, two, "s", true, "a", "b", "c", long, long, "d")
		if left, err := two.readChunks(t.Context(), "s", 1, 0); err != nil || len(left) > 0 {
			t.Errorf("chunks left: %v, %v", left, err)
		}
	})
}

func flush(t *testing.T, w *Writer) {
	t.Helper()
	if err := w.tail.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestRecover: the server ends with streams open; after the restart they are
// closed, whole, and say so.
func TestRecover(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bed) {
		dir := t.TempDir()
		before := b.node(t, "one", dir)
		w := writer(t, before, "copied")
		write(t, w, "a\n")
		flush(t, w)
		write(t, w, "b\nnever ended")
		write(t, writer(t, before, "fresh"), "x\n")
		closed := writer(t, before, "closed")
		write(t, closed, "y\n")
		kept, err := os.ReadFile(closed.tail.path())
		if err != nil {
			t.Fatal(err)
		}
		closeWriter(t, closed)
		// As if it had ended between closing the stream and removing its file.
		if err := os.WriteFile(closed.tail.path(), kept, 0o600); err != nil {
			t.Fatal(err)
		}
		// As if the machine had ended within a record.
		torn := append(appendRecord(nil, 5, []byte("z")), "17000"...)
		if err := os.WriteFile(filepath.Join(dir, "torn.1.0.log"), torn, 0o600); err != nil {
			t.Fatal(err)
		}

		after := b.node(t, "one", dir)
		for range 2 {
			if err := after.Recover(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantLines(t, after, "copied", true, "a", "b", lostHere)
			wantLines(t, after, "fresh", true, "x", lostHere)
			wantLines(t, after, "closed", true, "y")
			wantLines(t, after, "torn", true, "z", "17000", lostHere)
		}
		left, err := os.ReadDir(dir)
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
		w = writer(t, after, "fresh")
		write(t, w, "again")
		closeWriter(t, w)
		wantLines(t, after, "fresh", true, "x", lostHere, "again")
	})
}

// TestNodeLost: a node goes and its disk with it; what it had copied remains,
// and whoever opens the stream next ends it.
func TestNodeLost(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bed) {
		one, two := b.node(t, "one", t.TempDir()), b.node(t, "two", t.TempDir())
		for _, stream := range []string{"s", "r"} {
			w := writer(t, one, stream)
			write(t, w, "a\nb\n")
			flush(t, w)
			write(t, w, "lost\n")
		}
		note := fmt.Sprintf(lostThere, "one")
		w := writer(t, two, "s")
		write(t, w, "c\n")
		wantLines(t, two, "s", false, "a", "b", note, "c")
		closeWriter(t, w)
		for range 2 {
			if err := two.EndNode(t.Context(), "one"); err != nil {
				t.Fatal(err)
			}
			wantLines(t, two, "s", true, "a", "b", note, "c")
			wantLines(t, two, "r", true, "a", "b", note)
		}
		// The node was not gone after all: it may not change what was closed.
		if err := one.tailOf("r").store.close(t.Context(), one.tailOf("r")); err != nil {
			t.Fatal(err)
		}
		wantLines(t, two, "r", true, "a", "b", note)
	})
}

// TestCloseFails: whatever becomes of the commit, the stream stays readable and
// can be closed later.
func TestCloseFails(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]db.Fault{"before": db.FaultBefore, "lost": db.FaultLost, "after": db.FaultAfter} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dbtest.Faults(t, func(t *testing.T, d *db.DB, f *db.Faults) {
				b := newBed(t, d)
				dir := t.TempDir()
				s := b.node(t, "one", dir)
				w := writer(t, s, "s")
				write(t, w, "a\n")
				f.Arm(fault, 0, 1)
				if err := w.Close(t.Context()); err == nil {
					t.Fatal("the failed commit was hidden")
				}
				wantLines(t, s, "s", true, "a")
				w = writer(t, s, "s") // closes it first
				write(t, w, "b\n")
				closeWriter(t, w)
				wantLines(t, s, "s", true, "a", "b")
				wantLines(t, b.node(t, "two", t.TempDir()), "s", true, "a", "b")
			})
		})
	}
}

func TestFileCannotBeWritten(t *testing.T) {
	t.Parallel()
	b := newBed(t, dbtest.SQLite(t))
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := b.node(t, "one", dir)
	w := writer(t, s, "s")
	for range 2 {
		if _, err := w.Write([]byte("a\n")); err == nil {
			t.Error("output was lost without an error")
		}
	}
	if err := w.Close(t.Context()); err == nil {
		t.Error("Close hides that output was lost")
	}
}

func BenchmarkWrite(b *testing.B) {
	d := dbtest.SQLite(b)
	if err := d.Migrate(b.Context(), Schema()); err != nil {
		b.Fatal(err)
	}
	blobs, err := blob.OpenDir(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	s := New(d, blobs, b.TempDir(), "one", slog.Default())
	w, err := s.Writer(b.Context(), "s", []string{"some-secret-value", "another"})
	if err != nil {
		b.Fatal(err)
	}
	p := bytes.Repeat([]byte(strings.Repeat("output of a build ", 5)+"\n"), 100)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		if _, err := w.Write(p); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}
