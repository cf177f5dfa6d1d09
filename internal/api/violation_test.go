package api_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/penstock-cd/penstock/internal/api"
)

func TestValidationErrorMessage(t *testing.T) {
	t.Parallel()
	v := api.Violation{Path: "name", Constraint: "Member must not be null"}
	const text = "Value at 'name' failed to satisfy constraint: Member must not be null"
	for _, test := range []struct {
		err  api.ValidationError
		want string
	}{
		{api.ValidationError{Violations: []api.Violation{v}}, "1 validation error detected: " + text},
		{api.ValidationError{Violations: []api.Violation{v, v}}, "2 validation errors detected: " + text + "; " + text},
		{api.ValidationError{Violations: []api.Violation{v}, Total: 12}, "12 validation errors detected: " + text},
	} {
		if got := test.err.ErrorMessage(); got != test.want {
			t.Errorf("message %q, want %q", got, test.want)
		}
		if got, want := test.err.Error(), "ValidationException: "+test.want; got != want {
			t.Errorf("error %q, want %q", got, want)
		}
	}
	var many api.ValidationError
	for range 11 {
		many.Violations = append(many.Violations, v)
	}
	if got, want := len(many.ErrorMessage()), len("11 validation errors detected: ")+10*len(text)+9*len("; "); got != want {
		t.Errorf("message of eleven has %d bytes, want %d", got, want)
	}
}

func TestOperation(t *testing.T) {
	t.Parallel()
	type input struct{ Name string }
	type output struct{ Name string }
	failure := errors.New("no")
	echo := api.NewOperation("Echo", func(_ context.Context, caller api.Caller, in *input) (*output, error) {
		if in.Name == "" {
			return nil, failure
		}
		return &output{caller.Account + in.Name}, nil
	}, "B", "A")
	if !slices.Equal(echo.Exceptions, []string{"A", "B"}) {
		t.Errorf("exceptions %q", echo.Exceptions)
	}
	out, err := echo.Call(t.Context(), api.Caller{Account: "1"}, &input{"x"})
	if got, ok := out.(*output); err != nil || !ok || got.Name != "1x" {
		t.Errorf("answers %v, %v", out, err)
	}
	if out, err := echo.Call(t.Context(), api.Caller{}, echo.NewInput()); out != nil || err != failure {
		t.Errorf("a failure answers %v, %v", out, err)
	}
	if _, err := echo.Call(t.Context(), api.Caller{}, &output{}); err == nil {
		t.Error("an input of another type is accepted")
	}
	silent := api.NewSilentOperation("Silent", func(context.Context, api.Caller, *input) error { return nil })
	if out, err := silent.Call(t.Context(), api.Caller{}, silent.NewInput()); out != nil || err != nil {
		t.Errorf("answers %v, %v", out, err)
	}
	if table := api.OperationTable(echo, silent); len(table) != 2 || table["Silent"].Name != "Silent" {
		t.Errorf("table %v", table)
	}
}
