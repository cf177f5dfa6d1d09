package logs

import (
	"context"
	"fmt"

	"github.com/penstock-cd/penstock/internal/db"
)

// Delete forgets a stream that is closed: its content, then its rows. A stream
// that is unknown is no error; neither is content that is gone already.
func (s *Store) Delete(ctx context.Context, stream string) error {
	if err := checkStream(stream); err != nil {
		return err
	}
	segments, err := s.segments(ctx, stream)
	if err != nil {
		return fmt.Errorf("delete log %s: %w", stream, err)
	}
	// Content first: after a crash in between the rows still lead to the rest.
	for _, g := range segments {
		if g.blob == "" {
			continue
		}
		if err := s.blobs.Delete(ctx, g.blob); err != nil {
			return fmt.Errorf("delete log %s: %w", stream, err)
		}
	}
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(`delete from log_chunks where stream = $1`, stream); err != nil {
			return err
		}
		_, err := tx.Exec(`delete from log_segments where stream = $1`, stream)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete log %s: %w", stream, err)
	}
	return nil
}
