package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

const longestLockPoll = 50 * time.Millisecond

// lockFile takes the lock that a file stands for: shared by those who read a
// mirror, exclusive for the one who changes it. It holds among goroutines and
// processes alike, and for the git processes that are given the file, so that
// one that outlives a killed server keeps others away from what it writes.
// Closing the file releases it.
func lockFile(ctx context.Context, name string, exclusive bool) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	how := syscall.LOCK_SH
	if exclusive {
		how = syscall.LOCK_EX
	}
	for wait := time.Millisecond; ; wait = min(2*wait, longestLockPoll) {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case errors.Is(err, syscall.EINTR):
			continue
		case !errors.Is(err, syscall.EWOULDBLOCK):
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			f.Close()
			return nil, fmt.Errorf("wait for the lock of a mirror: %w", context.Cause(ctx))
		case <-timer.C:
		}
	}
}
