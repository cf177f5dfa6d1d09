package provider_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/provider"
)

// tree writes files below a new folder: a name ending in "*" is executable, a
// content starting with "-> " is a link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		perm := fs.FileMode(0o644)
		if trimmed, ok := strings.CutSuffix(name, "*"); ok {
			name, perm = trimmed, 0o755
		}
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			if err := os.Symlink(target, full); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(full, []byte(content), perm); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(full, perm); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// listing is the inverse of tree.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(p)
			got[rel] = "-> " + target
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o111 != 0 {
			rel += "*"
		}
		text, err := os.ReadFile(p)
		got[rel] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestZipRoundTrip(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"a.txt":          "alpha",
		"bin/run*":       "#!/bin/sh\n",
		"bin/.hidden":    "",
		"link":           "-> bin/run",
		"deep/down/up":   "-> ../..",
		"deep/down/file": "-> ../../a.txt",
	}
	dir := tree(t, files)
	var first, second bytes.Buffer
	opts := provider.ZipOptions{Symlinks: true}
	if err := provider.WriteZipDir(t.Context(), &first, dir, opts); err != nil {
		t.Fatal(err)
	}
	if err := provider.WriteZipDir(t.Context(), &second, tree(t, files), opts); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("equal trees gave different zips")
	}
	out := t.TempDir()
	if err := provider.Unzip(t.Context(), bytes.NewReader(first.Bytes()), out, provider.Limits{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files, listing(t, out)); diff != "" {
		t.Error(diff)
	}
}

func TestZipFollowsLinks(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"src/a":  "alpha",
		"alias":  "-> src",
		"src/up": "-> ..",
		"out":    "-> /etc/passwd",
		"far":    "-> ../../etc",
		"gone":   "-> nowhere",
		"ok":     "-> src/a",
	})
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	skipped := map[string]string{}
	var buf bytes.Buffer
	err := provider.WriteZipDir(t.Context(), &buf, dir, provider.ZipOptions{
		Skipped: func(rel, reason string) { skipped[rel] = reason },
	})
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	if err := provider.Unzip(t.Context(), bytes.NewReader(buf.Bytes()), out, provider.Limits{}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"src/a": "alpha", "alias/a": "alpha", "ok": "alpha"}
	if diff := cmp.Diff(want, listing(t, out)); diff != "" {
		t.Error(diff)
	}
	nowhere := "the link leads nowhere or out of the folder"
	loop := "the link leads back to a folder above it"
	wantSkipped := map[string]string{
		"out": nowhere, "far": nowhere, "gone": nowhere,
		"src/up": loop, "alias/up": loop,
		"fifo": "it is neither a file nor a folder nor a link",
	}
	if diff := cmp.Diff(wantSkipped, skipped); diff != "" {
		t.Error(diff)
	}
	if err := provider.WriteZipDir(t.Context(), &buf, dir, provider.ZipOptions{}); err == nil {
		t.Error("without Skipped the fifo and the links out were ignored silently")
	}
}

func TestZipIncludeAndLaterEntryWins(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"a/x": "first", "b/x": "second", "b/y": "no", "c/z": "pruned"})
	entries, err := provider.ZipEntries(t.Context(), dir, provider.ZipOptions{
		Include: func(rel string) bool { return rel != "b/y" },
		Prune:   func(rel string) bool { return rel == "c" },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range entries {
		entries[i].Name = filepath.Base(entries[i].Name)
	}
	var buf bytes.Buffer
	if err := provider.WriteZip(t.Context(), &buf, entries); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	if err := provider.Unzip(t.Context(), bytes.NewReader(buf.Bytes()), out, provider.Limits{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"x": "second"}, listing(t, out)); diff != "" {
		t.Error(diff)
	}
}

// member is one entry of a zip made by hand.
type member struct {
	name, content string
	mode          fs.FileMode
	creator       uint16
}

func makeZip(t testing.TB, members ...member) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate}
		if m.mode != 0 {
			h.SetMode(m.mode)
		}
		if m.creator != 0 {
			h.CreatorVersion = m.creator
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(m.name, "/") {
			if _, err := w.Write([]byte(m.content)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

const link = fs.ModeSymlink | 0o777

// hostile are zips that must be refused, by what they try.
func hostile(t testing.TB) map[string][]byte {
	return map[string][]byte{
		"parent":             makeZip(t, member{name: "../x"}),
		"parent inside":      makeZip(t, member{name: "a/../../x"}),
		"parent harmless":    makeZip(t, member{name: "a/../x"}),
		"absolute":           makeZip(t, member{name: "/etc/x"}),
		"windows parent":     makeZip(t, member{name: `..\x`, creator: 20}),
		"empty name":         makeZip(t, member{name: ""}),
		"nul":                makeZip(t, member{name: "a\x00b"}),
		"device":             makeZip(t, member{name: "d", mode: fs.ModeDevice | 0o600}),
		"fifo":               makeZip(t, member{name: "d", mode: fs.ModeNamedPipe | 0o600}),
		"duplicate":          makeZip(t, member{name: "a"}, member{name: "a"}),
		"duplicate unclean":  makeZip(t, member{name: "a/b"}, member{name: "a//./b"}),
		"file over folder":   makeZip(t, member{name: "a/"}, member{name: "a"}),
		"below a file":       makeZip(t, member{name: "a"}, member{name: "a/b"}),
		"absolute link":      makeZip(t, member{name: "l", content: "/etc", mode: link}),
		"link to parent":     makeZip(t, member{name: "l", content: "..", mode: link}),
		"link far out":       makeZip(t, member{name: "a/l", content: "../../x", mode: link}),
		"empty link":         makeZip(t, member{name: "l", content: "", mode: link}),
		"link too long":      makeZip(t, member{name: "l", content: strings.Repeat("a", 5000), mode: link}),
		"through a link":     makeZip(t, member{name: "l", content: "d", mode: link}, member{name: "d/"}, member{name: "l/x"}),
		"link before folder": makeZip(t, member{name: "l/x"}, member{name: "l", content: "d", mode: link}),
		// By its text e is a/b/c/etc; followed, d leads to the top first.
		"links through links": makeZip(t, member{name: "a/b/c/"}, member{name: "a/b/c/d", content: "../../..", mode: link},
			member{name: "e", content: "a/b/c/d/../etc", mode: link}),
		"link to itself": makeZip(t, member{name: "l", content: "l", mode: link}),
	}
}

func TestUnzipRefuses(t *testing.T) {
	t.Parallel()
	for name, content := range hostile(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outer := t.TempDir()
			dir := filepath.Join(outer, "p/q/in")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			err := provider.Unzip(t.Context(), bytes.NewReader(content), dir, provider.Limits{})
			if !errors.Is(err, provider.ErrUnsafeZip) {
				t.Errorf("got error %v, want ErrUnsafeZip", err)
			}
			stayedInside(t, outer, dir)
		})
	}
}

// stayedInside fails if there is anything below outer that is not in dir, or a
// link in dir that leads out of it.
func stayedInside(t testing.TB, outer, dir string) {
	t.Helper()
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(outer, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && !strings.HasPrefix(p, dir+"/") {
			t.Errorf("%s was written outside of the folder", p)
		}
		if d.Type()&fs.ModeSymlink != 0 {
			if to, err := filepath.EvalSymlinks(p); err == nil && to != real && !strings.HasPrefix(to, real+"/") {
				t.Errorf("link %s leads to %s", p, to)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestUnzipLimits(t *testing.T) {
	t.Parallel()
	bomb := makeZip(t, member{name: "zeros", content: strings.Repeat("\x00", 1<<20)})
	many := make([]member, 100)
	for i := range many {
		many[i].name = strings.Repeat("d", i+1)
	}
	long := makeZip(t, member{name: strings.Repeat("n", 60_000)}, member{name: strings.Repeat("m", 60_000)},
		member{name: strings.Repeat("o", 60_000)}, member{name: strings.Repeat("p", 60_000)}, member{name: strings.Repeat("q", 60_000)})
	tests := []struct {
		name    string
		content []byte
		limits  provider.Limits
		want    error
	}{
		{"fits", bomb, provider.Limits{Bytes: 1 << 20}, nil},
		{"one byte too many", bomb, provider.Limits{Bytes: 1<<20 - 1}, provider.ErrZipTooLarge},
		{"entries", makeZip(t, many...), provider.Limits{Entries: 99}, provider.ErrZipTooLarge},
		{"entries fit", makeZip(t, many...), provider.Limits{Entries: 100}, nil},
		{"table of contents", long, provider.Limits{Entries: 5}, provider.ErrZipTooLarge},
		{"no zip", []byte("hello"), provider.Limits{}, provider.ErrNotZip},
		{"empty", nil, provider.Limits{}, provider.ErrNotZip},
		{"cut", bomb[:len(bomb)-30], provider.Limits{}, provider.ErrNotZip},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := provider.Unzip(t.Context(), bytes.NewReader(tt.content), t.TempDir(), tt.limits)
			if !errors.Is(err, tt.want) || (tt.want == nil && err != nil) {
				t.Errorf("got error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestUnzipTolerates(t *testing.T) {
	t.Parallel()
	content := makeZip(t, member{name: "./"}, member{name: "./a"}, member{name: "d/"}, member{name: "d/"},
		member{name: `w\in\dows`, creator: 20}, member{name: `uni\x2dx`, mode: 0o644},
		member{name: "dangling", content: "d/none", mode: link})
	dir := t.TempDir()
	if err := provider.Unzip(t.Context(), bytes.NewReader(content), dir, provider.Limits{}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "", "w/in/dows": "", `uni\x2dx`: "", "dangling": "-> d/none"}
	if diff := cmp.Diff(want, listing(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestUnzipReplacesNothing(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"a": "mine"})
	err := provider.Unzip(t.Context(), bytes.NewReader(makeZip(t, member{name: "a", content: "theirs"})), dir, provider.Limits{})
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("got error %v, want fs.ErrExist", err)
	}
	if diff := cmp.Diff(map[string]string{"a": "mine"}, listing(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestZipEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := provider.WriteZipDir(ctx, &bytes.Buffer{}, tree(t, map[string]string{"a": "x"}), provider.ZipOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("WriteZipDir: %v", err)
	}
	if err := provider.Unzip(ctx, bytes.NewReader(makeZip(t, member{name: "a", content: "x"})), t.TempDir(), provider.Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Unzip: %v", err)
	}
}

func FuzzUnzip(f *testing.F) {
	const maxLinks = 4096 + len("-> ") // of one target, which the limit of bytes does not count
	for _, content := range hostile(f) {
		f.Add(content)
	}
	f.Add(makeZip(f, member{name: "d/x", content: "ok", mode: 0o755}, member{name: "l", content: "d/x", mode: link}))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, content []byte) {
		outer := t.TempDir()
		dir := filepath.Join(outer, "in")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		err := provider.Unzip(t.Context(), bytes.NewReader(content), dir, provider.Limits{Bytes: 1 << 20, Entries: 1000})
		stayedInside(t, outer, dir)
		if err != nil {
			return
		}
		tree, size := listing(t, dir), 0
		for _, content := range tree {
			size += len(content)
		}
		if size > 1<<20+maxLinks*len(tree) || len(tree) > 1000 {
			t.Errorf("unzipped %d files with %d bytes", len(tree), size)
		}
		// What was unzipped can be zipped and unzipped again, to the same tree.
		var buf bytes.Buffer
		whole := true
		if err := provider.WriteZipDir(t.Context(), &buf, dir, provider.ZipOptions{Symlinks: true, Skipped: func(string, string) { whole = false }}); err != nil {
			t.Fatal(err)
		}
		again := t.TempDir()
		if err := provider.Unzip(t.Context(), bytes.NewReader(buf.Bytes()), again, provider.Limits{}); err != nil {
			t.Fatalf("zip of an unzipped zip: %v", err)
		}
		if diff := cmp.Diff(tree, listing(t, again)); whole && diff != "" {
			t.Errorf("zipped and unzipped again: %s", diff)
		}
	})
}
