package codepipeline_test

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/google/go-cmp/cmp"
	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/api/codepipeline"
)

// plainInSDK lists the members that the official SDK has as plain values while
// ours are pointers: numbers and booleans, for which the SDK cannot
// tell absent from zero and we must. There is no other difference.
func plainInSDK() []string {
	return []string{
		"ActionConfigurationProperty.Key",
		"ActionConfigurationProperty.Queryable",
		"ActionConfigurationProperty.Required",
		"ActionConfigurationProperty.Secret",
		"ActionTypeProperty.Key",
		"ActionTypeProperty.NoEcho",
		"ActionTypeProperty.Optional",
		"ActionTypeProperty.Queryable",
		"ActionTypeArtifactDetails.MaximumCount",
		"ActionTypeArtifactDetails.MinimumCount",
		"ArtifactDetails.MaximumCount",
		"ArtifactDetails.MinimumCount",
		"PutActionRevisionOutput.NewRevision",
		"RuleConfigurationProperty.Key",
		"RuleConfigurationProperty.Queryable",
		"RuleConfigurationProperty.Required",
		"RuleConfigurationProperty.Secret",
		"StopPipelineExecutionInput.Abandon",
		"TransitionState.Enabled",
	}
}

// call is one operation of the SDK's client and the types it takes and gives.
type call struct {
	name          string
	input, output reflect.Type
}

// sdkCalls lists the operations of the SDK's client.
func sdkCalls() []call {
	var out []call
	client := reflect.TypeFor[*sdk.Client]()
	for m := range client.Methods() {
		f := m.Type
		if f.NumIn() == 4 && f.IsVariadic() && f.In(1) == reflect.TypeFor[context.Context]() {
			out = append(out, call{m.Name, f.In(2).Elem(), f.Out(0).Elem()})
		}
	}
	return out
}

// TestSameAsSDK compares every operation, structure and enum with the official
// SDK's, both ways.
func TestSameAsSDK(t *testing.T) {
	t.Parallel()
	ours := reflect.TypeFor[codepipeline.Service]()
	calls := sdkCalls()
	if len(calls) != 44 || ours.NumMethod() != len(calls) {
		t.Fatalf("SDK has %d operations, Service has %d, want 44", len(calls), ours.NumMethod())
	}
	d := &drift{t: t, seen: map[reflect.Type]bool{}}
	for _, c := range calls {
		m, ok := ours.MethodByName(c.name)
		if !ok {
			t.Errorf("Service has no %s", c.name)
			continue
		}
		if n := m.Type.NumIn(); n != 3 || m.Type.In(1) != reflect.TypeFor[api.Caller]() {
			t.Errorf("%s does not take context, caller and input", c.name)
		}
		d.compare(c.name, m.Type.In(2).Elem(), c.input)
		if m.Type.NumOut() == 2 {
			d.compare(c.name, m.Type.Out(0).Elem(), c.output)
		} else if n := len(fields(c.output)); n != 0 {
			t.Errorf("%s has no output, the SDK's has %d members", c.name, n)
		}
	}
	slices.Sort(d.plain)
	want := plainInSDK()
	slices.Sort(want)
	if diff := cmp.Diff(want, d.plain); diff != "" {
		t.Errorf("members plain in the SDK (-known +found):\n%s", diff)
	}
	if len(d.seen) < 150 {
		t.Errorf("only %d structures were compared", len(d.seen))
	}
}

// drift walks two trees of types together.
type drift struct {
	t     *testing.T
	seen  map[reflect.Type]bool
	plain []string
}

func (d *drift) compare(path string, ours, theirs reflect.Type) {
	switch {
	case ours.Kind() == reflect.Pointer && theirs.Kind() != reflect.Pointer:
		d.plain = append(d.plain, path)
		ours = ours.Elem()
	case ours.Kind() == reflect.Pointer:
		ours, theirs = ours.Elem(), theirs.Elem()
	}
	if theirs == reflect.TypeFor[time.Time]() && ours == reflect.TypeFor[api.Timestamp]() {
		return
	}
	if ours.Kind() != theirs.Kind() || ours.Name() != theirs.Name() {
		d.t.Errorf("%s is %s (%s), the SDK's is %s (%s)", path, ours, ours.Kind(), theirs, theirs.Kind())
		return
	}
	switch ours.Kind() {
	case reflect.Slice:
		d.compare(path+"[]", ours.Elem(), theirs.Elem())
	case reflect.Map:
		d.compare(path+"{}", ours.Elem(), theirs.Elem())
	case reflect.String:
		if ours.PkgPath() != "" {
			d.compareEnums(ours, theirs)
		}
	case reflect.Struct:
		d.compareStructs(ours, theirs)
	}
}

func (d *drift) compareStructs(ours, theirs reflect.Type) {
	if d.seen[ours] {
		return
	}
	d.seen[ours] = true
	a, b := fields(ours), fields(theirs)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(b)), slices.Sorted(maps.Keys(a))); diff != "" {
		d.t.Errorf("members of %s (-SDK +ours):\n%s", ours.Name(), diff)
		return
	}
	for name, f := range a {
		d.compare(ours.Name()+"."+name, f, b[name])
	}
}

func (d *drift) compareEnums(ours, theirs reflect.Type) {
	values := func(t reflect.Type) []string {
		var out []string
		for _, v := range reflect.Zero(t).MethodByName("Values").Call(nil)[0].Seq2() {
			out = append(out, v.String())
		}
		return out
	}
	if diff := cmp.Diff(values(theirs), values(ours)); diff != "" {
		d.t.Errorf("values of %s (-SDK +ours):\n%s", ours.Name(), diff)
	}
}

// fields maps the members of a structure to their types, without what the SDK
// adds for itself.
func fields(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for f := range t.Fields() {
		if f.IsExported() && f.Name != "ResultMetadata" {
			out[f.Name] = f.Type
		}
	}
	return out
}
