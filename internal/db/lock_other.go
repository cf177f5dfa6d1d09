//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package db

import (
	"context"
	"errors"
	"os"
)

// lockDirectory refuses: without a lock two servers could share a data
// directory.
func lockDirectory(context.Context, string) (*os.File, error) {
	return nil, errors.New("SQLite is not supported on this operating system, which has no file locks that end with the process")
}

func unlockDirectory(f *os.File) error { return f.Close() }

func isReadOnlyFS(error) bool { return false }

func isNoSpace(error) bool { return false }
