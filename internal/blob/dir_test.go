package blob

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func open(t *testing.T, dir string) *Dir {
	t.Helper()
	d, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func put(t *testing.T, s Store, key, content string) Info {
	t.Helper()
	info, err := s.Put(t.Context(), key, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func get(t *testing.T, s Store, key string) string {
	t.Helper()
	r, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// keys lists the store as key -> size.
func keys(t *testing.T, s Store) map[string]int64 {
	t.Helper()
	got := map[string]int64{}
	err := s.Walk(t.Context(), func(i Info) error {
		got[i.Key] = i.Size
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// staged counts the temporary files of every process.
func staged(t *testing.T, root string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, stagingName, "*", "t*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func TestPutGetDelete(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "new", "blobs")
	d := open(t, root)
	content := strings.Repeat("penstock\n", 100_000)
	sum := md5.Sum([]byte(content))
	info := put(t, d, "s3/4f/object-1.zip", content)
	want := Info{
		Key: "s3/4f/object-1.zip", Size: int64(len(content)),
		MD5: hex.EncodeToString(sum[:]), Modified: info.Modified,
	}
	if diff := cmp.Diff(want, info); diff != "" {
		t.Error(diff)
	}
	if info.Modified.IsZero() {
		t.Error("no modification time")
	}
	if got := get(t, d, info.Key); got != content {
		t.Errorf("content differs, %d bytes", len(got))
	}
	if diff := cmp.Diff(map[string]int64{info.Key: info.Size}, keys(t, d)); diff != "" {
		t.Error(diff)
	}
	for range 2 { // the second time there is nothing to delete
		if err := d.Delete(t.Context(), info.Key); err != nil {
			t.Error(err)
		}
	}
	if _, err := d.Open(t.Context(), info.Key); !errors.Is(err, ErrNotExist) {
		t.Errorf("open after delete: %v", err)
	}
	if n := staged(t, root); n != 0 {
		t.Errorf("%d temporary files left", n)
	}
}

func TestReaderIsStable(t *testing.T) {
	t.Parallel()
	d := open(t, t.TempDir())
	put(t, d, "a", "first content")
	r, err := d.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	put(t, d, "a", "second")
	if err := d.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if r.Size() != 13 {
		t.Errorf("size %d", r.Size())
	}
	part := make([]byte, 7)
	if _, err := r.ReadAt(part, 6); err != nil || string(part) != "content" {
		t.Errorf("read %q, %v", part, err)
	}
	if _, err := r.Seek(-7, io.SeekEnd); err != nil {
		t.Error(err)
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, r); err != nil || b.String() != "content" {
		t.Errorf("read %q, %v", b.String(), err)
	}
}

func TestCheckKey(t *testing.T) {
	t.Parallel()
	good := []string{"a", "a/b", "A-Z_0.9/x", "a..b", strings.Repeat("x", 200)}
	bad := []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", ".hidden", "a/.staging/b",
		"a b", "a\x00", "ä", `a\b`, "a:b", strings.Repeat("x", 201), strings.Repeat("ab/", 200) + "a",
	}
	d := open(t, t.TempDir())
	for _, key := range good {
		if err := CheckKey(key); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
	for _, key := range bad {
		_, putErr := d.Put(t.Context(), key, strings.NewReader(""))
		_, openErr := d.Open(t.Context(), key)
		for _, err := range []error{CheckKey(key), putErr, openErr, d.Delete(t.Context(), key)} {
			if !errors.Is(err, ErrInvalidKey) {
				t.Errorf("%q: %v", key, err)
			}
		}
	}
}

func TestPutFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("signature of the last chunk is wrong")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := map[string]struct {
		ctx     context.Context
		body    io.Reader
		fault   string
		with    error
		want    error
		content string // afterwards
	}{
		"reader fails at its end": {
			body: io.MultiReader(strings.NewReader("new"), iotest.ErrReader(broken)), want: broken, content: "old",
		},
		"reader reports a full disk of its own": {
			body: iotest.ErrReader(syscall.ENOSPC), want: syscall.ENOSPC, content: "old",
		},
		"cancelled":            {ctx: cancelled, body: strings.NewReader("new"), want: context.Canceled, content: "old"},
		"no temporary file":    {fault: "create", with: syscall.EROFS, want: ErrReadOnly, content: "old"},
		"no permission":        {fault: "create", with: os.ErrPermission, want: ErrReadOnly, content: "old"},
		"disk full at sync":    {fault: "sync", with: syscall.ENOSPC, want: ErrFull, content: "old"},
		"quota used at rename": {fault: "rename", with: syscall.EDQUOT, want: ErrFull, content: "old"},
		"directory sync":       {fault: "sync directory", with: syscall.EIO, want: syscall.EIO, content: "new"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			d := open(t, root)
			put(t, d, "k/x", "old")
			d.fault = func(step string) error {
				if step == tc.fault {
					return tc.with
				}
				return nil
			}
			if tc.ctx == nil {
				tc.ctx = t.Context()
			}
			if tc.body == nil {
				tc.body = strings.NewReader("new")
			}
			_, err := d.Put(tc.ctx, "k/x", tc.body)
			if !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
			if tc.fault == "" && (errors.Is(err, ErrFull) || errors.Is(err, ErrReadOnly)) {
				t.Errorf("the reader's error was taken for the disk's: %v", err)
			}
			if got := get(t, d, "k/x"); got != tc.content {
				t.Errorf("content %q, want %q", got, tc.content)
			}
			if n := staged(t, root); n != 0 {
				t.Errorf("%d temporary files left", n)
			}
		})
	}
}

// TestPutIsDurable watches what is synced, and what has its name by then: content
// first, before anybody can see it, then the entry of each directory that is new,
// and the entry of the file.
func TestPutIsDurable(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := open(t, root)
	var synced []string
	d.sync = func(f *os.File) error {
		_, err := os.Stat(filepath.Join(root, "k", "l", "x"))
		stat, statErr := f.Stat()
		if statErr != nil {
			return statErr
		}
		what := "content, " + fmt.Sprint(stat.Size(), " bytes")
		if stat.IsDir() {
			name, relErr := filepath.Rel(root, f.Name())
			if relErr != nil {
				return relErr
			}
			what = "directory " + name
		}
		synced = append(synced, fmt.Sprintf("%s, visible %v", what, err == nil))
		return f.Sync()
	}
	put(t, d, "k/l/x", "new")
	put(t, d, "k/l/x", "newer")
	if diff := cmp.Diff([]string{
		"content, 3 bytes, visible false", "directory ., visible false", "directory k, visible false", "directory k/l, visible true",
		"content, 5 bytes, visible true", "directory k/l, visible true",
	}, synced); diff != "" {
		t.Error(diff)
	}
}

func TestKeyBelowABlob(t *testing.T) {
	t.Parallel()
	d := open(t, t.TempDir())
	put(t, d, "a/b", "x")
	if _, err := d.Put(t.Context(), "a/b/c", strings.NewReader("y")); err == nil || errors.Is(err, ErrNotExist) {
		t.Errorf("a blob below a blob: %v", err)
	}
	if _, err := d.Put(t.Context(), "a", strings.NewReader("y")); err == nil {
		t.Error("a blob in place of a folder")
	}
	for _, key := range []string{"a", "a/b/c"} {
		if _, err := d.Open(t.Context(), key); !errors.Is(err, ErrNotExist) {
			t.Errorf("open %s: %v", key, err)
		}
	}
	if got := get(t, d, "a/b"); got != "x" {
		t.Errorf("content %q", got)
	}
}

// TestConcurrent has writers replace a few keys while readers read them: what
// is read must always be one of the contents, whole.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	d := open(t, t.TempDir())
	content := func(writer int) string { return strings.Repeat(string(rune('a'+writer)), 300_000) }
	for k := range 3 {
		put(t, d, fmt.Sprintf("shared/%d", k), content(0))
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := range 15 {
				if _, err := d.Put(t.Context(), fmt.Sprintf("shared/%d", n%3), strings.NewReader(content(w))); err != nil {
					t.Error(err)
				}
				if _, err := d.Put(t.Context(), fmt.Sprintf("own/%d/%d", w, n), strings.NewReader("mine")); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for n := range 60 {
				r, err := d.Open(t.Context(), fmt.Sprintf("shared/%d", n%3))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(r)
				if err != nil || len(got) != 300_000 || strings.Trim(string(got), string(got[0])) != "" {
					t.Errorf("read %d bytes, %v: not one content", len(got), err)
				}
				_ = r.Close()
			}
		})
	}
	wg.Wait()
	if n := len(keys(t, d)); n != 3+4*15 {
		t.Errorf("%d blobs", n)
	}
}

func TestWalkStops(t *testing.T) {
	t.Parallel()
	d := open(t, t.TempDir())
	put(t, d, "a", "")
	put(t, d, "b", "")
	enough, seen := errors.New("enough"), 0
	err := d.Walk(t.Context(), func(Info) error { seen++; return enough })
	if !errors.Is(err, enough) || seen != 1 {
		t.Errorf("%v after %d", err, seen)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Walk(ctx, func(Info) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled walk: %v", err)
	}
}

// TestOpenSweeps leaves files of a dead and of a living process behind: only
// the first may go.
func TestOpenSweeps(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	living := open(t, root)
	if _, err := living.staging.create(); err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(root, stagingName, "p1")
	if err := os.MkdirAll(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{lockName, "t1", "t2"} {
		if err := os.WriteFile(filepath.Join(dead, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, stagingName, "p2"), 0o700); err != nil {
		t.Fatal(err)
	}
	second := open(t, root)
	if n := staged(t, root); n != 1 {
		t.Errorf("%d temporary files, want that of the living process", n)
	}
	folders, err := os.ReadDir(filepath.Join(root, stagingName))
	if err != nil || len(folders) != 2 {
		t.Errorf("folders %v, %v; want one for each living process", folders, err)
	}
	put(t, living, "a", "x")
	put(t, second, "b", "y")
	if len(keys(t, second)) != 2 {
		t.Errorf("blobs %v", keys(t, second))
	}
}

func TestOpenDirErrors(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDir(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a file as directory: %v", err)
	}
}
