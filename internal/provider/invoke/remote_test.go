package invoke

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/provider"
)

// elsewhere is a configuration whose functions are answered by a handler.
func elsewhere(t *testing.T, handler http.HandlerFunc) Config {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	c := testConfig(nil)
	c.Remote = RemoteConfig{Endpoint: s.URL, AccessKeyID: "AKIA", SecretAccessKey: "secret"}
	return c
}

// Whatever answers with a 4xx will do so again: that is a verdict, whether there is
// an error to read or not. Everything else is not known, and asked again.
func TestRemoteAnswers(t *testing.T) {
	t.Parallel()
	const text = `{"Type": "User", "Message": "as told", "message": "as told"}`
	const again = "again"
	for name, test := range map[string]struct {
		status       int
		kind, body   string
		code, saying string
	}{
		"no function":          {404, "ResourceNotFoundException", text, provider.CodeConfigurationError, "The AWS Lambda function f does not exist."},
		"no function, no body": {404, "ResourceNotFoundException", "", provider.CodeConfigurationError, "The AWS Lambda function f does not exist."},
		"wrong request":        {400, "InvalidParameterValueException", text, provider.CodeConfigurationError, "as told (Service: AWSLambda; Status Code: 400; Error Code: InvalidParameterValueException)"},
		"large":                {413, "RequestTooLargeException", text, provider.CodeConfigurationError, "Status Code: 413"},
		"no access":            {403, "AccessDeniedException", text, provider.CodePermissionError, "as told"},
		"no key":               {401, "UnrecognizedClientException", text, provider.CodePermissionError, "as told"},
		"page":                 {404, "", "<html>nginx</html>", provider.CodeConfigurationError, "status code 404"},
		"closed page":          {403, "", "<html>nginx</html>", provider.CodePermissionError, "status code 403"},
		"nothing":              {400, "", "", provider.CodeConfigurationError, "status code 400"},
		"empty":                {400, "", "{}", provider.CodeConfigurationError, "400"},
		"elsewhere":            {301, "", "", provider.CodeConfigurationError, "status code 301"},
		"crowd":                {429, "TooManyRequestsException", text, again, ""},
		"crowd page":           {429, "", "<html>", again, ""},
		"throttled":            {400, "ThrottlingException", text, again, ""},
		"throttled, no body":   {400, "ThrottlingException", "", again, ""},
		"being changed":        {409, "ResourceConflictException", text, again, ""},
		"trouble":              {500, "ServiceException", text, again, ""},
		"trouble page":         {502, "", "<html>", again, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := elsewhere(t, func(w http.ResponseWriter, _ *http.Request) {
				if test.kind != "" {
					w.Header().Set("X-Amzn-Errortype", test.kind)
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			action, _ := New(c)
			report, err := action.Start(t.Context(), attempt(t))
			if test.code == again {
				if err == nil || !strings.Contains(err.Error(), "invoking function f") {
					t.Errorf("%+v, %v", report, err)
				}
				return
			}
			if err != nil || report.Status != provider.Failed || report.ErrorCode != test.code || !strings.Contains(report.ErrorMessage, test.saying) {
				t.Errorf("%+v, %v", report, err)
			}
		})
	}
}

// One that is not there, and one that ends in the middle of its answer, are asked
// again.
func TestRemoteSilence(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"nothing": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"half": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"result":`)
			panic(http.ErrAbortHandler)
		},
	} {
		executor := NewExecutors(elsewhere(t, answer))("arn:aws:lambda:eu-central-1:111122223333:function:f", 0)
		report, err := executor.Start(t.Context(), attempt(t))
		if _, refused := errors.AsType[*refusal](err); err == nil || refused {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
	}
}

// The function of a declared type, elsewhere: what it returns is the result, its
// error fails the action, and what it continues with comes back to it.
func TestRemoteExecutor(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:lambda:eu-central-1:111122223333:function:f"
	var tokens []string
	answers := []struct{ failed, body string }{
		{"", `{"result": "Continue", "continuation": {"Step": 1}, "status": {"Summary": "begun"}}`},
		{"", `{"result": "Success", "status": {"Summary": "done"}}`},
		{"Unhandled", `{"errorMessage": "no", "errorType": "KeyError"}`},
		{"Unhandled", `it broke`},
	}
	wants := []provider.Report{
		{Status: provider.InProgress, ContinuationToken: `{"Step":1}`, Summary: "begun"},
		{Status: provider.Succeeded, Summary: "done", Produced: []string{"Out"}},
		provider.Failure(provider.CodeJobFailed, "The function "+arn+" failed: KeyError: no"),
		provider.Failure(provider.CodeJobFailed, "The function "+arn+" failed: it broke"),
	}
	c := elsewhere(t, func(w http.ResponseWriter, r *http.Request) {
		var told request
		if err := json.NewDecoder(r.Body).Decode(&told); err != nil || r.Header.Get("X-Amz-Invocation-Type") != "RequestResponse" ||
			!strings.Contains(r.URL.Path, "/functions/"+arn+"/invocations") {
			t.Errorf("%v: %s %v", err, r.URL.Path, r.Header)
		}
		answer := answers[len(tokens)]
		tokens = append(tokens, string(told.Data.ContinuationToken))
		if answer.failed != "" {
			w.Header().Set("X-Amz-Function-Error", answer.failed)
		}
		_, _ = io.WriteString(w, answer.body)
	})
	executor := NewExecutors(c)(arn, 0)
	a := attempt(t)
	for i, want := range wants {
		got, err := executor.Start(t.Context(), a)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("answer %d: %v (-want +got):\n%s", i, err, diff)
		}
		a.Job = &provider.Job{ID: a.Job.ID, ContinuationToken: got.ContinuationToken}
	}
	if diff := cmp.Diff([]string{"", `{"Step":1}`, "", ""}, tokens); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
}

// Who has neither the function nor a key for AWS is told what to write where, and
// nothing of the metadata of a machine in a cloud, where this one is not.
func TestRemoteNotConfigured(t *testing.T) {
	metadata := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(metadata.Close)
	for name, value := range map[string]string{
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.URL, "AWS_EC2_METADATA_DISABLED": "", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
	} {
		t.Setenv(name, value)
	}
	const begin, want = "There is no function f on this server, and there are no credentials for AWS Lambda", ": declare the function under `functions` in the " +
		"configuration file (--config), or say by the keys `lambda.*` there, or as to AWS's tools, where it is and who invokes it."
	said := func() (provider.Report, error) {
		action, _ := New(testConfig(nil))
		return action.Start(t.Context(), attempt(t))
	}
	if diff, err := said(); !cmp.Equal(provider.Failure(provider.CodePermissionError, begin+want), diff) || err != nil {
		t.Errorf("nothing: %+v, %v", diff, err)
	}
	// What somebody meant to be the credentials is told.
	profile := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(profile, []byte("[profile leak]\ncredential_process = false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", profile)
	report, err := said()
	if !strings.HasPrefix(report.ErrorMessage, begin+" (") || !strings.Contains(report.ErrorMessage, "credential_process") ||
		!strings.HasSuffix(report.ErrorMessage, ")"+want) || err != nil {
		t.Errorf("a process: %+v, %v", report, err)
	}
}

// An error of a function that is invoked as an event ends nothing.
func TestRemoteEvent(t *testing.T) {
	t.Parallel()
	c := elsewhere(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Invocation-Type") != "Event" {
			t.Errorf("%v", r.Header)
		}
		w.WriteHeader(http.StatusAccepted)
	})
	action, _ := New(c)
	report, err := action.Start(t.Context(), attempt(t))
	if diff := cmp.Diff(provider.Report{Status: provider.InProgress}, report); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
