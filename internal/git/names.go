package git

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrName is the cause when a repository, branch, commit or remote is refused
// for its name alone, before git is asked.
var ErrName = errors.New("invalid name")

const (
	maxRepositoryLength = 512
	maxBranchLength     = 1000
	maxNameLength       = 200 // of one part; a file system takes 255 with git's endings
)

// CheckRepository reports why id is no repository id. An id is one or more
// parts joined by "/", as "owner/repo" or, with GitLab, "group/sub/project";
// each part has letters, digits, ".", "_" and "-".
func CheckRepository(id string) error {
	if id == "" || len(id) > maxRepositoryLength {
		return fmt.Errorf("%w: a repository id has 1 to %d characters", ErrName, maxRepositoryLength)
	}
	for part := range strings.SplitSeq(id, "/") {
		if err := checkRepositoryPart(part); err != nil {
			return fmt.Errorf("%w: repository id %q: %s", ErrName, id, err)
		}
	}
	return nil
}

func checkRepositoryPart(part string) error {
	switch {
	case part == "":
		return errors.New("a part is empty")
	case len(part) > maxNameLength:
		return fmt.Errorf("a part is longer than %d characters", maxNameLength)
	case part[0] == '-':
		return errors.New(`a part begins with "-"`)
	case strings.Trim(part, ".") == "":
		return errors.New("a part is only dots")
	case strings.EqualFold(part, ".git"):
		return errors.New(`a part is ".git"`)
	}
	for i := range len(part) {
		if c := part[i]; !isAlphanumeric(c) && c != '.' && c != '_' && c != '-' {
			return errors.New(`only letters, digits, ".", "_", "-" and "/" are allowed`)
		}
	}
	return nil
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// CheckBranch reports why name is no branch name, by the rules of git's
// check-ref-format and a little stricter: it must be UTF-8 and of bounded length.
func CheckBranch(name string) error {
	if err := checkBranch(name); err != nil {
		return fmt.Errorf("%w: branch %q: %s", ErrName, clip(name), err)
	}
	return nil
}

func checkBranch(name string) error {
	switch {
	case name == "" || len(name) > maxBranchLength:
		return fmt.Errorf("a branch name has 1 to %d characters", maxBranchLength)
	case !utf8.ValidString(name):
		return errors.New("it is not UTF-8")
	case name[0] == '-':
		return errors.New(`it begins with "-"`)
	case name == "@" || name == "HEAD":
		return errors.New("the name has a meaning of its own")
	case strings.HasSuffix(name, "."):
		return errors.New(`it ends with "."`)
	case strings.Contains(name, ".."):
		return errors.New(`it contains ".."`)
	case strings.Contains(name, "@{"):
		return errors.New(`it contains "@{"`)
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c == 0x7f || strings.IndexByte(`~^:?*[\`, c) >= 0 {
			return fmt.Errorf("it contains %q", c)
		}
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "":
			return errors.New("a part is empty")
		case len(part) > maxNameLength:
			return fmt.Errorf("a part is longer than %d bytes", maxNameLength)
		case part[0] == '.':
			return errors.New(`a part begins with "."`)
		case strings.HasSuffix(part, ".lock"):
			return errors.New(`a part ends with ".lock"`)
		}
	}
	return nil
}

// CheckCommit reports why id is no full commit id: 40 or 64 lower-case
// hexadecimal digits.
func CheckCommit(id string) error {
	if len(id) != 40 && len(id) != 64 {
		return fmt.Errorf("%w: a commit id has 40 or 64 hexadecimal digits, %q has %d characters", ErrName, clip(id), len(id))
	}
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("%w: commit id %q has characters other than 0-9 and a-f", ErrName, id)
		}
	}
	return nil
}

// clip shortens a name for an error text.
func clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
