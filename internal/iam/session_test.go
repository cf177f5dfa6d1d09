package iam_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

const inputKey, outputKey = "arn:aws:s3:::store/pipe/src/1", "arn:aws:s3:::store/pipe/bin/2"

func jobSession() iam.Session {
	return iam.Session{
		Account: account, Role: "penstock-job", Name: "job-1", Lifetime: 15 * time.Minute,
		Grants: []iam.Grant{
			{Actions: []string{"s3:GetObject", "s3:GetObjectVersion"}, Resources: []string{inputKey}},
			{Actions: []string{"s3:PutObject"}, Resources: []string{outputKey, "arn:aws:s3:::store/pipe/*/3"}},
		},
	}
}

// signed is a request for a service, as it arrives.
func signed(t *testing.T, c sigv4.Credentials, service string, at time.Time, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://127.0.0.1/store/pipe/src/1", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	hash := sigv4.Hash([]byte("{}"))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if service == "s3" {
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	sigv4.Sign(r, hash, c, "eu-west-1", service, at)
	return r
}

// A session is known on every node that has the keyring, and may do what it was
// granted, to the letter.
func TestSession(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		data := t.TempDir()
		issuer, n := newNode(t, d, data), newNode(t, d, data)
		c, expires, err := issuer.IssueSession(jobSession())
		n.must(err)
		if !strings.HasPrefix(c.AccessKeyID, "ASIA") || len(c.AccessKeyID) != 20 || strings.Contains(c.SessionToken, inputKey) ||
			!expires.Equal(now.Add(15*time.Minute)) {
			t.Errorf("credentials %+v until %s", c, expires)
		}
		caller, body, err := n.AuthenticateStream(signed(t, c, "s3", now), "s3")
		n.must(err)
		if text, err := io.ReadAll(body); err != nil || string(text) != "{}" {
			t.Errorf("body %q, %v", text, err)
		}
		if caller.Account != account || caller.ARN != "arn:aws:sts::"+account+":assumed-role/penstock-job/job-1" {
			t.Errorf("caller %+v", caller)
		}
		for _, allowed := range [][2]string{
			{"s3:GetObject", inputKey}, {"s3:GetObjectVersion", inputKey}, {"s3:PutObject", outputKey},
			{"s3:PutObject", "arn:aws:s3:::store/pipe/*/3"},
		} {
			if err := n.AuthorizeObject(caller, allowed[0], allowed[1]); err != nil {
				t.Errorf("%v: %v", allowed, err)
			}
		}
		for _, refused := range [][2]string{
			{"s3:PutObject", inputKey}, {"s3:GetObject", outputKey}, {"s3:DeleteObject", outputKey}, {"s3:GetObject", inputKey + "0"},
			{"s3:ListBucket", "arn:aws:s3:::store"}, {"s3:PutObject", "arn:aws:s3:::store/pipe/any/3"}, {"s3:*", inputKey},
			{"codepipeline:PutJobSuccessResult", "*"}, {"s3:getobject", inputKey},
		} {
			wantCode(t, refused[0]+" on "+refused[1], n.AuthorizeObject(caller, refused[0], refused[1]), "AccessDenied")
		}
		wantCode(t, "passing a role", n.AuthorizePassRole(caller, "arn:aws:iam::"+account+":role/r"), "AccessDeniedException")

		// The JSON services know it too, and let it do nothing.
		caller, err = n.Authenticate(signed(t, c, "codepipeline", now), []byte("{}"), "codepipeline")
		n.must(err)
		wantCode(t, "an operation", n.Authorize(caller, "codepipeline:PutJobSuccessResult", "*"), "AccessDeniedException")

		// Whatever a caller claims by itself is nothing.
		wantCode(t, "a claim", n.Authorize(api.Caller{Session: "[]", ARN: "arn:aws:iam::" + account + ":root"}, "a:b", "*"), "AccessDeniedException")
	})
}

// The credentials of a job read its inputs and write its outputs, with the canned
// ACL that workers of AWS send; nothing more.
func TestJobSession(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.SQLite(t), t.TempDir())
	c, _, err := n.IssueSession(iam.JobSession(account, "job-1", []string{inputKey}, []string{outputKey}))
	n.must(err)
	caller, _, err := n.AuthenticateStream(signed(t, c, "s3", now), "s3")
	n.must(err)
	rights := map[string]string{
		"s3:GetObject": inputKey, "s3:GetObjectVersion": inputKey,
		"s3:PutObject": outputKey, "s3:PutObjectAcl": outputKey, "s3:AbortMultipartUpload": outputKey, "s3:ListMultipartUploadParts": outputKey,
		"s3:PutObjectTagging": "", "s3:DeleteObject": "", "s3:GetObjectAcl": "", "s3:PutObjectVersionAcl": "",
	}
	for action, allowed := range rights {
		for _, resource := range []string{inputKey, outputKey, outputKey + "/x", "arn:aws:s3:::store"} {
			want := "AccessDenied"
			if resource == allowed {
				want = ""
			}
			wantCode(t, action+" on "+resource, n.AuthorizeObject(caller, action, resource), want)
		}
	}
}

// What is not as it was issued, or too old, is refused.
func TestSessionRefused(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		data := t.TempDir()
		n := newNode(t, d, data)
		c, _, err := n.IssueSession(jobSession())
		n.must(err)
		other, _, err := n.IssueSession(jobSession())
		n.must(err)
		with := func(change func(*sigv4.Credentials)) sigv4.Credentials {
			c := c
			change(&c)
			return c
		}
		for _, tt := range []struct {
			name     string
			c        sigv4.Credentials
			later    time.Duration
			json, s3 string
		}{
			{"another's token", with(func(c *sigv4.Credentials) { c.SessionToken = other.SessionToken }), 0, "UnrecognizedClientException", "InvalidToken"},
			{"no token", with(func(c *sigv4.Credentials) { c.SessionToken = "" }), 0, "UnrecognizedClientException", "InvalidToken"},
			{"a changed token", with(func(c *sigv4.Credentials) { c.SessionToken = c.SessionToken[:len(c.SessionToken)-3] + "AAA" }), 0, "UnrecognizedClientException", "InvalidToken"},
			{"another secret", with(func(c *sigv4.Credentials) { c.SecretAccessKey += "x" }), 0, "InvalidSignatureException", "SignatureDoesNotMatch"},
			{"a token with a permanent key", with(func(c *sigv4.Credentials) { c.AccessKeyID = root.AccessKeyID }), 0, "UnrecognizedClientException", "InvalidToken"},
			{"in time", c, 15*time.Minute - time.Second, "", ""},
			{"too late", c, 15 * time.Minute, "ExpiredTokenException", "ExpiredToken"},
		} {
			at := newNode(t, d, data)
			at.clock.advance(tt.later)
			signedAt := now.Add(tt.later)
			_, err := at.Authenticate(signed(t, tt.c, "codepipeline", signedAt), []byte("{}"), "codepipeline")
			wantCode(t, tt.name, err, tt.json)
			_, _, err = at.AuthenticateStream(signed(t, tt.c, "s3", signedAt), "s3")
			wantCode(t, tt.name+" for S3", err, tt.s3)
		}
		stranger := newNode(t, d, t.TempDir()) // has another keyring
		_, err = stranger.Authenticate(signed(t, c, "codepipeline", now), []byte("{}"), "codepipeline")
		wantCode(t, "another keyring", err, "UnrecognizedClientException")
	})
}

func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	got := ""
	if e, ok := err.(api.Exception); ok {
		got = e.ErrorCode()
	} else if err != nil {
		got = err.Error()
	}
	if got != code {
		t.Errorf("%s: answered %q, want %q", what, got, code)
	}
}

// How long a caller will wait counts if the caller has signed it.
func TestWait(t *testing.T) {
	t.Parallel()
	s := open(t)
	for text, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "20": api.MaxWait, "3600": api.MaxWait, "-1": 0, "soon": 0, "9223372036854775807": api.MaxWait,
	} {
		caller, err := s.Authenticate(signed(t, root, "codepipeline", now, "X-Penstock-Wait-Seconds", text), []byte("{}"), "codepipeline")
		if err != nil || caller.Wait != want {
			t.Errorf("%q: %v, %v, want %v", text, caller.Wait, err, want)
		}
	}
	r := signed(t, root, "codepipeline", now)
	r.Header.Set("X-Penstock-Wait-Seconds", "5")
	caller, err := s.Authenticate(r, []byte("{}"), "codepipeline")
	if err != nil || caller.Wait != 0 {
		t.Errorf("unsigned: %v, %v", caller.Wait, err)
	}
}
