package blob

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// copyBuffer is the size of the one buffer a Put holds, whatever the content's
// size.
const copyBuffer = 128 << 10

// Put implements Store.
func (d *Dir) Put(ctx context.Context, key string, r io.Reader) (Info, error) {
	if err := CheckKey(key); err != nil {
		return Info{}, err
	}
	info, err := d.put(ctx, key, r)
	if err != nil {
		return Info{}, fmt.Errorf("put blob %s: %w", key, err)
	}
	return info, nil
}

func (d *Dir) put(ctx context.Context, key string, r io.Reader) (Info, error) {
	if err := d.step("create"); err != nil {
		return Info{}, err
	}
	tmp, err := d.staging.create()
	if err != nil {
		return Info{}, classify(err)
	}
	info, err := d.fill(ctx, tmp, r)
	if closeErr := tmp.Close(); err == nil {
		err = classify(closeErr)
	}
	if err == nil {
		err = d.publish(tmp.Name(), key)
	}
	if err != nil {
		// Once renamed there is nothing to remove under this name.
		_ = os.Remove(tmp.Name())
		return Info{}, err
	}
	info.Key = key
	return info, nil
}

// fill streams r into tmp, hashing on the way, and syncs it.
func (d *Dir) fill(ctx context.Context, tmp *os.File, r io.Reader) (Info, error) {
	sum := md5.New()
	src := &source{ctx: ctx, r: r}
	dst := struct{ io.Writer }{io.MultiWriter(tmp, sum)}
	buffer := d.buffers.Get().(*[copyBuffer]byte)
	_, err := io.CopyBuffer(dst, src, buffer[:])
	d.buffers.Put(buffer)
	if src.err != nil {
		return Info{}, src.err // the reader's fault: not to be taken for the disk's
	}
	if err == nil {
		err = d.step("sync")
	}
	if err == nil {
		err = d.sync(tmp)
	}
	if err != nil {
		return Info{}, classify(err)
	}
	stat, err := tmp.Stat()
	if err != nil {
		return Info{}, classify(err)
	}
	return Info{
		Size:     stat.Size(),
		MD5:      hex.EncodeToString(sum.Sum(nil)),
		Modified: stat.ModTime(),
	}, nil
}

// publish gives the synced temporary file its name and makes the name durable.
func (d *Dir) publish(tmp, key string) error {
	target := d.path(key)
	dir := filepath.Dir(target)
	if err := d.ensureDir(dir); err != nil {
		return classify(err)
	}
	if err := d.step("rename"); err != nil {
		return err
	}
	if err := os.Rename(tmp, target); err != nil {
		return classify(err)
	}
	if err := d.step("sync directory"); err != nil {
		return err
	}
	return classify(d.syncDir(dir))
}

// ensureDir makes dir and its parents up to the root. A directory made by
// somebody else counts as durable only after this process synced its entry too.
func (d *Dir) ensureDir(dir string) error {
	d.mu.Lock()
	known := d.durable[dir]
	d.mu.Unlock()
	if known {
		return nil
	}
	parent := filepath.Dir(dir)
	if err := d.ensureDir(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := d.syncDir(parent); err != nil {
		return err
	}
	d.mu.Lock()
	d.durable[dir] = true
	d.mu.Unlock()
	return nil
}

func (d *Dir) step(name string) error {
	if d.fault == nil {
		return nil
	}
	return classify(d.fault(name))
}

// syncDir makes the entries of a directory durable.
func (d *Dir) syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.sync(f)
	return errors.Join(err, f.Close())
}

// source stops a copy when ctx ends and remembers the reader's own error.
type source struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		s.err = context.Cause(s.ctx)
		return 0, err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
