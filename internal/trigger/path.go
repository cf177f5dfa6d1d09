package trigger

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Path is a JSONPath expression, of those that CodePipeline's webhooks use:
//
//	$                      the whole body
//	.name  ['name']        a member
//	[0]  [-1]              an element, from the front or the back
//	.*  [*]                all members or elements
//	..name  ..*  ..[0]     the same at any depth
//	[?(@.a == 'x')]        elements of which a condition holds
//
// A condition compares a relative path with a text, a number, true, false or
// null by ==, !=, <, <=, > or >=, or says by the path alone that there is such a
// value; && and || combine conditions, && first. Slices, unions, functions and
// regular expressions are not part of it.
type Path struct{ steps []step }

// step is one step of a path. Exactly one of the ways to select is set: all,
// index, filter, or else name.
type step struct {
	deep   bool // at any depth
	all    bool
	index  *int
	filter [][]condition // some of which all hold
	name   string
}

// condition is one comparison; without op it says that the path selects
// something.
type condition struct {
	path  Path
	op    string
	value string // as it is written
}

// ParsePath reads a path. The error is for the author of the path.
func ParsePath(text string) (Path, error) {
	p := &pathParser{rest: text}
	if !p.take("$") {
		return Path{}, errors.New("it must begin with $")
	}
	path, err := p.steps(true)
	if err == nil && p.rest != "" {
		err = p.unexpected()
	}
	if err != nil {
		return Path{}, err
	}
	return path, nil
}

// String prints the path with brackets only. ParsePath reads it back.
func (p Path) String() string { return p.print("$") }

func (p Path) print(root string) string {
	var b strings.Builder
	b.WriteString(root)
	for _, s := range p.steps {
		if s.deep {
			b.WriteString("..")
		}
		switch {
		case s.all:
			b.WriteString("[*]")
		case s.index != nil:
			fmt.Fprintf(&b, "[%d]", *s.index)
		case s.filter != nil:
			b.WriteString("[?(" + printFilter(s.filter) + ")]")
		default:
			b.WriteString("[" + quote(s.name) + "]")
		}
	}
	return b.String()
}

func printFilter(filter [][]condition) string {
	var some []string
	for _, every := range filter {
		var parts []string
		for _, c := range every {
			text := c.path.print("@")
			if c.op != "" {
				text += " " + c.op + " " + c.value
			}
			parts = append(parts, text)
		}
		some = append(some, strings.Join(parts, " && "))
	}
	return strings.Join(some, " || ")
}

func quote(name string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(name) + "'"
}

// pathParser reads a path from the front.
type pathParser struct{ rest string }

func (p *pathParser) take(token string) bool {
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *pathParser) blanks() { p.rest = strings.TrimLeft(p.rest, " ") }

func (p *pathParser) unexpected() error {
	if p.rest == "" {
		return errors.New("it ends too early")
	}
	return fmt.Errorf("unexpected '%s'", p.rest)
}

// steps reads steps as far as they go. Filters and steps to any depth are not
// for the paths inside a filter.
func (p *pathParser) steps(whole bool) (Path, error) {
	var path Path
	for {
		var s step
		var err error
		switch {
		case whole && p.take(".."):
			s.deep = true
			if p.take("[") {
				err = p.bracket(&s, whole)
			} else {
				err = p.member(&s)
			}
		case p.take("."):
			err = p.member(&s)
		case p.take("["):
			err = p.bracket(&s, whole)
		default:
			return path, nil
		}
		if err != nil {
			return path, err
		}
		path.steps = append(path.steps, s)
	}
}

// member reads what stands behind a dot.
func (p *pathParser) member(s *step) error {
	if p.take("*") {
		s.all = true
		return nil
	}
	end := strings.IndexFunc(p.rest, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`.[]()'"*?,=!<>&|\`, r)
	})
	if end < 0 {
		end = len(p.rest)
	}
	if end == 0 {
		return p.unexpected()
	}
	s.name, p.rest = p.rest[:end], p.rest[end:]
	if !utf8.ValidString(s.name) {
		return errors.New("it is no UTF-8 text")
	}
	return nil
}

// bracket reads what stands behind an opening bracket, with the closing one.
func (p *pathParser) bracket(s *step, whole bool) error {
	p.blanks()
	var err error
	switch {
	case p.take("*"):
		s.all = true
	case strings.HasPrefix(p.rest, "'"), strings.HasPrefix(p.rest, `"`):
		if s.name, err = p.text(); err == nil && s.name == "" {
			err = errors.New("a name is empty")
		}
	case whole && p.take("?"):
		s.filter, err = p.filter()
	default:
		s.index, err = p.number()
	}
	if err != nil {
		return err
	}
	p.blanks()
	if !p.take("]") {
		return p.unexpected()
	}
	return nil
}

func (p *pathParser) number() (*int, error) {
	end := strings.IndexFunc(p.rest, func(r rune) bool { return r != '-' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(p.rest)
	}
	n, err := strconv.Atoi(p.rest[:end])
	if err != nil {
		return nil, p.unexpected()
	}
	p.rest = p.rest[end:]
	return &n, nil
}

// text reads a quoted text. A backslash takes the next character as it is.
func (p *pathParser) text() (string, error) {
	mark := p.rest[0]
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == mark:
			p.rest = p.rest[i+1:]
			if !utf8.ValidString(b.String()) {
				return "", errors.New("it is no UTF-8 text")
			}
			return b.String(), nil
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("a quotation mark is missing")
}

// filter reads a condition in parentheses.
func (p *pathParser) filter() ([][]condition, error) {
	p.blanks()
	if !p.take("(") {
		return nil, p.unexpected()
	}
	filter := [][]condition{nil}
	for {
		c, err := p.condition()
		if err != nil {
			return nil, err
		}
		last := len(filter) - 1
		filter[last] = append(filter[last], c)
		p.blanks()
		switch {
		case p.take("&&"):
		case p.take("||"):
			filter = append(filter, nil)
		case p.take(")"):
			return filter, nil
		default:
			return nil, p.unexpected()
		}
	}
}

func (p *pathParser) condition() (condition, error) {
	p.blanks()
	if !p.take("@") {
		return condition{}, p.unexpected()
	}
	path, err := p.steps(false)
	if err != nil {
		return condition{}, err
	}
	c := condition{path: path}
	p.blanks()
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if p.take(op) {
			c.op = op
			c.value, err = p.literal()
			return c, err
		}
	}
	return c, nil
}

// literal reads a text, a number, true, false or null.
func (p *pathParser) literal() (string, error) {
	p.blanks()
	if strings.HasPrefix(p.rest, "'") || strings.HasPrefix(p.rest, `"`) {
		text, err := p.text()
		return quote(text), err
	}
	end := strings.IndexAny(p.rest, " )&|")
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	if !json.Valid([]byte(word)) || strings.ContainsAny(word, `{["`) {
		return "", p.unexpected()
	}
	p.rest = p.rest[end:]
	return word, nil
}
