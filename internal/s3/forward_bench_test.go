package s3

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkForward is BenchmarkFace for a face that passes everything on to
// another. Both are in this process, as the client is.
func BenchmarkForward(b *testing.B) {
	back, err := signedHandler(benchStore(b), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	there := httptest.NewServer(back)
	defer there.Close()
	front, err := signedHandler(benchStore(b), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	front.Forward(forwardTo(there.URL))
	server := httptest.NewServer(front)
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
