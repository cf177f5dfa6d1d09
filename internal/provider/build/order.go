package build

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"github.com/penstock-cd/penstock/internal/buildspec"
	"github.com/penstock-cd/penstock/internal/provider"
)

// order is one build, as an action asks for it.
type order struct {
	attempt provider.Attempt
	project string // name; for Commands the managed project of the pipeline
	id      string // the build's uuid
	image   string
	primary int // index of the primary source among the inputs; -1: none
	// spec is the buildspec when the action itself says it, else setting tells
	// where it is.
	spec        *buildspec.Spec
	setting     string
	environment []Variable // of the project
	overrides   []Variable // of the action: they win
	// exported are the variables handed on besides those of the buildspec.
	exported []string
	// uploads say what goes into which output; for CodeBuild the buildspec does.
	uploads []upload
	// external is the external execution id.
	external string
	// rule is set when the build judges a rule: it hands no variables on.
	rule bool
}

// newOrder begins the order of an attempt. The build's id derives from the
// attempt's, so that asking twice names one build.
func newOrder(a provider.Attempt, project string) order {
	return order{
		attempt: a,
		project: project,
		id:      uuid.NewSHA1(uuid.NameSpaceURL, []byte("penstock:build:"+a.ID)).String(),
		primary: min(len(a.Inputs), 1) - 1,
	}
}

// identifierForm is what CodeBuild takes as the name of a secondary source or
// artifact (actions.md C.1.1).
var identifierForm = regexp.MustCompile(`^[A-Za-z0-9_]{1,127}$`)

// checkIdentifiers refuses the names of secondary sources and of several
// outputs that CodeBuild refuses.
func (o *order) checkIdentifiers() *provider.Report {
	var names []string
	for i, in := range o.attempt.Inputs {
		if i != o.primary {
			names = append(names, in.Name)
		}
	}
	if len(o.attempt.Outputs) > 1 {
		for _, out := range o.attempt.Outputs {
			names = append(names, out.Name)
		}
	}
	for _, name := range names {
		if !identifierForm.MatchString(name) {
			r := provider.Failure(provider.CodeJobFailed, fmt.Sprintf(
				"Error calling startBuild: Invalid input: identifier must contain only alphanumeric characters and underscores and be less than 128 characters in length (artifact %s)", name))
			return &r
		}
	}
	return nil
}

// parseVariables reads the EnvironmentVariables of a CodeBuild action.
func parseVariables(text string) ([]Variable, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var list []Variable
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("EnvironmentVariables is not a JSON array of objects with name, value and type, all of them strings: %w", err)
	}
	return list, nil
}

// checkVariables refuses variables whose value is not here, and names that no
// environment can hold.
func checkVariables(of string, list []Variable) error {
	for _, v := range list {
		switch {
		case v.Name == "" || strings.ContainsAny(v.Name, "=\x00"):
			return fmt.Errorf("%s: %q cannot be the name of an environment variable", of, v.Name)
		case strings.ContainsRune(v.Value, 0):
			return fmt.Errorf("%s: the value of %s holds a NUL character", of, v.Name)
		case v.Type == parameterStore || v.Type == secretsManager:
			return fmt.Errorf("%s: %s is of type %s, which this server cannot resolve yet; only PLAINTEXT works", of, v.Name, v.Type)
		case v.Type != "" && v.Type != plaintext:
			return fmt.Errorf("%s: %s is of type %q; it must be PLAINTEXT, PARAMETER_STORE or SECRETS_MANAGER", of, v.Name, v.Type)
		}
	}
	return nil
}
