package iam_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

var (
	now  = time.Date(2026, 11, 22, 12, 34, 38, 0, time.UTC)
	root = sigv4.Credentials{AccessKeyID: "AKIDROOT", SecretAccessKey: "root-secret"}
)

func open(t testing.TB) *iam.Service {
	t.Helper()
	s, err := iam.Open(iam.Config{Account: account, RootAccessKeyID: root.AccessKeyID, RootSecretAccessKey: root.SecretAccessKey,
		Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	s := open(t)
	const body = `{"name":"p"}`
	with := func(change func(*sigv4.Credentials)) sigv4.Credentials {
		c := root
		change(&c)
		return c
	}
	tests := []struct {
		name        string
		credentials sigv4.Credentials
		service     string
		at          time.Time
		body        string
		want        string
	}{
		{"right", root, "codepipeline", now, body, ""},
		{"unknown key", with(func(c *sigv4.Credentials) { c.AccessKeyID = "AKIDOTHER" }), "codepipeline", now, body,
			"UnrecognizedClientException: The security token included in the request is invalid."},
		{"token with a permanent key", with(func(c *sigv4.Credentials) { c.SessionToken = "t" }), "codepipeline", now, body,
			"UnrecognizedClientException: The security token included in the request is invalid."},
		{"wrong secret", with(func(c *sigv4.Credentials) { c.SecretAccessKey = "x" }), "codepipeline", now, body,
			"InvalidSignatureException: The request signature we calculated does not match"},
		{"wrong body", root, "codepipeline", now, body + " ", "InvalidSignatureException: The request signature we calculated does not match"},
		{"wrong service", root, "codebuild", now, body, "InvalidSignatureException: Credential should be scoped to correct service: 'codepipeline'"},
		{"old", root, "codepipeline", now.Add(-time.Hour), body, "InvalidSignatureException: Signature expired: 20261122T113438Z is now earlier than 20261122T122938Z (20261122T123438Z - 5 min.)"},
	}
	for _, tt := range tests {
		r, err := http.NewRequest(http.MethodPost, "http://127.0.0.1/", strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Target", "CodePipeline_20150709.GetPipeline")
		sigv4.Sign(r, sigv4.Hash([]byte(body)), tt.credentials, "nowhere-9", tt.service, tt.at)
		caller, err := s.Authenticate(r, []byte(tt.body), "codepipeline")
		if tt.want == "" {
			want := api.Caller{Partition: "aws", Account: account, Region: "nowhere-9", ARN: "arn:aws:iam::123456789012:root", AccessKeyID: "AKIDROOT"}
			if diff := cmp.Diff(want, caller); err != nil || diff != "" {
				t.Errorf("%s: %v, caller (-want +got):\n%s", tt.name, err, diff)
			}
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: error is %v, want %s", tt.name, err, tt.want)
		}
		if _, ok := errors.AsType[api.Exception](err); !ok {
			t.Errorf("%s: %v is no exception", tt.name, err)
		}
		if caller != (api.Caller{}) {
			t.Errorf("%s: refused, with the caller %v", tt.name, caller)
		}
	}
	if _, err := s.Authenticate(&http.Request{Method: "POST", URL: mustURL(t), Header: http.Header{}}, nil, "codepipeline"); err == nil ||
		err.Error() != "MissingAuthenticationTokenException: Missing Authentication Token" {
		t.Errorf("without a signature: %v", err)
	}
}

func TestAuthorize(t *testing.T) {
	t.Parallel()
	s := open(t)
	const resource = "arn:aws:codepipeline:us-east-1:123456789012:p"
	caller := api.Caller{Account: account, ARN: "arn:aws:iam::123456789012:root"}
	if err := s.Authorize(caller, "codepipeline:GetPipeline", resource); err != nil {
		t.Errorf("root is refused: %v", err)
	}
	caller.ARN = "arn:aws:iam::123456789012:user/eve"
	err := s.Authorize(caller, "codepipeline:GetPipeline", resource)
	const want = "AccessDeniedException: User: arn:aws:iam::123456789012:user/eve is not authorized to perform: codepipeline:GetPipeline" +
		" on resource: arn:aws:codepipeline:us-east-1:123456789012:p because no identity-based policy allows the codepipeline:GetPipeline action"
	if err == nil || err.Error() != want {
		t.Errorf("eve is answered %v", err)
	}
	if err := s.Authorize(api.Caller{}, "a", "b"); err == nil {
		t.Error("nobody is allowed")
	}
}
