package rule

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/dlclark/regexp2"
)

// matchPatience bounds one match: a pattern that backtracks without end must not
// keep a processor busy.
const matchPatience = 2 * time.Second

// javaMatches reports whether the whole text matches a regular expression of
// java.util.regex, and gives up after a time. An error says why the expression
// cannot be judged.
func javaMatches(pattern, text string, patience time.Duration) (bool, error) {
	compiled, err := compileJava(pattern)
	if err != nil {
		return false, err
	}
	compiled.MatchTimeout = patience
	matched, err := compiled.MatchString(text)
	if err != nil {
		return false, fmt.Errorf("it takes longer than %v to match", patience)
	}
	return matched, nil
}

// compileJava compiles what is to match a whole text.
func compileJava(pattern string) (*regexp2.Regexp, error) {
	translated, err := translate(pattern)
	if err != nil {
		return nil, err
	}
	compiled, err := regexp2.Compile(`\A(?:`+translated+`)\z`, regexp2.None)
	if err != nil {
		return nil, fmt.Errorf("it is not a regular expression: %w", err)
	}
	return compiled, nil
}

// translator rewrites a regular expression of Java for the engine of regexp2,
// which reads those of .NET. What means the same is copied, what means something
// else is rewritten, and what cannot be is refused: nothing may match by
// accident.
type translator struct {
	in  []rune
	at  int
	out strings.Builder
	// groups is how many groups have begun; names are their numbers. Numbers are
	// used throughout, because .NET counts named groups last.
	groups int
	names  map[string]int
	// dotAll is whether the flag s holds in the group that is read, and in those
	// around it, outermost first.
	dotAll []bool
}

func translate(pattern string) (string, error) {
	t := translator{in: []rune(pattern), names: map[string]int{}, dotAll: []bool{false}}
	for t.at < len(t.in) {
		if err := t.next(); err != nil {
			return "", err
		}
	}
	if len(t.dotAll) > 1 {
		return "", errors.New("a group does not end")
	}
	return t.out.String(), nil
}

// enter and leave begin and end a group.
func (t *translator) enter() { t.dotAll = append(t.dotAll, t.dotAll[len(t.dotAll)-1]) }
func (t *translator) leave() { t.dotAll = t.dotAll[:len(t.dotAll)-1] }

// rest is what is not read yet.
func (t *translator) rest() string { return string(t.in[t.at:]) }

func (t *translator) ahead(prefix string) bool {
	n := len(prefix) // ASCII
	return len(t.in)-t.at >= n && string(t.in[t.at:t.at+n]) == prefix
}

// refuse names what is not understood, with a little of what follows.
func (t *translator) refuse(from int, why string) error {
	const some = 12
	return fmt.Errorf("%s, at %q", why, string(t.in[from:min(len(t.in), from+some)]))
}

// next rewrites one element outside classes.
func (t *translator) next() error {
	begin := t.at
	r := t.in[t.at]
	switch r {
	case '\\':
		return t.escape()
	case '[':
		class, err := t.class()
		t.out.WriteString(class)
		return err
	case '(':
		return t.group()
	case '.':
		t.at++
		if t.dotAll[len(t.dotAll)-1] {
			t.out.WriteString("[\x00-\U0010ffff]")
		} else {
			t.out.WriteString("[^" + terminators + "]")
		}
		return nil
	case '*', '+', '?', '{':
		return t.quantifier()
	case ')':
		if len(t.dotAll) == 1 {
			return t.refuse(begin, "a group ends that did not begin")
		}
		t.leave()
		t.at++
		t.out.WriteByte(')')
		return nil
	case '$':
		t.at++
		t.out.WriteString(endOfText)
		return nil
	case '|', '^':
		t.at++
		t.out.WriteRune(r)
		return nil
	}
	if r == unicode.ReplacementChar {
		return t.refuse(begin, "it is not valid text")
	}
	t.at++
	t.out.WriteString(literal(r))
	return nil
}

// terminators are what Java takes for the end of a line; endOfText is where the
// text ends but for one of them.
const (
	terminators = "\n\r\u0085\u2028\u2029"
	endOfText   = "(?:(?=(?:\r\n|[" + terminators + "])?\\z)(?<!\r(?=\n\\z)))"
)

// literal is a character that stands for itself, outside a class.
func literal(r rune) string {
	if strings.ContainsRune(`\*+?|{}[]()^$.#`, r) {
		return `\` + string(r)
	}
	return string(r)
}

// quantifier copies *, +, ?, {n}, {n,} and {n,m} with a ? behind it.
func (t *translator) quantifier() error {
	begin := t.at
	if t.in[t.at] == '{' {
		end := t.at + 1
		for end < len(t.in) && (t.in[end] >= '0' && t.in[end] <= '9' || t.in[end] == ',') {
			end++
		}
		low, high, two := strings.Cut(string(t.in[t.at+1:min(end, len(t.in))]), ",")
		if end == len(t.in) || t.in[end] != '}' || low == "" || strings.Contains(high, ",") {
			return t.refuse(begin, "a brace must be a repetition such as {2,3}, or be escaped")
		}
		const most = 9 // digits; more do not fit a number of Java
		if len(low) > most || two && len(high) > most {
			return t.refuse(begin, "the repetition is too large")
		}
		t.at = end + 1
	} else {
		t.at++
	}
	t.out.WriteString(string(t.in[begin:t.at]))
	switch {
	case t.ahead("+"):
		return t.refuse(begin, "possessive quantifiers are not supported")
	case t.ahead("?"):
		t.at++
		t.out.WriteByte('?')
	}
	return nil
}

// group rewrites the beginning of a group.
func (t *translator) group() error {
	begin := t.at
	t.at++
	if !t.ahead("?") {
		t.groups++
		t.enter()
		t.out.WriteByte('(')
		return nil
	}
	for _, kind := range []string{"?:", "?=", "?!", "?>", "?<=", "?<!"} {
		if t.ahead(kind) {
			t.at += len(kind)
			t.enter()
			t.out.WriteString("(" + kind)
			return nil
		}
	}
	if t.ahead("?<") {
		name, ok := t.name(t.at + 2)
		if !ok {
			return t.refuse(begin, "the name of a group must be a letter with letters and digits behind it")
		}
		if t.names[name] != 0 {
			return t.refuse(begin, "two groups have the same name")
		}
		t.groups++
		t.names[name] = t.groups
		t.enter()
		t.out.WriteByte('(')
		return nil
	}
	return t.flags(begin)
}

// name reads the name of a group and the > behind it.
func (t *translator) name(at int) (string, bool) {
	end := at
	for end < len(t.in) && isASCIILetterOrDigit(t.in[end]) {
		end++
	}
	if end == at || end == len(t.in) || t.in[end] != '>' || unicode.IsDigit(t.in[at]) {
		return "", false
	}
	t.at = end + 1
	return string(t.in[at:end]), true
}

func isASCIILetterOrDigit(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// flags rewrites (?i), (?i-s) and (?i:. Only i, s and u are understood. u is what
// the engine does anyway; without it Java folds the case of ASCII only.
func (t *translator) flags(begin int) error {
	t.at++ // the question mark
	dotAll, fold, on := t.dotAll[len(t.dotAll)-1], "", true
	for ; t.at < len(t.in); t.at++ {
		switch r := t.in[t.at]; r {
		case 'i':
			fold = "i"
			if !on {
				fold = "-i"
			}
		case 's':
			dotAll = on
		case 'u':
		case '-':
			on = false
		case ':':
			t.at++
			t.enter()
			t.dotAll[len(t.dotAll)-1] = dotAll
			t.out.WriteString("(?" + fold + ":")
			return nil
		case ')':
			t.at++
			t.dotAll[len(t.dotAll)-1] = dotAll
			if fold != "" {
				t.out.WriteString("(?" + fold + ")")
			}
			return nil
		default:
			return t.refuse(begin, "this kind of group or flag is not supported")
		}
	}
	return t.refuse(begin, "a group does not end")
}
