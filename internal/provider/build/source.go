package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/penstock-cd/penstock/internal/buildspec"
	"github.com/penstock-cd/penstock/internal/provider"
)

// clientError is the status code of a source or an artifact that cannot be
// fetched or stored.
const clientError = "CLIENT_ERROR"

// layout makes the folders of a build: a single source is its directory, of
// several each has its own, the primary first (actions.md C.1.1).
func (b *build) layout() error {
	inputs := b.order.attempt.Inputs
	src := filepath.Join(b.workspace, "src")
	b.home = filepath.Join(b.workspace, "home")
	b.source = src
	b.inputDirs = make([]string, len(inputs))
	next := 1
	for i := range inputs {
		switch {
		case len(inputs) == 1:
			b.inputDirs[i] = src
		case i == b.order.primary:
			b.inputDirs[i] = filepath.Join(src, "s3", "00")
		default:
			b.inputDirs[i] = filepath.Join(src, "s3", fmt.Sprintf("%02d", next))
			next++
		}
		if i == b.order.primary {
			b.source = b.inputDirs[i]
		}
	}
	for _, dir := range append([]string{b.home, b.source, b.sessionDir()}, b.inputDirs...) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func (b *build) sessionDir() string { return filepath.Join(b.workspace, "session") }

// downloadSource is the phase DOWNLOAD_SOURCE: the inputs, the buildspec, and
// the shell that the next phases use.
func (b *build) downloadSource(ctx context.Context) *failure {
	b.log.printf("Running on Penstock, sandbox %s", b.config.Sandbox.Name())
	b.log.printf("Phase is DOWNLOAD_SOURCE")
	for i, in := range b.order.attempt.Inputs {
		if err := b.fetch(ctx, in, b.inputDirs[i], i == b.order.primary); err != nil {
			return b.sourceFailure(ctx, in, err)
		}
	}
	b.log.printf("CODEBUILD_SRC_DIR=%s", b.source)
	for i, in := range b.order.attempt.Inputs {
		if i != b.order.primary {
			b.log.printf("CODEBUILD_SRC_DIR_%s=%s", in.Name, b.inputDirs[i])
		}
	}
	spec, failed := b.readSpec()
	if failed != nil {
		return failed
	}
	b.walk.Spec = spec
	return b.prepare(ctx, spec)
}

func (b *build) sourceFailure(ctx context.Context, in provider.InputArtifact, err error) *failure {
	switch {
	case ctx.Err() != nil:
		return b.interrupted(ctx)
	case errors.Is(err, provider.ErrNoArtifact):
		return &failure{clientError, fmt.Sprintf("error while downloading key %s, error: NoSuchKey: The specified key does not exist.", in.Location.Key)}
	default:
		return &failure{clientError, fmt.Sprintf("error while downloading key %s, error: %v", in.Location.Key, err)}
	}
}

// fetch puts an input into its folder.
func (b *build) fetch(ctx context.Context, in provider.InputArtifact, dir string, primary bool) error {
	artifact, err := b.order.attempt.Artifacts.Open(ctx, in.Location)
	if err != nil {
		return err
	}
	defer artifact.Close()
	err = provider.Unzip(ctx, artifact, dir, provider.Limits{})
	if !errors.Is(err, provider.ErrNotZip) {
		return err
	}
	pointer, ok := readPointer(artifact)
	if !ok {
		return err
	}
	if !in.CloneRef {
		return errors.New("it is a pointer to a git repository, but no source action in the format CODEBUILD_CLONE_REF wrote it")
	}
	if b.config.Clone == nil {
		return errors.New("it is a pointer to a git repository (CODEBUILD_CLONE_REF), and this server is not configured to clone")
	}
	if primary {
		b.cloneURL = pointer.CloneURL
	}
	return b.config.Clone(ctx, pointer.CloneURL, pointer.CommitID, dir)
}

// clonePointer is what a source in the format CODEBUILD_CLONE_REF consists of
// (actions.md A.4.1).
type clonePointer struct {
	CloneURL string `json:"CloneUrl"`
	CommitID string `json:"CommitId"`
}

func readPointer(artifact provider.Artifact) (clonePointer, bool) {
	const longest = 64 << 10
	if artifact.Size() > longest {
		return clonePointer{}, false
	}
	text, err := io.ReadAll(io.NewSectionReader(artifact, 0, longest))
	if err != nil {
		return clonePointer{}, false
	}
	var p clonePointer
	if err := json.Unmarshal(text, &p); err != nil || p.CloneURL == "" || p.CommitID == "" {
		return clonePointer{}, false
	}
	return p, true
}

// readSpec finds and parses the buildspec.
func (b *build) readSpec() (*buildspec.Spec, *failure) {
	if b.order.spec != nil {
		return b.order.spec, nil
	}
	place, text := buildspec.Locate(b.order.setting)
	content := []byte(text)
	if place == buildspec.PlaceFile {
		full := filepath.Join(b.source, text)
		b.log.printf("YAML location is %s", full)
		var err error
		if content, err = b.readFile(text); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil, &failure{buildspec.CodeYAMLFileError, fmt.Sprintf("stat %s: no such file or directory", full)}
			}
			return nil, &failure{buildspec.CodeYAMLFileError, err.Error()}
		}
	} else {
		b.log.printf("YAML is given by the action or the project")
	}
	spec, err := buildspec.Parse(content)
	if bad, ok := errors.AsType[*buildspec.Error](err); ok {
		return nil, &failure{buildspec.CodeYAMLFileError, bad.Message}
	}
	return spec, nil
}

// readFile reads a file of the source; no link leads out of it.
func (b *build) readFile(name string) ([]byte, error) {
	root, err := os.OpenRoot(b.source)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", name)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, buildspec.MaxSize+1))
}

// prepare checks what the buildspec asks for, says what of it will not happen,
// and starts the shell.
func (b *build) prepare(ctx context.Context, spec *buildspec.Spec) *failure {
	b.log.printf("Processing environment variables")
	for _, v := range spec.Env.ParameterStore {
		return &failure{clientError, fmt.Sprintf("env/parameter-store: this server cannot resolve %s yet", v.Name)}
	}
	for _, v := range spec.Env.SecretsManager {
		return &failure{clientError, fmt.Sprintf("env/secrets-manager: this server cannot resolve %s yet", v.Name)}
	}
	if runtimes := spec.Phase(buildspec.Install).Runtimes; len(runtimes) == 0 {
		b.log.printf("No runtime version selected in buildspec.")
	} else {
		b.log.printf("Skipping install of runtimes. Runtime version selection is not supported by this build image")
	}
	b.log.printf("Moving to directory %s", b.source)
	if spec.Cache == nil {
		b.log.printf("Cache is not defined in the buildspec")
	}
	for _, text := range spec.Unsupported() {
		b.log.printf("Not supported by this server: %s", text)
	}
	b.log.printf("Phases found in YAML: %d", len(spec.Phases))
	for _, p := range spec.Phases {
		b.log.printf(" %s: %s commands", p.Type, strconv.Itoa(len(p.Commands)))
	}
	env := b.environment(spec)
	b.variables = env
	var err error
	b.session, err = newSession(ctx, b.config.Sandbox, spec, b.sessionDir(), b.source, entries(env), b.log)
	if err != nil {
		if ctx.Err() != nil {
			return b.interrupted(ctx)
		}
		return &failure{clientError, err.Error()}
	}
	return nil
}
