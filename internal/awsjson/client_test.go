package awsjson_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

func TestClient(t *testing.T) {
	t.Parallel()
	server, _ := start(t, operation("Fail", func(context.Context, api.Caller, *echoInput) (*echoInput, error) {
		return nil, &pipelineNotFound{"no p"}
	}))
	client := newClient(server)

	in := &echoInput{Name: new("<p>é\u2028"), When: api.TimestampOf(1_790_862_132_450), List: []string{"a"}, Map: map[string]string{"k": "v"}}
	var out echoInput
	if err := client.Call(t.Context(), "Echo", in, &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, &out); diff != "" {
		t.Errorf("echo (-want +got):\n%s", diff)
	}
	if err := client.Call(t.Context(), "Silent", nil, nil); err != nil {
		t.Errorf("an operation without input and output: %v", err)
	}
	if err := client.Call(t.Context(), "Silent", nil, &out); err != nil {
		t.Errorf("an output that is not sent: %v", err)
	}

	err := client.Call(t.Context(), "Fail", in, &out)
	want := &api.Error{Code: "PipelineNotFoundException", Message: "no p", Status: 400}
	if e, ok := errors.AsType[*api.Error](err); !ok || *e != *want {
		t.Errorf("error is %v, want %v", err, want)
	}
	// Type errors spell their message with a capital letter.
	err = client.Call(t.Context(), "Echo", map[string]any{"name": 1}, nil)
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != "SerializationException" || !strings.Contains(e.Message, "can not be converted") {
		t.Errorf("error is %v", err)
	}
	client.Credentials = sigv4.Credentials{AccessKeyID: "AKIDTEST", SecretAccessKey: "wrong"}
	err = client.Call(t.Context(), "Echo", in, &out)
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != "InvalidSignatureException" {
		t.Errorf("error is %v", err)
	}
}

// TestClientOfOthers: answers of things that are not Penstock.
func TestClientOfOthers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		header [2]string
		body   string
		code   string
		want   string
	}{
		{"namespace", 400, [2]string{}, `{"__type":"com.amazonaws.codepipeline#ConflictException:http://internal","Message":"m"}`, "ConflictException", "ConflictException: m"},
		{"header only", 400, [2]string{"x-amzn-ErrorType", "ConflictException"}, ``, "ConflictException", "ConflictException"},
		{"a proxy", 502, [2]string{}, `<html>bad gateway</html>`, "", `calling Echo: 502 Bad Gateway: "<html>bad gateway</html>"`},
		{"a web page", 200, [2]string{}, `<html>welcome</html>`, "", "decoding the answer to Echo"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tt.header[0] != "" {
					w.Header().Set(tt.header[0], tt.header[1])
				}
				w.WriteHeader(tt.status)
				if _, err := w.Write([]byte(tt.body)); err != nil {
					t.Error(err)
				}
			}))
			defer server.Close()
			var out echoInput
			err := newClient(server).Call(t.Context(), "Echo", nil, &out)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %s", err, tt.want)
			}
			e, ok := errors.AsType[*api.Error](err)
			if ok != (tt.code != "") || ok && e.Code != tt.code {
				t.Errorf("exception %v, want %q", e, tt.code)
			}
		})
	}
	client := newClient(httptest.NewUnstartedServer(nil))
	client.Endpoint, client.HTTP = "http://127.0.0.1:1", nil
	if err := client.Call(t.Context(), "Echo", nil, nil); err == nil || !strings.Contains(err.Error(), "calling Echo") {
		t.Errorf("nobody there: %v", err)
	}
}
