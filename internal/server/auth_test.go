package server_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cp "github.com/aws/aws-sdk-go-v2/service/codepipeline"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// intruder is a way to send a request that must not get in.
type intruder struct {
	name string
	// credentials and at are what is signed with; zero: the right ones.
	credentials func(*sigv4.Credentials)
	skew        time.Duration
	service     string
	// tamper changes the signed request.
	tamper func(*http.Request)
	// unsigned leaves the signature out.
	unsigned bool
	// code and text are what JSON services answer; text is a part. Code "-": the
	// request is not theirs.
	code, text string
	// s3 is the code that S3 answers; "-": the request is not S3's.
	s3 string
}

func intruders() []intruder {
	const mismatch = "The request signature we calculated does not match the signature you provided."
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	authorization := func(old, replacement string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, replacement, 1))
		}
	}
	return []intruder{
		{name: "unsigned", unsigned: true, code: "MissingAuthenticationTokenException", text: "Missing Authentication Token", s3: "AccessDenied"},
		{name: "unknown key", credentials: func(c *sigv4.Credentials) { c.AccessKeyID = "AKIAUNKNOWN" },
			code: "UnrecognizedClientException", text: "The security token included in the request is invalid.", s3: "InvalidAccessKeyId"},
		{name: "wrong secret", credentials: func(c *sigv4.Credentials) { c.SecretAccessKey += "x" },
			code: "InvalidSignatureException", text: mismatch, s3: "SignatureDoesNotMatch"},
		{name: "empty secret", credentials: func(c *sigv4.Credentials) { c.SecretAccessKey = "" },
			code: "InvalidSignatureException", text: mismatch, s3: "SignatureDoesNotMatch"},
		{name: "made-up session", credentials: func(c *sigv4.Credentials) { c.SessionToken = "token" },
			code: "UnrecognizedClientException", text: "The security token included in the request is invalid.", s3: "InvalidToken"},
		{name: "too old", skew: -16 * time.Minute, code: "InvalidSignatureException", text: "Signature expired: ", s3: "RequestTimeTooSkewed"},
		{name: "in the future", skew: 16 * time.Minute, code: "InvalidSignatureException", text: "Signature not yet current: ", s3: "RequestTimeTooSkewed"},
		{name: "another service", service: "codecommit", code: "InvalidSignatureException",
			text: "Credential should be scoped to correct service: 'codepipeline'", s3: "-"},
		{name: "another region", tamper: authorization("/"+region+"/", "/us-west-2/"), code: "InvalidSignatureException", text: mismatch, s3: "SignatureDoesNotMatch"},
		{name: "signature of zeros", tamper: func(r *http.Request) {
			before, _, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
			r.Header.Set("Authorization", before+"Signature="+strings.Repeat("0", 64))
		}, code: "InvalidSignatureException", text: mismatch, s3: "SignatureDoesNotMatch"},
		{name: "empty signature", tamper: func(r *http.Request) {
			before, _, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
			r.Header.Set("Authorization", before+"Signature=")
		}, code: "IncompleteSignatureException", text: "Authorization header requires 'Signature' parameter.", s3: "AuthorizationHeaderMalformed"},
		{name: "no credential", tamper: authorization("Credential=", "Other="), code: "IncompleteSignatureException",
			text: "Authorization header requires 'Credential' parameter.", s3: "AuthorizationHeaderMalformed"},
		{name: "basic", tamper: header("Authorization", "Basic cm9vdDpyb290"), code: "MissingAuthenticationTokenException", s3: "InvalidArgument"},
		{name: "changed body", tamper: func(r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			changed := bytes.Replace(body, []byte("demo"), []byte("dem0"), 1)
			r.Body, r.GetBody = io.NopCloser(bytes.NewReader(changed)), nil
		}, code: "InvalidSignatureException", text: mismatch, s3: "XAmzContentSHA256Mismatch"},
		{name: "changed query", tamper: func(r *http.Request) { r.URL.RawQuery = "x=y" }, code: "InvalidSignatureException", text: mismatch, s3: "SignatureDoesNotMatch"},
		{name: "changed path", tamper: func(r *http.Request) { r.URL.Path += "x" }, code: "InvalidSignatureException", text: mismatch, s3: "SignatureDoesNotMatch"},
		{name: "changed host", tamper: func(r *http.Request) { r.Host = "codepipeline.eu-west-1.amazonaws.com" },
			code: "InvalidSignatureException", text: mismatch, s3: "SignatureDoesNotMatch"},
		{name: "another operation", tamper: header("X-Amz-Target", "CodePipeline_20150709.ListPipelines"), code: "InvalidSignatureException", text: "", s3: "-"},
		{name: "unsigned metadata", tamper: header("X-Amz-Meta-More", "1"), code: "-", s3: "AccessDenied"},
		{name: "date stripped", tamper: func(r *http.Request) { r.Header.Del("X-Amz-Date") }, code: "IncompleteSignatureException",
			text: "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.", s3: "AuthorizationHeaderMalformed"},
		{name: "signed header stripped", tamper: func(r *http.Request) { r.Header.Del("X-Amz-Extra") }, code: "InvalidSignatureException", s3: "SignatureDoesNotMatch"},
		{name: "signed names shortened", tamper: authorization(";x-amz-extra", ""), code: "InvalidSignatureException", s3: "AccessDenied"},
		{name: "header and query", tamper: func(r *http.Request) { r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0" },
			code: "InvalidSignatureException", text: "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.", s3: "InvalidArgument"},
	}
}

// TestIntruders tries to start and to delete a pipeline without the right
// signature: none gets in, and each is told why in the words of AWS.
func TestIntruders(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	first := b.create(declare("demo", pulseStage(), reviewStage(nil)))
	for _, operation := range []string{"StartPipelineExecution", "DeletePipeline", "GetPipeline"} {
		for _, i := range intruders() {
			if i.code == "-" {
				continue
			}
			t.Run(operation+"/"+i.name, func(t *testing.T) {
				body := `{"name":"demo"}`
				r := newRequest(t, b.Endpoint(), "CodePipeline_20150709."+operation, body)
				i.prepare(b, r, body, "codepipeline")
				response, answer := send(t, r)
				if response.StatusCode != http.StatusBadRequest || !bytes.Contains(answer, []byte(`"__type":"`+i.code+`"`)) || !bytes.Contains(answer, []byte(i.text)) {
					t.Errorf("%s %s", response.Status, answer)
				}
			})
		}
	}
	// A target of nothing is told before who sends it.
	r := newRequest(t, b.Endpoint(), "CodePipeline_20150709.Nothing", "{}")
	if response, answer := send(t, r); response.StatusCode != http.StatusBadRequest || string(answer) != `{"__type":"UnknownOperationException"}` {
		t.Errorf("%s %s", response.Status, answer)
	}
	if id := b.newest("demo"); id != first {
		t.Errorf("execution %s was started", id)
	}
}

// prepare signs and tampers with a request.
func (i intruder) prepare(b *bed, r *http.Request, body, service string) {
	if !i.unsigned {
		credentials := b.Root()
		if i.credentials != nil {
			i.credentials(&credentials)
		}
		if i.service != "" {
			service = i.service
		}
		r.Header.Set("X-Amz-Extra", "signed too")
		sigv4.Sign(r, sigv4.Hash([]byte(body)), credentials, region, service, time.Now().Add(i.skew))
	}
	if i.tamper != nil {
		i.tamper(r)
	}
}

// TestIntrudersS3 tries to write and to read an object.
func TestIntrudersS3(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.bucket("vault")
	b.put("vault", "secret", "the secret")
	for _, method := range []string{http.MethodPut, http.MethodGet, http.MethodDelete} {
		for _, i := range intruders() {
			body := ""
			if method == http.MethodPut {
				body = "demo content"
			} else if i.name == "changed body" {
				continue
			}
			t.Run(method+"/"+i.name, func(t *testing.T) {
				r, err := http.NewRequestWithContext(t.Context(), method, b.Endpoint()+"/vault/secret", strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				i.prepare(b, r, body, "s3")
				response, answer := send(t, r)
				if response.StatusCode/100 != 4 || bytes.Contains(answer, []byte("the secret")) {
					t.Errorf("%s %s", response.Status, answer)
				}
				if i.s3 != "-" && !bytes.Contains(answer, []byte("<Code>"+i.s3+"</Code>")) {
					t.Errorf("%s %s, want %s", response.Status, answer, i.s3)
				}
			})
		}
	}
	_, content, err := b.Buckets().GetObject(t.Context(), "vault", "secret", "")
	b.must(err)
	defer content.Close()
	if text, err := io.ReadAll(content); err != nil || string(text) != "the secret" {
		t.Errorf("the object is %q, %v", text, err)
	}
}

// TestRootKey: a key given in the configuration is the one that gets in, and one
// that was made stays the same for the data directory.
func TestRootKey(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	before := b.Root()
	b.restart()
	if b.Root() != before {
		t.Error("a restart made another root key")
	}
	b.stop()
	b.cfg.RootAccessKeyID, b.cfg.RootSecretAccessKey = "AKIDGIVEN", "given-secret-of-some-length"
	b.start()
	if _, err := b.cp.ListPipelines(t.Context(), &cp.ListPipelinesInput{}); err != nil || b.Root().AccessKeyID != "AKIDGIVEN" {
		t.Errorf("with the given key: %v, root %s", err, b.Root().AccessKeyID)
	}
	cfg := b.config(region)
	cfg.Credentials = aws.CredentialsProviderFunc(staticKey(before))
	if _, err := cp.NewFromConfig(cfg).ListPipelines(t.Context(), &cp.ListPipelinesInput{}); err == nil || !strings.Contains(err.Error(), "UnrecognizedClientException") {
		t.Errorf("the replaced key: %v", err)
	}
}
