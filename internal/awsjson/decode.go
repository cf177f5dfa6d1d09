package awsjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxElements bounds the list elements and map entries of one input, because
// "{}" in a list is two bytes on the wire and hundreds in memory.
const maxElements = 200_000

// Sentences of AWS front ends for JSON of the wrong type.
const (
	textList      = "Start of list found where not expected"
	textStructure = "Start of structure or map found where not expected."
	textNumber    = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber"
	textString    = "class java.lang.String"
	textBoolean   = "class java.lang.Boolean"
)

// decoder fills an input from text that passed checkSyntax.
type decoder struct {
	parser
	elements int
	err      error
}

// decode fills v, which has the type of the shape. Members that the shape does
// not have are ignored, null members are absent, and of a repeated member the
// last one counts. The error is a *serializationError.
func decode(data []byte, s *shape, v reflect.Value) error {
	d := decoder{parser: parser{data: data}}
	if !d.value(s, v) && d.err == nil {
		// Not reached for text that passed checkSyntax.
		return &serializationError{}
	}
	return d.err
}

func (d *decoder) fail(message string) bool {
	d.err = &serializationError{message}
	return false
}

// value reads the next value into v.
func (d *decoder) value(s *shape, v reflect.Value) bool {
	c := d.peek()
	if c == 'n' {
		v.SetZero()
		return d.literal("null")
	}
	switch s.kind {
	case kindPointer:
		target := reflect.New(s.elem.typ)
		v.Set(target)
		return d.value(s.elem, target.Elem())
	case kindCustom:
		return d.custom(v)
	case kindAny:
		return d.any(v)
	case kindStructure:
		return d.structure(c, s, v)
	case kindMap:
		return d.mapping(c, s, v)
	case kindList:
		return d.list(c, s, v)
	}
	return d.scalar(c, s, v)
}

func (d *decoder) structure(c byte, s *shape, v reflect.Value) bool {
	switch c {
	case '[':
		return d.fail(textList)
	case '{':
	default:
		return d.fail("Expected null")
	}
	v.SetZero()
	return d.members(func(name []byte, escaped bool) bool {
		if escaped {
			name = unescape(name)
		}
		m, ok := s.members[string(name)]
		if !ok {
			return d.skip(0)
		}
		return d.value(m.shape, v.Field(m.index))
	})
}

func (d *decoder) mapping(c byte, s *shape, v reflect.Value) bool {
	switch c {
	case '[':
		return d.fail(textList)
	case '{':
	default:
		return d.fail("Expected map or null")
	}
	entries := reflect.MakeMap(s.typ)
	v.Set(entries)
	return d.members(func(name []byte, escaped bool) bool {
		key, ok := d.plain(name, escaped)
		if !ok || !d.count() {
			return false
		}
		k := reflect.ValueOf(key).Convert(s.typ.Key())
		if d.peek() == 'n' {
			entries.SetMapIndex(k, reflect.Value{})
			return d.literal("null")
		}
		entry := reflect.New(s.elem.typ).Elem()
		if !d.value(s.elem, entry) {
			return false
		}
		entries.SetMapIndex(k, entry)
		return true
	})
}

func (d *decoder) list(c byte, s *shape, v reflect.Value) bool {
	switch c {
	case '{':
		return d.fail(textStructure)
	case '[':
	default:
		return d.fail("Expected list or null")
	}
	v.Set(reflect.MakeSlice(s.typ, 0, 0))
	return d.parser.elements(func() bool {
		if !d.count() {
			return false
		}
		n := v.Len()
		v.Grow(1)
		v.SetLen(n + 1)
		return d.value(s.elem, v.Index(n))
	})
}

func (d *decoder) count() bool {
	if d.elements++; d.elements > maxElements {
		return d.fail(fmt.Sprintf("The request has more than %d list elements and map entries", maxElements))
	}
	return true
}

// scalar reads a string, boolean, number or blob.
func (d *decoder) scalar(c byte, s *shape, v reflect.Value) bool {
	switch c {
	case '[':
		return d.fail(textList)
	case '{':
		return d.fail(textStructure)
	case '"':
		return d.fromString(s, v)
	case 't', 'f':
		return d.fromBoolean(c == 't', s, v)
	}
	raw, ok := d.number()
	if !ok {
		return false
	}
	switch s.kind {
	case kindString:
		return d.fail(textNumber + " can not be converted to an String")
	case kindBoolean:
		return d.fail(textNumber + " can not be converted to an Boolean")
	case kindBlob:
		return d.fail(textNumber + " can not be converted to a Blob")
	case kindFloat:
		v.SetFloat(finite(string(raw)))
	default:
		v.SetInt(truncated(string(raw), v.Type().Bits()))
	}
	return true
}

func (d *decoder) fromString(s *shape, v reflect.Value) bool {
	raw, escaped, ok := d.text()
	if !ok {
		return false
	}
	text, ok := d.plain(raw, escaped)
	if !ok {
		return false
	}
	switch s.kind {
	case kindString:
		v.SetString(text)
	case kindBoolean:
		return d.fail("'" + strings.ToUpper(text) + "' can not be converted to an Boolean")
	case kindBlob:
		blob, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return d.fail("'" + text + "' can not be converted to a Blob: " + err.Error())
		}
		v.SetBytes(blob)
	default:
		return d.fail(textString + " can not be converted to an " + s.javaName)
	}
	return true
}

func (d *decoder) fromBoolean(b bool, s *shape, v reflect.Value) bool {
	switch s.kind {
	case kindBoolean:
		v.SetBool(b)
		return d.literal(strconv.FormatBool(b))
	case kindString:
		return d.fail(textBoolean + " can not be converted to an String")
	case kindBlob:
		return d.fail(textBoolean + " can not be converted to a Blob")
	}
	return d.fail(textBoolean + " can not be converted to an " + s.javaName)
}

// raw returns the text of the next value, of any kind.
func (d *decoder) raw() ([]byte, bool) {
	d.space()
	start := d.pos
	if !d.skip(0) {
		return nil, false
	}
	return d.data[start:d.pos], true
}

// custom leaves a value to its own UnmarshalJSON. The one such type of the
// models is the timestamp, whose wording an error takes.
func (d *decoder) custom(v reflect.Value) bool {
	raw, ok := d.raw()
	if !ok {
		return false
	}
	u, ok := v.Addr().Interface().(json.Unmarshaler)
	if !ok {
		panic(fmt.Sprintf("%s is no json.Unmarshaler", v.Type()))
	}
	if u.UnmarshalJSON(raw) == nil {
		return true
	}
	const wanted = " can not be converted to milliseconds since epoch"
	switch raw[0] {
	case '[':
		return d.fail(textList)
	case '{':
		return d.fail(textStructure)
	case '"':
		return d.fail(textString + wanted)
	case 't', 'f':
		return d.fail(textBoolean + wanted)
	}
	return d.fail(textNumber + wanted)
}

// any reads a document, a value whose structure no model describes.
func (d *decoder) any(v reflect.Value) bool {
	raw, ok := d.raw()
	if !ok {
		return false
	}
	j := json.NewDecoder(bytes.NewReader(raw))
	j.UseNumber()
	return j.Decode(v.Addr().Interface()) == nil
}

// plain returns the text of a string. The NUL character, which JSON can escape,
// is refused: not every database can store it.
func (d *decoder) plain(raw []byte, escaped bool) (string, bool) {
	if !escaped {
		return string(raw), true
	}
	raw = unescape(raw)
	if bytes.IndexByte(raw, 0) >= 0 {
		return "", d.fail("Strings must not contain the character U+0000")
	}
	return string(raw), true
}

// unescape resolves the escapes of a string that passed checkSyntax. Half of a
// surrogate pair becomes U+FFFD.
func unescape(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		switch raw[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, _ := hex4(raw[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if rest := raw[i+1:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
					low, _ := hex4(rest[2:])
					if pair = utf16.DecodeRune(r, low); pair != utf8.RuneError {
						i += 6
					}
				}
				r = pair
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, raw[i])
		}
	}
	return out
}

// truncated reads a number as an integer of so many bits: fractions are cut off,
// as the name of the Java class promises, and what does not fit becomes the
// nearest that does, for the constraints to refuse.
func truncated(text string, bits int) int64 {
	n, err := strconv.ParseInt(text, 10, bits)
	if err == nil || n != 0 {
		// Out of range, n is the nearest already.
		return n
	}
	f := math.Trunc(finite(text))
	limit := math.Ldexp(1, bits-1)
	switch {
	case f >= limit:
		return math.MaxInt64 >> (64 - bits)
	case f < -limit:
		return math.MinInt64 >> (64 - bits)
	}
	return int64(f)
}

// finite reads a number as a floating-point number that is not infinite.
func finite(text string) float64 {
	// The text is a number, so that the only error is one of range, with an
	// infinity as the value.
	f, _ := strconv.ParseFloat(text, 64)
	return min(max(f, -math.MaxFloat64), math.MaxFloat64)
}
