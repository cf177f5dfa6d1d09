package logs

import (
	"bytes"
	"slices"
)

// mask stands for a secret.
const mask = "***"

// redactor replaces secrets in a stream of bytes that comes in pieces. At each
// place the longest secret that begins there is replaced. It holds back only
// what may yet become a secret.
type redactor struct {
	secrets [][]byte // longest first
	starts  [256]bool
	held    []byte
}

// add hides more secrets from now on; empty ones are ignored.
func (r *redactor) add(secrets []string) {
	for _, s := range secrets {
		if s == "" || slices.ContainsFunc(r.secrets, func(known []byte) bool { return string(known) == s }) {
			continue
		}
		r.secrets = append(r.secrets, []byte(s))
		r.starts[s[0]] = true
	}
	slices.SortStableFunc(r.secrets, func(a, b []byte) int { return len(b) - len(a) })
}

// write appends to out what of p, after what was held back, may be shown.
func (r *redactor) write(out, p []byte) []byte {
	if len(r.secrets) == 0 {
		return append(out, p...)
	}
	text := p
	if len(r.held) > 0 {
		text = append(r.held, p...)
	}
	out, rest := r.scan(out, text, false)
	r.held = bytes.Clone(rest)
	return out
}

// flush appends to out what was held back: nothing follows it any more.
func (r *redactor) flush(out []byte) []byte {
	out, _ = r.scan(out, r.held, true)
	r.held = nil
	return out
}

// scan returns the output and the rest of text that must wait for more.
func (r *redactor) scan(out, text []byte, last bool) (shown, rest []byte) {
	shownTo := 0
	for i := 0; i < len(text); {
		if !r.starts[text[i]] {
			i++
			continue
		}
		length, wait := r.at(text[i:])
		switch {
		case wait && !last:
			return append(out, text[shownTo:i]...), text[i:]
		case length > 0:
			out = append(append(out, text[shownTo:i]...), mask...)
			i += length
			shownTo = i
		default:
			i++
		}
	}
	return append(out, text[shownTo:]...), nil
}

// at returns the length of the longest secret that text begins with, and
// whether text, if more of it came, might begin with a longer one.
func (r *redactor) at(text []byte) (length int, wait bool) {
	for _, s := range r.secrets {
		switch {
		case len(s) > len(text):
			wait = wait || bytes.HasPrefix(s, text)
		case bytes.HasPrefix(text, s):
			return len(s), wait
		}
	}
	return 0, wait
}
