package provider

import (
	"archive/zip"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// The causes for which Unzip refuses content.
var (
	// ErrNotZip: the content is no zip at all, or a broken one.
	ErrNotZip = errors.New("not a zip file")
	// ErrUnsafeZip: an entry would write outside of the folder, or is no file,
	// folder or link, or stands in another's way.
	ErrUnsafeZip = errors.New("unsafe zip file")
	// ErrZipTooLarge: the content is beyond the limits.
	ErrZipTooLarge = errors.New("zip file too large")
)

// Limits bound what Unzip writes. A zero field means its default.
type Limits struct {
	Bytes   int64 // sum of all contents; default 16 GiB
	Entries int   // number of entries; default 500,000
}

const (
	defaultUnzipBytes   = 16 << 30
	defaultUnzipEntries = 500_000
	// directoryBytesPerEntry bounds the table of contents that is read into
	// memory, together with the limit on entries.
	directoryBytesPerEntry = 512
	maxLinkTarget          = 4096
)

// ZipSource is what Unzip reads; every Artifact is one, and *bytes.Reader.
type ZipSource interface {
	io.ReaderAt
	Size() int64
}

// Unzip writes the files of a zip below the existing folder dir, with their
// permission bits. It never writes outside of dir, whatever the names and links
// in the zip say, and refuses the whole zip when an entry tries: the error
// wraps ErrNotZip, ErrUnsafeZip or ErrZipTooLarge. A refused zip may leave files
// behind in dir; existing files are never replaced.
func Unzip(ctx context.Context, src ZipSource, dir string, limits Limits) error {
	limits.Bytes = cmp.Or(limits.Bytes, defaultUnzipBytes)
	limits.Entries = cmp.Or(limits.Entries, defaultUnzipEntries)
	entries, err := openZip(src, limits)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("unzip into %s: %w", dir, err)
	}
	defer root.Close()
	x := extractor{ctx: ctx, root: root, left: limits.Bytes, folders: map[string]bool{".": true}}
	for _, e := range entries {
		if err := x.extract(e); err != nil {
			return fmt.Errorf("unzip %q: %w", e.name, err)
		}
	}
	return x.link()
}

// zipMember is an entry with its checked, clean name.
type zipMember struct {
	name string
	file *zip.File
}

// openZip reads the table of contents and checks every name before anything is
// written.
func openZip(src ZipSource, limits Limits) ([]zipMember, error) {
	budget := int64(limits.Entries)
	if budget > math.MaxInt64/directoryBytesPerEntry-1 {
		budget = math.MaxInt64/directoryBytesPerEntry - 1
	}
	// Besides the table, finding it reads at most some 64 KiB twice.
	directory := &boundedReaderAt{r: src, left: budget*directoryBytesPerEntry + 256<<10}
	z, err := zip.NewReader(directory, src.Size())
	if directory.exceeded {
		return nil, fmt.Errorf("%w: its table of contents is longer than %d entries need", ErrZipTooLarge, limits.Entries)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotZip, err)
	}
	directory.left = -1 // contents are bounded by their own limit
	if len(z.File) > limits.Entries {
		return nil, fmt.Errorf("%w: %d entries, at most %d are allowed", ErrZipTooLarge, len(z.File), limits.Entries)
	}
	members := make([]zipMember, 0, len(z.File))
	kinds := make(map[string]fs.FileMode, len(z.File))
	for _, f := range z.File {
		name, err := entryName(f)
		if err != nil {
			return nil, err
		}
		kind := f.Mode().Type()
		if before, ok := kinds[name]; ok && (before != fs.ModeDir || kind != fs.ModeDir) {
			return nil, fmt.Errorf("%w: two entries are named %q", ErrUnsafeZip, name)
		}
		kinds[name] = kind
		members = append(members, zipMember{name: name, file: f})
	}
	for _, m := range members {
		for up := path.Dir(m.name); up != "."; up = path.Dir(up) {
			if kind, ok := kinds[up]; ok && kind != fs.ModeDir {
				return nil, fmt.Errorf("%w: entry %q is below %q, which is no folder", ErrUnsafeZip, m.name, up)
			}
		}
	}
	return members, nil
}

// entryName checks one entry and returns its name, slash-separated and clean.
func entryName(f *zip.File) (string, error) {
	name := f.Name
	if !fromUnix(f) {
		name = strings.ReplaceAll(name, `\`, "/")
	}
	switch kind := f.Mode().Type(); {
	case f.Flags&1 != 0:
		return "", fmt.Errorf("%w: entry %q is encrypted", ErrUnsafeZip, f.Name)
	case kind != 0 && kind != fs.ModeDir && kind != fs.ModeSymlink:
		return "", fmt.Errorf("%w: entry %q is neither a file nor a folder nor a link", ErrUnsafeZip, f.Name)
	case name == "" || strings.ContainsRune(name, 0):
		return "", fmt.Errorf("%w: entry %q has no usable name", ErrUnsafeZip, f.Name)
	case strings.HasPrefix(name, "/"), slices.Contains(strings.Split(name, "/"), ".."):
		return "", fmt.Errorf("%w: entry %q leaves the folder", ErrUnsafeZip, f.Name)
	case kind != fs.ModeDir && strings.HasSuffix(name, "/"):
		return "", fmt.Errorf("%w: entry %q has no usable name", ErrUnsafeZip, f.Name)
	}
	clean := path.Clean(name)
	if !filepath.IsLocal(filepath.FromSlash(clean)) || (clean == "." && !f.Mode().IsDir()) {
		return "", fmt.Errorf("%w: entry %q leaves the folder", ErrUnsafeZip, f.Name)
	}
	return clean, nil
}

// fromUnix reports whether the program that wrote the entry gave it Unix
// permission bits and Unix separators.
func fromUnix(f *zip.File) bool {
	const unix, darwin = 3, 19
	system := f.CreatorVersion >> 8
	return system == unix || system == darwin
}

// extractor writes the members of one zip.
type extractor struct {
	ctx     context.Context
	root    *os.Root
	left    int64
	folders map[string]bool // known to exist
	links   []zipLink
}

type zipLink struct{ name, target string }

func (x *extractor) extract(m zipMember) error {
	if err := x.ctx.Err(); err != nil {
		return err
	}
	switch m.file.Mode().Type() {
	case fs.ModeDir:
		return x.folder(m.name)
	case fs.ModeSymlink:
		// Links are made last, so that no file is ever written through one.
		target, err := x.target(m)
		if err != nil {
			return err
		}
		x.links = append(x.links, zipLink{m.name, target})
		return nil
	default:
		return x.file(m)
	}
}

func (x *extractor) folder(name string) error {
	if x.folders[name] {
		return nil
	}
	if err := x.root.MkdirAll(name, 0o755); err != nil {
		return err
	}
	x.folders[name] = true
	return nil
}

func (x *extractor) file(m zipMember) error {
	if err := x.folder(path.Dir(m.name)); err != nil {
		return err
	}
	perm := m.file.Mode().Perm() | 0o600
	if !fromUnix(m.file) {
		perm &^= 0o022
	}
	in, err := m.file.Open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotZip, err)
	}
	defer in.Close()
	out, err := x.root.OpenFile(m.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	if err := x.copy(out, in); err != nil {
		out.Close()
		return err
	}
	// The umask of the server must not decide what a build may execute.
	if err := out.Chmod(perm); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// copy streams one content and takes it off the limit by what really comes out,
// not by what the zip claims.
func (x *extractor) copy(out io.Writer, in io.Reader) error {
	n, err := io.Copy(out, io.LimitReader(ContextReader(x.ctx, in), x.left+1))
	x.left -= n
	switch {
	case x.left < 0:
		return ErrZipTooLarge
	case errors.Is(err, zip.ErrChecksum), errors.Is(err, zip.ErrFormat), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", ErrNotZip, err)
	case err != nil:
		return corrupt(err)
	}
	return nil
}

// corrupt tells the errors of the decompressor from those of the disk.
func corrupt(err error) error {
	var onDisk *fs.PathError
	if errors.As(err, &onDisk) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrNotZip, err)
}

// target reads where a link leads and refuses what leaves the folder by its
// text alone.
func (x *extractor) target(m zipMember) (string, error) {
	in, err := m.file.Open()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotZip, err)
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxLinkTarget+1))
	if err != nil {
		return "", corrupt(err)
	}
	target := string(text)
	if len(target) > maxLinkTarget || target == "" || strings.ContainsRune(target, 0) {
		return "", fmt.Errorf("%w: the link has no usable target", ErrUnsafeZip)
	}
	if path.IsAbs(target) || !filepath.IsLocal(path.Join(path.Dir(m.name), target)) {
		return "", fmt.Errorf("%w: the link to %q leaves the folder", ErrUnsafeZip, target)
	}
	return target, nil
}

// link makes the links, then follows each: links through links may leave the
// folder although no single one does by its text.
func (x *extractor) link() error {
	for _, l := range x.links {
		if err := x.folder(path.Dir(l.name)); err != nil {
			return fmt.Errorf("unzip %q: %w", l.name, err)
		}
		if err := x.root.Symlink(l.target, l.name); err != nil {
			return fmt.Errorf("unzip %q: %w", l.name, err)
		}
	}
	for _, l := range x.links {
		if _, err := x.root.Stat(l.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			// What leads outside must not stay behind for others to follow.
			for _, made := range x.links {
				err = errors.Join(err, x.root.Remove(made.name))
			}
			return fmt.Errorf("unzip %q: %w: the link to %q leaves the folder: %w", l.name, ErrUnsafeZip, l.target, err)
		}
	}
	return nil
}

// boundedReaderAt reads at most left bytes in all; a negative left is no bound.
type boundedReaderAt struct {
	r        io.ReaderAt
	left     int64
	exceeded bool
}

func (b *boundedReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if b.left >= 0 {
		if int64(len(p)) > b.left {
			b.exceeded = true
			return 0, ErrZipTooLarge
		}
		b.left -= int64(len(p))
	}
	return b.r.ReadAt(p, off)
}
