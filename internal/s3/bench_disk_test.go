package s3

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// BenchmarkSmallPuts compares 4 KiB puts by one writer with the disk below them.
// All run in one process, on one disk and in turns, so that other work on the
// machine slows all of them alike:
//
//   - append: 4 KiB appended to a file, and an fsync. A file grows so when an
//     object is written, or a log. This is the disk's rate.
//   - overwrite: 4 KiB written again in a file that is as long as it stays, and an
//     fsync. For information.
//   - store: PutObject of a new key, SQLite with synchronous=FULL.
//   - http: the same over HTTP, signed.
//   - bare: a signed PUT of 4 KiB to a handler that checks the signature, appends
//     the content to a file and syncs it: no store over HTTP can be faster.
//   - floor: a signed HEAD of a bucket that does not exist: HTTP and signatures,
//     and no write.
//
// An operation of the benchmark is one of each. The figures are rates a second and
// their ratios to append.
func BenchmarkSmallPuts(b *testing.B) {
	f := newSmallPuts(b)
	kinds := []struct {
		name string
		do   func(n int) error
	}{
		{"append", f.append}, {"overwrite", f.overwrite}, {"store", f.store}, {"http", f.http}, {"bare", f.bare},
		{"floor", f.floor},
	}
	const turn = 64
	spent := make([]time.Duration, len(kinds))
	n := 0
	for b.Loop() {
		if n++; n%turn != 0 {
			continue
		}
		for k, kind := range kinds {
			begun := time.Now()
			for i := n - turn; i < n; i++ {
				if err := kind.do(i); err != nil {
					b.Fatal(kind.name, err)
				}
			}
			spent[k] += time.Since(begun)
		}
	}
	done := float64(n - n%turn)
	for k, kind := range kinds {
		b.ReportMetric(done/spent[k].Seconds(), kind.name+"/s")
		if k >= 2 {
			b.ReportMetric(spent[0].Seconds()/spent[k].Seconds(), kind.name+"-of-append")
		}
	}
}

// smallPuts is what BenchmarkSmallPuts compares.
type smallPuts struct {
	b               *testing.B
	puts            *Store
	client          signedClient
	bareClient      signedClient
	growing, steady *os.File
	appended        *os.File // by the bare handler
	content         []byte
}

func newSmallPuts(b *testing.B) *smallPuts {
	b.Helper()
	f := &smallPuts{b: b, puts: benchStore(b), content: bytes.Repeat([]byte{'x'}, 4<<10)}
	handler, err := signedHandler(f.puts, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	f.client = f.serve(handler)
	f.bareClient = f.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f.keepBare(handler.auth, r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	dir := b.TempDir()
	for name, file := range map[string]**os.File{"growing": &f.growing, "steady": &f.steady, "appended": &f.appended} {
		if *file, err = os.Create(filepath.Join(dir, name)); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = (*file).Close() })
	}
	return f
}

func (f *smallPuts) serve(h http.Handler) signedClient {
	server := httptest.NewServer(h)
	f.b.Cleanup(server.Close)
	return signedClient{server.Client(), server.URL}
}

func (f *smallPuts) append(int) error { return appendSynced(f.growing, f.content) }

func appendSynced(file *os.File, content []byte) error {
	if _, err := file.Write(content); err != nil {
		return err
	}
	return file.Sync()
}

// keepBare is the least that a durable put can be.
func (f *smallPuts) keepBare(auth Authenticator, r *http.Request) error {
	_, body, err := auth.Authenticate(r)
	if err != nil {
		return err
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	return appendSynced(f.appended, content)
}

func (f *smallPuts) overwrite(int) error {
	if _, err := f.steady.WriteAt(f.content, 0); err != nil {
		return err
	}
	return f.steady.Sync()
}

func (f *smallPuts) store(n int) error {
	_, err := f.puts.PutObject(f.b.Context(), bucket, "store/"+strconv.Itoa(n), bytes.NewReader(f.content), PutOptions{})
	return err
}

func (f *smallPuts) http(n int) error {
	return f.client.do(f.b.Context(), http.MethodPut, "/"+bucket+"/http/"+strconv.Itoa(n), f.content, http.StatusOK)
}

func (f *smallPuts) bare(int) error {
	return f.bareClient.do(f.b.Context(), http.MethodPut, "/bare", f.content, http.StatusOK)
}

func (f *smallPuts) floor(int) error {
	return f.client.do(f.b.Context(), http.MethodHead, "/no-such-bucket", nil, http.StatusNotFound)
}
