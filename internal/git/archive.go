package git

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// treeFile is one file of a commit.
type treeFile struct {
	name, id string
	mode     fs.FileMode
}

// archive writes a commit's files as a zip. It reads trees and contents itself
// rather than by git archive, which leaves files out and changes contents where
// attributes in the repository say so.
func archive(ctx context.Context, repo, id string, w io.Writer) error {
	commit, err := readCommit(ctx, repo, id)
	if err != nil {
		return err
	}
	files, err := listTree(ctx, repo, id)
	if err != nil {
		return err
	}
	// When writing fails, the rest of the contents is not waited for.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	contents, stop := io.Pipe()
	var ids strings.Builder
	for _, f := range files {
		ids.WriteString(f.id + "\n")
	}
	cat := command{args: []string{"cat-file", "--batch", "--buffer"}, dir: repo, stdin: strings.NewReader(ids.String()), stdout: stop}
	done := make(chan error, 1)
	go func() {
		err := cat.run(ctx)
		stop.CloseWithError(err) // io.EOF for nil
		done <- err
	}()
	err = writeFiles(w, files, zipTime(commit.CommitterDate), bufio.NewReaderSize(contents, 64<<10))
	contents.CloseWithError(errors.New("stopped reading"))
	if err != nil {
		cancel()
		<-done
		return fmt.Errorf("archive commit %s: %w", id, err)
	}
	return <-done
}

// zipTime is within what a zip can say.
func zipTime(t time.Time) time.Time {
	if t.Year() < 1980 || t.Year() > 2107 {
		return time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return t
}

// listTree lists the files and links of a commit. Submodules are left out.
func listTree(ctx context.Context, repo, id string) ([]treeFile, error) {
	c := command{args: []string{"ls-tree", "-r", "-z", "--full-tree", "--end-of-options", id}, dir: repo}
	out, err := c.output(ctx)
	if err != nil {
		return nil, err
	}
	var files []treeFile
	for line := range bytes.SplitSeq(bytes.TrimSuffix(out, []byte{0}), []byte{0}) {
		if len(line) == 0 {
			continue
		}
		about, name, ok := strings.Cut(string(line), "\t")
		f := strings.Fields(about) // MODE TYPE ID
		if !ok || len(f) != 3 {
			return nil, fmt.Errorf("list files of commit %s: git gave an unknown answer", id)
		}
		if f[1] != "blob" {
			continue
		}
		if err := checkTreePath(name); err != nil {
			return nil, fmt.Errorf("list files of commit %s: %w", id, err)
		}
		files = append(files, treeFile{name: name, id: f[2], mode: treeMode(f[0])})
	}
	return files, nil
}

func treeMode(mode string) fs.FileMode {
	switch mode {
	case "120000":
		return fs.ModeSymlink | 0o777
	case "100755":
		return 0o755
	default:
		return 0o644
	}
}

// checkTreePath refuses names that an honest commit cannot have: git add makes
// none, but a commit can be forged.
func checkTreePath(name string) error {
	bad := !filepath.IsLocal(filepath.FromSlash(name))
	for part := range strings.SplitSeq(name, "/") {
		bad = bad || part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git")
	}
	if bad {
		return fmt.Errorf("%w: the commit has a file named %q", ErrName, clip(name))
	}
	return nil
}

// writeFiles writes the zip; contents come in the order of the files.
func writeFiles(w io.Writer, files []treeFile, modified time.Time, contents *bufio.Reader) error {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(out, flate.BestSpeed)
	})
	for _, f := range files {
		size, err := contentSize(contents, f.id)
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: f.name, Modified: modified, Method: zip.Deflate}
		if f.mode.Type() == fs.ModeSymlink {
			h.Method = zip.Store
		}
		h.SetMode(f.mode)
		out, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := io.CopyN(out, contents, size); err != nil {
			return err
		}
		if _, err := contents.Discard(1); err != nil { // the line end after a content
			return err
		}
	}
	return z.Close()
}

// contentSize reads the line before a content: "ID blob SIZE".
func contentSize(r *bufio.Reader, id string) (int64, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	f := strings.Fields(line)
	if len(f) != 3 || f[0] != id || f[1] != "blob" {
		return 0, fmt.Errorf("content %s is missing", id)
	}
	return strconv.ParseInt(f[2], 10, 64)
}
