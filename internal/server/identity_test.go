package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/server"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// askIdentity asks STS who a key belongs to.
func askIdentity(b *bed, key sigv4.Credentials, service string) (int, string) {
	b.t.Helper()
	const form = "Action=GetCallerIdentity&Version=2011-06-15"
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.Endpoint()+"/", strings.NewReader(form))
	b.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sigv4.Sign(r, sigv4.Hash([]byte(form)), key, region, service, time.Now())
	response, body := send(b.t, r)
	return response.StatusCode, string(body)
}

// TestCallerIdentity: everybody with a key learns who they are, also without
// any permission; nobody else does.
func TestCallerIdentity(t *testing.T) {
	t.Parallel()
	eve := sigv4.Credentials{AccessKeyID: "AKIAEVE", SecretAccessKey: "eves-secret-key"}
	b := newBed(t, func(c *server.Config) {
		c.Principals = []server.Principal{{Name: "eve", AccessKeyID: eve.AccessKeyID, SecretAccessKey: eve.SecretAccessKey}}
	})
	wrong := eve
	wrong.SecretAccessKey = "another"
	for _, test := range []struct {
		name    string
		key     sigv4.Credentials
		service string
		status  int
		want    string
	}{
		{"root", b.Root(), "sts", 200, "<Arn>" + rootARN + "</Arn><UserId>" + account + "</UserId><Account>" + account + "</Account>"},
		{"a principal", eve, "sts", 200, "<Arn>arn:aws:iam::" + account + ":user/eve</Arn><UserId>eve</UserId>"},
		{"a wrong secret", wrong, "sts", 403, "<Code>SignatureDoesNotMatch</Code>"},
		{"an unknown key", sigv4.Credentials{AccessKeyID: "AKIANOBODY", SecretAccessKey: "x"}, "sts", 403, "<Code>InvalidClientTokenId</Code>"},
		{"a key that signed for another service", eve, "iam", 403, "Unable to determine service"},
	} {
		status, body := askIdentity(b, test.key, test.service)
		if status != test.status || !strings.Contains(body, test.want) {
			t.Errorf("%s: %d %s, want %d with %s", test.name, status, body, test.status, test.want)
		}
	}
}

// TestCallerIdentityCLI asks as people do.
func TestCallerIdentityCLI(t *testing.T) {
	t.Parallel()
	c := newCLI(newBed(t))
	if got := c.text("[Account, Arn]", "sts", "get-caller-identity"); got != account+"\t"+rootARN {
		t.Errorf("caller identity %q", got)
	}
}
