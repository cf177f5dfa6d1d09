package dispatch

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
)

// unpackJSON decodes JSON, packed or not.
func unpackJSON(text string, v any) error {
	text, err := unpack(text)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), v)
}

// unpack returns the JSON that pack has packed. JSON is returned as it is.
func unpack(text string) (string, error) {
	if text == "" || text[0] != packed {
		return text, nil
	}
	p := packer{out: make([]byte, 0, 4*len(text))}
	for i := 1; i < len(text); {
		if text[i] >= codeEnd {
			p.out = append(p.out, text[i])
			i++
			continue
		}
		n, ok := p.unpackCode(text[i], text[i+1:])
		if !ok {
			return "", errPacked
		}
		i += 1 + n
	}
	return string(p.out), nil
}

// unpackCode unpacks what a code stands for, with what follows it, and returns
// the length of that.
func (p *packer) unpackCode(code byte, text string) (n int, ok bool) {
	switch code {
	case codeID:
		return p.unpackID(text)
	case codeAgain:
		if len(text) == 0 || int(text[0])-lowest < 0 || int(text[0])-lowest >= len(p.known) {
			return 0, false
		}
		p.out = append(p.out, p.known[text[0]-lowest]...)
		return 1, true
	case codeTime:
		return p.unpackTime(text)
	case codeString:
		for n < len(text) && text[n] >= codeEnd && text[n] != '"' {
			n++
		}
		p.known = append(p.known, text[:n])
		p.out = append(p.out, text[:n]...)
		return n, true
	case codePage:
		if len(text) == 0 || int(text[0])-lowest < 0 || int(text[0])-lowest+firstSize >= len(fragments) {
			return 0, false
		}
		p.out = append(p.out, fragments[int(text[0])-lowest+firstSize]...)
		return 1, true
	}
	if code < codeFirst || int(code-codeFirst) >= len(fragments) {
		return 0, false
	}
	p.out = append(p.out, fragments[code-codeFirst]...)
	return 0, true
}

func (p *packer) unpackID(text string) (int, bool) {
	const size = 22
	if len(text) < size {
		return 0, false
	}
	var id [16]byte
	if n, err := base64.RawURLEncoding.Decode(id[:], []byte(text[:size])); err != nil || n != len(id) {
		return 0, false
	}
	var s [idSize]byte
	hex.Encode(s[0:8], id[0:4])
	hex.Encode(s[9:13], id[4:6])
	hex.Encode(s[14:18], id[6:8])
	hex.Encode(s[19:23], id[8:10])
	hex.Encode(s[24:36], id[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	p.known = append(p.known, string(s[:]))
	p.out = append(p.out, s[:]...)
	return size, true
}

func (p *packer) unpackTime(text string) (int, bool) {
	var u uint64
	for n := range min(len(text), 13) {
		c := text[n]
		if c < lowest || c >= lowest+64 {
			return 0, false
		}
		u |= uint64((c-lowest)&31) << (5 * n)
		if c < lowest+32 {
			p.last += int64(u>>1) ^ -int64(u&1)
			p.out = strconv.AppendInt(p.out, p.last, 10)
			return n + 1, true
		}
	}
	return 0, false
}

// PackHistory packs JSON as the tables of history hold it; UnpackHistory makes it
// JSON again. They are for tools that read or write the tables themselves.
func PackHistory(text string) string { return pack(text) }

// UnpackHistory returns JSON as it is.
func UnpackHistory(text string) (string, error) { return unpack(text) }
