package codepipeline_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/api/codepipeline"
)

// oracleShape is a shape of the model as the oracle reads it.
type oracleShape struct {
	Type          string
	Members       map[string]struct{ Shape string }
	Required      []string
	Enum          []string
	Min, Max      *float64
	Pattern       string
	Member, Value struct{ Shape string }
	Key           struct{ Shape string }
	whole         *regexp.Regexp // Pattern, for whole values
}

// oracle judges inputs by the model itself, without generated code: the second
// opinion on every constraint of every operation. Violations are told as sorted
// text, because it does not know the model's order.
type oracle struct {
	shapes map[string]oracleShape
	found  []string
	odds   int // one invented value in so many breaks its constraint
}

func newOracle(tb testing.TB) *oracle {
	tb.Helper()
	data, err := os.ReadFile("../../../model/codepipeline.json")
	if err != nil {
		tb.Fatal(err)
	}
	var model struct{ Shapes map[string]oracleShape }
	if err := json.Unmarshal(data, &model); err != nil {
		tb.Fatal(err)
	}
	for name, s := range model.Shapes {
		s.whole = regexp.MustCompile(`^(?:` + s.Pattern + `)$`)
		model.Shapes[name] = s
	}
	return &oracle{shapes: model.Shapes}
}

func (o *oracle) judge(shape string, v any) []string {
	o.found = nil
	o.walk("", shape, v)
	slices.Sort(o.found)
	return o.found
}

func (o *oracle) walk(path, shape string, v any) {
	s := o.shapes[shape]
	for _, text := range o.scalar(s, v) {
		o.found = append(o.found, path+": "+text)
	}
	at := func(step string) string { return strings.TrimPrefix(path+"."+step, ".") }
	switch v := v.(type) {
	case map[string]any:
		if s.Type == "map" {
			o.walkMap(path, s, v)
			return
		}
		for name, m := range s.Members {
			label := strings.ToLower(name[:1]) + name[1:]
			if value, ok := v[name]; ok {
				o.walk(at(label), m.Shape, value)
			} else if slices.Contains(s.Required, name) {
				o.found = append(o.found, at(label)+": Member must not be null")
			}
		}
	case []any:
		item := o.shapes[s.Member.Shape]
		bad := false
		for i, value := range v {
			if item.Type == "structure" {
				o.walk(fmt.Sprintf("%s.%d.member", path, i+1), s.Member.Shape, value)
			} else {
				bad = bad || len(o.scalar(item, value)) > 0
			}
		}
		if bad {
			o.found = append(o.found, path+": Member must satisfy constraint: "+o.all(item))
		}
	}
}

func (o *oracle) walkMap(path string, s oracleShape, v map[string]any) {
	key, value := o.shapes[s.Key.Shape], o.shapes[s.Value.Shape]
	badKey, badValue := false, false
	for k, element := range v {
		badKey = badKey || len(o.scalar(key, k)) > 0
		if value.Type == "structure" {
			o.walk(path+"."+k+".member", s.Value.Shape, element)
		} else {
			badValue = badValue || len(o.scalar(value, element)) > 0
		}
	}
	if badKey {
		o.found = append(o.found, path+": Map keys must satisfy constraint: "+o.all(key))
	}
	if badValue {
		o.found = append(o.found, path+": Map value must satisfy constraint: "+o.all(value))
	}
}

// scalar lists what a value itself violates: length or range, pattern, enum.
func (o *oracle) scalar(s oracleShape, v any) []string {
	var out []string
	measure, of := -1.0, "length"
	switch v := v.(type) {
	case string:
		measure = float64(utf8.RuneCountInString(v))
	case []any:
		measure = float64(len(v))
	case map[string]any:
		measure = float64(len(v))
	case float64:
		measure, of = v, "value"
	}
	if s.Min != nil && measure < *s.Min {
		out = append(out, fmt.Sprintf("Member must have %s greater than or equal to %.0f", of, *s.Min))
	}
	if s.Max != nil && measure > *s.Max {
		out = append(out, fmt.Sprintf("Member must have %s less than or equal to %.0f", of, *s.Max))
	}
	text, _ := v.(string)
	if s.Pattern != "" && !s.whole.MatchString(text) {
		out = append(out, "Member must satisfy regular expression pattern: "+s.Pattern)
	}
	if s.Enum != nil && !slices.Contains(s.Enum, text) {
		out = append(out, "Member must satisfy enum value set: ["+strings.Join(slices.Sorted(slices.Values(s.Enum)), ", ")+"]")
	}
	return out
}

// all lists the constraints of a shape that has no value to judge.
func (o *oracle) all(s oracleShape) string {
	var out []string
	if s.Max != nil {
		out = append(out, fmt.Sprintf("Member must have length less than or equal to %.0f", *s.Max))
	}
	if s.Min != nil && *s.Min > 0 {
		out = append(out, fmt.Sprintf("Member must have length greater than or equal to %.0f", *s.Min))
	}
	if s.Pattern != "" {
		out = append(out, "Member must satisfy regular expression pattern: "+s.Pattern)
	}
	if s.Enum != nil {
		out = append(out, "Member must satisfy enum value set: ["+strings.Join(slices.Sorted(slices.Values(s.Enum)), ", ")+"]")
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// invent makes a value of a shape that mostly keeps to the model and breaks it
// here and there.
func (o *oracle) invent(r *rand.Rand, shape string) any {
	s := o.shapes[shape]
	slip := r.IntN(o.odds) == 0
	switch s.Type {
	case "structure":
		out := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(s.Members)) {
			required := slices.Contains(s.Required, name)
			if required != slip || r.IntN(4) > 0 {
				out[name] = o.invent(r, s.Members[name].Shape)
			}
		}
		return out
	case "list":
		out := []any{}
		for range o.amount(r, s, slip) {
			out = append(out, o.invent(r, s.Member.Shape))
		}
		return out
	case "map":
		out := map[string]any{}
		for range o.amount(r, s, slip) {
			out[o.invent(r, s.Key.Shape).(string)] = o.invent(r, s.Value.Shape)
		}
		return out
	case "string":
		return o.inventString(r, s, slip)
	case "boolean":
		return r.IntN(2) == 0
	case "timestamp":
		return float64(r.IntN(2e9))
	}
	return float64(o.amount(r, s, slip))
}

// amount is a number close to the bounds of a shape; a slip is just outside.
func (o *oracle) amount(r *rand.Rand, s oracleShape, slip bool) int {
	low, high := 0, 3
	if s.Min != nil {
		low = int(*s.Min)
		high = low + 2
	}
	if s.Max != nil {
		high = min(high, int(*s.Max))
	}
	switch {
	case !slip:
		return low + r.IntN(high-low+1)
	case s.Max != nil && r.IntN(2) == 0 && (s.Type == "integer" || *s.Max <= 100):
		return int(*s.Max) + 1
	case s.Type == "integer":
		return low - 1
	}
	return max(0, low-1)
}

func (o *oracle) inventString(r *rand.Rand, s oracleShape, slip bool) string {
	if s.Enum != nil {
		if slip {
			return "Nonsense"
		}
		return s.Enum[r.IntN(len(s.Enum))]
	}
	if !slip {
		for _, text := range []string{
			"a1b2", "123456789012", "01234567-89ab-cdef-0123-456789abcdef", "arn:aws:iam::123456789012:role/r", "AWS",
			"arn:aws:lambda:us-east-1:123456789012:function:f", "arn:aws:codepipeline:us-east-1:123456789012:p",
		} {
			if len(o.scalar(s, text)) == 0 {
				return text
			}
		}
	}
	n := o.amount(r, s, slip)
	if s.Max != nil && r.IntN(2) == 0 {
		n = int(*s.Max) + 1 - r.IntN(2)
	}
	letters := []rune("aZ0-_.@ é'\n*~\x00語")
	out := make([]rune, n)
	for i := range out {
		out[i] = letters[r.IntN(len(letters))]
	}
	return string(out)
}

// TestEveryConstraint lets the oracle and the generated Validate judge enough
// invented inputs of every operation that a missing check would be found.
func TestEveryConstraint(t *testing.T) {
	t.Parallel()
	model := newOracle(t)
	for name, op := range codepipeline.Describe(codepipeline.Unimplemented{}).Operations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(200) {
				judgeInvented(t, model.shapes, op, seed)
			}
		})
	}
}

// FuzzValidate goes on where TestEveryConstraint stops.
func FuzzValidate(f *testing.F) {
	operations := codepipeline.Describe(codepipeline.Unimplemented{}).Operations
	names := slices.Sorted(maps.Keys(operations))
	for i := range names {
		f.Add(uint8(i), uint64(1000))
	}
	model := newOracle(f)
	f.Fuzz(func(t *testing.T, operation uint8, seed uint64) {
		judgeInvented(t, model.shapes, operations[names[int(operation)%len(names)]], seed)
	})
}

// judgeInvented invents an input of an operation, sends it through JSON and
// compares what Validate and the model say of it.
func judgeInvented(t *testing.T, shapes map[string]oracleShape, op api.Operation, seed uint64) {
	t.Helper()
	o := &oracle{shapes: shapes, odds: 4 + int(seed%40)}
	invented := o.invent(rand.New(rand.NewPCG(seed, seed)), op.Name+"Input")
	body, err := json.Marshal(invented)
	if err != nil {
		t.Fatal(err)
	}
	in := op.NewInput()
	if err := json.Unmarshal(body, in); err != nil {
		t.Fatal(err)
	}
	checkRoundTrip(t, invented, in)
	want := o.judge(op.Name+"Input", invented)
	exception, ok := errors.AsType[*api.ValidationError](in.(api.Validator).Validate())
	if !ok {
		exception = &api.ValidationError{}
	}
	if exception.Total != len(want) {
		t.Fatalf("Validate counts %d violations, the model %d: %q\n%s", exception.Total, len(want), want, body)
	}
	var got []string
	for _, v := range exception.Violations {
		got = append(got, v.Path+": "+v.Constraint)
	}
	slices.Sort(got)
	if len(want) > 10 {
		want = slices.DeleteFunc(want, func(s string) bool { return !slices.Contains(got, s) })
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("violations (-model +Validate):\n%s\n%s", diff, body)
	}
}

// checkRoundTrip proves that an input, decoded and encoded, is what it was:
// absent stays absent, empty stays empty.
func checkRoundTrip(t *testing.T, invented, in any) {
	t.Helper()
	back, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.NewDecoder(bytes.NewReader(back)).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(invented, got); diff != "" {
		t.Errorf("round trip (-sent +back):\n%s", diff)
	}
}

// FuzzDecode: whatever decodes can be validated, and the message is well made.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"pipeline":null}`))
	f.Add([]byte(`{"pipeline":{"stages":[null,{}]}}`))
	f.Add([]byte(`{"pipeline":{"artifactStores":{"":{},"x":{"encryptionKey":{}}}}}`))
	f.Add([]byte(stage(`"configuration":{"":""}`)))
	f.Add([]byte(variables(`{"name":"\ud800"}`)))
	f.Fuzz(func(t *testing.T, body []byte) {
		var in codepipeline.CreatePipelineInput
		if json.Unmarshal(body, &in) != nil {
			return
		}
		exception, ok := errors.AsType[*api.ValidationError](in.Validate())
		if !ok {
			return
		}
		if n := len(exception.Violations); n != min(exception.Total, 10) || n == 0 {
			t.Errorf("%d violations kept of %d", n, exception.Total)
		}
		if !strings.HasPrefix(exception.ErrorMessage(), fmt.Sprint(exception.Total, " validation error")) {
			t.Errorf("message %q", exception.ErrorMessage())
		}
	})
}

func BenchmarkValidate(b *testing.B) {
	var in codepipeline.CreatePipelineInput
	if err := json.Unmarshal([]byte(stage(`"configuration":{"S3Bucket":"b","S3ObjectKey":"k"}`)), &in); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := in.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}
