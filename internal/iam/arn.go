package iam

import (
	"errors"
	"fmt"
	"strings"
)

// arnPattern is an ARN with wildcards: each of the six parts between colons is
// matched for itself, so that a * never reaches over a colon into the next part;
// the last part may hold colons. A pattern that ends early in a * has a * for
// each of the missing parts.
type arnPattern struct {
	everything bool // "*": also what has no ARN
	parts      []pattern
}

const arnParts = 6

// parseARNPattern reads "*" or an ARN.
func parseARNPattern(text string, s syntax) (arnPattern, error) {
	if text != "" && strings.Trim(text, "*") == "" {
		return arnPattern{everything: true}, nil
	}
	s.wildcards = true
	whole, err := parsePattern(text, s)
	if err != nil {
		return arnPattern{}, err
	}
	a := arnPattern{parts: splitPattern(whole)}
	if first, ok := a.parts[0].text(nil); !ok || first != "arn" || len(a.parts[0]) != 1 {
		return arnPattern{}, fmt.Errorf(`%q is neither an ARN nor "*"`, text)
	}
	if len(a.parts) < arnParts && whole[len(whole)-1].kind != many {
		return arnPattern{}, fmt.Errorf(`%q has fewer than six parts between colons: end it with "*" if all that follows is meant`, text)
	}
	for len(a.parts) < arnParts {
		a.parts = append(a.parts, pattern{{kind: many}})
	}
	return a, nil
}

// splitPattern cuts a pattern at its first five colons. Colons within variables
// do not count.
func splitPattern(p pattern) []pattern {
	parts := []pattern{nil}
	add := func(x part) { parts[len(parts)-1] = append(parts[len(parts)-1], x) }
	for _, x := range p {
		for x.kind == literal && len(parts) < arnParts {
			before, after, found := strings.Cut(x.text, ":")
			if !found {
				break
			}
			if before != "" {
				add(part{kind: literal, text: before})
			}
			parts = append(parts, nil)
			x.text = after
		}
		if x.kind != literal || x.text != "" {
			add(x)
		}
	}
	return parts
}

func (a arnPattern) keys(yield func(key string)) {
	for _, p := range a.parts {
		p.keys(yield)
	}
}

// match reports whether a resource is like the pattern.
func (a arnPattern) match(f facts, resource string) bool {
	if a.everything {
		return true
	}
	parts := strings.SplitN(resource, ":", arnParts)
	if len(parts) != arnParts {
		return false
	}
	for i, text := range parts {
		fold := 0
		if i == arnParts-1 && parts[2] == "codepipeline" {
			fold = foldedPrefix(text)
		}
		if !a.parts[i].match(f, text, fold) {
			return false
		}
	}
	return true
}

// foldedPrefix is how much of a resource of CodePipeline is compared without
// regard to case: AWS's guide writes actionType:, tools write actiontype:.
func foldedPrefix(resource string) int {
	const prefix = "actiontype:"
	if len(resource) >= len(prefix) && strings.EqualFold(resource[:len(prefix)], prefix) {
		return len(prefix)
	}
	return 0
}

var errNoAction = errors.New(`an action is "*" or has a service prefix, as in "codepipeline:GetPipeline"`)

// parseActionPattern reads an action with its wildcards.
func parseActionPattern(text string) (pattern, error) {
	service, name, found := strings.Cut(text, ":")
	if strings.Trim(text, "*") == "" && text != "" {
		found, service, name = true, text, text
	}
	if !found || service == "" || name == "" || strings.ContainsAny(text, " \t\n") {
		return nil, fmt.Errorf("%q: %w", text, errNoAction)
	}
	return parsePattern(text, syntax{wildcards: true})
}
