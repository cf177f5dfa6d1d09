//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package db

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockPatience is how long a lock may stay taken before it counts as somebody
// else's. A process that was just killed may leave it for a moment to a child
// that it was about to start.
const lockPatience = 500 * time.Millisecond

// lockDirectory takes the lock that keeps a second server out of a data
// directory. The operating system gives it back when the process ends, however
// it ends.
func lockDirectory(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, explainOpen(err)
	}
	for deadline := time.Now().Add(lockPatience); ; {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		busy := errors.Is(err, syscall.EWOULDBLOCK)
		if !busy && !errors.Is(err, syscall.EINTR) {
			break
		}
		if busy && (ctx.Err() != nil || time.Now().After(deadline)) {
			err = fmt.Errorf("another penstock uses this directory (it holds the lock on %s)", path)
			return nil, errors.Join(err, f.Close())
		}
		pause(ctx, 10*time.Millisecond)
	}
	return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
}

// unlockDirectory gives the lock back even if a child process that was just
// forked still holds a copy of the file.
func unlockDirectory(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}

func isReadOnlyFS(err error) bool { return errors.Is(err, syscall.EROFS) }

func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
