package git

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// WorkingCopy is a folder as its owner sees it now: a git working copy, a folder
// in one, or a folder that git knows nothing of.
type WorkingCopy struct {
	// Files are the files and links, slash-separated and relative to the
	// folder, sorted: with changes that are not committed and files that are
	// not added, without those that .gitignore names and without submodules.
	Files []string
	// Head is the commit checked out, nil when there is none.
	Head *Commit
	// Branch is the branch checked out, empty when there is none.
	Branch string
	// Origin is the URL of the remote named origin without credentials, empty
	// when there is none.
	Origin string
	// Changed reports whether the folder differs from Head.
	Changed bool
}

// ReadWorkingCopy lists the folder dir. Only the repository's own .gitignore
// files count, so that two people get the same list. A folder that its
// repository ignores as a whole is taken as one that git knows nothing of.
func ReadWorkingCopy(ctx context.Context, dir string) (WorkingCopy, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return WorkingCopy{}, fmt.Errorf("read working copy: %w", err)
	}
	// git would tell of the folder behind a link; names are to be below it.
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return WorkingCopy{}, fmt.Errorf("read working copy: %w", err)
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return WorkingCopy{}, fmt.Errorf("read working copy: %w", err)
	}
	if !belowGit(dir) {
		return plainFolder(dir)
	}
	w := WorkingCopy{}
	if w.Files, err = trackedAndNew(ctx, dir); err != nil {
		return WorkingCopy{}, err
	}
	if len(w.Files) == 0 && !exists(filepath.Join(dir, ".git")) {
		return plainFolder(dir)
	}
	return w, w.status(ctx, dir)
}

// belowGit reports whether dir or a folder above it is a working copy.
func belowGit(dir string) bool {
	for {
		if exists(filepath.Join(dir, ".git")) {
			return true
		}
		up := filepath.Dir(dir)
		if up == dir {
			return false
		}
		dir = up
	}
}

func trackedAndNew(ctx context.Context, dir string) ([]string, error) {
	c := command{args: []string{"ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "."}, dir: dir}
	out, err := c.output(ctx)
	if err != nil {
		return nil, err
	}
	var files []string
	folders := map[string]bool{".": true}
	for part := range bytes.SplitSeq(out, []byte{0}) {
		name := string(part)
		if name == "" || !isFolder(folders, dir, path.Dir(name)) {
			continue
		}
		// A deleted file is still in the index; a folder is a repository within.
		if info, err := os.Lstat(filepath.Join(dir, name)); err == nil && !info.IsDir() {
			files = append(files, name)
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// isFolder reports whether every part of name is a folder and not a link that
// took a folder's place: what the index has below a link is gone. It remembers
// what it found in known.
func isFolder(known map[string]bool, dir, name string) bool {
	is, ok := known[name]
	if !ok {
		info, err := os.Lstat(filepath.Join(dir, name))
		is = err == nil && info.IsDir() && isFolder(known, dir, path.Dir(name))
		known[name] = is
	}
	return is
}

// status fills in everything but the files.
func (w *WorkingCopy) status(ctx context.Context, dir string) error {
	c := command{args: []string{"status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal",
		"--no-renames", "--ignore-submodules=all", "--", "."}, dir: dir}
	out, err := c.output(ctx)
	if err != nil {
		return err
	}
	var head string
	for record := range strings.SplitSeq(string(out), "\x00") {
		about, isHeader := strings.CutPrefix(record, "# branch.")
		key, value, _ := strings.Cut(about, " ")
		switch {
		case isHeader && key == "oid" && value != "(initial)":
			head = value
		case isHeader && key == "head" && value != "(detached)":
			w.Branch = value
		case record != "" && !strings.HasPrefix(record, "# "):
			w.Changed = true
		}
	}
	if head == "" {
		w.Changed = true
	} else {
		commit, err := readCommit(ctx, dir, head)
		if err != nil {
			return err
		}
		w.Head = &commit
	}
	w.Origin = origin(ctx, dir)
	return nil
}

// origin is empty when git does not know it.
func origin(ctx context.Context, dir string) string {
	c := command{args: []string{"config", "--get", "--end-of-options", "remote.origin.url"}, dir: dir}
	out, err := c.output(ctx)
	if err != nil {
		return ""
	}
	return userInfo.ReplaceAllString(strings.TrimSpace(string(out)), "$1")
}

// plainFolder lists all files but git's own.
func plainFolder(dir string) (WorkingCopy, error) {
	w := WorkingCopy{Changed: true}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == ".git":
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case d.Type().IsRegular(), d.Type() == fs.ModeSymlink:
			rel, err := filepath.Rel(dir, name)
			if err != nil {
				return err
			}
			w.Files = append(w.Files, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		return WorkingCopy{}, fmt.Errorf("list files of %s: %w", dir, err)
	}
	slices.Sort(w.Files)
	return w, nil
}
