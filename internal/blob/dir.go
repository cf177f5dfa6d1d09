package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// Dir keeps blobs as files below one directory, the key being the relative
// path. Several processes may share the directory.
//
// A blob is written to a temporary file on the same file system, synced,
// renamed to its name, and then its directory is synced: a reader, and a
// machine that lost power, see the old content or the new, whole.
type Dir struct {
	root    string
	staging *staging

	// durable holds the directories that are known to survive a crash because
	// this process synced the entry that names them.
	mu      sync.Mutex
	durable map[string]bool

	// buffers keeps copy buffers, *[copyBuffer]byte, between Puts.
	buffers sync.Pool

	// sync makes a file, or the entries of a directory, durable: File.Sync, which
	// tests watch.
	sync func(*os.File) error

	// fault, when tests set it, is asked before each step of Put.
	fault func(step string) error
}

// OpenDir opens the store in dir, making the directory when it is missing, and
// removes what processes that died left half written. The caller closes it.
func OpenDir(dir string) (*Dir, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open content directory %s: %w", dir, err)
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("open content directory %s: %w", dir, classify(err))
	}
	d := &Dir{root: root, sync: (*os.File).Sync, durable: map[string]bool{root: true}}
	if err := d.syncDir(filepath.Dir(root)); err != nil {
		return nil, fmt.Errorf("open content directory %s: %w", dir, classify(err))
	}
	st, err := openStaging(root)
	if err != nil {
		return nil, fmt.Errorf("open content directory %s: %w", dir, classify(err))
	}
	d.staging = st
	d.buffers.New = func() any { return new([copyBuffer]byte) }
	return d, nil
}

// Close gives up the directory. No other method may be called after it.
// Readers stay usable.
func (d *Dir) Close() error {
	return d.staging.close()
}

// Open implements Store.
func (d *Dir) Open(_ context.Context, key string) (Reader, error) {
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	f, err := os.Open(d.path(key))
	if err != nil {
		return nil, fmt.Errorf("open blob %s: %w", key, missing(err))
	}
	stat, err := f.Stat()
	if err == nil && !stat.Mode().IsRegular() {
		err = ErrNotExist // a directory: the key is a prefix of other keys
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("open blob %s: %w", key, missing(err))
	}
	return &file{File: f, size: stat.Size()}, nil
}

// Delete implements Store. The removal is not synced: a blob that a power cut
// brings back is an orphan like any other.
func (d *Dir) Delete(_ context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	err := missing(os.Remove(d.path(key)))
	if err != nil && !errors.Is(err, ErrNotExist) {
		return fmt.Errorf("delete blob %s: %w", key, err)
	}
	return nil
}

// Walk implements Store.
func (d *Dir) Walk(ctx context.Context, fn func(Info) error) error {
	return filepath.WalkDir(d.root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted while we looked
		}
		if err != nil {
			return fmt.Errorf("list blobs: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if path == d.root {
			return nil
		}
		if strings.HasPrefix(entry.Name(), ".") {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		return d.visit(path, entry, fn)
	})
}

func (d *Dir) visit(path string, entry fs.DirEntry, fn func(Info) error) error {
	stat, err := entry.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	key, err := filepath.Rel(d.root, path)
	if err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	return fn(Info{Key: filepath.ToSlash(key), Size: stat.Size(), Modified: stat.ModTime()})
}

func (d *Dir) path(key string) string {
	return filepath.Join(d.root, filepath.FromSlash(key))
}

// file is a Reader on an open file.
type file struct {
	*os.File
	size int64
}

func (f *file) Size() int64 { return f.size }

// WriteTo lets the kernel move the content where it can.
func (f *file) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, f.File) }

// missing turns the absence of a file into ErrNotExist, and classifies the rest.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return ErrNotExist
	}
	return classify(err)
}

// classify adds the package's own error to what the operating system says, so
// that callers need not know errno values.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	default:
		return err
	}
}
