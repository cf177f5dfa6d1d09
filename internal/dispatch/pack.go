package dispatch

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// History is kept in a packed form: most of its JSON is the names of members, ids
// and times that a row holds several times. Packed text is still text, for every
// database, and begins with packed, as no JSON does; rows with JSON are read as
// well. After the first byte stand
//
//	codeID      an id that was not there before, 22 letters
//	codeAgain   a letter: the id or string of that number, counted from 0
//	codeTime    the distance of a time from the one before, in letters of 5 bits
//	codeString  a string that may come again, up to what ends it
//	codePage    a letter: one of the fragments
//	codeFirst.. one of the first fragments
//
// and all other characters for themselves. It is made for speed: a start waits
// for it, and it costs less than the writing of what it saves.
const (
	packed     = '\x01'
	codeID     = '\x02'
	codeAgain  = '\x03'
	codeTime   = '\x04'
	codeString = '\x05'
	codePage   = '\x06'
	codeFirst  = '\x0e'
	codeEnd    = '\x20' // no code: the first character that stands for itself
)

const (
	lowest    = ' '           // the letter of number 0
	letters   = '~' - ' ' + 1 // how many numbers one letter can tell
	minString = 3             // shorter strings are not worth a code
	timeSize  = 13            // digits of a time in milliseconds, from 2001 to 2286
	idSize    = 36            // of a UUID
	firstSize = codeEnd - codeFirst
)

var errPacked = errors.New("packed text is damaged")

// packer packs one text, or unpacks it. known are the ids and strings so far.
type packer struct {
	out   []byte
	known []string
	last  int64 // the last time
}

// pack packs JSON. What holds characters that JSON does not have stays as it is.
func pack(text string) string {
	if text == "" || text[0] != '{' && text[0] != '[' {
		return text
	}
	p := packer{out: make([]byte, 0, len(text)/2)}
	p.out = append(p.out, packed)
	for i := 0; i < len(text); {
		n := 0
		switch c := text[i]; {
		case c < codeEnd:
			return text
		case c >= '1' && c <= '9':
			n = p.packTime(text[i:])
		default:
			n = p.packFragment(text[i:])
		}
		if n == 0 {
			p.out = append(p.out, text[i])
			n = 1
		}
		i += n
		if text[i-1] == '"' && i < len(text) {
			i += p.packString(text[i:])
		}
	}
	return string(p.out)
}

// packFragment packs the longest fragment that the text begins with, and returns
// its length, 0 if there is none.
func (p *packer) packFragment(text string) int {
	if len(text) < fragmentKey {
		return 0
	}
	for _, n := range fragmentIndex[fragmentHash(text)] {
		if f := fragments[n]; strings.HasPrefix(text, f) {
			if n < firstSize {
				p.out = append(p.out, codeFirst+byte(n))
			} else {
				p.out = append(p.out, codePage, lowest+byte(n-firstSize))
			}
			return len(f)
		}
	}
	return 0
}

// packTime packs a number of as many digits as times have.
func (p *packer) packTime(text string) int {
	n, t := 0, int64(0)
	for ; n < len(text) && text[n] >= '0' && text[n] <= '9'; n++ {
		if n == timeSize {
			return 0
		}
		t = t*10 + int64(text[n]-'0')
	}
	if n != timeSize {
		return 0
	}
	distance := t - p.last
	p.last = t
	u := uint64(distance<<1) ^ uint64(distance>>63)
	p.out = append(p.out, codeTime)
	for ; u >= 32; u >>= 5 {
		p.out = append(p.out, lowest+32+byte(u&31))
	}
	p.out = append(p.out, lowest+byte(u))
	return n
}

// packString packs what stands after a quote, up to the next one, if that may be
// a string that comes again. It cannot know whether the quote begins a string:
// between strings, too, there are only characters that stand for themselves.
func (p *packer) packString(text string) int {
	n := strings.IndexByte(text, '"')
	if n < minString || n > 255 {
		return 0
	}
	s := text[:n]
	for i, known := range p.known {
		if known == s {
			p.out = append(p.out, codeAgain, lowest+byte(i))
			return n
		}
	}
	for i := range len(s) {
		if s[i] == '\\' || s[i] < codeEnd {
			return 0
		}
	}
	if len(p.known) == letters {
		return 0
	}
	if id, ok := idBytes(s); ok {
		p.out = append(p.out, codeID)
		p.out = base64.RawURLEncoding.AppendEncode(p.out, id[:])
	} else if s[0] == ',' || s[0] == ':' || s[0] == '}' || s[0] == ']' {
		return 0 // between strings
	} else {
		p.out = append(p.out, codeString)
		p.out = append(p.out, s...)
	}
	p.known = append(p.known, s)
	return n
}

// idBytes reads an id in the usual form, in small letters.
func idBytes(s string) (id [16]byte, ok bool) {
	if len(s) != idSize || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, false
	}
	var digits [32]byte
	n := copy(digits[:], s[:8])
	n += copy(digits[n:], s[9:13])
	n += copy(digits[n:], s[14:18])
	n += copy(digits[n:], s[19:23])
	copy(digits[n:], s[24:])
	for _, c := range digits {
		if c >= 'A' && c <= 'F' {
			return id, false
		}
	}
	_, err := hex.Decode(id[:], digits[:])
	return id, err == nil
}
