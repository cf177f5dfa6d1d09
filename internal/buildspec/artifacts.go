package buildspec

import (
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Artifacts is the artifacts section.
type Artifacts struct {
	// Primary has no files when only secondary artifacts are named.
	Primary Output
	// Secondary are in the order written.
	Secondary []SecondaryOutput
}

// SecondaryOutput is an artifact with an identifier.
type SecondaryOutput struct {
	Identifier string
	Output
}

// Output says which files make an artifact.
type Output struct {
	// Files and ExcludePaths are globs, relative to BaseDirectory. They and
	// BaseDirectory may hold references to environment variables, which are to be
	// expanded before use.
	Files, ExcludePaths []string
	// BaseDirectory is relative to the source directory, absolute, or a glob
	// that names directories; empty: the source directory.
	BaseDirectory string
	// DiscardPaths puts all files into the root.
	DiscardPaths bool
	// EnableSymlinks keeps links as links.
	EnableSymlinks bool
	// Name and S3Prefix are without effect in a pipeline.
	Name, S3Prefix string
}

func artifacts(v value) (*Artifacts, error) {
	if v.isNull() {
		return nil, nil
	}
	a := &Artifacts{}
	var err error
	if a.Primary, err = output(v); err != nil {
		return nil, err
	}
	entries, err := v.entries()
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.key != "secondary-artifacts" {
			continue
		}
		secondary, err := e.entries()
		if err != nil {
			return nil, err
		}
		for _, s := range secondary {
			out, err := output(s.value)
			if err != nil {
				return nil, err
			}
			if len(out.Files) == 0 {
				return nil, fail("files is required in %s at line %d", s.path, s.line())
			}
			a.Secondary = append(a.Secondary, SecondaryOutput{s.key, out})
		}
	}
	if len(a.Primary.Files) == 0 && len(a.Secondary) == 0 {
		return nil, fail("files is required in %s at line %d", v.path, v.line())
	}
	return a, nil
}

func output(v value) (Output, error) {
	entries, err := v.entries()
	if err != nil {
		return Output{}, err
	}
	var o Output
	for _, e := range entries {
		switch e.key {
		case "files":
			o.Files, err = e.texts()
		case "exclude-paths":
			o.ExcludePaths, err = e.texts()
		case "base-directory":
			o.BaseDirectory, err = e.text()
		case "discard-paths":
			o.DiscardPaths, err = e.yes()
		case "enable-symlinks":
			o.EnableSymlinks, err = e.yes()
		case "name":
			o.Name, err = e.text()
		case "s3-prefix":
			o.S3Prefix, err = e.text()
		}
		if err != nil {
			return Output{}, err
		}
	}
	return o, nil
}

// MatchPath reports whether a file, slash-separated and relative to the base
// directory, matches a glob of the files or exclude-paths list. Hidden files are
// files like any other. A glob that cannot be read matches nothing.
func MatchPath(glob, file string) bool {
	glob = strings.TrimPrefix(glob, "./")
	if !strings.ContainsAny(glob, `*?[{\`) {
		return path.Clean(glob) == file
	}
	ok, err := doublestar.Match(glob, file)
	return err == nil && ok
}
