package git

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Cache keeps mirrors of remote repositories in a folder. Several processes may
// use one folder at a time, and any may be killed at any time. All content can
// be fetched again, so the folder may be deleted while nothing runs. Methods may
// be called from many goroutines.
type Cache struct {
	dir          string
	loopbackHTTP bool

	mu      sync.Mutex
	fetched map[string]time.Time // mirror key -> when its last good fetch began
}

// Open returns the cache in dir, which is made when the first mirror is. A
// server without git can open one; only its use fails, with ErrNotInstalled.
func Open(dir string) (*Cache, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open git cache %s: %w", dir, err)
	}
	return &Cache{dir: abs, fetched: map[string]time.Time{}}, nil
}

// AllowLoopbackHTTP lets remotes be http://localhost or another loopback
// address, for tests and local servers. Call it before any other method.
func (c *Cache) AllowLoopbackHTTP() { c.loopbackHTTP = true }

// Resolve returns the newest commit of a branch. It always asks the remote. The
// error wraps ErrName, ErrNoBranch or what fetching ran into.
func (c *Cache) Resolve(ctx context.Context, r Remote, branch string) (Commit, error) {
	if err := CheckBranch(branch); err != nil {
		return Commit{}, err
	}
	m, err := c.mirror(r)
	if err != nil {
		return Commit{}, err
	}
	lock, err := m.fetch(ctx)
	if err != nil {
		return Commit{}, err
	}
	defer lock.Close()
	id, err := m.lookUp(ctx, "refs/heads/"+branch)
	if err != nil {
		return Commit{}, err
	}
	if id == "" {
		return Commit{}, fmt.Errorf("%w: %s", ErrNoBranch, branch)
	}
	return readCommit(ctx, m.repo(), id)
}

// Commit returns a commit by its full id, asking the remote only when the
// mirror does not have it. The error wraps ErrName, ErrNoCommit or what fetching
// ran into.
func (c *Cache) Commit(ctx context.Context, r Remote, id string) (Commit, error) {
	m, lock, err := c.holding(ctx, r, id)
	if err != nil {
		return Commit{}, err
	}
	defer lock.Close()
	return readCommit(ctx, m.repo(), id)
}

// Archive writes the files of a commit to w as a zip: at its root, with modes
// and symbolic links as in the commit, without submodules and git's own data.
// Equal commits give equal bytes.
func (c *Cache) Archive(ctx context.Context, r Remote, id string, w io.Writer) error {
	m, lock, err := c.holding(ctx, r, id)
	if err != nil {
		return err
	}
	defer lock.Close()
	return archive(ctx, m.repo(), id, w)
}

// Clone makes a working copy of a commit in dir, which must be empty or absent,
// with the whole history and all branches and tags of the remote as its origin.
// HEAD is detached at the commit. It holds no credentials.
func (c *Cache) Clone(ctx context.Context, r Remote, id, dir string) error {
	m, lock, err := c.holding(ctx, r, id)
	if err != nil {
		return err
	}
	defer lock.Close()
	return m.clone(ctx, id, dir)
}

// holding returns the mirror with the commit in it, and the lock that keeps it
// there.
func (c *Cache) holding(ctx context.Context, r Remote, id string) (*mirror, io.Closer, error) {
	if err := CheckCommit(id); err != nil {
		return nil, nil, err
	}
	m, err := c.mirror(r)
	if err != nil {
		return nil, nil, err
	}
	lock, err := m.read(ctx)
	if err != nil {
		return nil, nil, err
	}
	if lock != nil {
		if found, err := m.lookUp(ctx, id); err == nil && found == id {
			return m, lock, nil
		}
		lock.Close()
	}
	if lock, err = m.fetchCommit(ctx, id); err != nil {
		return nil, nil, err
	}
	return m, lock, nil
}

// mirror checks the remote and returns its mirror, which may not exist yet.
func (c *Cache) mirror(r Remote) (*mirror, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	k, err := r.kind()
	if err != nil {
		return nil, err
	}
	if k == overHTTP && !c.loopbackHTTP {
		return nil, fmt.Errorf("%w: remote %q: http is not allowed, use https", ErrName, r.URL)
	}
	if k == local {
		r.URL = localPath(r.URL)
		if !isRepository(r.URL) {
			return nil, fmt.Errorf("%w: %s is no git repository", ErrNoRepository, r.URL)
		}
	}
	dir := filepath.Join(c.dir, r.key())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of a mirror: %w", err)
	}
	global := filepath.Join(c.dir, "config")
	if err := writeGlobalConfig(global); err != nil {
		return nil, err
	}
	return &mirror{cache: c, remote: r, kind: k, dir: dir, globalConfig: global}, nil
}

// writeGlobalConfig writes what the far end of a local fetch reads: it is git
// too, but sees none of the settings in the environment.
func writeGlobalConfig(name string) error {
	const text = "[safe]\n\tdirectory = *\n"
	if have, err := os.ReadFile(name); err == nil && string(have) == text {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(name), "config-*")
	if err != nil {
		return fmt.Errorf("write git configuration: %w", err)
	}
	_, err = f.WriteString(text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write git configuration: %w", err)
	}
	return nil
}
