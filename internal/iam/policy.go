package iam

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// MaxPolicyBytes is how long a policy document may be.
const MaxPolicyBytes = 10240

// Policy is a policy document, read and checked. It does not change and is safe
// for concurrent use.
type Policy struct {
	statements []statement
	// keys are the condition keys that the document looks at, in lower case.
	keys map[string]bool
}

// statement is one statement of a policy.
type statement struct {
	deny         bool
	actions      []pattern
	notActions   bool // the actions are those that are not meant
	resources    []arnPattern
	notResources bool
	conditions   []condition
}

// The versions of the policy language.
const (
	version2008 = "2008-10-17" // without variables; the default
	version2012 = "2012-10-17"
)

// ParsePolicy reads an identity-based policy document of the IAM policy
// language. The error says what is wrong and where; nothing is taken for
// something else: unknown elements, repeated names and operators that Penstock
// does not know are refused.
func ParsePolicy(text []byte) (*Policy, error) {
	if len(text) > MaxPolicyBytes {
		return nil, fmt.Errorf("the document is %d bytes long; %d are allowed", len(text), MaxPolicyBytes)
	}
	root, err := decodeDocument(text)
	if err != nil {
		return nil, err
	}
	members, ok := root.(object)
	if !ok {
		return nil, errors.New("the document is not a JSON object")
	}
	var statements any
	s := syntax{}
	for _, m := range members {
		switch m.name {
		case "Version":
			switch m.value {
			case version2012:
				s.variables = true
			case version2008:
			default:
				return nil, fmt.Errorf("element Version: %v is neither %q nor %q", m.value, version2012, version2008)
			}
		case "Id":
			if _, ok := m.value.(string); !ok {
				return nil, errors.New("element Id: a string is needed")
			}
		case "Statement":
			statements = m.value
		default:
			return nil, fmt.Errorf("%q is no element of a policy", m.name)
		}
	}
	return parseStatements(statements, s)
}

func parseStatements(v any, s syntax) (*Policy, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	if v == nil || len(list) == 0 {
		return nil, errors.New("the document has no Statement")
	}
	p := &Policy{keys: map[string]bool{}}
	sids := map[string]bool{}
	for i, v := range list {
		members, ok := v.(object)
		if !ok {
			return nil, fmt.Errorf("statement %d: an object is needed", i+1)
		}
		st, err := p.parseStatement(members, s, sids)
		if err != nil {
			return nil, fmt.Errorf("statement %d: %w", i+1, err)
		}
		p.statements = append(p.statements, st)
	}
	return p, nil
}

var sidPattern = regexp.MustCompile(`^[A-Za-z0-9]*$`)

func (p *Policy) parseStatement(members object, s syntax, sids map[string]bool) (statement, error) {
	var st statement
	seen := map[string]bool{}
	for _, m := range members {
		var err error
		switch m.name {
		case "Sid":
			err = checkSid(m.value, sids)
		case "Effect":
			st.deny = m.value == "Deny"
			if m.value != "Allow" && m.value != "Deny" {
				err = fmt.Errorf(`%v is neither "Allow" nor "Deny"`, m.value)
			}
		case "Action", "NotAction":
			st.notActions = m.name == "NotAction"
			st.actions, err = parseActions(m.value)
		case "Resource", "NotResource":
			st.notResources = m.name == "NotResource"
			st.resources, err = p.parseResources(m.value, s)
		case "Condition":
			st.conditions, err = p.parseConditions(m.value, s)
		case "Principal", "NotPrincipal":
			err = errors.New("a policy of a principal names no principal")
		default:
			err = errors.New("no element of a statement")
		}
		if err != nil {
			return st, fmt.Errorf("%s: %w", m.name, err)
		}
		seen[m.name] = true
	}
	switch {
	case !seen["Effect"]:
		return st, errors.New("there is no Effect")
	case seen["Action"] == seen["NotAction"]:
		return st, errors.New("one of Action and NotAction is needed")
	case seen["Resource"] == seen["NotResource"]:
		return st, errors.New("one of Resource and NotResource is needed")
	}
	return st, nil
}

func checkSid(v any, sids map[string]bool) error {
	sid, ok := v.(string)
	if !ok || !sidPattern.MatchString(sid) {
		return fmt.Errorf("%v is not made of letters and digits", v)
	}
	if sid != "" && sids[sid] {
		return fmt.Errorf("%q stands twice", sid)
	}
	sids[sid] = true
	return nil
}

func parseActions(v any) ([]pattern, error) {
	texts, err := stringsOf(v)
	if err != nil {
		return nil, err
	}
	var list []pattern
	for _, text := range texts {
		p, err := parseActionPattern(text)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func (p *Policy) parseResources(v any, s syntax) ([]arnPattern, error) {
	texts, err := stringsOf(v)
	if err != nil {
		return nil, err
	}
	var list []arnPattern
	for _, text := range texts {
		a, err := parseARNPattern(text, s)
		if err != nil {
			return nil, err
		}
		a.keys(p.note)
		list = append(list, a)
	}
	return list, nil
}

// note remembers that the policy looks at a key.
func (p *Policy) note(key string) { p.keys[key] = true }

// looksAt reports whether the policy looks at a key that begins with the prefix,
// which is in lower case.
func (p *Policy) looksAt(prefix string) bool {
	for key := range p.keys {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}
