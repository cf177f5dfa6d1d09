package git

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Remote is a repository somewhere, or the base under which repositories are,
// with what is needed to get in.
type Remote struct {
	// URL is https://host/path, ssh://[user@]host/path, [user@]host:path, or an
	// absolute path of a local folder, with or without file:// before it. It
	// holds no password.
	URL string
	// Username and Password are for https. A token is a password; hosts take
	// any user name with it, so an empty one is fine.
	Username, Password string
	// SSHKeyFile is the private key for ssh; empty uses the agent and the keys
	// of the user who runs Penstock.
	SSHKeyFile string
	// KnownHostsFile names the keys of ssh hosts; empty uses the user's own
	// file. A host that is in neither is refused.
	KnownHostsFile string
}

// kind is how a remote is reached.
type kind int

const (
	local kind = iota
	overHTTPS
	overHTTP // to a loopback address only, and only when the cache allows it
	overSSH
)

// scpForm matches [user@]host:path, but not a URL or a transport helper
// (ext::command), and nothing that ssh could take for an option.
var scpForm = regexp.MustCompile(`^(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?:((?:[^:-].*)?)$`)

var sshHost = regexp.MustCompile(`^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+)$`)

var sshUser = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// Check reports why the remote cannot be used. The error wraps ErrName and
// shows no credential.
func (r Remote) Check() error {
	if _, err := r.kind(); err != nil {
		return err
	}
	for _, v := range []string{r.Username, r.Password, r.SSHKeyFile, r.KnownHostsFile} {
		if strings.ContainsAny(v, "\x00\r\n") {
			return fmt.Errorf("%w: credentials of remote %s contain a line break", ErrName, r.URL)
		}
	}
	return nil
}

func (r Remote) kind() (kind, error) {
	k, err := parseRemote(r.URL)
	if err != nil {
		return 0, fmt.Errorf("%w: remote %q: %w", ErrName, clip(maskURL(r.URL)), err)
	}
	return k, nil
}

func parseRemote(raw string) (kind, error) {
	for i := range len(raw) {
		if raw[i] < ' ' || raw[i] == 0x7f {
			return 0, errors.New("it contains a control character")
		}
	}
	if filepath.IsAbs(raw) {
		return local, nil
	}
	if strings.Contains(raw, "::") {
		return 0, errors.New("transport helpers are not allowed")
	}
	if !strings.Contains(raw, "://") {
		m := scpForm.FindStringSubmatch(raw)
		if m == nil {
			return 0, errors.New("it is neither a URL nor host:path nor an absolute path")
		}
		return overSSH, checkRemotePath(m[1])
	}
	u, err := url.Parse(raw)
	if err != nil {
		return 0, errors.New("it cannot be parsed")
	}
	if _, set := u.User.Password(); set {
		return 0, errors.New("give the password apart from the URL")
	}
	if u.RawQuery != "" || u.Fragment != "" || u.ForceQuery {
		return 0, errors.New("it has a query or a fragment")
	}
	if err := checkRemotePath(u.Path); err != nil {
		return 0, err
	}
	return schemeKind(u)
}

func schemeKind(u *url.URL) (kind, error) {
	switch u.Scheme {
	case "file":
		if u.Host != "" || !filepath.IsAbs(u.Path) {
			return 0, errors.New("a file URL has an absolute path and no host")
		}
		return local, nil
	case "https", "http":
		if u.Hostname() == "" || strings.HasPrefix(u.Hostname(), "-") {
			return 0, errors.New("it has no host")
		}
		if u.Scheme == "https" {
			return overHTTPS, nil
		}
		if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return 0, errors.New("http is not allowed, use https")
		}
		return overHTTP, nil
	case "ssh":
		if !sshHost.MatchString(u.Hostname()) || u.User != nil && !sshUser.MatchString(u.User.Username()) {
			return 0, errors.New("it has no usable host or user")
		}
		return overSSH, nil
	default:
		return 0, fmt.Errorf("transport %q is not allowed, only https, ssh and local folders are", u.Scheme)
	}
}

func checkRemotePath(p string) error {
	for part := range strings.SplitSeq(p, "/") {
		if part == ".." {
			return errors.New(`its path contains ".."`)
		}
		if strings.HasPrefix(part, "-") {
			return errors.New(`a part of its path begins with "-"`)
		}
	}
	return nil
}

// Repository returns the remote of one repository below the base r. In a local
// folder, id and id.git are looked for, and a repository that a link leads out
// of the base is refused; elsewhere the id is appended to the URL.
func (r Remote) Repository(id string) (Remote, error) {
	if err := CheckRepository(id); err != nil {
		return Remote{}, err
	}
	k, err := r.kind()
	if err != nil {
		return Remote{}, err
	}
	switch {
	case k == local:
		dir, err := localRepository(localPath(r.URL), id)
		if err != nil {
			return Remote{}, err
		}
		r.URL = dir
	case strings.HasSuffix(r.URL, ":"), strings.HasSuffix(r.URL, "/"):
		r.URL += id
	default:
		r.URL += "/" + id
	}
	return r, nil
}

// localPath takes file:// off.
func localPath(raw string) string {
	if filepath.IsAbs(raw) {
		return filepath.Clean(raw)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return filepath.Clean(u.Path)
}

func localRepository(base, id string) (string, error) {
	real, err := filepath.EvalSymlinks(base)
	if err != nil {
		return "", fmt.Errorf("%w: base folder %s: %w", ErrNoRepository, base, err)
	}
	for _, name := range []string{id, id + ".git"} {
		dir, err := filepath.EvalSymlinks(filepath.Join(real, filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("look for repository %s: %w", id, err)
		}
		if !within(real, dir) {
			return "", fmt.Errorf("%w: repository %q is a link that leaves its base folder", ErrName, id)
		}
		if !isRepository(dir) {
			continue
		}
		return dir, checkGitDir(real, dir, id)
	}
	return "", fmt.Errorf("%w: no repository %q in %s", ErrNoRepository, id, base)
}

// isRepository reports whether dir looks like a bare repository or a working copy.
func isRepository(dir string) bool {
	if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
		return true
	}
	info, err := os.Stat(filepath.Join(dir, "objects"))
	return err == nil && info.IsDir()
}

// checkGitDir refuses a working copy whose repository proper is elsewhere: a
// link, or a file that names another folder.
func checkGitDir(base, dir, id string) error {
	inner := filepath.Join(dir, ".git")
	info, err := os.Lstat(inner)
	if err != nil {
		return nil // bare
	}
	if info.Mode().IsRegular() {
		text, err := os.ReadFile(inner)
		if err != nil {
			return fmt.Errorf("read %s: %w", inner, err)
		}
		named := strings.TrimSpace(strings.TrimPrefix(string(text), "gitdir:"))
		if !filepath.IsAbs(named) {
			named = filepath.Join(dir, named)
		}
		inner = named
	}
	real, err := filepath.EvalSymlinks(inner)
	if err != nil {
		return fmt.Errorf("%w: repository %q: %w", ErrNoRepository, id, err)
	}
	if !within(base, real) {
		return fmt.Errorf("%w: repository %q is a link that leaves its base folder", ErrName, id)
	}
	return nil
}

func within(base, p string) bool {
	rel, err := filepath.Rel(base, p)
	return err == nil && filepath.IsLocal(rel)
}

// key names the folder of the mirror. Remotes that differ in who asks have
// mirrors of their own, so that nobody reads through another's credentials; a
// renewed token keeps its mirror.
func (r Remote) key() string {
	sum := sha256.New()
	for _, v := range []string{r.URL, r.Username, fmt.Sprint(r.Password != ""), r.SSHKeyFile} {
		fmt.Fprintf(sum, "%d:%s,", len(v), v)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// Name is the last part of the URL's path, without .git: a name for people.
func (r Remote) Name() string {
	p := strings.TrimRight(r.URL, "/")
	return strings.TrimSuffix(path.Base(p[strings.LastIndexByte(p, ':')+1:]), ".git")
}

var userInfo = regexp.MustCompile(`(://)[^/@\s]*@`)

// maskURL hides what may be a password in a URL.
func maskURL(s string) string { return userInfo.ReplaceAllString(s, "$1****@") }
