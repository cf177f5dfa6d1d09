package penstock_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/api/penstock"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	s := penstock.Describe(penstock.Unimplemented{})
	if s.TargetPrefix != "Penstock_2026" || s.SigningName != "penstock" || s.JSONVersion != "1.1" {
		t.Errorf("described as %s, %s, %s", s.TargetPrefix, s.SigningName, s.JSONVersion)
	}
	want := []string{"ActionExecutionNotFoundException", "PipelineExecutionNotFoundException", "PipelineNotFoundException", "ValidationException"}
	if diff := cmp.Diff(want, s.Operations["GetActionLog"].Exceptions); diff != "" {
		t.Errorf("exceptions (-want +got):\n%s", diff)
	}
}

func TestGetActionLogInput(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ input, want string }{
		{`{}`, ""},
		{`{"pipelineName":"p","actionExecutionId":"01234567-89ab-cdef-0123-456789abcdef","nextLine":0,"maxLines":10000,"waitSeconds":20}`, ""},
		{`{"waitSeconds":21}`, "1 validation error detected: Value at 'waitSeconds' failed to satisfy constraint: Member must have value less than or equal to 20"},
		{
			`{"pipelineName":"p q","nextLine":-1,"maxLines":0}`,
			"3 validation errors detected: " +
				`Value at 'pipelineName' failed to satisfy constraint: Member must satisfy regular expression pattern: [A-Za-z0-9.@\-_]+; ` +
				"Value at 'nextLine' failed to satisfy constraint: Member must have value greater than or equal to 0; " +
				"Value at 'maxLines' failed to satisfy constraint: Member must have value greater than or equal to 1",
		},
	} {
		var in penstock.GetActionLogInput
		if err := json.Unmarshal([]byte(test.input), &in); err != nil {
			t.Fatal(err)
		}
		got := ""
		if exception, ok := errors.AsType[*api.ValidationError](in.Validate()); ok {
			got = exception.ErrorMessage()
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.input, diff)
		}
	}
}

func TestGetActionLogOutput(t *testing.T) {
	t.Parallel()
	out := penstock.GetActionLogOutput{
		Lines:    []penstock.LogLine{{Number: new(int64(3)), At: api.TimestampOf(1500), Text: new("hello")}},
		NextLine: new(int64(4)),
		Complete: new(false),
	}
	got, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"lines":[{"number":3,"at":1.5,"text":"hello"}],"nextLine":4,"complete":false}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
