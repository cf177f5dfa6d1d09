package blob

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// stagingName is where temporary files live: one place below the root rather
// than beside each target, so that sweeping at start does not walk every blob.
const stagingName = ".staging"

// lockName is the file in a staging folder whose lock says its owner lives.
const lockName = "owner"

// staging is this process's folder of temporary files. Its owner holds a lock
// on a file inside until it closes or dies; so another process that shares the
// directory can tell a half-written file from an abandoned one.
type staging struct {
	dir  string
	lock *os.File
}

// openStaging sweeps the folders of dead processes and makes one for this one.
func openStaging(root string) (*staging, error) {
	base := filepath.Join(root, stagingName)
	if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, err
	}
	if err := sweepStaging(base); err != nil {
		return nil, err
	}
	// A sweeper may take our folder in the instant between making it and locking
	// it; then we make another.
	for range 100 {
		st, err := claimStaging(base)
		if err != nil {
			return nil, err
		}
		if st != nil {
			return st, nil
		}
	}
	return nil, fmt.Errorf("no temporary folder to be had in %s", base)
}

// claimStaging returns nil without an error when a sweeper was faster.
func claimStaging(base string) (*staging, error) {
	dir, err := os.MkdirTemp(base, "p")
	if err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	held, err := tryLock(lock)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if _, statErr := os.Stat(lock.Name()); !held || statErr != nil {
		return nil, lock.Close()
	}
	return &staging{dir: dir, lock: lock}, nil
}

// sweepStaging removes the folders whose owners are gone.
func sweepStaging(base string) error {
	entries, err := os.ReadDir(base)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := sweepFolder(filepath.Join(base, entry.Name())); err != nil {
			return fmt.Errorf("sweep temporary folder %s: %w", entry.Name(), err)
		}
	}
	return nil
}

func sweepFolder(dir string) error {
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		// No lock yet, or an interrupted sweep. Remove takes an empty folder only,
		// and a maker that was overtaken notices; a filled one has its owner by now.
		_ = os.Remove(dir)
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	held, err := tryLock(lock)
	if err != nil || !held {
		return err
	}
	return emptyFolder(dir)
}

// emptyFolder removes a folder whose lock the caller holds: the lock file last,
// so that a folder without one is always empty.
func emptyFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil // another sweeper removed it before we had the lock
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() == lockName {
			continue
		}
		if err := removeGone(os.Remove(filepath.Join(dir, entry.Name()))); err != nil {
			return err
		}
	}
	if err := removeGone(os.Remove(filepath.Join(dir, lockName))); err != nil {
		return err
	}
	return removeGone(os.Remove(dir))
}

// removeGone forgives the removal of what is not there.
func removeGone(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// tryLock takes the whole-file lock of f, or says that another has it. The
// kernel releases it when the process ends, however it ends.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return true, nil
}

// create makes a temporary file for one Put.
func (s *staging) create() (*os.File, error) {
	return os.CreateTemp(s.dir, "t")
}

// close removes the folder, with whatever unfinished Put left in it, while the
// lock is still held.
func (s *staging) close() error {
	return errors.Join(emptyFolder(s.dir), s.lock.Close())
}
