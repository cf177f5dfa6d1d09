package deploy

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/penstock-cd/penstock/internal/provider"
)

const (
	maxFiles = 100_000
	// maxTable bounds the table of contents, which is read into memory: names
	// of S3 have at most 1,024 bytes.
	maxTable     = maxFiles*(1024+256) + 256<<10
	maxEntry     = 5 << 30 // of one object
	inMemory     = 1 << 20 // entries up to this size need no file
	writesAtOnce = 8
)

// uploader writes the objects of one deploy.
type uploader struct {
	objects   provider.Objects
	target    target
	workspace string
	mu        sync.Mutex // guards log
	log       io.Writer
}

func (u *uploader) tell(key string) {
	if u.log != nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		fmt.Fprintf(u.log, "s3://%s/%s\n", u.target.bucket, key)
	}
}

// extract writes each file of a zip as an object, several at a time but begun
// in the order of the zip. An entry that is refused ends it: those before it are
// written, those after it are not.
func (u *uploader) extract(ctx context.Context, artifact provider.Artifact) error {
	files, err := openZip(artifact)
	if err != nil {
		return err
	}
	group, writing := newGroup(ctx)
	begun := map[string]bool{}
	var refused error
	for _, f := range files {
		key, err := u.key(f.Name)
		if err != nil {
			refused = err
			break
		}
		if writing.Err() != nil {
			break
		}
		if begun[key] {
			// The last of two entries with one name wins: wait for the first.
			if err := group.Wait(); err != nil {
				return err
			}
			group, writing = newGroup(ctx)
		}
		begun[key] = true
		group.Go(func() error { return u.entry(writing, f, key) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return refused
}

func newGroup(ctx context.Context) (*errgroup.Group, context.Context) {
	group, writing := errgroup.WithContext(ctx)
	group.SetLimit(writesAtOnce)
	return group, writing
}

// openZip lists the files of a zip in its order. Whatever a link is, it is a
// file here.
func openZip(artifact provider.Artifact) ([]*zip.File, error) {
	table := &bounded{r: artifact, left: maxTable}
	z, err := zip.NewReader(table, artifact.Size())
	if err != nil && table.exceeded {
		return nil, tooManyFiles()
	}
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, unreadable(err)
	}
	table.open = true
	var files []*zip.File
	for _, f := range z.File {
		if !strings.HasSuffix(slashed(f.Name), "/") {
			files = append(files, f)
		}
	}
	if len(files) > maxFiles {
		return nil, tooManyFiles()
	}
	return files, nil
}

func tooManyFiles() error {
	return refuse(provider.CodeConfigurationError, "The archive has more than %d files, which is the most that can be extracted.", maxFiles)
}

// unreadable tells a damaged zip from trouble of our own storage.
func unreadable(err error) error {
	_, onDisk := errors.AsType[*fs.PathError](err)
	if onDisk || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("read artifact: %w", err)
	}
	return refuse(provider.CodeJobFailed, "The archive is malformed.")
}

func slashed(name string) string { return strings.ReplaceAll(name, `\`, "/") }

// key is the object key of an entry.
func (u *uploader) key(name string) (string, error) {
	name = slashed(name)
	if strings.Contains(name, "../") {
		return "", refuse(provider.CodeConfigurationError, "The file name %s contains invalid sequence: dot-dot-slash.", name)
	}
	prefix := strings.TrimPrefix(u.target.key, "/")
	if prefix == "" {
		return name, nil
	}
	// A prefix that ends in a slash gives two, as recorded.
	return prefix + "/" + name, nil
}

// entry writes one file.
func (u *uploader) entry(ctx context.Context, f *zip.File, key string) error {
	content, done, err := u.unpack(ctx, f)
	if err != nil {
		return err
	}
	defer done()
	o := u.target.options
	o.ContentType = contentType(key)
	if _, err := u.objects.Put(ctx, u.target.bucket, key, content, o); err != nil {
		return putFailed(u.target.bucket, err)
	}
	u.tell(key)
	return nil
}

// unpack makes an entry seekable, as retries need it: in memory when it is
// small, else in a file.
func (u *uploader) unpack(ctx context.Context, f *zip.File) (io.ReadSeeker, func(), error) {
	in, err := f.Open()
	if err != nil {
		return nil, nil, unreadable(err)
	}
	defer in.Close()
	packed := io.LimitReader(provider.ContextReader(ctx, in), maxEntry+1)
	small, err := io.ReadAll(io.LimitReader(packed, inMemory))
	if err != nil {
		return nil, nil, unreadable(err)
	}
	if len(small) < inMemory {
		return bytes.NewReader(small), func() {}, nil
	}
	file, err := newTempFile(u.workspace)
	if err != nil {
		return nil, nil, err
	}
	if err := spill(file, small, packed, f.Name); err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, func() { file.Close() }, nil
}

func spill(file *tempFile, start []byte, rest io.Reader, name string) error {
	if _, err := file.Write(start); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	n, err := io.Copy(file, rest)
	if err != nil {
		return unreadable(err)
	}
	if n+int64(len(start)) > maxEntry {
		return refuse(provider.CodeConfigurationError, "The file %s is larger than 5 GB, which is the most that one object can hold.", name)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	return nil
}

// bounded reads at most left bytes until it is open.
type bounded struct {
	r              io.ReaderAt
	left           int64
	exceeded, open bool
}

var errTable = errors.New("table of contents is too long")

func (b *bounded) ReadAt(p []byte, off int64) (int, error) {
	if !b.open {
		if int64(len(p)) > b.left {
			b.exceeded = true
			return 0, errTable
		}
		b.left -= int64(len(p))
	}
	return b.r.ReadAt(p, off)
}
