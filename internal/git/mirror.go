package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// mirror is a bare copy of a remote's branches and tags. Its folder holds:
//
//	lock      what lockFile locks
//	busy      there while a fetch writes to repo.git: found without a fetch, the
//	          fetch was killed
//	repo.git  the repository
//	new.git   a repository that becomes repo.git when it is complete
type mirror struct {
	cache        *Cache
	remote       Remote
	kind         kind
	dir          string
	globalConfig string
}

func (m *mirror) repo() string { return filepath.Join(m.dir, "repo.git") }

func (m *mirror) busy() string { return filepath.Join(m.dir, "busy") }

// branchesAndTags is what is fetched always.
var branchesAndTags = []string{"+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"}

// read locks the mirror against changes; nil when there is no whole one.
func (m *mirror) read(ctx context.Context) (*os.File, error) {
	lock, err := lockFile(ctx, filepath.Join(m.dir, "lock"), false)
	if err != nil {
		return nil, err
	}
	if !exists(m.repo()) || exists(m.busy()) {
		lock.Close()
		return nil, nil
	}
	return lock, nil
}

// fetch brings the mirror up to date and returns the lock that it holds. Calls
// that wait for the same fetch to begin share it.
func (m *mirror) fetch(ctx context.Context) (*os.File, error) {
	asked := time.Now()
	lock, err := lockFile(ctx, filepath.Join(m.dir, "lock"), true)
	if err != nil {
		return nil, err
	}
	m.cache.mu.Lock()
	last := m.cache.fetched[m.remote.key()]
	m.cache.mu.Unlock()
	if last.After(asked) && exists(m.repo()) && !exists(m.busy()) {
		return lock, nil
	}
	began := time.Now()
	if err := m.update(ctx, lock); err != nil {
		lock.Close()
		return nil, err
	}
	m.cache.mu.Lock()
	m.cache.fetched[m.remote.key()] = began
	m.cache.mu.Unlock()
	return lock, nil
}

// fetchCommit fetches until the mirror has the commit: branches and tags first,
// then the commit itself, which may be on neither.
func (m *mirror) fetchCommit(ctx context.Context, id string) (*os.File, error) {
	lock, err := m.fetch(ctx)
	if err != nil {
		return nil, err
	}
	for _, byID := range []bool{false, true} {
		if byID {
			// Kept by a name of its own, so that it is not collected as garbage.
			err = m.into(ctx, lock, m.repo(), "+"+id+":refs/penstock/"+id)
		}
		var found string
		if err == nil {
			found, err = m.lookUp(ctx, id)
		}
		if err == nil && found == id {
			return lock, nil
		}
	}
	lock.Close()
	if refused, ok := errors.AsType[*CommandError](err); err == nil || ok && refused.Cause == nil {
		err = fmt.Errorf("%w: %s", ErrNoCommit, id)
	}
	return nil, err
}

// update fetches into the mirror, and makes it anew when it is not there or
// damaged. The caller holds the exclusive lock.
func (m *mirror) update(ctx context.Context, lock *os.File) error {
	if exists(m.busy()) {
		if err := m.repair(ctx, lock); err != nil {
			return err
		}
	}
	if !exists(m.repo()) {
		return m.create(ctx, lock)
	}
	err := m.into(ctx, lock, m.repo(), branchesAndTags...)
	failed, ok := errors.AsType[*CommandError](err)
	if !ok || failed.Cause != nil {
		return err
	}
	// Who is at fault? If the remote answers a simple question, we are.
	ask := m.command("ls-remote", "--quiet", "origin", "HEAD")
	ask.stdout = io.Discard
	if ask.run(ctx) != nil {
		return err
	}
	return m.create(ctx, lock)
}

// repair makes good what a killed fetch left: locks that nobody holds, and
// perhaps less than it should. What does not pass git's own check is deleted.
func (m *mirror) repair(ctx context.Context, lock *os.File) error {
	err := filepath.WalkDir(m.repo(), func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(name, ".lock") {
			return os.Remove(name)
		}
		return err
	})
	if err == nil {
		check := command{args: []string{"fsck", "--connectivity-only", "--no-dangling", "--no-progress"}, dir: m.repo(), stdout: io.Discard, lock: lock}
		err = check.run(ctx)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		if err := os.RemoveAll(m.repo()); err != nil {
			return fmt.Errorf("remove damaged mirror of %s: %w", maskURL(m.remote.URL), err)
		}
	}
	if err := os.Remove(m.busy()); err != nil {
		return fmt.Errorf("repair mirror of %s: %w", maskURL(m.remote.URL), err)
	}
	return nil
}

// create fetches everything into a new repository and puts it in its place only
// when it is whole.
func (m *mirror) create(ctx context.Context, lock *os.File) error {
	fresh := filepath.Join(m.dir, "new.git")
	err := m.initAndFetch(ctx, lock, fresh, "sha1")
	if e, ok := errors.AsType[*CommandError](err); ok && strings.Contains(e.Stderr, "mismatched algorithms") {
		err = m.initAndFetch(ctx, lock, fresh, "sha256")
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	if err := os.RemoveAll(m.repo()); err != nil {
		return fmt.Errorf("replace mirror of %s: %w", maskURL(m.remote.URL), err)
	}
	if err := os.Rename(fresh, m.repo()); err != nil {
		return fmt.Errorf("keep mirror of %s: %w", maskURL(m.remote.URL), err)
	}
	return nil
}

func (m *mirror) initAndFetch(ctx context.Context, lock *os.File, dir, format string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove unfinished mirror: %w", err)
	}
	if err := initRepository(ctx, dir, format, true); err != nil {
		return err
	}
	c := m.fetchCommand(dir, branchesAndTags...)
	c.lock = lock
	return c.run(ctx)
}

// initRepository makes an empty repository in dir, an absolute path.
func initRepository(ctx context.Context, dir, format string, bare bool) error {
	args := []string{"init", "--quiet", "--template=", "--initial-branch=main", "--object-format=" + format}
	if bare {
		args = append(args, "--bare")
	}
	c := command{args: append(args, "--", dir), dir: filepath.Dir(dir)}
	return c.run(ctx)
}

// into fetches into an existing repository, marked as busy meanwhile. The mark
// stays when git was killed, by us or with us.
func (m *mirror) into(ctx context.Context, lock *os.File, dir string, refspecs ...string) error {
	if err := os.WriteFile(m.busy(), nil, 0o600); err != nil {
		return fmt.Errorf("mark mirror as busy: %w", err)
	}
	c := m.fetchCommand(dir, refspecs...)
	c.lock = lock
	err := c.run(ctx)
	if failed, ok := errors.AsType[*CommandError](err); err == nil || ok && failed.Exit >= 0 {
		if err := os.Remove(m.busy()); err != nil {
			return fmt.Errorf("unmark mirror: %w", err)
		}
	}
	return err
}

func (m *mirror) fetchCommand(dir string, refspecs ...string) *command {
	c := m.command("fetch", "--quiet", "--prune", "--force", "--no-tags", "--no-write-fetch-head",
		"--no-recurse-submodules", "--end-of-options", "origin")
	c.args = append(c.args, refspecs...)
	c.dir = dir
	return c
}

// command is a call that talks to the remote. The URL is configuration, not an
// argument, and credentials are in the environment of this one call.
func (m *mirror) command(args ...string) *command {
	r := m.remote
	c := &command{
		args: args, dir: m.dir, globalConfig: m.globalConfig,
		config:  [][2]string{{"remote.origin.url", r.URL}},
		secrets: []string{r.Password},
	}
	switch m.kind {
	case local:
		c.protocols = "file"
	case overHTTPS, overHTTP:
		c.protocols = "https"
		if m.kind == overHTTP {
			c.protocols = "https:http"
		}
		m.authenticate(c)
	case overSSH:
		c.protocols = "ssh"
		c.env = append(c.env, "GIT_SSH_VARIANT=ssh", "GIT_SSH_COMMAND="+sshCommand(r))
	}
	return c
}

// helper answers git's question for credentials from the environment. Unlike a
// fixed header it is asked for one host only, so a redirect gets nothing.
const helper = `!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$PENSTOCK_GIT_USERNAME" "$PENSTOCK_GIT_PASSWORD"; }; f`

func (m *mirror) authenticate(c *command) {
	r := m.remote
	u, err := url.Parse(r.URL)
	if err != nil || r.Password == "" {
		return
	}
	user := r.Username
	if user == "" {
		user = u.User.Username()
	}
	if user == "" {
		user = "git"
	}
	site := u.Scheme + "://" + u.Host
	c.env = append(c.env, "PENSTOCK_GIT_USERNAME="+user, "PENSTOCK_GIT_PASSWORD="+r.Password)
	c.config = append(c.config, [2]string{"credential." + site + ".helper", helper})
	c.secrets = append(c.secrets, user+":"+r.Password)
}

// sshCommand is run by a shell: file names are quoted.
func sshCommand(r Remote) string {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	s := "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout=30 -oServerAliveInterval=15 -oServerAliveCountMax=4"
	if r.KnownHostsFile != "" {
		s += " -oUserKnownHostsFile=" + quote(`"`+r.KnownHostsFile+`"`)
	}
	if r.SSHKeyFile != "" {
		s += " -oIdentitiesOnly=yes -i " + quote(r.SSHKeyFile)
	}
	return s
}

// lookUp returns the id of the commit that a ref or id names in the mirror,
// empty when there is none. The name is no argument, so it cannot be an option.
func (m *mirror) lookUp(ctx context.Context, name string) (string, error) {
	c := command{args: []string{"cat-file", "--batch-check"}, dir: m.repo(), stdin: strings.NewReader(name + "^{commit}\n")}
	out, err := c.output(ctx)
	if err != nil {
		return "", err
	}
	line, err := bufio.NewReader(bytes.NewReader(out)).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("look up %s: git gave no answer", name)
	}
	// "ID TYPE SIZE", or "NAME missing" and the like.
	if f := strings.Fields(line); len(f) == 3 && f[1] == "commit" && CheckCommit(f[0]) == nil {
		return f[0], nil
	}
	return "", nil
}

// clone fills dir from the mirror. Contents are copied, not shared: what a build
// does to its clone must not reach the mirror.
func (m *mirror) clone(ctx context.Context, id, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("clone into %s: %w", dir, err)
	}
	format := "sha1"
	if len(id) == 64 {
		format = "sha256"
	}
	if err := initRepository(ctx, dir, format, false); err != nil {
		return err
	}
	steps := []command{
		{
			args: []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--end-of-options", "mirror",
				"+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*", "+" + id + ":refs/penstock/source"},
			config: [][2]string{{"remote.mirror.url", m.repo()}}, globalConfig: m.globalConfig, protocols: "file",
		},
		{args: []string{"checkout", "--quiet", "--detach", id}},
		{args: []string{"config", "--local", "--end-of-options", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"}},
		{args: []string{"config", "--local", "--end-of-options", "remote.origin.url", m.remote.URL}},
	}
	for _, c := range steps {
		c.dir, c.stdout = dir, io.Discard
		if err := c.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
