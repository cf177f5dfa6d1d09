package git

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// hostile are names that must never reach git: as options, as other transports,
// out of the base, or as something else than a name.
var hostile = []string{
	"", ".", "..", "/", "a/..", "../a", "a/../../b", "/etc/passwd", "a//b", "a/", "/a",
	"-", "--upload-pack=touch x", "-oProxyCommand=x", "a/-b", "--", "--end-of-options",
	"ext::sh -c id", "file:///etc", "https://host/a", "git@host:a", "a:b",
	"a b", "a\tb", "a\nb", "a\x00b", "a\x7fb", "\xff", "a\\b", "a*", "a?", "a[b", "a~1", "a^", "a@{0}",
	".git", "a/.git", "a/.GIT/config", ".git/hooks", "...", "$(id)", "`id`", "a;id", "a|id", "a&id", "'", `"`,
	"HEAD", "@", "a.lock", "a/.b", "a..b", "a.",
}

// fineRepositories are hostile as branches only.
var fineRepositories = map[string]bool{"HEAD": true, "a.lock": true, "a/.b": true, "a..b": true, "a.": true}

// fineBranches are hostile as repositories only.
var fineBranches = map[string]bool{"a/-b": true, "$(id)": true, "`id`": true, "a;id": true, "a|id": true, "a&id": true, "'": true, `"`: true}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	for _, name := range hostile {
		if err := CheckRepository(name); (err == nil) != fineRepositories[name] || err != nil && !errors.Is(err, ErrName) {
			t.Errorf("CheckRepository(%q) = %v", name, err)
		}
		if err := CheckBranch(name); (err == nil) != fineBranches[name] || err != nil && !errors.Is(err, ErrName) {
			t.Errorf("CheckBranch(%q) = %v", name, err)
		}
		if err := CheckCommit(name); !errors.Is(err, ErrName) {
			t.Errorf("CheckCommit(%q) = %v", name, err)
		}
	}
}

func TestGoodNames(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"repo", "owner/repo", "group/sub/sub2/project", "a-b/c_d.e", "A1/2.git", ".github"} {
		if err := CheckRepository(id); err != nil {
			t.Errorf("CheckRepository(%q) = %v", id, err)
		}
	}
	for _, name := range []string{"main", "feature/x", "release-1.0", "a/b/c", "größe", "refs/heads/main", "x@y", "#1", "a/-b"} {
		if err := CheckBranch(name); err != nil {
			t.Errorf("CheckBranch(%q) = %v", name, err)
		}
	}
	for _, n := range []int{40, 64} {
		if err := CheckCommit(strings.Repeat("0a", n/2)); err != nil {
			t.Error(err)
		}
	}
	for _, id := range []string{strings.Repeat("0", 39), strings.Repeat("0", 41), strings.Repeat("A", 40), strings.Repeat("g", 40)} {
		if CheckCommit(id) == nil {
			t.Errorf("CheckCommit(%q) accepts it", id)
		}
	}
}

// Git's own rules are the oracle: what we accept, git accepts.
func TestBranchRulesAgainstGit(t *testing.T) {
	t.Parallel()
	for _, name := range append([]string{"main", "a/b", "x@y", "größe", "a/-b", "{a}", "a.b/c.d", "a@", "@a"}, hostile...) {
		if CheckBranch(name) != nil {
			continue
		}
		if out, err := exec.CommandContext(t.Context(), "git", "check-ref-format", "refs/heads/"+name).CombinedOutput(); err != nil {
			t.Errorf("git refuses branch %q, we do not: %v %s", name, err, out)
		}
	}
}

func FuzzCheckRepository(f *testing.F) {
	for _, name := range append([]string{"owner/repo", "g/s/p"}, hostile...) {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if CheckRepository(id) != nil {
			return
		}
		if strings.HasPrefix(id, "-") || strings.ContainsAny(id, ":\\ \x00\n") {
			t.Errorf("accepted %q", id)
		}
		for part := range strings.SplitSeq(id, "/") {
			if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") || part[0] == '-' {
				t.Errorf("accepted %q", id)
			}
		}
	})
}

func FuzzCheckBranch(f *testing.F) {
	for _, name := range append([]string{"main", "a/b"}, hostile...) {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if CheckBranch(name) != nil {
			return
		}
		if name == "" || name[0] == '-' || strings.Contains(name, "..") || strings.ContainsAny(name, " \x00\n\r\t~^:?*[\\\x7f") {
			t.Errorf("accepted %q", name)
		}
	})
}

func FuzzRemote(f *testing.F) {
	for _, url := range append([]string{"https://host/a", "ssh://git@host/a", "git@host:a/b", "/a/b", "file:///a"}, hostileRemotes...) {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		if (Remote{URL: url}).Check() != nil {
			return
		}
		if url[0] == '-' || strings.ContainsAny(url, "\x00\n\r") || url[0] != '/' && strings.Contains(url, "::") {
			t.Errorf("accepted %q", url)
		}
	})
}
