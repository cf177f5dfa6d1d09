package git

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var hostileRemotes = []string{
	"", "relative/path", "./x", "../x", "-oProxyCommand=touch x", "--upload-pack=x",
	"ext::sh -c touch% x", "ext::sh", "fd::0", "transport::https://host/a", "git://host/a", "ftp://host/a", "rsync://host/a",
	"http://example.com/a", "https:///a", "https://-host/a", "https://user:secret@host/a", "https://host/a?b=c", "https://host/a#b",
	"https://host/../a", "https://host/a/%2e%2e/b", "https://host/\na", "https://host/a\x00",
	"ssh://-oProxyCommand=x/a", "ssh://git@-oProxyCommand=x/a", "ssh://-l@host/a", "ssh://host/-a", "ssh:///a",
	"-host:a", "host:-a", "git@-host:a", "-l@host:a", "host:../a", "host:a\nb", "file://host/a", "file:a",
}

func TestHostileRemotes(t *testing.T) {
	t.Parallel()
	for _, url := range hostileRemotes {
		if url == "file:a" { // ssh to a host called file: pointless, not dangerous
			continue
		}
		err := Remote{URL: url}.Check()
		if !errors.Is(err, ErrName) {
			t.Errorf("Check(%q) = %v", url, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	for _, r := range []Remote{{URL: "https://h/a", Password: "a\nb"}, {URL: "https://h/a", Username: "a\nhost=evil"}, {URL: "ssh://h/a", SSHKeyFile: "a\nb"}} {
		if err := r.Check(); !errors.Is(err, ErrName) {
			t.Errorf("Check(%+v) = %v", r, err)
		}
	}
}

func TestRemoteBelowBase(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ base, id, want string }{
		{"https://github.com", "owner/repo", "https://github.com/owner/repo"},
		{"https://host/base/", "a/b/c", "https://host/base/a/b/c"},
		{"ssh://git@host:2222/srv", "owner/repo.git", "ssh://git@host:2222/srv/owner/repo.git"},
		{"git@host:", "owner/repo", "git@host:owner/repo"},
		{"git@host:base", "owner/repo", "git@host:base/owner/repo"},
	} {
		got, err := Remote{URL: tt.base, Password: "kept"}.Repository(tt.id)
		if err != nil || got.URL != tt.want || got.Password != "kept" {
			t.Errorf("%s + %s = %+v, %v; want %s", tt.base, tt.id, got, err, tt.want)
		}
	}
	for _, id := range hostile {
		if _, err := (Remote{URL: "https://host"}).Repository(id); (err == nil) != fineRepositories[id] {
			t.Errorf("Repository(%q) = %v", id, err)
		}
	}
}

func TestLocalRepositories(t *testing.T) {
	t.Parallel()
	base, outside := t.TempDir(), t.TempDir()
	must(t, os.MkdirAll(filepath.Join(outside, "secret", ".git"), 0o755))
	must(t, os.MkdirAll(filepath.Join(outside, "bare", "objects"), 0o755))
	must(t, os.MkdirAll(filepath.Join(base, "owner", "bare.git", "objects"), 0o755))
	must(t, os.MkdirAll(filepath.Join(base, "owner", "copy", ".git"), 0o755))
	must(t, os.MkdirAll(filepath.Join(base, "owner", "empty"), 0o755))
	must(t, os.MkdirAll(filepath.Join(base, "owner", "worktree"), 0o755))
	must(t, os.MkdirAll(filepath.Join(base, "owner", "gitfile"), 0o755))
	must(t, os.MkdirAll(filepath.Join(base, "owner", "gitlink"), 0o755))
	must(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(base, "owner", "escaping")))
	must(t, os.Symlink(outside, filepath.Join(base, "away")))
	must(t, os.Symlink("copy", filepath.Join(base, "owner", "inside")))
	must(t, os.WriteFile(filepath.Join(base, "owner", "worktree", ".git"), []byte("gitdir: ../copy/.git\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(base, "owner", "gitfile", ".git"), []byte("gitdir: "+filepath.Join(outside, "bare")+"\n"), 0o644))
	must(t, os.Symlink(filepath.Join(outside, "bare"), filepath.Join(base, "owner", "gitlink", ".git")))

	real, err := filepath.EvalSymlinks(base)
	must(t, err)
	for _, tt := range []struct {
		id, want string
		err      error
	}{
		{"owner/bare", "owner/bare.git", nil},
		{"owner/bare.git", "owner/bare.git", nil},
		{"owner/copy", "owner/copy", nil},
		{"owner/inside", "owner/copy", nil},
		{"owner/worktree", "owner/worktree", nil},
		{"owner/empty", "", ErrNoRepository},
		{"owner/none", "", ErrNoRepository},
		{"owner/escaping", "", ErrName},
		{"away/secret", "", ErrName},
		{"owner/gitfile", "", ErrName},
		{"owner/gitlink", "", ErrName},
	} {
		for _, prefix := range []string{"", "file://"} {
			got, err := Remote{URL: prefix + base}.Repository(tt.id)
			if !errors.Is(err, tt.err) || err == nil && got.URL != filepath.Join(real, tt.want) {
				t.Errorf("%s: %q, %v; want %q, %v", tt.id, got.URL, err, tt.want, tt.err)
			}
		}
	}
	if _, err := (Remote{URL: filepath.Join(base, "absent")}).Repository("a/b"); !errors.Is(err, ErrNoRepository) {
		t.Errorf("absent base: %v", err)
	}
}

func TestKeyTellsRemotesApart(t *testing.T) {
	t.Parallel()
	seen := map[string]Remote{}
	for _, r := range []Remote{
		{URL: "https://h/a"}, {URL: "https://h/b"}, {URL: "https://h/a", Username: "u"}, {URL: "https://h/a", Password: "p"},
		{URL: "https://h/a", SSHKeyFile: "u"}, {URL: "https://h/au"},
	} {
		if other, ok := seen[r.key()]; ok {
			t.Errorf("%+v and %+v share a mirror", r, other)
		}
		seen[r.key()] = r
	}
	if (Remote{URL: "https://h/a", Password: "old"}).key() != (Remote{URL: "https://h/a", Password: "new"}).key() {
		t.Error("a renewed token does not keep its mirror")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
