package sts

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/api"
)

// fixed authenticates everybody as one caller, or nobody.
type fixed struct {
	caller api.Caller
	err    error
}

func (f fixed) Authenticate(_ *http.Request, _ []byte, service string) (api.Caller, error) {
	if service != "sts" {
		return api.Caller{}, errors.New("authenticated for " + service)
	}
	return f.caller, f.err
}

func TestHandler(t *testing.T) {
	t.Parallel()
	root := fixed{caller: api.Caller{Account: "123456789012", ARN: "arn:aws:iam::123456789012:root"}}
	user := fixed{caller: api.Caller{Account: "123456789012", ARN: "arn:aws:iam::123456789012:user/deployer"}}
	const ask = "Action=GetCallerIdentity&Version=2011-06-15"
	tests := []struct {
		name   string
		auth   fixed
		query  string
		form   string
		status int
		want   string
	}{
		{"root", root, "", ask, 200, "<GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:root</Arn><UserId>123456789012</UserId><Account>123456789012</Account></GetCallerIdentityResult>"},
		{"user", user, "", ask, 200, "<Arn>arn:aws:iam::123456789012:user/deployer</Arn><UserId>deployer</UserId><Account>123456789012</Account>"},
		{"in the query", root, "?" + ask, "", 200, "<Account>123456789012</Account>"},
		{"another operation", root, "", "Action=AssumeRole&Version=2011-06-15", 400, "<Error><Type>Sender</Type><Code>InvalidAction</Code><Message>Could not find operation AssumeRole for version 2011-06-15"},
		{"another version", root, "", "Action=GetCallerIdentity&Version=2010-01-01", 400, "<Code>InvalidAction</Code>"},
		{"no form", root, "", "a=%zz", 400, "<Code>MalformedQueryString</Code>"},
		{"markup", root, "", "Action=%3Cb%3E&Version=1", 400, "Could not find operation &lt;b&gt; for"},
		{"too long", root, "", strings.Repeat("a", maxBody+1), 413, "<Code>RequestEntityTooLarge</Code>"},
		{"unknown key", fixed{err: &api.Error{Code: "UnrecognizedClientException", Message: "The security token included in the request is invalid."}}, "", ask, 403,
			"<Code>InvalidClientTokenId</Code><Message>The security token included in the request is invalid.</Message>"},
		{"signature", fixed{err: &api.Error{Code: "InvalidSignatureException", Message: "no"}}, "", ask, 403, "<Code>SignatureDoesNotMatch</Code>"},
		{"unsigned", fixed{err: &api.Error{Code: "MissingAuthenticationTokenException", Message: "no"}}, "", ask, 403, "<Code>MissingAuthenticationToken</Code>"},
		{"half signed", fixed{err: &api.Error{Code: "IncompleteSignatureException", Message: "no"}}, "", ask, 400, "<Code>IncompleteSignature</Code>"},
		{"trouble", fixed{err: errors.New("the disk is on fire")}, "", ask, 500, "<Type>Receiver</Type><Code>InternalFailure</Code><Message>The request processing has failed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/"+test.query, strings.NewReader(test.form))
			NewHandler(test.auth, slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
			body, err := io.ReadAll(w.Result().Body)
			if err != nil {
				t.Fatal(err)
			}
			if w.Code != test.status || !strings.Contains(string(body), test.want) || strings.Contains(string(body), "fire") {
				t.Errorf("answer %d %s, want %d with %s", w.Code, body, test.status, test.want)
			}
			id := w.Header().Get("X-Amzn-Requestid")
			if id == "" || !strings.Contains(string(body), "<RequestId>"+id+"</RequestId>") || !strings.Contains(string(body), `xmlns="https://sts.amazonaws.com/doc/2011-06-15/"`) {
				t.Errorf("request id %q, answer %s", id, body)
			}
		})
	}
}
