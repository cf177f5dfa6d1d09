package rule

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The characters that Java's classes stand for, as the contents of a class. Java
// means ASCII by \d, \w and \s; the engine would mean Unicode.
const (
	digitSet      = `0-9`
	wordSet       = `A-Za-z0-9_`
	spaceSet      = "\t-\r "
	horizontalSet = "\t \u00a0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000"
	verticalSet   = "\n-\r\u0085\u2028\u2029"
)

// Their complements.
const (
	noDigitSet      = "\x00-/:-\U0010ffff"
	noWordSet       = "\x00-/:-@\\[-\\^`{-\U0010ffff"
	noSpaceSet      = "\x00-\x08\x0e-\x1f!-\U0010ffff"
	noHorizontalSet = "\x00-\x08\n-\x1f!-\u009f\u00a1-\u167f\u1681-\u180d\u180f-\u1fff\u200b-\u202e\u2030-\u205e\u2060-\u2fff\u3001-\U0010ffff"
	noVerticalSet   = "\x00-\t\x0e-\u0084\u0086-\u2027\u202a-\U0010ffff"
)

// predefined are the classes of one letter.
func predefined(letter rune) (set string, ok bool) {
	switch letter {
	case 'd':
		return digitSet, true
	case 'D':
		return noDigitSet, true
	case 'w':
		return wordSet, true
	case 'W':
		return noWordSet, true
	case 's':
		return spaceSet, true
	case 'S':
		return noSpaceSet, true
	case 'h':
		return horizontalSet, true
	case 'H':
		return noHorizontalSet, true
	case 'v':
		return verticalSet, true
	case 'V':
		return noVerticalSet, true
	}
	return "", false
}

// posix are the named classes of ASCII.
func posix(name string) (set string, ok bool) {
	switch name {
	case "Lower":
		return `a-z`, true
	case "Upper":
		return `A-Z`, true
	case "ASCII":
		return "\x00-\x7f", true
	case "Alpha":
		return `A-Za-z`, true
	case "Digit":
		return digitSet, true
	case "Alnum":
		return `A-Za-z0-9`, true
	case "Punct":
		return "!-/:-@\\[-`{-~", true
	case "Graph":
		return `!-~`, true
	case "Print":
		return ` -~`, true
	case "Blank":
		return " \t", true
	case "Cntrl":
		return "\x00-\x1f\x7f", true
	case "XDigit":
		return `0-9A-Fa-f`, true
	case "Space":
		return spaceSet, true
	}
	return "", false
}

// escape rewrites what begins with a backslash, outside classes.
func (t *translator) escape() error {
	begin := t.at
	if len(t.in)-t.at < 2 {
		return t.refuse(begin, "a backslash has nothing behind it")
	}
	switch r := t.in[t.at+1]; {
	case r == 'Q':
		t.at += 2
		for _, quoted := range t.quoted() {
			t.out.WriteString(literal(quoted))
		}
		return nil
	case r == 'R':
		t.at += 2
		t.out.WriteString("(?:\r\n|[" + verticalSet + "])")
		return nil
	case r == 'Z':
		t.at += 2
		t.out.WriteString(endOfText)
		return nil
	case strings.ContainsRune("AGzbB", r):
		t.at += 2
		t.out.WriteString(`\` + string(r))
		return nil
	case r == 'k':
		if len(t.in)-t.at < 3 || t.in[t.at+2] != '<' {
			return t.refuse(begin, "a reference to a group must be like \\k<name>")
		}
		name, ok := t.name(t.at + 3)
		if !ok || t.names[name] == 0 {
			return t.refuse(begin, "there is no group of this name before")
		}
		t.reference(t.names[name])
		return nil
	case r >= '1' && r <= '9':
		return t.numbered(begin)
	}
	set, isSet, r, err := t.escaped()
	switch {
	case err != nil:
		return err
	case isSet:
		t.out.WriteString("[" + set + "]")
	default:
		t.out.WriteString(literal(r))
	}
	return nil
}

// quoted reads up to \E, or to the end.
func (t *translator) quoted() []rune {
	begin := t.at
	for t.at < len(t.in) {
		if t.ahead(`\E`) {
			t.at += 2
			return t.in[begin : t.at-2]
		}
		t.at++
	}
	return t.in[begin:]
}

func (t *translator) reference(group int) {
	t.out.WriteString(`(?:\` + strconv.Itoa(group) + `)`)
}

// numbered rewrites \1: as Java does it takes digits as long as there are that
// many groups.
func (t *translator) numbered(begin int) error {
	n := int(t.in[t.at+1] - '0')
	t.at += 2
	for t.at < len(t.in) && t.in[t.at] >= '0' && t.in[t.at] <= '9' {
		longer := n*10 + int(t.in[t.at]-'0')
		if longer > t.groups {
			break
		}
		n = longer
		t.at++
	}
	if n > t.groups {
		return t.refuse(begin, "there is no group of this number before")
	}
	t.reference(n)
	return nil
}

// escaped reads an escape that may also stand in a class: a set of characters,
// or one character.
func (t *translator) escaped() (set string, isSet bool, r rune, err error) {
	begin := t.at
	letter := t.in[t.at+1]
	t.at += 2
	if set, ok := predefined(letter); ok {
		return set, true, 0, nil
	}
	switch letter {
	case 'p', 'P':
		set, err := t.property(begin, letter == 'P')
		return set, true, 0, err
	case 't':
		return "", false, '\t', nil
	case 'n':
		return "", false, '\n', nil
	case 'r':
		return "", false, '\r', nil
	case 'f':
		return "", false, '\f', nil
	case 'a':
		return "", false, '\a', nil
	case 'e':
		return "", false, 0x1b, nil
	case '0':
		r, err := t.octal(begin)
		return "", false, r, err
	case 'x', 'u':
		r, err := t.hexadecimal(begin, letter)
		return "", false, r, err
	case 'c':
		if t.at == len(t.in) || t.in[t.at] > unicode.MaxASCII {
			return "", false, 0, t.refuse(begin, "a control character must be like \\cX")
		}
		t.at++
		return "", false, t.in[t.at-1] ^ 64, nil
	}
	if isASCIILetterOrDigit(letter) || letter == unicode.ReplacementChar {
		return "", false, 0, t.refuse(begin, "this escape is not supported")
	}
	return "", false, letter, nil
}

// octal reads \0n, \0nn and \0mnn.
func (t *translator) octal(begin int) (rune, error) {
	n, digits := rune(0), 0
	for digits < 3 && t.at < len(t.in) && t.in[t.at] >= '0' && t.in[t.at] <= '7' && n*8+t.in[t.at]-'0' <= 0o377 {
		n = n*8 + t.in[t.at] - '0'
		t.at++
		digits++
	}
	if digits == 0 {
		return 0, t.refuse(begin, "\\0 must have octal digits behind it")
	}
	return n, nil
}

// hexadecimal reads what follows \x, which is two digits or any number in
// braces, or \u, which is four.
func (t *translator) hexadecimal(begin int, letter rune) (rune, error) {
	width := map[rune]int{'x': 2, 'u': 4}[letter]
	text := t.in[t.at:min(len(t.in), t.at+width)]
	next := t.at + width
	if letter == 'x' && t.ahead("{") {
		end := t.at
		for end < len(t.in) && t.in[end] != '}' {
			end++
		}
		text, width, next = t.in[t.at+1:end], end-t.at-1, end+1
	}
	n, err := strconv.ParseUint(string(text), 16, 32)
	if err != nil || len(text) != width || next > len(t.in) || !utf8.ValidRune(rune(n)) {
		return 0, t.refuse(begin, "this is not the number of a character")
	}
	t.at = next
	return rune(n), nil
}

// property reads what follows \p: a POSIX class of ASCII or a general category
// of Unicode. The latter is copied; scripts, blocks and Java's own are refused.
func (t *translator) property(begin int, negated bool) (string, error) {
	var name string
	switch {
	case t.ahead("{"):
		end := strings.IndexByte(t.rest(), '}')
		if end < 0 {
			return "", t.refuse(begin, "the name of a class does not end")
		}
		name = t.rest()[1:end]
		t.at += utf8.RuneCountInString(name) + 2
	case t.at < len(t.in):
		name = string(t.in[t.at])
		t.at++
	}
	if set, ok := posix(name); ok {
		if negated {
			return complement(set), nil
		}
		return set, nil
	}
	category := strings.TrimPrefix(name, "Is")
	if _, ok := unicode.Categories[category]; !ok || len(category) > 2 || category == "LC" {
		return "", t.refuse(begin, "this class of characters is not supported; POSIX classes and general categories are")
	}
	if negated {
		return `\P{` + category + `}`, nil
	}
	return `\p{` + category + `}`, nil
}
