package providertest

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// Artifacts keeps artifacts in memory.
type Artifacts struct {
	mu   sync.Mutex
	kept map[pipeline.ArtifactLocation][]byte
}

var _ provider.Artifacts = (*Artifacts)(nil)

// NewArtifacts is empty.
func NewArtifacts() *Artifacts {
	return &Artifacts{kept: map[pipeline.ArtifactLocation][]byte{}}
}

// Open implements provider.Artifacts.
func (m *Artifacts) Open(_ context.Context, at pipeline.ArtifactLocation) (provider.Artifact, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	content, ok := m.kept[at]
	if !ok {
		return nil, fmt.Errorf("open %s: %w", at.Key, provider.ErrNoArtifact)
	}
	return artifact{bytes.NewReader(content)}, nil
}

type artifact struct{ *bytes.Reader }

func (artifact) Close() error { return nil }

// Put implements provider.Artifacts.
func (m *Artifacts) Put(_ context.Context, at pipeline.ArtifactLocation, content io.Reader) error {
	text, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept[at] = text
	return nil
}

// Files reads an artifact that is a zip: contents by name. The name of an
// executable file ends in "*"; the content of a link is "-> " and its target.
func (m *Artifacts) Files(t testing.TB, at pipeline.ArtifactLocation) map[string]string {
	t.Helper()
	a, err := m.Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(a, a.Size())
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name, content := f.Name, string(text)
		switch {
		case f.Mode()&fs.ModeSymlink != 0:
			content = "-> " + content
		case f.Mode()&0o100 != 0:
			name += "*"
		}
		files[name] = content
	}
	return files
}

// Zip is the inverse of Files.
func Zip(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		content := files[name]
		mode := fs.FileMode(0o644)
		name, executable := strings.CutSuffix(name, "*")
		if executable {
			mode = 0o755
		}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			content, mode = target, fs.ModeSymlink|0o777
		}
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		h.SetMode(mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
