package rule

import (
	"strings"
	"unicode"
)

// class rewrites a class of characters, from [ to ]. Every character is written
// again by itself, so that nothing in it means what it means to .NET.
func (t *translator) class() (string, error) {
	begin := t.at
	t.at++
	var b strings.Builder
	b.WriteByte('[')
	if t.ahead("^") {
		t.at++
		b.WriteByte('^')
	}
	for first := true; ; first = false {
		switch {
		case t.at == len(t.in):
			return "", t.refuse(begin, "a class does not end")
		case t.in[t.at] == ']' && !first:
			t.at++
			b.WriteByte(']')
			return b.String(), nil
		case t.in[t.at] == '[':
			return "", t.refuse(begin, "a class inside a class is not supported")
		case t.ahead("&&"):
			return "", t.refuse(begin, "the intersection of classes is not supported")
		case t.ahead(`\Q`):
			t.at += 2
			for _, quoted := range t.quoted() {
				b.WriteString(member(quoted))
			}
			continue
		}
		if err := t.members(&b); err != nil {
			return "", err
		}
	}
}

// members rewrites a character, a range or a set of a class.
func (t *translator) members(b *strings.Builder) error {
	begin := t.at
	set, isSet, low, err := t.member()
	if err != nil {
		return err
	}
	if isSet {
		b.WriteString(set)
		return nil
	}
	if !t.ahead("-") || len(t.in)-t.at < 2 || t.in[t.at+1] == ']' {
		b.WriteString(member(low))
		return nil
	}
	t.at++
	if t.in[t.at] == '[' || t.ahead(`\Q`) {
		return t.refuse(begin, "this range is not supported")
	}
	_, isSet, high, err := t.member()
	switch {
	case err != nil:
		return err
	case isSet || high < low:
		return t.refuse(begin, "this is not a range")
	}
	b.WriteString(member(low) + "-" + member(high))
	return nil
}

// member reads a character or a set.
func (t *translator) member() (set string, isSet bool, r rune, err error) {
	if t.in[t.at] != '\\' {
		r = t.in[t.at]
		if r == unicode.ReplacementChar {
			return "", false, 0, t.refuse(t.at, "it is not valid text")
		}
		t.at++
		return "", false, r, nil
	}
	if len(t.in)-t.at < 2 {
		return "", false, 0, t.refuse(t.at, "a backslash has nothing behind it")
	}
	return t.escaped()
}

// member is a character that stands for itself in a class. To .NET an escaped
// hyphen does not end a range, so its number is written.
func member(r rune) string {
	if r == '-' {
		return `\x2d`
	}
	if strings.ContainsRune(`\[]^`, r) {
		return `\` + string(r)
	}
	return string(r)
}

// complement is the set of all characters that are not in a set of ASCII.
func complement(set string) string {
	members := strings.ReplaceAll(set, `\`, "")
	runes := []rune(members)
	var in [unicode.MaxASCII + 1]bool
	for i := 0; i < len(runes); i++ {
		high := runes[i]
		if i+2 < len(runes) && runes[i+1] == '-' {
			high = runes[i+2]
		}
		for r := runes[i]; r <= high; r++ {
			in[r] = true
		}
		if high != runes[i] {
			i += 2
		}
	}
	var b strings.Builder
	for r := range rune(len(in)) {
		if !in[r] {
			b.WriteString(member(r))
		}
	}
	return b.String() + "\u0080-\U0010ffff"
}
