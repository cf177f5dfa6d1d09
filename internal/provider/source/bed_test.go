package source

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/penstock-cd/penstock/internal/git"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// artifacts keeps contents in memory by their key, whole or not at all.
type artifacts struct {
	mu   sync.Mutex
	kept map[string][]byte
	fail error
}

func (s *artifacts) Open(context.Context, pipeline.ArtifactLocation) (provider.Artifact, error) {
	return nil, provider.ErrNoArtifact
}

func (s *artifacts) Put(_ context.Context, l pipeline.ArtifactLocation, r io.Reader) error {
	if s.fail != nil {
		return s.fail
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = map[string][]byte{}
	}
	s.kept[l.Key] = b
	return nil
}

// attempt is one of a source action with one output.
func attempt(t *testing.T, store *artifacts, configuration map[string]string, overrides ...pipeline.SourceRevisionOverride) provider.Attempt {
	t.Helper()
	return provider.Attempt{
		ID: "action-1", Account: "111122223333", Region: "eu-west-1", ActionName: "Fetch", Configuration: configuration, Overrides: overrides,
		Outputs:   []provider.OutputArtifact{{Name: "Code", Location: pipeline.ArtifactLocation{Name: "Code", Bucket: "b", Key: "p/Code/1"}}},
		Artifacts: store, Log: t.Output(), Workspace: t.TempDir(),
	}
}

const outputKey = "p/Code/1"

func commitOverride(id string) pipeline.SourceRevisionOverride {
	return pipeline.SourceRevisionOverride{ActionName: "Fetch", RevisionType: pipeline.RevisionCommitID, RevisionValue: id}
}

// repo is a real repository of a test.
type repo struct {
	t   *testing.T
	dir string
}

func newRepo(t *testing.T, dir string) repo {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	r := repo{t, dir}
	r.git("init", "-q", "-b", "main")
	return r
}

func (r repo) git(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=Ann Author", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_AUTHOR_DATE=2024-02-29T12:00:00+0100",
		"GIT_COMMITTER_NAME=Carl", "GIT_COMMITTER_EMAIL=carl@example.com", "GIT_COMMITTER_DATE=2024-03-01T00:00:00Z")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r repo) write(name, content string, mode fs.FileMode) {
	r.t.Helper()
	p := filepath.Join(r.dir, name)
	must(r.t, os.MkdirAll(filepath.Dir(p), 0o755))
	must(r.t, os.WriteFile(p, []byte(content), mode))
	must(r.t, os.Chmod(p, mode))
}

func (r repo) commit(message string) string {
	r.t.Helper()
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", message)
	return r.git("rev-parse", "HEAD")
}

func openCache(t *testing.T) *git.Cache {
	t.Helper()
	c, err := git.Open(t.TempDir())
	must(t, err)
	return c
}

// zipped is what a zip holds: the mode and content of each entry.
func zipped(t *testing.T, b []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	files := map[string]string{}
	for _, f := range z.File {
		in, err := f.Open()
		must(t, err)
		content, err := io.ReadAll(in)
		must(t, err)
		files[f.Name] = f.Mode().String() + " " + string(content)
	}
	return files
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantFailure checks a verdict of failure.
func wantFailure(t *testing.T, r provider.Report, err error, code, text string) {
	t.Helper()
	if err != nil || r.Status != provider.Failed || r.ErrorCode != code || !strings.Contains(r.ErrorMessage, text) {
		t.Errorf("got %s %s %q, %v; want %s with %q", r.Status, r.ErrorCode, r.ErrorMessage, err, code, text)
	}
}

func TestPut(t *testing.T) {
	t.Parallel()
	location := pipeline.ArtifactLocation{Name: "A", Key: "k"}
	errWrite, errKeep := errors.New("cannot read"), errors.New("disk full")
	text := func(s string, err error) func(io.Writer) error {
		return func(w io.Writer) error {
			if _, err := io.WriteString(w, s); err != nil {
				return err
			}
			return err
		}
	}
	for _, tt := range []struct {
		name  string
		store *artifacts
		write func(io.Writer) error
		want  error
		ours  bool
	}{
		{"whole", &artifacts{}, text("content", nil), nil, false},
		{"at the limit", &artifacts{}, text("0123456789", nil), nil, false},
		{"over the limit", &artifacts{}, text("0123456789+", nil), errTooLarge, false},
		{"write fails", &artifacts{}, text("half", errWrite), errWrite, false},
		{"keep fails", &artifacts{fail: errKeep}, text("content", nil), errKeep, true},
	} {
		err := put(t.Context(), tt.store, location, 10, tt.write)
		if !errors.Is(err, tt.want) || ours(err) != tt.ours {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if _, kept := tt.store.kept["k"]; kept != (tt.want == nil) {
			t.Errorf("%s: kept %v", tt.name, kept)
		}
	}
}
