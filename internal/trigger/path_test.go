package trigger_test

import (
	"testing"

	"github.com/penstock-cd/penstock/internal/trigger"
)

func TestParsePath(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ text, want string }{
		{"$", "$"},
		{"$.ref", "$['ref']"},
		{"$.repository.full_name", "$['repository']['full_name']"},
		{"$['a b'][\"c\"]", "$['a b']['c']"},
		{`$['it\'s']`, `$['it\'s']`},
		{"$.commits[0].id", "$['commits'][0]['id']"},
		{"$.commits[-1]", "$['commits'][-1]"},
		{"$.commits[ * ].id", "$['commits'][*]['id']"},
		{"$.*", "$[*]"},
		{"$..id", "$..['id']"},
		{"$..*", "$..[*]"},
		{"$..[1]", "$..[1]"},
		{"$.a-b.@type.naïve", "$['a-b']['@type']['naïve']"},
		{"$.a[?(@.b)]", "$['a'][?(@['b'])]"},
		{"$.a[?(@ == 'x')]", "$['a'][?(@ == 'x')]"},
		{`$.a[?( @.b=="x" && @.c[0] >= -1.5 || @.d!=null )].e`, "$['a'][?(@['b'] == 'x' && @['c'][0] >= -1.5 || @['d'] != null)]['e']"},
		{"$.a[?(@.b == true)]", "$['a'][?(@['b'] == true)]"},
	} {
		p, err := trigger.ParsePath(tc.text)
		if err != nil || p.String() != tc.want {
			t.Errorf("%s: %s, %v; want %s", tc.text, p, err, tc.want)
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "ref", " $", "$ ", "$ref", "$.", "$..", "$...a", "$.a.", "$.a b", "$.a[", "$.a[]", "$.a[b]", "$.a['b'", "$.a['']", "$.a['b",
		"$.a[1:2]", "$.a[0,1]", "$.a['b','c']", "$.a[--1]", "$.a[99999999999999999999]", "$.a.length()", "$.a[?]", "$.a[?()]", "$.a[?(@.b",
		"$.a[?(@.b ==)]", "$.a[?(@.b == x)]", "$.a[?(@.b =~ /x/)]", "$.a[?(@..b)]", "$.a[?(@.b[?(@.c)])]", "$.a[?(@.b == {})]",
		"$.a[?(@.b && )]", "$.a[?@.b]", "$.\xff", "$['\xff']",
	} {
		if p, err := trigger.ParsePath(text); err == nil {
			t.Errorf("%q is taken for %s", text, p)
		}
	}
}

// FuzzParsePath checks that the parser never panics and that every path it reads
// is read back from its printed form.
func FuzzParsePath(f *testing.F) {
	for _, text := range []string{
		"$", "$.ref", "$..a[*]", `$["a\\'b"][-1]`, "$.a[?(@.b == 'x' && @.c > 1e3 || @['d'])].e", "$.a[", "$['",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := trigger.ParsePath(text)
		if err != nil {
			return
		}
		again, err := trigger.ParsePath(p.String())
		if err != nil || again.String() != p.String() {
			t.Errorf("%q is %s, which is %s, %v", text, p, again, err)
		}
	})
}
