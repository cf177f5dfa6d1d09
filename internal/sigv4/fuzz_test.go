package sigv4_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// FuzzParse: whatever a request carries, parsing and verifying it ends in an
// answer, and nothing that was not signed with the secret is accepted.
func FuzzParse(f *testing.F) {
	valid := newRequest(f, "{}")
	sigv4.Sign(valid, sigv4.Hash([]byte("{}")), sigv4.Credentials{AccessKeyID: testKeyID, SecretAccessKey: "not the secret"}, "us-east-1", "codepipeline", testTime)
	authorization := valid.Header.Get("Authorization")
	f.Add(authorization, "20261122T123438Z", "/", "", "codepipeline", "")
	f.Add(strings.ReplaceAll(authorization, ", ", ","), "Sun, 22 Nov 2026 12:34:38 GMT", "/a//b/../c", "a=b&a=%zz", "s3", "UNSIGNED-PAYLOAD")
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request,SignedHeaders=;;,Signature=", "", "/%", "", "", "")
	f.Add("AWS4-HMAC-SHA256 =,=,=", "0", "", ";", "", "")
	f.Add("", "", "/b/k", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261122%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261122T123438Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00", "s3", "")
	f.Add("", "", "/b/k", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-SignedHeaders=host%0Ax-a", "s3", "")
	f.Add("AWS4-HMAC-SHA256", "", "/", "X-Amz-Algorithm=", "s3", "")
	f.Fuzz(func(t *testing.T, authorization, date, path, query, service, hash string) {
		r := &http.Request{Method: http.MethodPost, Host: "127.0.0.1", URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}, Body: http.NoBody}
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		r.Header.Set("X-Amz-Date", date)
		if hash != "" {
			r.Header.Set("X-Amz-Content-Sha256", hash)
		}
		s, err := sigv4.Parse(r)
		if err != nil {
			return
		}
		for _, name := range s.SignedHeaders {
			if strings.ContainsAny(name, "\n:") {
				t.Fatalf("signed header %q", name)
			}
		}
		// The service's name does not keep Verify from being asked.
		if s.CheckScope(service) == nil && s.Verify(r, sigv4.EmptyHash, testSecret, s.Time) == nil {
			t.Fatal("accepted without the secret")
		}
	})
}

// FuzzBody: no framing of a signed body makes reading it hang or panic, and
// nothing but the content that was signed is accepted.
func FuzzBody(f *testing.F) {
	for _, kind := range []string{sigv4.StreamingSigned, sigv4.StreamingSignedTrailer} {
		u := upload{kind: kind, chunks: []string{"one", "two"}}
		if kind == sigv4.StreamingSignedTrailer {
			u.checksum = "crc32"
		}
		_, pieces := u.build(f)
		f.Add(strings.Join(pieces, ""))
	}
	f.Add("0\r\n\r\n")
	f.Add("ffffffffffffffff;chunk-signature=\r\n")
	f.Fuzz(func(t *testing.T, body string) {
		for _, u := range []upload{{sigv4.StreamingSigned, []string{"one", "two"}, ""}, {sigv4.StreamingSignedTrailer, []string{"one", "two"}, "crc32"}} {
			r, _ := u.build(t)
			if got, err := read(r, strings.NewReader(body)); err == nil && got != "onetwo" {
				t.Fatalf("accepted %q", got)
			}
		}
	})
}

// FuzzChunks: content is what it was after any way to cut it into chunks, of all
// kinds and however it arrives; and one byte more or less of the framed body is
// noticed, or is none of the content.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("onetwo"), uint8(3), uint16(2), byte(1))
	f.Add([]byte(""), uint8(0), uint16(0), byte(0xff))
	f.Add(bytes.Repeat([]byte("0\r\n\r\n"), 99), uint8(7), uint16(500), byte(0x20))
	f.Fuzz(func(t *testing.T, content []byte, size uint8, at uint16, change byte) {
		var chunks []string
		for chunk := range slices.Chunk(content, int(size)+1) {
			chunks = append(chunks, string(chunk))
		}
		for _, u := range []upload{
			{sigv4.StreamingSigned, chunks, ""}, {sigv4.StreamingSignedTrailer, chunks, "crc32"}, {sigv4.StreamingUnsignedTrailer, chunks, "sha256"},
		} {
			r, pieces := u.build(t)
			framed := []byte(strings.Join(pieces, ""))
			for _, body := range []io.Reader{bytes.NewReader(framed), iotest.OneByteReader(bytes.NewReader(framed))} {
				if got, err := read(r, body); err != nil || got != string(content) {
					t.Fatalf("%s: %q, %v, want %q", u.kind, got, err, content)
				}
			}
			framed[int(at)%len(framed)] ^= change
			if got, err := read(r, bytes.NewReader(framed)); err == nil && got != string(content) {
				t.Fatalf("%s: accepted %q in place of %q", u.kind, got, content)
			}
		}
	})
}

// FuzzUnsignedBody: framing that nobody signed gives content of the announced
// length that has the checksum of its trailer, or an error.
func FuzzUnsignedBody(f *testing.F) {
	_, pieces := upload{sigv4.StreamingUnsignedTrailer, []string{"one", "two"}, "crc32"}.build(f)
	f.Add(strings.Join(pieces, ""), 6)
	f.Add("6;a=b\r\nonetwo\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", 6)
	f.Add("0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", 0)
	f.Add("0\nx-amz-checksum-crc32:AAAAAM==\r\n", 0) // the same bytes, written otherwise
	f.Add("-1\r\n\r\n", -1)
	f.Add("7fffffffffffffff\r\n", 1)
	f.Fuzz(func(t *testing.T, body string, length int) {
		r, _ := upload{sigv4.StreamingUnsignedTrailer, nil, "crc32"}.build(t)
		r.Header.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(length))
		sigv4.Sign(r, sigv4.StreamingUnsignedTrailer, testCredentials, "us-east-1", "s3", testTime)
		got, err := read(r, strings.NewReader(body))
		if err != nil {
			return
		}
		sum, _ := sigv4.NewChecksum("x-amz-checksum-crc32")
		sum.Write([]byte(got))
		stated := false
		for line := range strings.Lines(body) {
			_, value, _ := strings.Cut(line, ":")
			given, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
			stated = stated || err == nil && bytes.Equal(given, sum.Sum(nil))
		}
		if len(got) != length || !stated {
			t.Fatalf("accepted %q of %d bytes, announced as %d, with the checksum %x", got, len(got), length, sum.Sum(nil))
		}
	})
}
