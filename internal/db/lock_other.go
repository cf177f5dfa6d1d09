//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package db

import (
	"errors"
	"os"
)

// lockDirectory refuses: without a lock two servers could share a data
// directory.
func lockDirectory(string) (*os.File, error) {
	return nil, errors.New("SQLite is not supported on this operating system, which has no file locks that end with the process")
}

func isReadOnlyFS(error) bool { return false }

func isNoSpace(error) bool { return false }
