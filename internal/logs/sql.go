package logs

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/penstock-cd/penstock/internal/db"
)

// segment is a row of log_segments.
type segment struct {
	number int64
	node   string
	first  int64
	lines  int64
	open   bool
	blob   string
	blocks []block
}

const segmentColumns = `segment, node, first_line, line_count, open, blob_key, blocks`

// segments loads the segments of a stream in order.
func (s *Store) segments(ctx context.Context, stream string) ([]segment, error) {
	var list []segment
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		rows, err := tx.Query(`
			select `+segmentColumns+`
			from log_segments
			where stream = $1
			order by segment`, stream)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var g segment
			var open int
			var blocks []byte
			if err := rows.Scan(&g.number, &g.node, &g.first, &g.lines, &open, &g.blob, &blocks); err != nil {
				return err
			}
			g.open = open == 1
			if g.blob == ordinaryBlob {
				g.blob = blobKey(stream, g.number)
			}
			if g.blocks, err = decodeBlocks(blocks); err != nil {
				return fmt.Errorf("index of segment %d: %w", g.number, err)
			}
			list = append(list, g)
		}
		return rows.Err()
	})
	return list, err
}

// leftOpen loads the streams that a node writes, by its rows.
func (s *Store) leftOpen(ctx context.Context, node string) ([]string, error) {
	var list []string
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		rows, err := tx.Query(`select stream from log_segments where node = $1 and open = 1 order by stream`, node)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var stream string
			if err := rows.Scan(&stream); err != nil {
				return err
			}
			list = append(list, stream)
		}
		return rows.Err()
	})
	return list, err
}

// chunk is a row of log_chunks.
type chunk struct {
	first, lines int64
	content      string
}

// writeChunks makes lines of an open segment visible to other nodes. It may be
// repeated. It returns false if the segment is not ours any more.
func (s *Store) writeChunks(ctx context.Context, stream string, g segment, chunks []chunk) (ours bool, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(`
			insert into log_segments (stream, segment, node, first_line, line_count, open)
			values ($1, $2, $3, $4, 0, 1)
			on conflict (stream, segment) do nothing`, stream, g.number, s.node, g.first); err != nil {
			return err
		}
		n, err := tx.Exec(`
			update log_segments set line_count = $4
			where stream = $1 and segment = $2 and node = $3 and open = 1`, stream, g.number, s.node, g.lines)
		if err != nil || n == 0 {
			return err
		}
		ours = true
		for _, c := range chunks {
			if _, err := tx.Exec(`
				insert into log_chunks (stream, segment, first_line, line_count, content)
				values ($1, $2, $3, $4, $5)
				on conflict (stream, segment, first_line) do nothing`, stream, g.number, c.first, c.lines, c.content); err != nil {
				return err
			}
		}
		tx.Notify(topic(stream))
		return nil
	})
	return ours, err
}

// readChunks loads some chunks of a segment from a line of the stream on.
func (s *Store) readChunks(ctx context.Context, stream string, number, from int64) ([]chunk, error) {
	const some = 16
	var list []chunk
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		rows, err := tx.Query(`
			select first_line, line_count, content
			from log_chunks
			where stream = $1 and segment = $2 and first_line + line_count > $3
			order by first_line
			limit $4`, stream, number, from, some)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var c chunk
			if err := rows.Scan(&c.first, &c.lines, &c.content); err != nil {
				return err
			}
			list = append(list, c)
		}
		return rows.Err()
	})
	return list, err
}

// A closed segment stays for as long as the history does, so its row says only
// what is out of the ordinary: nothing of its node, whose it is no longer, of the
// name of its blob, if that follows from its own, and of the index of one block.
const ordinaryBlob = "."

func encodeBlocks(blocks []block) (string, error) {
	if len(blocks) == 1 && blocks[0] == (block{}) {
		return "", nil
	}
	text, err := json.Marshal(blocks)
	return string(text), err
}

func decodeBlocks(text []byte) ([]block, error) {
	if len(text) == 0 {
		return []block{{}}, nil
	}
	var blocks []block
	return blocks, json.Unmarshal(text, &blocks)
}

// closeSegment commits a segment as closed. A segment that is closed already
// stays as it is, and false is returned.
func (s *Store) closeSegment(ctx context.Context, stream string, g segment) (closed bool, err error) {
	blocks, err := encodeBlocks(g.blocks)
	if err != nil {
		return false, err
	}
	blob := g.blob
	if blob == blobKey(stream, g.number) {
		blob = ordinaryBlob
	}
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		n, err := tx.Exec(`
			insert into log_segments (stream, segment, node, first_line, line_count, open, blob_key, blocks, closed_ms)
			values ($1, $2, '', $3, $4, 0, $5, $6, $7)
			on conflict (stream, segment) do update
			set node = '', line_count = excluded.line_count, open = 0, blob_key = excluded.blob_key,
			    blocks = excluded.blocks, closed_ms = excluded.closed_ms
			where log_segments.open = 1`,
			stream, g.number, g.first, g.lines, blob, blocks, now)
		if err != nil {
			return err
		}
		closed = n == 1
		if _, err := tx.Exec(`delete from log_chunks where stream = $1 and segment = $2`, stream, g.number); err != nil {
			return err
		}
		tx.Notify(topic(stream))
		return nil
	})
	return closed, err
}
