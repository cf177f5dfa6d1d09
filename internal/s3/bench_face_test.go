package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// signedClient sends requests with the hash of their content signed.
type signedClient struct {
	http *http.Client
	url  string
}

// do wants an answer of that status.
func (c signedClient) do(ctx context.Context, method, path string, content []byte, status int) error {
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	hash := sigv4.Hash(content)
	r.Header.Set("X-Amz-Content-Sha256", hash)
	sigv4.Sign(r, hash, sigv4.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, "us-east-1", "s3", time.Now())
	answer, err := c.http.Do(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	if err == nil && answer.StatusCode != status {
		err = fmt.Errorf("%s %s: %s", method, path, answer.Status)
	}
	return err
}

// BenchmarkFace is one client on one connection, its requests signed with the
// hash of the content, as over HTTP.
func BenchmarkFace(b *testing.B) {
	s := benchStore(b)
	handler, err := signedHandler(s, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	client := signedClient{server.Client(), server.URL}
	do := func(b *testing.B, method string, content []byte) {
		if err := client.do(b.Context(), method, "/"+bucket+"/k", content, http.StatusOK); err != nil {
			b.Fatal(err)
		}
	}
	for _, size := range []int{4 << 10, 64 << 20} {
		for _, method := range []string{"PUT", "GET"} {
			b.Run(fmt.Sprintf("%s/%d", method, size), func(b *testing.B) {
				content := make([]byte, size)
				b.SetBytes(int64(size))
				do(b, "PUT", content)
				if method == "GET" {
					content = nil
				}
				for b.Loop() {
					do(b, method, content)
				}
			})
		}
	}
}
