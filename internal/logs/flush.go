package logs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"
)

// chunkBytes is the size of a chunk, flushBytes what one copy may hold: a stream
// that grows faster lags behind in the table, rather than crowd others out.
const (
	chunkBytes = 64 << 10
	flushBytes = 4 << 20
)

// flusher copies new lines to the table until the tail is closed.
func (t *tail) flusher() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-t.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-tick.C:
			if err := t.flush(ctx); err != nil && ctx.Err() == nil {
				t.store.logger.Warn("copying log lines to the database", "stream", t.stream, "error", err)
			}
		}
	}
}

// flush copies the lines that the table does not have.
func (t *tail) flush(ctx context.Context) error {
	t.flushMu.Lock()
	defer t.flushMu.Unlock()
	t.mu.Lock()
	file, end := t.file, t.size
	t.mu.Unlock()
	if t.closed || file == nil || end == t.flushedSize {
		return nil
	}
	content := make([]byte, min(end-t.flushedSize, flushBytes))
	if _, err := io.ReadFull(io.NewSectionReader(file, t.flushedSize, int64(len(content))), content); err != nil {
		return err
	}
	content = content[:bytes.LastIndexByte(content, '\n')+1]
	chunks := split(content, t.first+t.flushedLines)
	lines := t.flushedLines
	for _, c := range chunks {
		lines += c.lines
	}
	ours, err := t.store.writeChunks(ctx, t.stream, segment{number: t.segment, first: t.first, lines: lines}, chunks)
	if err != nil {
		return err
	}
	if !ours {
		return fmt.Errorf("segment %d belongs to another node", t.segment)
	}
	t.flushedLines, t.flushedSize = lines, t.flushedSize+int64(len(content))
	return nil
}

// split cuts records into chunks of whole lines.
func split(content []byte, first int64) []chunk {
	var list []chunk
	for len(content) > 0 {
		end := len(content)
		if end > chunkBytes {
			end = bytes.LastIndexByte(content[:chunkBytes], '\n') + 1
			if end == 0 { // a single line is longer
				end = bytes.IndexByte(content, '\n') + 1
			}
		}
		lines := int64(bytes.Count(content[:end], []byte{'\n'}))
		list = append(list, chunk{first: first, lines: lines, content: string(content[:end])})
		first += lines
		content = content[end:]
	}
	return list
}
