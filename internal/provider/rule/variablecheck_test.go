package rule

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dlclark/regexp2"

	"github.com/penstock-cd/penstock/internal/provider"
)

func TestVariableCheck(t *testing.T) {
	t.Parallel()
	const yes, no, broken = "", provider.CodeJobFailed, provider.CodeConfigurationError
	tests := []struct{ variable, operator, value, want string }{
		{"main", "EQ", "main", yes},
		{"main", "EQ", "Main", no},
		{"", "EQ", "x", no},
		{"main", "NE", "prod", yes},
		{"main", "NE", "main", no},
		{"release/1.2", "CONTAINS", "/1.", yes},
		{"release/1.2", "CONTAINS", "/2.", no},
		{"release/1.2", "MATCHES", `release/\d+\.\d+`, yes},
		{"xrelease/1.2", "MATCHES", `release/\d+\.\d+`, no},
		{"release/1.2x", "MATCHES", `release/\d+\.\d+`, no},
		{"b", "MATCHES", `a|b`, yes},
		{"ab", "MATCHES", `a|ab`, yes},
		{"a", "MATCHES", `(`, broken},
		{"a", "eq", "a", broken},
		{"a", "", "a", broken},
		{strings.Repeat("a", 40), "MATCHES", `(a+)+b\1?`, broken},
	}
	for _, test := range tests {
		a := provider.Attempt{Configuration: map[string]string{"Variable": test.variable, "Operator": test.operator, "Value": test.value}}
		r, err := NewVariableCheck().Start(t.Context(), a)
		if err != nil || r.ErrorCode != test.want || (r.Status == provider.Succeeded) != (test.want == yes) || r.Summary == "" {
			t.Errorf("%q %s %q: %+v, %v, want %q", test.variable, test.operator, test.value, r, err, test.want)
		}
	}
	r, err := NewVariableCheck().Await(t.Context(), provider.Attempt{Configuration: map[string]string{"Variable": "a", "Operator": "EQ"}})
	if err != nil || r.ErrorCode != broken || !strings.Contains(r.ErrorMessage, "Value is missing") {
		t.Errorf("no value: %+v, %v", r, err)
	}
}

// TestJavaMatches: what java.util.regex says, where other engines differ.
func TestJavaMatches(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{`(?=.*\d)(?!.*x).+`, "a1", true},
		{`(?=.*\d)(?!.*x).+`, "x1", false},
		{`.*(?<=v)\d+(?<!0)`, "v12", true},
		{`.*(?<=v)\d+(?<!0)`, "v10", false},
		{`(a|b)\1`, "aa", true},
		{`(a|b)\1`, "ab", false},
		{`(?<first>a|b)(c)\k<first>\2`, "acac", true},
		{`(?<first>a|b)(c)\1`, "aca", true}, // named groups count like others
		{`(a)\11`, "aa1", true},             // there is no group 11
		{`(?>a*)ab`, "aaab", false},
		{`\d+`, "١٢", false}, // ASCII only
		{`\w+`, "é", false},
		{`\D\W\S`, "١é!", true},
		{`[\D]+[^\W]`, "٢a", true},
		{`\s+`, "\t\n\x0b\f\r ", true},
		{`\s`, "\u00a0", false},
		{`\h\v\R\R`, "\u2003\u0085\r\n\n", true},
		{`.`, "\u2028", false},
		{`.`, "\r", false},
		{`(?s).`, "\r", true},
		{`(?s:.).`, "\n\n", false},
		{`((?s).).`, "\na", true},
		{`((?s)a).`, "a\n", false},
		{`(?s)a(?-s:.)`, "a\n", false},
		{`(?i)MAIN(?-i)x`, "mainx", true},
		{`(?i)MAIN(?-i)x`, "mainX", false},
		{`(?i:m)ain`, "MAIN", false},
		{`(?u)a`, "a", true},
		{`a$\n`, "a\n", true},
		{`a$\r\n`, "a\r\n", true},
		{`a\Z\r\n`, "a\r\n", true},
		{`a\r$\n`, "a\r\n", false},
		{`^a$`, "a", true},
		{`\Aa\z`, "a", true},
		{`\Q1.2[\E\.x`, "1.2[.x", true},
		{`\Qa.`, "a.", true},
		{`[\Q^-]\E]+`, "-^]", true},
		{`[]a]+`, "]a", true},
		{`[^]a]+`, "bc", true},
		{`[a-]+`, "-a", true},
		{`[\w-]+`, "a-b", true},
		{`[\d-z]+`, "1-z", true},
		{`[\d-z]+`, "a", false},
		{`[a-c-e]+`, "b-e", true},
		{`[!-\]]+`, "A\\]", true},
		{`[+--]+`, "+,-", true},
		{`\p{Alpha}\p{Punct}\P{Digit}[\P{Upper}]`, "a!bc", true},
		{`\P{Punct}`, "!", false},
		{`\P{Space}`, " ", false},
		{`\P{Graph}`, "é", true},
		{`\p{L}\p{IsLu}\pN[\P{L}]`, "éÉ1-", true},
		{`\x41\x{1F600}\u0042\0101\t\e\cA\a`, "A😀BA\t\x1b\x01\a", true},
		{`\-\_\/\!`, `-_/!`, true},
		{`a{2}b{1,}c{0,2}?`, "aabbc", true},
		{`}`, "}", true},
		{`a#b c`, "a#b c", true},
		{`😀.`, "😀😀", true},
		{`[😀-😂]`, "😁", true},
		{``, "", true},
		{`a|`, "", true},
		{`\b\w+\b`, "abc", true},
	}
	for _, test := range tests {
		got, err := javaMatches(test.pattern, test.text, matchPatience)
		if err != nil || got != test.want {
			t.Errorf("%q against %q: %t, %v, want %t", test.text, test.pattern, got, err, test.want)
		}
	}
}

// TestPredefined compares the classes of Java with their definitions, character
// by character, alone, inside a class, and turned round.
func TestPredefined(t *testing.T) {
	t.Parallel()
	ascii := func(set string) func(rune) bool {
		return func(r rune) bool { return r < 0x80 && strings.ContainsRune(set, r) }
	}
	span := func(from, to rune) func(rune) bool { return func(r rune) bool { return r >= from && r <= to } }
	letters := "abcdefghijklmnopqrstuvwxyz"
	upper, punct := strings.ToUpper(letters), "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
	sets := map[string]func(rune) bool{
		"d": ascii("0123456789"), "w": ascii(letters + upper + "0123456789_"), "s": ascii(" \t\n\x0b\f\r"),
		"h": func(r rune) bool {
			return strings.ContainsRune(" \t\u00a0\u1680\u180e\u202f\u205f\u3000", r) || span(0x2000, 0x200a)(r)
		},
		"v":        func(r rune) bool { return strings.ContainsRune("\n\x0b\f\r\u0085\u2028\u2029", r) },
		"p{Lower}": ascii(letters), "p{Upper}": ascii(upper), "p{ASCII}": span(0, 0x7f), "p{Alpha}": ascii(letters + upper),
		"p{Digit}": ascii("0123456789"), "p{Alnum}": ascii(letters + upper + "0123456789"), "p{Punct}": ascii(punct),
		"p{Graph}": span('!', '~'), "p{Print}": span(' ', '~'), "p{Blank}": ascii(" \t"),
		"p{Cntrl}":  func(r rune) bool { return r < 0x20 || r == 0x7f },
		"p{XDigit}": ascii("0123456789abcdefABCDEF"), "p{Space}": ascii(" \t\n\x0b\f\r"),
	}
	for name, in := range sets {
		not := strings.ToUpper(name[:1]) + name[1:]
		patterns := map[string]bool{`\` + name: true, `[\` + name + `]`: true, `[^\` + name + `]`: false, `\` + not: false, `[\` + not + `]`: false, `[^\` + not + `]`: true}
		for pattern, same := range patterns {
			text, err := translate(pattern)
			if err != nil {
				t.Fatalf("%s: %v", pattern, err)
			}
			compiled := regexp2.MustCompile(`\A(?:`+text+`)\z`, regexp2.None)
			for r := range rune(0x3010) {
				if got, err := compiled.MatchString(string(r)); err != nil || got != (in(r) == same) {
					t.Errorf("%s matches %U: %t, %v", pattern, r, got, err)
				}
			}
		}
	}
}

// TestJavaRefused: what Java refuses, and what would mean something else here.
func TestJavaRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ pattern, want string }{
		{`(`, "does not end"},
		{`a)|(b`, "did not begin"},
		{`[a`, "does not end"},
		{`[]`, "does not end"},
		{`a{`, "brace"},
		{`a{,3}`, "brace"},
		{`a{1,2,3}`, "brace"},
		{`a{9999999999}`, "too large"},
		{`{`, "brace"},
		{`*a`, "not a regular expression"},
		{`a++`, "possessive"},
		{`a{2}+`, "possessive"},
		{`[a-z&&[^m]]`, "intersection"},
		{`[a[bc]]`, "inside a class"},
		{`[a-z-[m]]`, "inside a class"},
		{`[a-[m]]`, "range"},
		{`[z-a]`, "range"},
		{`[a-\d]`, "range"},
		{`(?m)^a`, "not supported"},
		{`(?x)a`, "not supported"},
		{`(?d)a`, "not supported"},
		{`(?U)a`, "not supported"},
		{`(?#x)a`, "not supported"},
		{`(?'n'a)`, "not supported"},
		{`(?P<n>a)`, "not supported"},
		{`(a)(?(1)b|c)`, "not supported"},
		{`(?<n-m>a)`, "name of a group"},
		{`(?<1>a)`, "name of a group"},
		{`(?<n>a)(?<n>b)`, "same name"},
		{`\k<n>(?<n>a)`, "no group"},
		{`\k'n'`, "reference"},
		{`\1(a)`, "no group"},
		{`(?i`, "does not end"},
		{`\`, "nothing behind"},
		{`[\`, "nothing behind"},
		{`\X`, "escape"},
		{`\y`, "escape"},
		{`\i`, "escape"},
		{`\N{DIGIT ONE}`, "escape"},
		{`[\b]`, "escape"},
		{`[\1]`, "escape"},
		{`\p{IsLatin}`, "class of characters"},
		{`\p{InGreek}`, "class of characters"},
		{`\p{javaLowerCase}`, "class of characters"},
		{`\p{`, "does not end"},
		{`\p`, "class of characters"},
		{`\x4`, "number of a character"},
		{`\x{}`, "number of a character"},
		{`\x{110000}`, "number of a character"},
		{`\x{41`, "number of a character"},
		{`\uD83D`, "number of a character"},
		{`\08`, "octal"},
		{`\c`, "control"},
		{"\xff", "not valid text"},
	}
	for _, test := range tests {
		if _, err := javaMatches(test.pattern, "a", matchPatience); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want an error with %q", test.pattern, err, test.want)
		}
	}
}

// TestMatchEnds: a pattern that backtracks without end is given up, soon.
func TestMatchEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := javaMatches(`(x+x+)+y`, strings.Repeat("x", 200), 200*time.Millisecond)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "takes longer") {
			t.Errorf("error %v", err)
		}
	case <-ctx.Done():
		t.Error("still matching")
	}
}

// TestLongPatterns: the longest configuration is read and matched in no time.
func TestLongPatterns(t *testing.T) {
	t.Parallel()
	const most = 10_000
	tests := map[string]struct{ pattern, text string }{
		"groups":      {strings.Repeat("(", most/2-1) + "a" + strings.Repeat(")", most/2-1), "a"},
		"options":     {strings.Repeat("a?", 200) + strings.Repeat("a", 200), strings.Repeat("a", 400)},
		"words":       {strings.Repeat("aa|", most/3) + "b", "b"},
		"repetitions": {strings.Repeat("(?:", 900) + "a" + strings.Repeat("){1,999}", 900), "a"},
		"classes":     {strings.Repeat(`[\D]`, most/4), strings.Repeat("a", most/4)},
		"text":        {`(?s).*`, strings.Repeat("a", 100_000)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			matched, err := javaMatches(test.pattern, test.text, matchPatience)
			if err != nil || !matched {
				t.Errorf("%t, %v", matched, err)
			}
			if took := time.Since(begun); took > 2*matchPatience {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// inCommon are patterns that Java and Go's own engine read alike.
var inCommon = regexp.MustCompile(`^(?:[a-z0-9|*+?()^.,\[\]{}:is-]|\\[dDwWsS.*+?()\[\]{}^-])*$`)

// zeros are repetitions that Go takes for text.
var zeros = regexp.MustCompile(`[{,]0\d`)

// FuzzJavaRegex: translating ends, and what it makes of a pattern agrees with
// another engine where the two read patterns alike.
func FuzzJavaRegex(f *testing.F) {
	for _, seed := range []string{
		`release/\d+\.\d+`, `(a|b)*c{2,3}?`, `[^a-c\d-]+`, `(?i:a)(?s).`, `\Qa.b\E`, `[\P{Punct}]`, `(?<n>a)\k<n>`, `\x{41}\0101`, `[]a-]`, `(a*)*b`, `a)|(b`,
	} {
		f.Add(seed, "aab")
		f.Add(seed, "release/1.2")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		const long = 60
		if len(pattern) > long || len(text) > long {
			return
		}
		got, err := javaMatches(pattern, text, 50*time.Millisecond)
		if err != nil || !inCommon.MatchString(pattern) || zeros.MatchString(pattern) ||
			strings.ContainsAny(text, "\r\v\u0085\u2028\u2029") {
			return
		}
		other, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
		if err != nil {
			return
		}
		if want := other.MatchString(text); got != want {
			t.Errorf("%q against %q: %t, want %t", text, pattern, got, want)
		}
	})
}
