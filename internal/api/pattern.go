package api

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// Pattern is a regular expression of a service model. The models are written
// for Java and match whole values; Pattern does the same with Go's linear-time
// engine. It is compiled when first used and safe for concurrent use.
type Pattern struct {
	text     string
	compiled func() *regexp.Regexp
}

// NewPattern returns the pattern of a model's text. It panics on first use if
// CompilePattern refuses the text; the generator has asked before.
func NewPattern(text string) *Pattern {
	return &Pattern{text: text, compiled: sync.OnceValue(func() *regexp.Regexp {
		re, err := CompilePattern(text)
		if err != nil {
			panic(err)
		}
		return re
	})}
}

// String returns the text as the model has it, which is how messages print it.
func (p *Pattern) String() string { return p.text }

// Match reports whether the whole of s matches.
func (p *Pattern) Match(s string) bool { return p.compiled().MatchString(s) }

// javaDot is what an unescaped dot means in Java: any character but a line
// terminator, of which Go knows only the first.
const javaDot = `[^\n\r\x{85}\x{2028}\x{2029}]`

// CompilePattern compiles a Java pattern for full matches. What Go's engine
// would refuse or read differently (look-around, back references, nested
// classes, class intersections) is an error.
func CompilePattern(text string) (*regexp.Regexp, error) {
	translated, err := translatePattern(text)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", text, err)
	}
	re, err := regexp.Compile(`\A(?:` + translated + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", text, err)
	}
	return re, nil
}

func translatePattern(text string) (string, error) {
	var out strings.Builder
	inClass := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text):
			out.WriteByte(c)
			i++
			out.WriteByte(text[i])
			continue
		case inClass && c == '[':
			return "", errors.New("a class within a class has no equal in Go")
		case inClass && c == '&' && strings.HasPrefix(text[i:], "&&"):
			return "", errors.New("an intersection of classes has no equal in Go")
		case inClass && c == ']':
			inClass = false
		case !inClass && c == '[':
			inClass = true
		case !inClass && c == '.':
			out.WriteString(javaDot)
			continue
		}
		out.WriteByte(c)
	}
	return out.String(), nil
}
