package provider

import (
	"archive/zip"
	"cmp"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// zipTime is the time of every entry, so that equal trees make equal zips. It
// is the earliest time that a zip can say.
var zipTime = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// ZipOptions say what of a folder goes into a zip.
type ZipOptions struct {
	// Symlinks keeps links that stay within the folder as links. Without it
	// they are followed, into folders too.
	Symlinks bool
	// Include chooses files by their slash-separated path below the folder; nil
	// takes all. It is asked about files and kept links, never about folders.
	Include func(rel string) bool
	// Prune leaves out a whole folder when it returns true; nil prunes nothing.
	Prune func(rel string) bool
	// Skipped is told of what cannot go into a zip: a link that dangles or
	// leaves the folder, a socket, a device. When nil, such a thing is an error.
	Skipped func(rel, reason string)
}

// ZipEntry is one file to be written to a zip.
type ZipEntry struct {
	// Name is the name in the zip, slash-separated and relative.
	Name string
	// Dir is the folder that the content must not leave, Path the file below it.
	Dir, Path string
	// Link is set when the entry is kept as a symbolic link.
	Link bool
}

// WriteZipDir writes a folder as a zip: files sorted by name, with their
// permission bits, all with one fixed time, so that equal trees give equal
// bytes. Folders have no entries of their own; empty ones are left out. No link
// makes it read outside of dir.
func WriteZipDir(ctx context.Context, w io.Writer, dir string, opts ZipOptions) error {
	entries, err := ZipEntries(ctx, dir, opts)
	if err != nil {
		return err
	}
	return WriteZip(ctx, w, entries)
}

// ZipEntries lists what WriteZipDir would write, sorted by name.
func ZipEntries(ctx context.Context, dir string, opts ZipOptions) ([]ZipEntry, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("list files of %s: %w", dir, err)
	}
	defer root.Close()
	l := lister{ctx: ctx, root: root, dir: dir, opts: opts}
	if err := l.folder("."); err != nil {
		return nil, err
	}
	slices.SortFunc(l.entries, func(a, b ZipEntry) int { return cmp.Compare(a.Name, b.Name) })
	return l.entries, nil
}

// lister walks one folder.
type lister struct {
	ctx     context.Context
	root    *os.Root
	dir     string
	opts    ZipOptions
	above   []os.FileInfo // the folders being walked, to notice a link back to one
	entries []ZipEntry
}

func (l *lister) folder(rel string) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	d, err := l.root.Open(rel)
	if err != nil {
		return fmt.Errorf("open folder %s: %w", rel, err)
	}
	info, err := d.Stat()
	if err != nil {
		d.Close()
		return fmt.Errorf("look at folder %s: %w", rel, err)
	}
	if slices.ContainsFunc(l.above, func(up os.FileInfo) bool { return os.SameFile(up, info) }) {
		d.Close()
		return l.skip(rel, "the link leads back to a folder above it")
	}
	list, err := d.ReadDir(-1)
	d.Close()
	if err != nil {
		return fmt.Errorf("read folder %s: %w", rel, err)
	}
	l.above = append(l.above, info)
	defer func() { l.above = l.above[:len(l.above)-1] }()
	for _, e := range list {
		if err := l.entry(path.Join(rel, e.Name()), e.Type()); err != nil {
			return err
		}
	}
	return nil
}

func (l *lister) entry(rel string, typ fs.FileMode) error {
	link := typ&fs.ModeSymlink != 0
	if link {
		// The root follows links only while they stay below it.
		info, err := l.root.Stat(rel)
		if err != nil {
			if l.opts.Include != nil && !l.opts.Include(rel) {
				return nil
			}
			return l.skip(rel, "the link leads nowhere or out of the folder")
		}
		typ = info.Mode().Type()
	}
	switch {
	case link && l.opts.Symlinks:
		target, err := l.root.Readlink(rel)
		if err != nil {
			return fmt.Errorf("read link %s: %w", rel, err)
		}
		if path.IsAbs(target) {
			return l.skip(rel, "the link is absolute")
		}
		l.add(rel, true)
	case typ.IsDir():
		if l.opts.Prune != nil && l.opts.Prune(rel) {
			return nil
		}
		return l.folder(rel)
	case typ.IsRegular():
		l.add(rel, false)
	case l.opts.Include == nil || l.opts.Include(rel):
		return l.skip(rel, "it is neither a file nor a folder nor a link")
	}
	return nil
}

func (l *lister) add(rel string, link bool) {
	if l.opts.Include == nil || l.opts.Include(rel) {
		l.entries = append(l.entries, ZipEntry{Name: rel, Dir: l.dir, Path: rel, Link: link})
	}
}

func (l *lister) skip(rel, reason string) error {
	if l.opts.Skipped == nil {
		return fmt.Errorf("zip %s: %s", rel, reason)
	}
	l.opts.Skipped(rel, reason)
	return nil
}

// WriteZip writes entries as a zip, sorted by name; of two with one name the
// later wins. Contents are streamed; nothing is held in memory.
func WriteZip(ctx context.Context, w io.Writer, entries []ZipEntry) error {
	last := make(map[string]int, len(entries))
	for i, e := range entries {
		last[e.Name] = i
	}
	order := make([]int, 0, len(last))
	for i, e := range entries {
		if last[e.Name] == i {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(entries[a].Name, entries[b].Name) })

	roots := map[string]*os.Root{}
	defer func() {
		for _, r := range roots {
			r.Close()
		}
	}()
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(out, flate.BestSpeed)
	})
	for _, i := range order {
		e := entries[i]
		if err := ctx.Err(); err != nil {
			return err
		}
		root, ok := roots[e.Dir]
		if !ok {
			var err error
			if root, err = os.OpenRoot(e.Dir); err != nil {
				return fmt.Errorf("zip %s: %w", e.Name, err)
			}
			roots[e.Dir] = root
		}
		if err := writeEntry(ctx, z, root, e); err != nil {
			return fmt.Errorf("zip %s: %w", e.Name, err)
		}
	}
	return z.Close()
}

func writeEntry(ctx context.Context, z *zip.Writer, root *os.Root, e ZipEntry) error {
	h := &zip.FileHeader{Name: e.Name, Modified: zipTime, Method: zip.Deflate}
	if e.Link {
		target, err := root.Readlink(e.Path)
		if err != nil {
			return err
		}
		h.SetMode(fs.ModeSymlink | 0o777)
		h.Method = zip.Store
		out, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		_, err = io.WriteString(out, target)
		return err
	}
	// Without O_NONBLOCK a fifo that took the file's place would hang the open.
	f, err := root.OpenFile(e.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is no longer a file")
	}
	if strings.HasSuffix(e.Name, "/") {
		return errors.New("a file's name cannot end in a slash")
	}
	h.SetMode(info.Mode().Perm())
	out, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, ContextReader(ctx, f))
	return err
}

// ContextReader reads from r until ctx ends; then Read returns its error.
func ContextReader(ctx context.Context, r io.Reader) io.Reader {
	return &contextReader{ctx: ctx, r: r}
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
