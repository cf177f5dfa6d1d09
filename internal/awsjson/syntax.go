package awsjson

import (
	"unicode/utf8"
)

// maxDepth bounds how deeply values may be nested; no input comes near it.
const maxDepth = 100

// serializationError is JSON that cannot be read, or has another type than the
// input. Text that is no JSON at all is answered without a message.
type serializationError struct{ message string }

func (e *serializationError) Error() string { return "SerializationException: " + e.message }

// parser reads JSON from the front to the back. Its methods return false where
// the text is not JSON.
type parser struct {
	data []byte
	pos  int
}

// checkSyntax refuses what is not exactly one JSON value in UTF-8.
func checkSyntax(data []byte) error {
	p := parser{data: data}
	if !utf8.Valid(data) || !p.skip(0) {
		return &serializationError{}
	}
	if p.space(); p.pos != len(data) {
		return &serializationError{}
	}
	return nil
}

func (p *parser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\r', '\n':
			p.pos++
		default:
			return
		}
	}
}

// peek returns the first byte of the next token, or zero at the end.
func (p *parser) peek() byte {
	p.space()
	if p.pos == len(p.data) {
		return 0
	}
	return p.data[p.pos]
}

// accept moves over a token of one byte.
func (p *parser) accept(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.pos++
	return true
}

func (p *parser) literal(text string) bool {
	if len(p.data)-p.pos < len(text) || string(p.data[p.pos:p.pos+len(text)]) != text {
		return false
	}
	p.pos += len(text)
	return true
}

// skip moves over a value of any kind.
func (p *parser) skip(depth int) bool {
	switch p.peek() {
	case '{':
		return depth < maxDepth && p.members(func([]byte, bool) bool { return p.skip(depth + 1) })
	case '[':
		return depth < maxDepth && p.elements(func() bool { return p.skip(depth + 1) })
	case '"':
		_, _, ok := p.text()
		return ok
	case 't':
		return p.literal("true")
	case 'f':
		return p.literal("false")
	case 'n':
		return p.literal("null")
	}
	_, ok := p.number()
	return ok
}

// members calls value for every member of an object, standing before its value.
func (p *parser) members(value func(name []byte, escaped bool) bool) bool {
	if !p.accept('{') {
		return false
	}
	if p.accept('}') {
		return true
	}
	for {
		if p.peek() != '"' {
			return false
		}
		name, escaped, ok := p.text()
		if !ok || !p.accept(':') || !value(name, escaped) {
			return false
		}
		if p.accept('}') {
			return true
		}
		if !p.accept(',') {
			return false
		}
	}
}

// elements calls value for every element of an array, standing before it.
func (p *parser) elements(value func() bool) bool {
	if !p.accept('[') {
		return false
	}
	if p.accept(']') {
		return true
	}
	for {
		if !value() {
			return false
		}
		if p.accept(']') {
			return true
		}
		if !p.accept(',') {
			return false
		}
	}
}

// text returns what stands between the quotes, and whether it has escapes.
func (p *parser) text() (raw []byte, escaped, ok bool) {
	start := p.pos + 1
	for i := start; i < len(p.data); i++ {
		switch c := p.data[i]; {
		case c == '"':
			p.pos = i + 1
			return p.data[start:i], escaped, true
		case c < ' ':
			return nil, false, false
		case c == '\\':
			escaped = true
			i++
			if i == len(p.data) || !p.escape(i) {
				return nil, false, false
			}
		}
	}
	return nil, false, false
}

// escape checks the escape whose letter stands at i.
func (p *parser) escape(i int) bool {
	switch p.data[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		_, ok := hex4(p.data[i+1:])
		return ok
	}
	return false
}

// hex4 reads the four digits of a \u escape.
func hex4(s []byte) (r rune, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	for _, c := range s[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number returns the text of a number.
func (p *parser) number() (raw []byte, ok bool) {
	start := p.pos
	p.sign("-")
	switch {
	case p.at('0'):
		p.pos++
	case !p.digits():
		return nil, false
	}
	if p.at('.') {
		p.pos++
		if !p.digits() {
			return nil, false
		}
	}
	if p.at('e') || p.at('E') {
		p.pos++
		p.sign("+-")
		if !p.digits() {
			return nil, false
		}
	}
	return p.data[start:p.pos], true
}

func (p *parser) at(c byte) bool { return p.pos < len(p.data) && p.data[p.pos] == c }

func (p *parser) sign(signs string) {
	for i := range len(signs) {
		if p.at(signs[i]) {
			p.pos++
			return
		}
	}
}

func (p *parser) digits() bool {
	start := p.pos
	for p.pos < len(p.data) && '0' <= p.data[p.pos] && p.data[p.pos] <= '9' {
		p.pos++
	}
	return p.pos > start
}
