package sigv4_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// Keys and time of the worked examples of the S3 API reference, "Signature
// Calculations for the Authorization Header: Transferring Payload in Multiple
// Chunks".
const (
	exampleKeyID  = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

var exampleTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

// exampleRequest is the upload of the examples: 65 KiB of the letter a.
func exampleRequest(payload, signedHeaders, signature, body string, header ...string) *http.Request {
	r, err := http.NewRequest(http.MethodPut, "https://s3.amazonaws.com/examplebucket/chunkObject.txt", strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("X-Amz-Date", "20130524T000000Z")
	r.Header.Set("X-Amz-Storage-Class", "REDUCED_REDUNDANCY")
	r.Header.Set("Content-Encoding", "aws-chunked")
	r.Header.Set("X-Amz-Decoded-Content-Length", "66560")
	r.Header.Set("X-Amz-Content-Sha256", payload)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+exampleKeyID+"/20130524/us-east-1/s3/aws4_request,"+
		"SignedHeaders="+signedHeaders+",Signature="+signature)
	return r
}

func TestExampleOfSignedChunks(t *testing.T) {
	t.Parallel()
	body := "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + strings.Repeat("a", 65536) +
		"\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + strings.Repeat("a", 1024) +
		"\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
	r := exampleRequest(sigv4.StreamingSigned,
		"content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
		"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9", body)
	readExample(t, r)
}

func readExample(t *testing.T, r *http.Request) {
	t.Helper()
	s, err := sigv4.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(r, s.PayloadHash, exampleSecret, exampleTime); err != nil {
		t.Fatalf("the seed signature is refused: %v", err)
	}
	content, err := s.Body(r, exampleSecret)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(content)
	if err != nil {
		t.Fatalf("the body is refused: %v", err)
	}
	if string(got) != strings.Repeat("a", 66560) {
		t.Errorf("read %d bytes that are not the content", len(got))
	}
}

func TestExampleOfSignedTrailer(t *testing.T) {
	t.Parallel()
	body := "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" + strings.Repeat("a", 65536) +
		"\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" + strings.Repeat("a", 1024) +
		"\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n" +
		"x-amz-checksum-crc32c:sOO8/Q==\r\n" +
		"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
	r := exampleRequest(sigv4.StreamingSignedTrailer,
		"content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
		"106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e", body, "X-Amz-Trailer", "x-amz-checksum-crc32c")
	readExample(t, r)
}

// upload builds an aws-chunked upload, signed by itself so that every part of
// it can be spoilt.
type upload struct {
	kind     string
	chunks   []string
	checksum string // algorithm, with a trailer
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// build returns the signed request and the pieces of its body.
func (u upload) build(t fataler) (*http.Request, []string) {
	t.Helper()
	content := strings.Join(u.chunks, "")
	r, err := http.NewRequest(http.MethodPut, "http://127.0.0.1:18555/bucket/key", nil)
	if err != nil {
		t.Fatalf("making a request: %v", err)
	}
	r.Header.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(len(content)))
	if u.checksum != "" {
		r.Header.Set("X-Amz-Trailer", "x-amz-checksum-"+u.checksum)
	}
	sigv4.Sign(r, u.kind, testCredentials, "us-east-1", "s3", testTime)
	const scope = "20261122T123438Z\n20261122/us-east-1/s3/aws4_request\n"
	key := mac(mac(mac(mac([]byte("AWS4"+testSecret), "20261122"), "us-east-1"), "s3"), "aws4_request")
	_, previous, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	var pieces []string
	for _, chunk := range append(u.chunks[:len(u.chunks):len(u.chunks)], "") {
		line := fmt.Sprintf("%x", len(chunk))
		if u.kind != sigv4.StreamingUnsignedTrailer {
			previous = hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256-PAYLOAD\n"+scope+previous+"\n"+sigv4.EmptyHash+"\n"+sigv4.Hash([]byte(chunk))))
			line += ";chunk-signature=" + previous
		}
		pieces = append(pieces, line+"\r\n")
		if chunk != "" {
			pieces = append(pieces, chunk, "\r\n")
		}
	}
	if u.checksum != "" {
		sum, ok := sigv4.NewChecksum("x-amz-checksum-" + u.checksum)
		if !ok {
			t.Fatalf("no checksum %s", u.checksum)
		}
		sum.Write([]byte(content))
		trailer := "x-amz-checksum-" + u.checksum + ":" + base64.StdEncoding.EncodeToString(sum.Sum(nil))
		pieces = append(pieces, trailer+"\r\n")
		if u.kind == sigv4.StreamingSignedTrailer {
			pieces = append(pieces, "x-amz-trailer-signature:"+hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256-TRAILER\n"+scope+previous+"\n"+sigv4.Hash([]byte(trailer+"\n"))))+"\r\n")
		}
	}
	return r, append(pieces, "\r\n")
}

// read verifies a request and reads its content.
func read(r *http.Request, body io.Reader) (string, error) {
	r.Body = io.NopCloser(body)
	s, err := sigv4.Parse(r)
	if err != nil {
		return "", err
	}
	if err := s.Verify(r, s.PayloadHash, testSecret, testTime); err != nil {
		return "", err
	}
	content, err := s.Body(r, testSecret)
	if err != nil {
		return "", err
	}
	got, err := io.ReadAll(content)
	if _, again := content.Read(make([]byte, 1)); err == nil && again != io.EOF || err != nil && again != err {
		return "", fmt.Errorf("read %v and then %v", err, again)
	}
	return string(got), err
}

// TestChunkedBodies: any chunks of any kind are read whole, however they arrive,
// and no byte of their content or signatures may be changed or left out.
func TestChunkedBodies(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		u := upload{kind: rapid.SampledFrom([]string{sigv4.StreamingSigned, sigv4.StreamingSignedTrailer, sigv4.StreamingUnsignedTrailer}).Draw(t, "kind")}
		if u.kind != sigv4.StreamingSigned {
			u.checksum = rapid.SampledFrom([]string{"crc32", "crc32c", "crc64nvme", "sha1", "sha256", "sha512", "md5"}).Draw(t, "checksum")
		}
		u.chunks = rapid.SliceOfN(rapid.StringN(1, 300, -1), 0, 4).Draw(t, "chunks")
		r, pieces := u.build(t)
		content := strings.Join(u.chunks, "")
		var body io.Reader = strings.NewReader(strings.Join(pieces, ""))
		if rapid.Bool().Draw(t, "slow") {
			body = iotest.OneByteReader(body)
		}
		got, err := read(r, body)
		if err != nil || got != content {
			t.Fatalf("read %q, %v; want %q", got, err, content)
		}

		spoilt := append([]string(nil), pieces...)
		n := rapid.IntRange(0, len(spoilt)-2).Draw(t, "piece")
		if spoilt[n] == "\r\n" {
			return
		}
		switch rapid.SampledFrom([]string{"change", "cut", "repeat"}).Draw(t, "damage") {
		case "change":
			b := []byte(strings.TrimSuffix(spoilt[n], "\r\n"))
			at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
			b[at] ^= 1
			spoilt[n] = string(b) + spoilt[n][len(b):]
		case "cut":
			spoilt = spoilt[:n]
		case "repeat":
			spoilt[n] += spoilt[n]
		}
		if got, err := read(r, strings.NewReader(strings.Join(spoilt, ""))); err == nil && got != content {
			t.Fatalf("damaged body %q was accepted as %q", spoilt, got)
		}
	})
}

// TestSpoiltBodies names the refusal of each kind of damage.
func TestSpoiltBodies(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		upload upload
		spoil  func(r *http.Request, pieces []string) []string
		reason sigv4.Reason
		code   string
	}{
		{"content changed", upload{sigv4.StreamingSigned, []string{"one", "two"}, ""},
			func(_ *http.Request, p []string) []string { p[1] = "eno"; return p }, sigv4.Mismatch, "SignatureDoesNotMatch"},
		{"chunks exchanged", upload{sigv4.StreamingSigned, []string{"one", "two"}, ""},
			func(_ *http.Request, p []string) []string {
				return []string{p[3], p[4], p[5], p[0], p[1], p[2], p[6], p[7]}
			}, sigv4.Mismatch, "SignatureDoesNotMatch"},
		{"last chunk left out", upload{sigv4.StreamingSigned, []string{"one", "two"}, ""},
			func(_ *http.Request, p []string) []string { return p[:6] }, sigv4.BodyIncomplete, "IncompleteBody"},
		{"ended in a chunk", upload{sigv4.StreamingSigned, []string{"one", "two"}, ""},
			func(_ *http.Request, p []string) []string { return append(p[:4], "t") }, sigv4.BodyIncomplete, "IncompleteBody"},
		{"signature left out", upload{sigv4.StreamingSigned, []string{"one"}, ""},
			func(_ *http.Request, p []string) []string { p[0] = "3\r\n"; return p }, sigv4.BodyMalformed, "InvalidRequest"},
		{"no size", upload{sigv4.StreamingSigned, []string{"one"}, ""},
			func(_ *http.Request, p []string) []string { p[0] = "x" + p[0]; return p }, sigv4.BodyMalformed, "InvalidRequest"},
		{"more than declared", upload{sigv4.StreamingUnsignedTrailer, []string{"one"}, "crc32"},
			func(_ *http.Request, p []string) []string { p[0], p[1] = "4\r\n", "ones"; return p }, sigv4.BodyMalformed, "InvalidRequest"},
		{"less than declared", upload{sigv4.StreamingUnsignedTrailer, []string{"one"}, "crc32"},
			func(_ *http.Request, p []string) []string { p[0], p[1] = "2\r\n", "on"; return p }, sigv4.BodyIncomplete, "IncompleteBody"},
		{"something after the end", upload{sigv4.StreamingSigned, []string{"one"}, ""},
			func(_ *http.Request, p []string) []string { return append(p, "more") }, sigv4.BodyMalformed, "InvalidRequest"},
		{"endless line", upload{sigv4.StreamingUnsignedTrailer, []string{"one"}, "crc32"},
			func(_ *http.Request, p []string) []string { p[0] = strings.Repeat("0", 10000) + p[0]; return p }, sigv4.BodyMalformed, "InvalidRequest"},
		{"wrong checksum", upload{sigv4.StreamingUnsignedTrailer, []string{"one"}, "crc32"},
			func(_ *http.Request, p []string) []string { p[1] = "eno"; return p }, sigv4.ChecksumMismatch, "BadDigest"},
		{"announced checksum left out", upload{sigv4.StreamingUnsignedTrailer, []string{"one"}, "crc32"},
			func(_ *http.Request, p []string) []string { return append(p[:4], "\r\n") }, sigv4.BodyMalformed, "InvalidRequest"},
		{"trailer signature left out", upload{sigv4.StreamingSignedTrailer, []string{"one"}, "crc32"},
			func(_ *http.Request, p []string) []string { return append(p[:5], "\r\n") }, sigv4.BodyMalformed, "InvalidRequest"},
		{"trailer signature changed", upload{sigv4.StreamingSignedTrailer, []string{"one"}, "crc32"},
			func(_ *http.Request, p []string) []string {
				p[5] = strings.Replace(p[5], ":", ":00", 1)
				return p
			}, sigv4.Mismatch, "SignatureDoesNotMatch"},
		{"too many trailers", upload{sigv4.StreamingUnsignedTrailer, []string{"one"}, "crc32"},
			func(_ *http.Request, p []string) []string {
				return append(p[:4], strings.Repeat("a:b\r\n", 100), p[4], p[5])
			}, sigv4.BodyMalformed, "InvalidRequest"},
		{"no decoded length", upload{sigv4.StreamingSigned, []string{"one"}, ""},
			func(r *http.Request, p []string) []string {
				r.Header.Del("X-Amz-Decoded-Content-Length")
				sigv4.Sign(r, sigv4.StreamingSigned, testCredentials, "us-east-1", "s3", testTime)
				return p
			}, sigv4.BodyMalformed, "MissingContentLength"},
		{"unknown checksum", upload{sigv4.StreamingUnsignedTrailer, []string{"one"}, "crc32"},
			func(r *http.Request, p []string) []string {
				r.Header.Set("X-Amz-Trailer", "x-amz-checksum-xxhash3")
				sigv4.Sign(r, sigv4.StreamingUnsignedTrailer, testCredentials, "us-east-1", "s3", testTime)
				return p
			}, sigv4.ChecksumMismatch, "InvalidRequest"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, pieces := tt.upload.build(t)
			got, err := read(r, strings.NewReader(strings.Join(tt.spoil(r, pieces), "")))
			e, ok := errors.AsType[*sigv4.Error](err)
			if !ok {
				t.Fatalf("read %q, %v", got, err)
			}
			if e.Reason != tt.reason || e.Code != tt.code {
				t.Errorf("refused with %d %v, want %d %s", e.Reason, e, tt.reason, tt.code)
			}
		})
	}
}

// TestWholeBodies: bodies without framing, and the checks that headers ask for.
func TestWholeBodies(t *testing.T) {
	t.Parallel()
	const content = "123456789"
	tests := []struct {
		name   string
		hash   string
		header [2]string
		body   string
		reason sigv4.Reason
	}{
		{name: "hash", hash: sigv4.Hash([]byte(content)), body: content},
		{name: "wrong hash", hash: sigv4.Hash([]byte(content)), body: content + "0", reason: sigv4.PayloadMismatch},
		{name: "empty instead", hash: sigv4.Hash([]byte(content)), body: "", reason: sigv4.PayloadMismatch},
		{name: "empty", hash: sigv4.EmptyHash, body: ""},
		{name: "unsigned", hash: sigv4.UnsignedPayload, body: content},
		{name: "no hash at all", hash: "abc", body: content, reason: sigv4.Payload},
		{name: "asymmetric", hash: "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", body: content, reason: sigv4.Payload},
		{name: "crc32", hash: sigv4.UnsignedPayload, header: [2]string{"x-amz-checksum-crc32", "y/Q5Jg=="}, body: content},
		{name: "crc32c", hash: sigv4.UnsignedPayload, header: [2]string{"x-amz-checksum-crc32c", "4waSgw=="}, body: content},
		{name: "crc64nvme", hash: sigv4.UnsignedPayload, header: [2]string{"x-amz-checksum-crc64nvme", "rosUhgp5mIg="}, body: content},
		{name: "sha1", hash: sigv4.UnsignedPayload, header: [2]string{"x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="}, body: content},
		{name: "bad sha1", hash: sigv4.UnsignedPayload, header: [2]string{"x-amz-checksum-sha1", "98O8"}, body: content, reason: sigv4.ChecksumMismatch},
		{name: "md5", hash: sigv4.UnsignedPayload, header: [2]string{"Content-Md5", "JfnnlDI7RTiF9RgfG2JNCw=="}, body: content},
		{name: "wrong md5", hash: sigv4.UnsignedPayload, header: [2]string{"Content-Md5", "JfnnlDI7RTiF9RgfG2JNCw=="}, body: content + "0", reason: sigv4.ChecksumMismatch},
		{name: "bad md5", hash: sigv4.UnsignedPayload, header: [2]string{"Content-Md5", "x"}, body: content, reason: sigv4.ChecksumMismatch},
		{name: "wrong crc32", hash: sigv4.UnsignedPayload, header: [2]string{"x-amz-checksum-crc32", "y/Q5Jg=="}, body: content + "0", reason: sigv4.ChecksumMismatch},
		{name: "unknown", hash: sigv4.UnsignedPayload, header: [2]string{"x-amz-checksum-xxhash64", "y/Q5Jg=="}, body: content, reason: sigv4.ChecksumMismatch},
		{name: "mode", hash: sigv4.UnsignedPayload, header: [2]string{"x-amz-checksum-mode", "ENABLED"}, body: content},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequest(http.MethodPut, "http://127.0.0.1:18555/bucket/key", nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.header[0] != "" {
				r.Header.Set(tt.header[0], tt.header[1])
			}
			sigv4.Sign(r, tt.hash, testCredentials, "us-east-1", "s3", testTime)
			got, err := read(r, bytes.NewReader([]byte(tt.body)))
			if tt.reason == 0 {
				if err != nil || got != tt.body {
					t.Fatalf("read %q, %v", got, err)
				}
				return
			}
			if err == nil {
				t.Fatalf("accepted, read %q", got)
			}
			if reason := reasonOf(t, err); reason != tt.reason {
				t.Errorf("refused with %d %v, want %d", reason, err, tt.reason)
			}
		})
	}
}

// TestChecksumOfTheObject: the request that completes a multipart upload has the
// checksum of the object in its header, and another body.
func TestChecksumOfTheObject(t *testing.T) {
	t.Parallel()
	for target, reason := range map[string]sigv4.Reason{"POST ?uploadId=x": 0, "PUT ?uploadId=x": sigv4.ChecksumMismatch, "POST ?uploads": sigv4.ChecksumMismatch} {
		method, query, _ := strings.Cut(target, " ")
		r, err := http.NewRequest(method, "http://127.0.0.1:18555/bucket/key"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("x-amz-checksum-crc32", "AAAAAA==")
		hash := sigv4.Hash([]byte("<parts/>"))
		sigv4.Sign(r, hash, testCredentials, "us-east-1", "s3", testTime)
		got, err := read(r, strings.NewReader("<parts/>"))
		if reason == 0 && (err != nil || got != "<parts/>") {
			t.Errorf("%s: read %q, %v", target, got, err)
		}
		if reason != 0 && (err == nil || reasonOf(t, err) != reason) {
			t.Errorf("%s: %v, want %d", target, err, reason)
		}
	}
}

// TestUnsignedS3Header: S3 wants every x-amz-* header signed.
func TestUnsignedS3Header(t *testing.T) {
	t.Parallel()
	r, err := http.NewRequest(http.MethodPut, "http://127.0.0.1:18555/bucket/key", nil)
	if err != nil {
		t.Fatal(err)
	}
	sigv4.Sign(r, sigv4.EmptyHash, testCredentials, "us-east-1", "s3", testTime)
	r.Header.Set("X-Amz-Acl", "public-read")
	_, err = read(r, strings.NewReader(""))
	if err == nil {
		t.Fatal("accepted")
	}
	if got := reasonOf(t, err); got != sigv4.Unsigned {
		t.Errorf("reason %d (%v)", got, err)
	}
}

// TestS3Paths: S3 paths are encoded once, and clients that send characters as
// they are sign them encoded or not.
func TestS3Paths(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/b/a%20b", "/b/a//b", "/b/./c", "/b/a%2Fb", "/b/a+b", "/b/%C3%A9", "/b/a=b@c"} {
		r, err := http.NewRequest(http.MethodPut, "http://127.0.0.1:18555"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		sigv4.Sign(r, sigv4.EmptyHash, testCredentials, "us-east-1", "s3", testTime)
		if _, err := read(received(t, r), strings.NewReader("")); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
