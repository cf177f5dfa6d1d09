package db

import (
	"context"
	"fmt"
)

// LockDirectory keeps a second server out of a directory whose database is
// elsewhere, by a lock on a file of the given path. It lasts until unlock, or the
// end of the process. A SQLite database locks its own directory.
func LockDirectory(ctx context.Context, path string) (unlock func() error, err error) {
	f, err := lockDirectory(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return func() error { return unlockDirectory(f) }, nil
}
