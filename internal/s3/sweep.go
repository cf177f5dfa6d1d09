package s3

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/blob"
	"github.com/penstock-cd/penstock/internal/db"
)

// Sweep removes blobs of this package that no version names and that are older
// than grace, and returns how many. grace must exceed by far the time between
// the end of an upload and its commit, and any difference between the clocks of
// server and file server; an hour does. It may run at any time and on any number
// of nodes at once.
func (s *Store) Sweep(ctx context.Context, grace time.Duration) (int, error) {
	oldest := time.Now().Add(-grace)
	removed := 0
	err := s.blobs.Walk(ctx, func(info blob.Info) error {
		if !strings.HasPrefix(info.Key, blobPrefix) || info.Modified.After(oldest) {
			return nil
		}
		var used bool
		err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
			used, err = blobInUse(tx, info.Key)
			return err
		})
		if err != nil || used {
			return err
		}
		if err := s.blobs.Delete(ctx, info.Key); err != nil {
			return err
		}
		removed++
		return nil
	})
	if err != nil {
		return removed, fmt.Errorf("sweep blobs without owner: %w", err)
	}
	return removed, nil
}
