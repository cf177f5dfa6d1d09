package iam

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// part is a piece of a pattern.
type part struct {
	kind partKind
	// text is the literal, or the condition key of a variable in lower case.
	text string
	// otherwise is what a variable without a value stands for, if it says so.
	otherwise *string
}

type partKind int

const (
	literal  partKind = iota
	many              // *: any characters, none too
	one               // ?: any one character
	variable          // ${key}
)

// pattern is a text of a policy with its wildcards and variables.
type pattern []part

// syntax says what is special in a text of a policy.
type syntax struct {
	wildcards bool
	// variables came with version 2012-10-17; before, ${ is just text.
	variables bool
}

// parsePattern takes a text apart.
func parsePattern(text string, s syntax) (pattern, error) {
	var p pattern
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			p = append(p, part{kind: literal, text: lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		switch {
		case s.wildcards && text[i] == '*':
			flush()
			p = append(p, part{kind: many})
		case s.wildcards && text[i] == '?':
			flush()
			p = append(p, part{kind: one})
		case s.variables && strings.HasPrefix(text[i:], "${"):
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return nil, fmt.Errorf("%q has a policy variable without an end: write ${$} for a dollar sign before a brace", text)
			}
			v, err := parseVariable(text[i+2 : i+end])
			if err != nil {
				return nil, fmt.Errorf("%q: %w", text, err)
			}
			if v.kind == literal {
				lit.WriteString(v.text)
			} else {
				flush()
				p = append(p, v)
			}
			i += end
		default:
			lit.WriteByte(text[i])
		}
	}
	flush()
	return p, nil
}

// parseVariable reads what stands between ${ and }: a condition key, perhaps
// with a default in single quotes, or one of the characters *, ? and $.
func parseVariable(text string) (part, error) {
	if text == "*" || text == "?" || text == "$" {
		return part{kind: literal, text: text}, nil
	}
	key, otherwise, hasDefault := strings.Cut(text, ",")
	v := part{kind: variable, text: strings.ToLower(strings.TrimSpace(key))}
	if v.text == "" || strings.ContainsAny(v.text, " ${*?'\"") {
		return v, fmt.Errorf("${%s} is no policy variable", text)
	}
	if !hasDefault {
		return v, nil
	}
	otherwise = strings.TrimSpace(otherwise)
	if len(otherwise) < 2 || otherwise[0] != '\'' || otherwise[len(otherwise)-1] != '\'' {
		return v, errors.New("the default of a policy variable stands in single quotes, as in ${aws:PrincipalTag/team, 'all'}")
	}
	otherwise = otherwise[1 : len(otherwise)-1]
	v.otherwise = &otherwise
	return v, nil
}

// keys calls yield for the key of each variable.
func (p pattern) keys(yield func(key string)) {
	for _, part := range p {
		if part.kind == variable {
			yield(part.text)
		}
	}
}

// value is the value of a variable. A key with several values has none here.
func (v part) value(f facts) (string, bool) {
	if values := f[v.text]; len(values) == 1 {
		return values[0], true
	}
	if v.otherwise != nil {
		return *v.otherwise, true
	}
	return "", false
}

// text is the pattern with its variables replaced, for patterns without
// wildcards. It is false if a variable has no value: then nothing is like it.
func (p pattern) text(f facts) (string, bool) {
	if len(p) == 1 && p[0].kind == literal {
		return p[0].text, true
	}
	var b strings.Builder
	for _, part := range p {
		text, ok := part.text, true
		if part.kind == variable {
			text, ok = part.value(f)
		}
		if !ok {
			return "", false
		}
		b.WriteString(text)
	}
	return b.String(), true
}

// match reports whether a text is like the pattern. The first fold bytes of the
// text are compared without regard to case. What a variable stands for has no
// wildcards.
func (p pattern) match(f facts, text string, fold int) bool {
	g := make(glob, 0, 64)
	for _, part := range p {
		switch part.kind {
		case many:
			g = append(g, anyRunes)
		case one:
			g = append(g, anyRune)
		case variable:
			value, ok := part.value(f)
			if !ok {
				return false
			}
			g = append(g, []rune(value)...)
		default:
			g = append(g, []rune(part.text)...)
		}
	}
	return g.match(text, fold)
}

// glob is a pattern whose variables are replaced: runes, and two numbers that
// are none.
type glob []rune

const (
	anyRunes rune = -1
	anyRune  rune = -2
)

// match goes back to the last * only, which is enough: what an earlier one could
// take more, the last one can take as well.
func (g glob) match(text string, fold int) bool {
	at, pos := 0, 0
	star, mark := -1, 0
	for pos < len(text) {
		r, size := utf8.DecodeRuneInString(text[pos:])
		switch {
		case at < len(g) && g[at] == anyRunes:
			star, mark = at, pos
			at++
		case at < len(g) && (g[at] == anyRune || sameRune(g[at], r, pos < fold)):
			at++
			pos += size
		case star >= 0:
			_, size := utf8.DecodeRuneInString(text[mark:])
			mark += size
			at, pos = star+1, mark
		default:
			return false
		}
	}
	for at < len(g) && g[at] == anyRunes {
		at++
	}
	return at == len(g)
}

func sameRune(a, b rune, fold bool) bool {
	return a == b || fold && unicode.ToLower(a) == unicode.ToLower(b)
}
