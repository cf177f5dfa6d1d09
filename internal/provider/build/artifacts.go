package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/penstock-cd/penstock/internal/buildspec"
	"github.com/penstock-cd/penstock/internal/provider"
)

// upload is one output artifact to make.
type upload struct {
	to   provider.OutputArtifact
	from buildspec.Output
}

// uploads pairs the outputs of the action with what the buildspec says
// (actions.md C.1.4). An output that the buildspec does not know is not made.
func (b *build) uploads() []upload {
	if b.order.uploads != nil {
		return b.order.uploads
	}
	artifacts := b.walk.Spec.Artifacts
	outputs := b.order.attempt.Outputs
	if artifacts == nil {
		return nil
	}
	var list []upload
	for _, out := range outputs {
		i := slices.IndexFunc(artifacts.Secondary, func(s buildspec.SecondaryOutput) bool { return s.Identifier == out.Name })
		switch {
		case i >= 0:
			list = append(list, upload{out, artifacts.Secondary[i].Output})
		case len(outputs) == 1 && len(artifacts.Primary.Files) > 0:
			list = append(list, upload{out, artifacts.Primary})
		}
	}
	return list
}

// uploadArtifacts is the phase UPLOAD_ARTIFACTS.
func (b *build) uploadArtifacts(ctx context.Context) *failure {
	for _, u := range b.uploads() {
		files, failed := b.collect(ctx, u.from)
		if failed == nil {
			failed = b.put(ctx, u.to, files)
		}
		if ctx.Err() != nil {
			return b.interrupted(ctx)
		}
		if failed != nil {
			return failed
		}
		b.produced = append(b.produced, u.to.Name)
	}
	return nil
}

// put streams a zip to its place.
func (b *build) put(ctx context.Context, to provider.OutputArtifact, files []provider.ZipEntry) *failure {
	read, write := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		write.CloseWithError(provider.WriteZip(ctx, write, files))
	}()
	err := b.order.attempt.Artifacts.Put(ctx, to.Location, read)
	read.CloseWithError(err)
	<-done
	if err != nil {
		return &failure{clientError, fmt.Sprintf("Error in UPLOAD_ARTIFACTS phase: %v", err)}
	}
	return nil
}

// collect finds the files of an artifact (actions.md D.6).
func (b *build) collect(ctx context.Context, o buildspec.Output) ([]provider.ZipEntry, *failure) {
	base := b.expand(o.BaseDirectory)
	shown := base
	if shown == "" {
		shown = "."
	}
	b.log.printf("Expanding base directory path: %s", shown)
	dirs, err := b.baseDirectories(base)
	if err != nil || len(dirs) == 0 {
		message := "no matching base directory path found for " + shown
		if err != nil {
			message += ": " + err.Error()
		}
		return nil, &failure{clientError, message}
	}
	b.log.printf("Assembling file list")
	globs := b.globs(o.Files)
	exclude := b.globs(o.ExcludePaths)
	found := make([]int, len(globs))
	var all []provider.ZipEntry
	for _, dir := range dirs {
		b.log.printf("Expanding file paths for base directory %s", shown)
		files, err := provider.ZipEntries(ctx, dir, provider.ZipOptions{
			Symlinks: o.EnableSymlinks,
			Include: func(rel string) bool {
				return matchesAny(globs, rel) && !matchesAny(exclude, rel)
			},
			Prune:   func(rel string) bool { return !reachable(globs, rel) },
			Skipped: func(rel, reason string) { b.log.printf("Skipping %s: %s", rel, reason) },
		})
		if err != nil {
			return nil, &failure{clientError, err.Error()}
		}
		for _, f := range files {
			for i, g := range globs {
				if buildspec.MatchPath(g, f.Path) {
					found[i]++
				}
			}
			if o.DiscardPaths {
				f.Name = path.Base(f.Name)
			}
			all = append(all, f)
		}
	}
	for i, g := range globs {
		b.log.printf("Expanding %s", g)
		if found[i] == 0 {
			b.log.printf("Skipping invalid file path %s", g)
		} else {
			b.log.printf("Found %d file(s)", found[i])
		}
	}
	if len(all) == 0 {
		return nil, &failure{clientError, "no matching artifact paths found"}
	}
	return all, nil
}

// expand replaces $NAME and ${NAME} by the build's variables.
func (b *build) expand(text string) string {
	return os.Expand(text, func(name string) string { return b.variables[name] })
}

func (b *build) globs(list []string) []string {
	globs := make([]string, len(list))
	for i, g := range list {
		globs[i] = strings.TrimPrefix(b.expand(g), "./")
		if rel, err := filepath.Rel(b.source, globs[i]); filepath.IsAbs(globs[i]) && err == nil {
			globs[i] = rel
		}
	}
	return globs
}

func matchesAny(globs []string, rel string) bool {
	return slices.ContainsFunc(globs, func(g string) bool { return buildspec.MatchPath(g, rel) })
}

// reachable reports whether a folder may hold a file that a glob matches, so
// that large trees which none can match are not walked.
func reachable(globs []string, dir string) bool {
	return slices.ContainsFunc(globs, func(g string) bool {
		fixed := path.Dir(path.Clean(g))
		if strings.ContainsAny(g, `*?[{\`) {
			fixed, _ = doublestar.SplitPattern(g)
		}
		return fixed == "." || fixed == dir || strings.HasPrefix(fixed, dir+"/") || strings.HasPrefix(dir, fixed+"/")
	})
}

// errOutside: only what the build made in its workspace becomes an artifact.
var errOutside = errors.New("it is outside of the build's workspace")

// baseDirectories resolves base-directory: one folder, or the folders below the
// source directory that match a glob.
func (b *build) baseDirectories(base string) ([]string, error) {
	if strings.ContainsAny(base, `*?[{`) {
		var dirs []string
		matches, err := doublestar.Glob(os.DirFS(b.source), path.Clean(base), doublestar.WithNoFollow())
		if err != nil {
			return nil, err
		}
		slices.Sort(matches)
		for _, m := range matches {
			if info, err := os.Stat(filepath.Join(b.source, m)); err == nil && info.IsDir() {
				dirs = append(dirs, filepath.Join(b.source, m))
			}
		}
		return b.inside(dirs)
	}
	dir := base
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(b.source, dir)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, nil
	}
	return b.inside([]string{dir})
}

// inside refuses folders that are not, behind all links, in the workspace.
func (b *build) inside(dirs []string) ([]string, error) {
	workspace, err := filepath.EvalSymlinks(b.workspace)
	if err != nil {
		return nil, err
	}
	for i, dir := range dirs {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return nil, err
		}
		if real != workspace && !strings.HasPrefix(real, workspace+string(filepath.Separator)) {
			return nil, errOutside
		}
		dirs[i] = real
	}
	return dirs, nil
}
