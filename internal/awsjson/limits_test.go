package awsjson_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/awsjson"
)

// textInput has one text of at most eight characters, by its model.
type textInput struct {
	Text *string `json:"text,omitempty"`
}

func (in *textInput) Validate() error { return in.ValidateUnder(nil) }

func (in *textInput) ValidateUnder(limits api.Limits) error {
	return api.Check(in, limits, func(in *textInput, c *api.Checker) {
		c.String("text", in.Text, api.Required, api.StringRule{Shape: "Text", Max: 8})
	})
}

// TestLimits: a setting of the server takes the place of a model's maximum.
func TestLimits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		limits api.Limits
		length int
		ok     bool
	}{
		{"model", nil, 8, true},
		{"beyond the model", nil, 9, false},
		{"of another shape", api.Limits{"Other": 20}, 9, false},
		{"raised", api.Limits{"Text": 20}, 20, true},
		{"beyond the raised", api.Limits{"Text": 20}, 21, false},
		{"lowered", api.Limits{"Text": 2}, 3, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			service := api.Service{
				TargetPrefix: "CodePipeline_20150709", SigningName: "codepipeline", JSONVersion: "1.1",
				Operations: api.OperationTable(api.NewOperation("Text",
					func(_ context.Context, _ api.Caller, in *textInput) (*textInput, error) { return in, nil })),
			}
			handler := awsjson.NewHandler(&signatures{}, slog.New(slog.DiscardHandler), service)
			handler.Limits = test.limits
			server := httptest.NewServer(handler)
			t.Cleanup(server.Close)
			response, body := send(t, server, request(t, server, "CodePipeline_20150709.Text", `{"text":"`+strings.Repeat("x", test.length)+`"}`))
			if ok := response.StatusCode == 200; ok != test.ok || !ok && !strings.Contains(body, "Member must have length less than or equal to") {
				t.Errorf("answered %d %s", response.StatusCode, body)
			}
		})
	}
}
