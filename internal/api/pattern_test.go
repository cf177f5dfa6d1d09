package api_test

import (
	"testing"

	"github.com/penstock-cd/penstock/internal/api"
)

func TestPattern(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pattern, value string
		want           bool
	}{
		{`[A-Za-z0-9@\-_]+`, "a-b@c", true},
		{`[A-Za-z0-9@\-_]+`, "a b", false},
		{`[A-Za-z0-9@\-_]+`, "", false},
		{`[A-Za-z0-9@\-_]+`, "ab\n", false}, // the whole value must match
		{`AWS|ThirdParty`, "AWSx", false},   // an alternative is matched whole
		{`AWS|ThirdParty`, "ThirdParty", true},
		{`^[a-z]+$`, "abc", true},
		{`^[a-z]+$`, "abc\n", false},
		{`.*`, "", true},
		{`.*`, "any é 語", true},
		{`.*`, "a\nb", false}, // a dot is no line terminator of Java
		{`.*`, "a\rb", false},
		{`.*`, "a\u0085b", false},
		{`.*`, "a\u2028b", false},
		{`a\.b`, "a.b", true},
		{`a\.b`, "axb", false},
		{`[.]`, "\n", false},
		{`[.]`, ".", true},
		{`[\]]`, "]", true},
		{`arn:aws(-[\w]+)*:iam::[0-9]{12}:role/.*`, "arn:aws-us-gov:iam::123456789012:role/x", true},
	} {
		if got := api.NewPattern(test.pattern).Match(test.value); got != test.want {
			t.Errorf("%s matches %q: %v, want %v", test.pattern, test.value, got, test.want)
		}
	}
}

func TestPatternRefused(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{
		`(?!aws:).*`, `(a)\1`, `[a-z&&[^b]]`, `[a[b]]`, `[a-z&&b]`, `a++`, `(`, `a{2000}`,
	} {
		if _, err := api.CompilePattern(pattern); err == nil {
			t.Errorf("%s is accepted, though Go reads it differently or not at all", pattern)
		}
	}
}
