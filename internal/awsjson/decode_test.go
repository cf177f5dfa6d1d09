package awsjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/api"
)

type inputMode string

type input struct {
	Name      *string            `json:"name,omitempty"`
	Flag      *bool              `json:"flag,omitempty"`
	Count     *int32             `json:"count,omitempty"`
	Size      *int64             `json:"size,omitempty"`
	Ratio     *float64           `json:"ratio,omitempty"`
	When      *api.Timestamp     `json:"when,omitempty"`
	Mode      inputMode          `json:"mode,omitempty"`
	List      []string           `json:"list,omitempty"`
	Structs   []input            `json:"structs,omitempty"`
	Map       map[string]string  `json:"map,omitempty"`
	Counts    map[inputMode]*int `json:"counts,omitempty"`
	Inner     *input             `json:"inner,omitempty"`
	NextToken *string            `json:"NextToken,omitempty"`
	Blob      []byte             `json:"blob,omitempty"`
	Document  any                `json:"document,omitempty"`
	Plain     bool               `json:"plain,omitempty"`
	Part      part               `json:"part"`
	Untagged  string
	Skipped   string `json:"-"`
	hidden    string
}

type part struct {
	A string `json:"a,omitempty"`
	B string `json:"b,omitempty"`
}

// read decodes as a handler does.
func read(text string) (*input, error) {
	if err := checkSyntax([]byte(text)); err != nil {
		return nil, err
	}
	in := &input{hidden: ""}
	return in, decode([]byte(text), shapeTable{}.of(reflect.TypeFor[input]()), reflect.ValueOf(in).Elem())
}

func TestDecode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want input
	}{
		{`{}`, input{}},
		{`null`, input{}},
		{" {\t\"name\" :\r\n \"p\" } ", input{Name: new("p")}},
		{`{"name":null,"flag":null,"count":null,"when":null,"list":null,"map":null,"inner":null,"mode":null,"blob":null,"document":null,"plain":null}`, input{}},
		{`{"name":"a","name":"b"}`, input{Name: new("b")}},
		{`{"name":"a","name":null}`, input{}},
		{`{"inner":{"name":"a","flag":true},"inner":{"name":"b"}}`, input{Inner: &input{Name: new("b")}}},
		{`{"part":{"a":"1","b":"2"},"part":{"a":"3"}}`, input{Part: part{A: "3"}}},
		{`{"list":["a","b"],"list":["c"]}`, input{List: []string{"c"}}},
		{`{"map":{"a":"1"},"map":{"b":"2"}}`, input{Map: map[string]string{"b": "2"}}},
		{`{"map":{"a":"1","a":null}}`, input{Map: map[string]string{}}},
		{`{"Name":"p","NAME":"p","nextToken":"t","unknown":{"a":[1,{"b":"\u0000"}]},"Skipped":"x","hidden":"x","-":"x"}`, input{}},
		{`{"NextToken":"t","Untagged":"u"}`, input{NextToken: new("t"), Untagged: "u"}},
		{`{"na\u006de":"p"}`, input{Name: new("p")}},
		{`{"flag":true,"plain":true}`, input{Flag: new(true), Plain: true}},
		{`{"flag":false}`, input{Flag: new(false)}},
		{`{"count":-5,"size":9007199254740993,"ratio":-1.5e2}`, input{Count: new(int32(-5)), Size: new(int64(9007199254740993)), Ratio: new(-150.0)}},
		{`{"count":1.9,"size":1e3}`, input{Count: new(int32(1)), Size: new(int64(1000))}},
		{`{"count":-1.9,"size":-0}`, input{Count: new(int32(-1)), Size: new(int64(0))}},
		{`{"count":2147483648,"size":1e400}`, input{Count: new(int32(math.MaxInt32)), Size: new(int64(math.MaxInt64))}},
		{`{"count":-3e9,"size":-9223372036854775809,"ratio":1e400}`, input{Count: new(int32(math.MinInt32)), Size: new(int64(math.MinInt64)), Ratio: new(math.MaxFloat64)}},
		{`{"when":1790862132.45}`, input{When: api.TimestampOf(1790862132450)}},
		{`{"mode":"M","list":[],"map":{},"structs":[]}`, input{Mode: "M", List: []string{}, Map: map[string]string{}, Structs: []input{}}},
		{`{"list":["a",null,"b"]}`, input{List: []string{"a", "", "b"}}},
		{`{"structs":[{"name":"a"},{},null]}`, input{Structs: []input{{Name: new("a")}, {}, {}}}},
		{`{"counts":{"M":1,"N":null}}`, input{Counts: map[inputMode]*int{"M": new(1)}}},
		{`{"map":{"a\n":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud83dx\ude00\ud83d\u0041"}}`, input{Map: map[string]string{"a\n": "\"\\/\b\f\n\r\té😀\ufffdx\ufffd\ufffdA"}}},
		{`{"blob":"aGVsbG8="}`, input{Blob: []byte("hello")}},
		{`{"document":{"a":[1,"b",null]}}`, input{Document: map[string]any{"a": []any{json.Number("1"), "b", nil}}}},
		{strings.Repeat(`{"inner":`, 50) + `{}` + strings.Repeat(`}`, 50), nested(50)},
	}
	for _, tt := range tests {
		got, err := read(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if diff := cmp.Diff(&tt.want, got, cmp.AllowUnexported(input{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
	}
}

func nested(depth int) input {
	if depth == 0 {
		return input{}
	}
	return input{Inner: new(nested(depth - 1))}
}

// TestTypeErrors has the type errors of AWS front ends.
func TestTypeErrors(t *testing.T) {
	t.Parallel()
	const number = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to "
	const list, structure = "Start of list found where not expected", "Start of structure or map found where not expected."
	tests := []struct{ text, want string }{
		{`{"name":true}`, "class java.lang.Boolean can not be converted to an String"},
		{`{"name":1}`, number + "an String"},
		{`{"name":[]}`, list},
		{`{"name":{}}`, structure},
		{`{"mode":false}`, "class java.lang.Boolean can not be converted to an String"},
		{`{"count":"1"}`, "class java.lang.String can not be converted to an Integer"},
		{`{"count":true}`, "class java.lang.Boolean can not be converted to an Integer"},
		{`{"count":[]}`, list},
		{`{"count":{}}`, structure},
		{`{"size":"1"}`, "class java.lang.String can not be converted to an Long"},
		{`{"ratio":"1"}`, "class java.lang.String can not be converted to an Double"},
		{`{"flag":"yes"}`, "'YES' can not be converted to an Boolean"},
		{`{"flag":"true"}`, "'TRUE' can not be converted to an Boolean"},
		{`{"flag":1}`, number + "an Boolean"},
		{`{"flag":[true]}`, list},
		{`{"flag":{}}`, structure},
		{`{"list":"a"}`, "Expected list or null"},
		{`{"list":1}`, "Expected list or null"},
		{`{"list":true}`, "Expected list or null"},
		{`{"list":{}}`, structure},
		{`{"list":["a",1]}`, number + "an String"},
		{`{"map":"a"}`, "Expected map or null"},
		{`{"map":1}`, "Expected map or null"},
		{`{"map":[]}`, list},
		{`{"map":{"a":1}}`, number + "an String"},
		{`{"inner":"a"}`, "Expected null"},
		{`{"inner":1}`, "Expected null"},
		{`{"inner":false}`, "Expected null"},
		{`{"inner":[]}`, list},
		{`{"structs":[{"name":"a"},{"name":2}]}`, number + "an String"},
		{`{"structs":[[]]}`, list},
		{`{"when":"2026-11-22T12:34:38Z"}`, "class java.lang.String can not be converted to milliseconds since epoch"},
		{`{"when":true}`, "class java.lang.Boolean can not be converted to milliseconds since epoch"},
		{`{"when":1e300}`, number + "milliseconds since epoch"},
		{`{"when":[]}`, list},
		{`{"when":{}}`, structure},
		{`{"blob":1}`, number + "a Blob"},
		{`{"blob":true}`, "class java.lang.Boolean can not be converted to a Blob"},
		{`{"blob":"?"}`, "'?' can not be converted to a Blob: illegal base64 data at input byte 0"},
		{`{"blob":[1]}`, list},
		{`[]`, list},
		{`"a"`, "Expected null"},
		{`1`, "Expected null"},
		{`true`, "Expected null"},
		{`{"name":"a\u0000b"}`, "Strings must not contain the character U+0000"},
		{`{"map":{"\u0000":"a"}}`, "Strings must not contain the character U+0000"},
		{`{"structs":[` + strings.Repeat("{},", maxElements) + `{}]}`, "The request has more than 200000 list elements and map entries"},
		// The first error in the order of the text is reported.
		{`{"count":"1","name":1}`, "class java.lang.String can not be converted to an Integer"},
	}
	for _, tt := range tests {
		_, err := read(tt.text)
		e, ok := errors.AsType[*serializationError](err)
		if !ok || e.message != tt.want {
			t.Errorf("%.80s: error is %v, want %s", tt.text, err, tt.want)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "{", "}", "[", "{]", "[}", `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `[1,]`, `[,1]`, `[1 2]`, `{"a" 1}`, `{a:1}`, `{'a':1}`, `{1:1}`,
		"nul", "truee", "True", "NaN", "Infinity", "-", "01", "1.", ".5", "1e", "1e+", "+1", "0x1", "--1", `"`, `"a`, `"\`, `"\x"`, `"\u12"`, `"\u12g4"`,
		"\"a\nb\"", "\"\x00\"", "\"\xff\"", "\"\xed\xa0\x80\"", "\xef\xbb\xbf{}", "{}x", "{}{}", "// a\n{}", "{}\x00",
		strings.Repeat("[", 101) + strings.Repeat("]", 101), strings.Repeat("[", 1_000_000), strings.Repeat(`{"a":`, 1_000_000),
	} {
		err := checkSyntax([]byte(text))
		if e, ok := errors.AsType[*serializationError](err); !ok || e.message != "" {
			t.Errorf("%.60q: error is %v", text, err)
		}
	}
	for _, text := range []string{"{}", " [ ] ", "0", "-0.5e-7", `"\ud800"`, `{"a":{"b":[[],{}]}}`, strings.Repeat("[", 100) + strings.Repeat("]", 100)} {
		if err := checkSyntax([]byte(text)); err != nil {
			t.Errorf("%.60q: %v", text, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		`{"name":"p","flag":true,"count":1,"size":2,"ratio":3.5,"when":1790862132.45,"mode":"M"}`,
		`{"list":["a",null],"structs":[{"inner":{"name":"a"}}],"map":{"a":"b"},"counts":{"M":1},"NextToken":"t","blob":"aGVsbG8="}`,
		`{"name":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud800"}`, `{"document":{"a":[1,2.5,"x",null,true]}}`, `{"name":1}`, `{"when":"x"}`,
		`null`, `[]`, `{"a":`, `{"count":1e999,"size":-1e999}`, "{\"name\":\"\xff\"}", `{"na\u006de":"x"} `,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := checkSyntax(data)
		if valid := json.Valid(data); valid != (err == nil) && (err == nil || !excused(data)) {
			t.Fatalf("encoding/json says valid=%v, this package %v", valid, err)
		}
		if err != nil {
			return
		}
		got, err := read(string(data))
		if err != nil {
			e, ok := errors.AsType[*serializationError](err)
			if !ok || e.message == "" {
				t.Fatalf("an error without a text: %v", err)
			}
			return
		}
		// What was read is written and read again as the same.
		text, err := encode(got)
		if err != nil {
			t.Fatal(err)
		}
		again, err := read(string(text))
		if err != nil {
			t.Fatalf("%s is refused: %v", text, err)
		}
		second, err := encode(again)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(text, second) {
			t.Fatalf("read as %s and then as %s", text, second)
		}
	})
}

// excused is text that encoding/json allows and this package does not: bad
// UTF-8, and depth.
func excused(data []byte) bool {
	depth, deepest := 0, 0
	for _, b := range data {
		switch b {
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth--
		}
	}
	return !bytes.Equal(bytes.ToValidUTF8(data, nil), data) || deepest > maxDepth
}

// BenchmarkDecode reads an input of StartPipelineExecution.
func BenchmarkDecode(b *testing.B) {
	type variable struct {
		Name  *string `json:"name"`
		Value *string `json:"value"`
	}
	type start struct {
		Name      *string    `json:"name"`
		Variables []variable `json:"variables"`
		Token     *string    `json:"clientRequestToken"`
	}
	text := []byte(`{"name": "p1-with-a-longer-name", "variables": [{"name": "A", "value": "B"}, {"name": "branch", "value": "feature/one"}], "clientRequestToken": "105ed8cb-54e3-4e53-89bf-dcb324d08949", "ignored": [1, 2, 3]}`)
	s := shapeTable{}.of(reflect.TypeFor[start]())
	b.ReportAllocs()
	for b.Loop() {
		if err := checkSyntax(text); err != nil {
			b.Fatal(err)
		}
		in := new(start)
		if err := decode(text, s, reflect.ValueOf(in).Elem()); err != nil {
			b.Fatal(err)
		}
	}
}
