package iam_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// presignedV2 is a GET of an object as boto3 presigns it in us-east-1.
func presignedV2(t *testing.T, c sigv4.Credentials, path string, ends time.Time) *http.Request {
	t.Helper()
	expires := strconv.FormatInt(ends.Unix(), 10)
	text, query := "GET\n\n\n"+expires+"\n", url.Values{"AWSAccessKeyId": {c.AccessKeyID}, "Expires": {expires}}
	if c.SessionToken != "" {
		text += "x-amz-security-token:" + c.SessionToken + "\n"
		query.Set("x-amz-security-token", c.SessionToken)
	}
	h := hmac.New(sha1.New, []byte(c.SecretAccessKey))
	_, _ = io.WriteString(h, text+path)
	query.Set("Signature", base64.StdEncoding.EncodeToString(h.Sum(nil)))
	r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1"+path+"?"+query.Encode(), strings.NewReader("content"))
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = "192.0.2.1:5"
	return r
}

// TestPresignedV2: who holds the key is known by a URL of version 2 as by any
// other signature; what does not fit is refused in the words of S3.
func TestPresignedV2(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.SQLite(t), t.TempDir())
	session, _, err := n.IssueSession(jobSession())
	n.must(err)
	other, _, err := n.IssueSession(jobSession())
	n.must(err)
	with := func(c sigv4.Credentials, change func(*sigv4.Credentials)) sigv4.Credentials {
		change(&c)
		return c
	}
	minute := now.Add(time.Minute)
	tests := []struct {
		name          string
		credentials   sigv4.Credentials
		ends          time.Time
		change        func(*http.Request)
		code, message string
		status        int
	}{
		{name: "root", credentials: root, ends: minute},
		{name: "root, for ever", credentials: root, ends: now.AddDate(100, 0, 0)},
		{name: "session", credentials: session, ends: minute},
		{"expired", root, now.Add(-time.Second), nil, "AccessDenied", "Request has expired", 403},
		{"wrong secret", with(root, func(c *sigv4.Credentials) { c.SecretAccessKey += "x" }), minute, nil, "SignatureDoesNotMatch", "The request signature we calculated", 403},
		{"unknown key", with(root, func(c *sigv4.Credentials) { c.AccessKeyID = "AKIDOTHER" }), minute, nil, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist", 403},
		{"token with a permanent key", with(root, func(c *sigv4.Credentials) { c.SessionToken = "x" }), minute, nil, "InvalidToken", "", 400},
		{"session without its token", with(session, func(c *sigv4.Credentials) { c.SessionToken = "" }), minute, nil, "InvalidToken", "", 400},
		{"another session's token", with(session, func(c *sigv4.Credentials) { c.SessionToken = other.SessionToken }), minute, nil, "InvalidToken", "", 400},
		{"another version", root, minute, func(r *http.Request) { r.URL.RawQuery += "&versionId=1" }, "SignatureDoesNotMatch", "", 403},
		{"no signature", root, minute, func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "Signature=", "S=", 1) },
			"AccessDenied", "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters", 403},
		{"no date", root, minute, func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "Expires=", "Expires=x", 1) },
			"AccessDenied", "Invalid date (should be seconds since epoch): x", 403},
		{"two mechanisms", root, minute, func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x") },
			"InvalidArgument", "Only one auth mechanism allowed", 400},
	}
	for _, tt := range tests {
		r := presignedV2(t, tt.credentials, "/store/pipe/src/1", tt.ends)
		if tt.change != nil {
			tt.change(r)
		}
		caller, body, err := n.AuthenticateStream(r, "s3")
		if tt.code == "" {
			n.must(err)
			content, err := io.ReadAll(body)
			if err != nil || string(content) != "content" || caller.AccessKeyID != tt.credentials.AccessKeyID || caller.Account != account || caller.SourceIP != "192.0.2.1" {
				t.Errorf("%s: %q from %+v, %v", tt.name, content, caller, err)
			}
			if tt.credentials.SessionToken != "" {
				wantCode(t, tt.name+": GetObject", n.AuthorizeObject(caller, "s3:GetObject", inputKey), "")
				wantCode(t, tt.name+": DeleteObject", n.AuthorizeObject(caller, "s3:DeleteObject", inputKey), "AccessDenied")
			}
			continue
		}
		e, ok := errors.AsType[*api.Error](err)
		if !ok || e.Code != tt.code || e.Status != tt.status || !strings.HasPrefix(e.Message, tt.message) {
			t.Errorf("%s: %v, want %d %s", tt.name, err, tt.status, tt.code)
		}
	}
	n.clock.advance(16 * time.Minute)
	_, _, err = n.AuthenticateStream(presignedV2(t, session, "/store/pipe/src/1", now.Add(time.Hour)), "s3")
	wantCode(t, "after the session", err, "ExpiredToken")
}

// TestPresignedV2Content: the body is not signed, but for the MD5 of it that is.
func TestPresignedV2Content(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.SQLite(t), t.TempDir())
	put := func(content string) error {
		const md5 = "XUFAKrxLKna5cZ2REBfFkg==" // of hello
		ends := strconv.FormatInt(now.Unix()+60, 10)
		h := hmac.New(sha1.New, []byte(root.SecretAccessKey))
		_, _ = io.WriteString(h, "PUT\n"+md5+"\n\n"+ends+"\n/b/k")
		r, err := http.NewRequest(http.MethodPut, "http://127.0.0.1/b/k?AWSAccessKeyId="+root.AccessKeyID+"&Expires="+ends+
			"&Signature="+url.QueryEscape(base64.StdEncoding.EncodeToString(h.Sum(nil))), strings.NewReader(content))
		n.must(err)
		r.Header.Set("Content-MD5", md5)
		_, body, err := n.AuthenticateStream(r, "s3")
		n.must(err)
		_, err = io.ReadAll(body)
		return err
	}
	n.must(put("hello"))
	wantCode(t, "other content", put("HELLO"), "BadDigest")
}

// TestV2IsForS3 only, and only in the query.
func TestV2IsForS3(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, err := s.Authenticate(presignedV2(t, root, "/", now.Add(time.Minute)), []byte("content"), "codepipeline")
	wantCode(t, "CodePipeline", err, "MissingAuthenticationTokenException")
	r := presignedV2(t, root, "/b/k", now.Add(time.Minute))
	r.Header.Set("Authorization", "AWS "+root.AccessKeyID+":"+r.URL.Query().Get("Signature"))
	r.URL.RawQuery = ""
	_, _, err = s.AuthenticateStream(r, "s3")
	wantCode(t, "in the header", err, "InvalidRequest")
}
