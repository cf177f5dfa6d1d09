package logs

import (
	"bytes"
	"strings"
	"testing"
)

// redactPieces redacts text that comes in pieces of the given size.
func redactPieces(secrets []string, text []byte, size int) string {
	var r redactor
	r.add(secrets)
	var out []byte
	for len(text) > 0 {
		n := min(size, len(text))
		out = r.write(out, text[:n])
		text = text[n:]
	}
	return string(r.flush(out))
}

// redactWhole is the plain meaning: at each place the longest secret goes.
func redactWhole(secrets []string, text string) string {
	var out strings.Builder
	for text != "" {
		longest := 0
		for _, s := range secrets {
			if s != "" && strings.HasPrefix(text, s) {
				longest = max(longest, len(s))
			}
		}
		if longest > 0 {
			out.WriteString("***")
			text = text[longest:]
			continue
		}
		out.WriteByte(text[0])
		text = text[1:]
	}
	return out.String()
}

func TestRedact(t *testing.T) {
	t.Parallel()
	tests := []struct {
		secrets    []string
		text, want string
	}{
		{nil, "nothing", "nothing"},
		{[]string{""}, "nothing", "nothing"},
		{[]string{"s3cret"}, "a s3cret b", "a *** b"},
		{[]string{"s3cret"}, "s3crets3cret", "******"},
		{[]string{"s3cret"}, "s3cre", "s3cre"},
		{[]string{"s3cret"}, "s3cres3cret", "s3cre***"},
		{[]string{"aab"}, "aaab", "a***"},
		{[]string{"abc", "abcdef"}, "abcdef abcdex", "*** ***dex"},
		{[]string{"abcdef", "bc"}, "abcdex", "a***dex"},
		{[]string{"line\nbreak"}, "x line\nbreak y", "x *** y"},
		{[]string{"x"}, "axbx", "a***b***"},
	}
	for _, tt := range tests {
		for size := 1; size <= len(tt.text)+1; size++ {
			if got := redactPieces(tt.secrets, []byte(tt.text), size); got != tt.want {
				t.Errorf("%q without %q in pieces of %d: got %q, want %q", tt.text, tt.secrets, size, got, tt.want)
			}
		}
	}
}

// TestRedactHoldsLittleBack: what cannot become a secret is shown at once.
func TestRedactHoldsLittleBack(t *testing.T) {
	t.Parallel()
	var r redactor
	r.add([]string{"s3cret"})
	if got := r.write(nil, []byte("progress 10% s3")); string(got) != "progress 10% " {
		t.Errorf("got %q", got)
	}
	if got := r.write(nil, []byte("x")); string(got) != "s3x" {
		t.Errorf("got %q", got)
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("s3cret", "s3c", []byte("as3crets3cs3cre"), 2)
	f.Add("aab", "ab", []byte("aaabaab"), 1)
	f.Add("", "a\nb", []byte("a\na\nb"), 3)
	f.Fuzz(func(t *testing.T, a, b string, text []byte, size int) {
		if size < 1 || size > 1<<16 {
			size = 1
		}
		secrets := []string{a, b}
		want := redactWhole(secrets, string(text))
		if got := redactPieces(secrets, bytes.Clone(text), size); got != want {
			t.Errorf("%q without %q in pieces of %d: got %q, want %q", text, secrets, size, got, want)
		}
	})
}
