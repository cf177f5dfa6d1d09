package trigger

import (
	"fmt"
	"net/netip"
	"regexp"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// Definition is what a webhook is told to be.
type Definition struct {
	Name string `json:"name"`
	// Pipeline and Action are what it starts: an action of the first stage.
	Pipeline       string   `json:"targetPipeline"`
	Action         string   `json:"targetAction"`
	Filters        []Filter `json:"filters"`
	Authentication string   `json:"authentication"`
	// AllowedIPRange is a CIDR range, for AuthenticationIP only.
	AllowedIPRange string `json:"allowedIPRange,omitempty"`
	// SecretToken is the key of the signature, for AuthenticationGitHub only. It
	// is never stored with the definition, and reads as Masked.
	SecretToken string `json:"-"`
}

// Filter is a condition on the body of a request. A webhook starts its pipeline
// if all of its filters hold.
type Filter struct {
	// JSONPath selects values of the body (Path says which expressions there
	// are).
	JSONPath string `json:"jsonPath"`
	// MatchEquals is what a selected value must equal. {Key} stands for the value
	// of Key in the configuration of the target action. Empty: any value will do.
	MatchEquals string `json:"matchEquals,omitempty"`
}

// The ways to tell whether a request may use a webhook.
const (
	AuthenticationGitHub = "GITHUB_HMAC"
	AuthenticationIP     = "IP"
	AuthenticationNone   = "UNAUTHENTICATED"
)

// Masked stands for a secret in every answer. In a definition it means the
// secret that the webhook has.
const Masked = "****"

// checkAuthentication checks that the parameters are those of the kind of
// authentication (execution.md 8.8; the literal "Optional[" is part of the
// recorded text).
func (d *Definition) checkAuthentication() error {
	fail := func(format string, args ...any) error {
		return &AuthenticationError{Message: fmt.Sprintf("Optional["+format+"]", args...)}
	}
	const onlyOne = "'authenticationConfig' should contain only one property: '%s'"
	switch d.Authentication {
	case AuthenticationGitHub:
		if d.SecretToken == "" || d.AllowedIPRange != "" {
			return fail(onlyOne, "SecretToken")
		}
	case AuthenticationIP:
		if d.AllowedIPRange == "" || d.SecretToken != "" {
			return fail(onlyOne, "AllowedIPRange")
		}
		if _, err := netip.ParsePrefix(d.AllowedIPRange); err != nil {
			return fail("'AllowedIPRange' should be a CIDR range, such as '192.0.2.0/24': '%s'", d.AllowedIPRange)
		}
	case AuthenticationNone:
		if d.SecretToken != "" || d.AllowedIPRange != "" {
			return fail("'authenticationConfig' should contain no property")
		}
	default:
		return fail("'authentication' should be one of %s, %s, %s", AuthenticationGitHub, AuthenticationIP, AuthenticationNone)
	}
	return nil
}

// placeholder is a reference to the configuration of the target action.
var placeholder = regexp.MustCompile(`\{([A-Za-z0-9_]+)\}`)

// checkFilters checks the syntax of the filters and that what they refer to is
// in the configuration of the target action: a filter with an unknown
// placeholder could never hold.
func (d *Definition) checkFilters(target *pipeline.ActionPlan) error {
	for i, f := range d.Filters {
		if _, err := ParsePath(f.JSONPath); err != nil {
			return &FilterError{Message: fmt.Sprintf("The JSON path '%s' of filter %d is not valid: %v", f.JSONPath, i+1, err)}
		}
		for _, m := range placeholder.FindAllStringSubmatch(f.MatchEquals, -1) {
			if _, ok := target.ConfigurationText(m[1]); !ok {
				return &FilterError{Message: fmt.Sprintf(
					"The value '%s' of filter %d refers to '%s', which the configuration of action '%s' does not have",
					f.MatchEquals, i+1, m[1], d.Action)}
			}
		}
	}
	return nil
}
