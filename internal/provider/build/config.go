package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/sandbox"
)

// Config is what the providers of this package share.
type Config struct {
	// Sandbox runs the commands.
	Sandbox sandbox.Sandbox
	// Projects looks up CodeBuild projects; nil knows none.
	Projects Projects
	// Clone makes a working copy of a commit in the empty folder dir, for sources
	// in the format CODEBUILD_CLONE_REF. The URL was read from an artifact: Clone
	// must refuse any that is not below a configured connection. When nil, such
	// sources fail the build.
	Clone func(ctx context.Context, cloneURL, commit, dir string) error
	// PassEnv are names of variables of the server that builds may see, such as
	// GOMODCACHE. Names that begin with AWS_ or PENSTOCK_ are refused.
	PassEnv []string
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Projects looks up CodeBuild projects.
type Projects interface {
	// Project returns a project; false if there is none of that name.
	Project(ctx context.Context, account, region, name string) (Project, bool, error)
}

// Project is what a build takes from a CodeBuild project.
type Project struct {
	// Buildspec is inline text or a path in the source; empty: buildspec.yml.
	Buildspec   string
	Environment []Variable
	// Image is shown to the build as CODEBUILD_BUILD_IMAGE.
	Image string
}

// Variable is an environment variable of a project or an action.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Type is PLAINTEXT (also when empty), PARAMETER_STORE or SECRETS_MANAGER.
	Type string `json:"type"`
}

// The types of environment variables.
const (
	plaintext      = "PLAINTEXT"
	parameterStore = "PARAMETER_STORE"
	secretsManager = "SECRETS_MANAGER"
)

// checked fills the defaults in.
func (c Config) checked() (Config, error) {
	if c.Sandbox == nil {
		return c, errors.New("build provider: no sandbox configured")
	}
	if err := CheckPassEnv(c.PassEnv); err != nil {
		return c, fmt.Errorf("build provider: %w", err)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

// CheckPassEnv reports the first name that PassEnv cannot have: no name of a
// variable, or one that is never passed.
func CheckPassEnv(names []string) error {
	for _, name := range names {
		if reserved(name) || !isName(name) {
			return fmt.Errorf("variable %q cannot be passed to builds", name)
		}
	}
	return nil
}

// reserved reports whether a variable of the server must never reach a build.
func reserved(name string) bool {
	return strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "PENSTOCK_") || strings.HasPrefix(name, "CODEBUILD_")
}

var nameForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// isName reports whether a shell can hold a variable of that name.
func isName(name string) bool { return nameForm.MatchString(name) }

// passed are the variables of the server that this build may see.
func (c Config) passed() []Variable {
	var list []Variable
	for _, name := range slices.Compact(slices.Sorted(slices.Values(c.PassEnv))) {
		if value, ok := os.LookupEnv(name); ok {
			list = append(list, Variable{Name: name, Value: value})
		}
	}
	return list
}
