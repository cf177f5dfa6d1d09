package s3

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

const (
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// face is a handler behind a real server on loopback, with real signatures.
type face struct {
	*fixture
	url    string
	place  string // the URL of who keeps the bucket
	server *httptest.Server
	client *sdk.Client
	// tamper, when set, changes requests after they were signed.
	tamper func(*http.Request)
	// connections counts those that were opened.
	connections atomic.Int64
}

// team is a second key, which may do everything to keys below "team/" of the
// one bucket, but remove none.
var team = sigv4.Credentials{AccessKeyID: "AKIATEAMTEAMEXAMPLE", SecretAccessKey: "secret-of-the-team"}

// signedHandler is a handler with the real authentication and policies.
func signedHandler(s *Store, logger *slog.Logger) (*Handler, error) {
	principals, err := iam.Open(iam.Config{Account: account, RootAccessKeyID: accessKey, RootSecretAccessKey: secretKey,
		Principals: []iam.Configured{{Credentials: team, Principal: iam.Principal{Name: "team", Policies: map[string]string{"team": `{
			"Version": "2012-10-17", "Statement": [
				{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::` + bucket + `/team/*"},
				{"Effect": "Deny", "Action": "s3:DeleteObject*", "Resource": "*"}]}`}}}},
	})
	auth := AuthenticatorFunc(func(r *http.Request) (api.Caller, io.Reader, error) {
		return principals.AuthenticateStream(r, "s3")
	})
	return NewHandler(s, auth, principals.AuthorizeObject, logger), err
}

func newFace(t *testing.T, tls bool) *face {
	t.Helper()
	return newFaceOn(t, dbtest.SQLite(t), tls)
}

// newFacePostgres is a face over PostgreSQL.
func newFacePostgres(t *testing.T, tls bool) *face {
	t.Helper()
	return newFaceOn(t, dbtest.Postgres(t), tls)
}

func newFaceOn(t *testing.T, d *db.DB, tls bool) *face {
	t.Helper()
	f := &face{fixture: newFixture(t, d)}
	handler, err := signedHandler(f.Store, slog.New(slog.NewTextHandler(t.Output(), nil)))
	f.must(err)
	f.serve(handler, tls)
	f.place = f.url
	return f
}

// newForwarding is a face that passes what is asked of a bucket on to another,
// whose store it has.
func newForwarding(t *testing.T, tls bool) *face {
	t.Helper()
	back := newFace(t, false)
	front := newFixture(t, dbtest.SQLite(t))
	handler, err := signedHandler(front.Store, slog.New(slog.NewTextHandler(t.Output(), nil)))
	back.must(err)
	forward := forwardTo(back.url)
	handler.Forward(func(ctx context.Context, name string) (*Outside, error) {
		if _, err := back.HeadBucket(ctx, name); err != nil {
			return nil, nil
		}
		return forward(ctx, name)
	})
	f := &face{fixture: back.fixture, place: back.url}
	f.serve(handler, tls)
	return f
}

// forwardTo places every bucket at the server of a URL.
func forwardTo(server string) OutsideFunc {
	return func(_ context.Context, name string) (*Outside, error) {
		at, err := url.Parse(server + "/" + name)
		return &Outside{
			Account: account, Bucket: name, URL: at, Region: "eu-west-1", Store: server,
			Credentials: func(context.Context) (sigv4.Credentials, error) {
				return sigv4.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, nil
			},
		}, err
	}
}

// serve starts the server and makes its client.
func (f *face) serve(handler http.Handler, tls bool) {
	f.t.Helper()
	f.server = httptest.NewUnstartedServer(handler)
	f.server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			f.connections.Add(1)
		}
	}
	if tls {
		f.server.StartTLS()
	} else {
		f.server.Start()
	}
	f.t.Cleanup(f.server.Close)
	f.url = f.server.URL
	f.client = f.as(accessKey, secretKey, "us-east-1")
}

// as returns a client with the SDK's own defaults.
func (f *face) as(id, secret, region string) *sdk.Client {
	return sdk.New(sdk.Options{
		BaseEndpoint: aws.String(f.url), Region: region, UsePathStyle: true,
		Credentials:      credentials.NewStaticCredentialsProvider(id, secret, ""),
		HTTPClient:       &http.Client{Transport: f},
		RetryMaxAttempts: 1,
		// What the SDK's own configuration loader sets.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	})
}

// RoundTrip implements http.RoundTripper.
func (f *face) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.tamper != nil {
		f.tamper(r)
	}
	return f.server.Client().Transport.RoundTrip(r)
}

// raw sends a request signed by hand, as pairs of header names and values.
func (f *face) raw(method, path, body string, header ...string) *http.Response {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, strings.NewReader(body))
	f.must(err)
	for n := 0; n < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	r.Header.Set("X-Amz-Content-Sha256", sigv4.Hash([]byte(body)))
	f.sign(r)
	return f.do(r)
}

// sign signs a request, whose content has the hash in its header or is empty.
func (f *face) sign(r *http.Request) {
	hash := cmp.Or(r.Header.Get("X-Amz-Content-Sha256"), sigv4.EmptyHash)
	sigv4.Sign(r, hash, sigv4.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, "us-east-1", "s3", time.Now())
}

// do sends a request as it is and reads the answer to its end.
func (f *face) do(r *http.Request) *http.Response {
	f.t.Helper()
	answer, err := f.server.Client().Do(r)
	f.must(err)
	content, err := io.ReadAll(answer.Body)
	f.must(err)
	_ = answer.Body.Close()
	answer.Body = io.NopCloser(bytes.NewReader(content))
	return answer
}

// bodyOf takes the body of an answer.
func bodyOf(answer *http.Response) string {
	content, _ := io.ReadAll(answer.Body) // read before, in do
	return string(content)
}

// errorXML is the error document as a client reads it.
type errorXML struct {
	XMLName                           xml.Name `xml:"Error"`
	Code, Message, Resource           string
	RequestID                         string `xml:"RequestId"`
	Key, BucketName, ActualObjectSize string
}

func (f *face) wantError(answer *http.Response, status int, code string) errorXML {
	f.t.Helper()
	content := bodyOf(answer)
	var doc errorXML
	if err := xml.Unmarshal([]byte(content), &doc); err != nil {
		f.t.Errorf("error document: %v\n%s", err, content)
	}
	id := answer.Header.Get("X-Amz-Request-Id")
	if answer.StatusCode != status || doc.Code != code || doc.Message == "" || len(id) != 16 || doc.RequestID != id {
		f.t.Errorf("%s %s: %d %s, want %d %s\n%s", answer.Request.Method, answer.Request.URL, answer.StatusCode, doc.Code, status, code, content)
	}
	return doc
}

// wantCode checks the error of an SDK call.
func (f *face) wantCode(err error, status int, code string) {
	f.t.Helper()
	var e smithy.APIError
	var answer interface{ HTTPStatusCode() int }
	if !errors.As(err, &e) || !errors.As(err, &answer) || e.ErrorCode() != code || answer.HTTPStatusCode() != status {
		f.t.Errorf("error %v, want %d %s", err, status, code)
	}
}

func (f *face) sdkPut(key, content string) *sdk.PutObjectOutput {
	f.t.Helper()
	out, err := f.client.PutObject(f.t.Context(), &sdk.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String(key), Body: strings.NewReader(content),
	})
	f.must(err)
	return out
}

// sdkGet returns the content; the SDK compares its checksum.
func (f *face) sdkGet(key string) string {
	f.t.Helper()
	out, err := f.client.GetObject(f.t.Context(), &sdk.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)})
	f.must(err)
	defer out.Body.Close()
	content, err := io.ReadAll(out.Body)
	f.must(err)
	return string(content)
}
