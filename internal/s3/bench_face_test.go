package s3

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// BenchmarkSync is the rate of the disk that the puts are compared with: 4 KiB
// appended and synced.
func BenchmarkSync(b *testing.B) {
	file, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	content := make([]byte, 4<<10)
	for b.Loop() {
		_, err := file.Write(content)
		if err == nil {
			err = file.Sync()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
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
	do := func(b *testing.B, method, key string, content []byte) {
		r, err := http.NewRequestWithContext(b.Context(), method, server.URL+"/"+bucket+"/"+key, bytes.NewReader(content))
		if err != nil {
			b.Fatal(err)
		}
		hash := sigv4.Hash(content)
		r.Header.Set("X-Amz-Content-Sha256", hash)
		sigv4.Sign(r, hash, sigv4.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, "us-east-1", "s3", time.Now())
		answer, err := server.Client().Do(r)
		if err != nil {
			b.Fatal(err)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK {
			b.Fatalf("%s %s: %d, %v", method, key, answer.StatusCode, err)
		}
	}
	for _, size := range []int{4 << 10, 64 << 20} {
		for _, method := range []string{"PUT", "GET"} {
			b.Run(fmt.Sprintf("%s/%d", method, size), func(b *testing.B) {
				content := make([]byte, size)
				b.SetBytes(int64(size))
				do(b, "PUT", "k", content)
				if method == "GET" {
					content = nil
				}
				for b.Loop() {
					do(b, method, "k", content)
				}
			})
		}
	}
}
