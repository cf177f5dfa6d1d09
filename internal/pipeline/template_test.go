package pipeline

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseTemplate(t *testing.T) {
	t.Parallel()
	lit := func(s string) TemplatePart { return TemplatePart{Literal: s} }
	ref := func(ns, key string) TemplatePart { return TemplatePart{Namespace: ns, Key: key} }
	tests := []struct {
		text      string
		parts     []TemplatePart
		malformed []string
	}{
		{"", nil, nil},
		{"plain", []TemplatePart{lit("plain")}, nil},
		{"#{a.b}", []TemplatePart{ref("a", "b")}, nil},
		{"x#{a.b}y#{variables.X-1@_}", []TemplatePart{lit("x"), ref("a", "b"), lit("y"), ref("variables", "X-1@_")}, nil},
		{"#{a.b}#{c.d}", []TemplatePart{ref("a", "b"), ref("c", "d")}, nil},
		{"#{#{a.b}}", []TemplatePart{lit("#{"), ref("a", "b"), lit("}")}, nil},
		{"##{a.b}", []TemplatePart{lit("#"), ref("a", "b")}, nil},
		{"${a.b} {a.b} #a.b}", []TemplatePart{lit("${a.b} {a.b} #a.b}")}, nil},
		{"#{a.b", []TemplatePart{lit("#{a.b")}, nil},
		{"#{}", []TemplatePart{lit("#{}")}, nil},
		{"#{ a.b }", []TemplatePart{lit("#{ a.b }")}, nil},
		{"#{a.ü}", []TemplatePart{lit("#{a.ü}")}, nil},
		{"#{a}#{a.b}", []TemplatePart{lit("#{a}"), ref("a", "b")}, []string{"a"}},
		{"#{.b} #{a.} #{.} #{a.b.c}", []TemplatePart{lit("#{.b} #{a.} #{.} #{a.b.c}")}, []string{".b", "a.", ".", "a.b.c"}},
	}
	for _, test := range tests {
		got := ParseTemplate(test.text)
		if diff := cmp.Diff(Template{Source: test.text, Parts: test.parts}, got); diff != "" {
			t.Errorf("ParseTemplate(%q) (-want +got):\n%s", test.text, diff)
		}
		if diff := cmp.Diff(test.malformed, MalformedReferences(test.text)); diff != "" {
			t.Errorf("MalformedReferences(%q) (-want +got):\n%s", test.text, diff)
		}
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	values := map[string]string{"a.b": "1", "a.empty": "", "a.sly": "#{a.b}", "a.head": "#{a"}
	lookup := func(ns, key string) (string, bool) {
		v, ok := values[ns+"."+key]
		return v, ok
	}
	tests := []struct {
		text, want string
		unresolved *Unresolved
	}{
		{"", "", nil},
		{"plain #{x}", "plain #{x}", nil},
		{"<#{a.b}#{a.empty}>", "<1>", nil},
		{"#{a.sly}", "#{a.b}", nil},
		{"#{a.head}.b}", "#{a.b}", nil},
		{"#{a.b} #{a.gone} #{b.gone}", "", &Unresolved{"a", "gone"}},
		{"#{A.b}", "", &Unresolved{"A", "b"}},
	}
	for _, test := range tests {
		got, unresolved := ParseTemplate(test.text).Resolve(lookup)
		if diff := cmp.Diff(test.unresolved, unresolved); got != test.want || diff != "" {
			t.Errorf("%q resolves to %q, want %q; unresolved (-want +got):\n%s", test.text, got, test.want, diff)
		}
	}
	u := &Unresolved{"a", "gone"}
	if !strings.Contains(u.Error(), "#{a.gone}") {
		t.Errorf("%q does not name the reference", u.Error())
	}
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkTemplate proves what holds for every text.
func checkTemplate(t fataler, text string) {
	t.Helper()
	parsed := ParseTemplate(text)
	var b strings.Builder
	for i, p := range parsed.Parts {
		if p.Namespace == "" {
			if p.Literal == "" || p.Key != "" || i > 0 && parsed.Parts[i-1].Namespace == "" {
				t.Fatalf("%q: part %d of %+v is no literal text of its own", text, i, parsed.Parts)
			}
			b.WriteString(p.Literal)
			continue
		}
		if p.Key == "" || p.Literal != "" || strings.ContainsAny(p.Namespace+p.Key, ".#{} ") {
			t.Fatalf("%q: part %d of %+v is no reference", text, i, parsed.Parts)
		}
		b.WriteString("#{" + p.Reference() + "}")
	}
	if b.String() != text {
		t.Fatalf("%q parses to parts that print as %q", text, b.String())
	}
	same, unresolved := parsed.Resolve(func(ns, key string) (string, bool) { return "#{" + ns + "." + key + "}", true })
	if same != text || unresolved != nil {
		t.Fatalf("%q resolved by its own references is %q, %v", text, same, unresolved)
	}
	_, unresolved = parsed.Resolve(func(string, string) (string, bool) { return "", false })
	if (unresolved != nil) != (len(parsed.References()) > 0) {
		t.Fatalf("%q has the references %v, and without any value %v", text, parsed.References(), unresolved)
	}
	for _, body := range MalformedReferences(text) {
		if !strings.Contains(text, "#{"+body+"}") || len(ParseTemplate("#{"+body+"}").References()) > 0 {
			t.Fatalf("%q: %q is not malformed", text, body)
		}
	}
}

func FuzzParseTemplate(f *testing.F) {
	for _, seed := range []string{"", "#{a.b}", "x#{a.b}y#{c.d}z", "#{a}", "#{a.b", "#{#{a.b}}", "#{a.b.c}", "#{.}", "#{variables.X} #{codepipeline.PipelineExecutionId}", "\xff#{a.b}\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) { checkTemplate(t, text) })
}

func TestReferences(t *testing.T) {
	t.Parallel()
	got := ParseTemplate("x#{a.b}#{c}#{d.e}").References()
	want := []TemplatePart{{Namespace: "a", Key: "b"}, {Namespace: "d", Key: "e"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]TemplatePart{}, ParseTemplate("x").References(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("plain text (-want +got):\n%s", diff)
	}
}

func BenchmarkResolve(b *testing.B) {
	parsed := ParseTemplate("app-#{variables.Stage}-#{Fetched.CommitId}")
	b.ReportAllocs()
	for b.Loop() {
		if _, u := parsed.Resolve(func(string, string) (string, bool) { return "value", true }); u != nil {
			b.Fatal(u)
		}
	}
}
