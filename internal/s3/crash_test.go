package s3

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/blob"
	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// What this test program is to serve instead of running tests, in its
// environment.
const (
	crashURL = "PENSTOCK_TEST_S3_DATABASE"
	crashDir = "PENSTOCK_TEST_S3_CONTENT"
	// Where everything is forwarded to, if anywhere.
	crashForward = "PENSTOCK_TEST_S3_FORWARD"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(crashURL); url != "" {
		if err := crashServe(url, os.Getenv(crashDir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// crashServe is a server until it is killed, or the test that started it ends.
func crashServe(url, dir string) error {
	ctx, logger := context.Background(), slog.New(slog.NewTextHandler(os.Stderr, nil))
	d, err := db.Open(ctx, db.Config{URL: url, Logger: logger})
	if err != nil {
		return err
	}
	if err := d.Migrate(ctx, Schema()); err != nil {
		return err
	}
	blobs, err := blob.OpenDir(dir)
	if err != nil {
		return err
	}
	s := New(d, blobs, logger)
	err = s.CreateBucket(ctx, Owner{Account: account, Region: "us-east-1"}, bucket)
	if err != nil && !errors.Is(err, ErrBucketOwned) {
		return err
	}
	handler, err := signedHandler(s, logger)
	if err != nil {
		return err
	}
	if to := os.Getenv(crashForward); to != "" {
		handler.Forward(forwardTo(to))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(l, handler) }()
	fmt.Println("http://" + l.Addr().String())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// crashed is what the clients of servers that are killed know.
type crashed struct {
	t        testing.TB
	url, dir string
	endpoint string
	client   *http.Client
	forward  string // the URL of who keeps the buckets, if it is another server
	discard  bool   // content is too large to keep: its length stands for it

	mu      sync.Mutex
	objects map[string][]byte // acknowledged
	tried   map[string][]byte // sent whole, not acknowledged
	uploads []*crashUpload
}

// crashUpload is an upload with the parts that were acknowledged.
type crashUpload struct {
	key, id string
	parts   []string // their ETags
	content []byte
	over    bool
}

// spawn starts a server and returns what kills it.
func (c *crashed) spawn() (kill func()) {
	kill, _ = c.spawnProcess()
	return kill
}

func (c *crashed) spawnProcess() (kill func(), process int) {
	c.t.Helper()
	program, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), crashURL+"="+c.url, crashDir+"="+c.dir, crashForward+"="+c.forward)
	cmd.Stderr = c.t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Wait()
		c.t.Fatalf("the server did not come up: %v", err)
	}
	c.endpoint = strings.TrimSpace(line)
	c.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 10}}
	return func() {
		_ = cmd.Process.Kill() // kill -9
		_ = cmd.Wait()
		_ = stdin.Close()
		c.client.CloseIdleConnections()
	}, cmd.Process.Pid
}

// send returns the status and content of an answer, or an error when the server
// went before.
func (c *crashed) send(ctx context.Context, method, path string, body io.Reader, size int64) (int, http.Header, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.endpoint+"/"+bucket+"/"+path, body)
	if err != nil {
		return 0, nil, nil, err
	}
	r.ContentLength = size
	r.Header.Set("X-Amz-Content-Sha256", sigv4.UnsignedPayload)
	sigv4.Sign(r, sigv4.UnsignedPayload, sigv4.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, "us-east-1", "s3", time.Now())
	answer, err := c.client.Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer answer.Body.Close()
	if c.discard {
		n, err := io.Copy(io.Discard, answer.Body)
		return answer.StatusCode, answer.Header, strconv.AppendInt(nil, n, 10), err
	}
	content, err := io.ReadAll(answer.Body)
	return answer.StatusCode, answer.Header, content, err
}

func (c *crashed) sendAll(ctx context.Context, method, path string, content []byte) (http.Header, []byte, error) {
	status, header, body, err := c.send(ctx, method, path, bytes.NewReader(content), int64(len(content)))
	if err == nil && status != http.StatusOK {
		c.t.Errorf("%s %s: %d %s", method, path, status, body)
	}
	return header, body, err
}

// put sends objects, small and large, until the server is gone.
func (c *crashed) put(ctx context.Context, name string, rng *rand.Rand) {
	for n := 0; ; n++ {
		key := fmt.Sprintf("%s-%d", name, n)
		content := pattern([]int{10, 4000, 50_000, 1 << 20}[rng.IntN(4)])
		copy(content, key)
		c.mu.Lock()
		c.tried[key] = content
		c.mu.Unlock()
		if _, _, err := c.sendAll(ctx, "PUT", key, content); err != nil {
			return
		}
		c.mu.Lock()
		c.objects[key] = content
		delete(c.tried, key)
		c.mu.Unlock()
	}
}

// half sends the half of an object, and no more until the server is gone.
func (c *crashed) half(ctx context.Context, key string) {
	r, w := io.Pipe()
	go func() {
		_, _ = w.Write(pattern(1 << 20))
		<-ctx.Done()
		_ = w.CloseWithError(ctx.Err())
	}()
	if status, _, _, err := c.send(ctx, "PUT", key, r, 2<<20); err == nil {
		c.t.Errorf("half an object is answered with %d", status)
	}
}

// upload sends small parts until the server is gone.
func (c *crashed) upload(ctx context.Context, key string) {
	_, body, err := c.sendAll(ctx, "POST", key+"?uploads", nil)
	if err != nil {
		return
	}
	var doc createUploadAnswer
	if err := xml.Unmarshal(body, &doc); err != nil {
		c.t.Error(err)
		return
	}
	u := &crashUpload{key: key, id: doc.UploadID}
	c.mu.Lock()
	c.uploads = append(c.uploads, u)
	c.mu.Unlock()
	for n := 1; ; n++ {
		content := append(fmt.Appendf(nil, "%s part %d", key, n), pattern(5000)...)
		header, _, err := c.sendAll(ctx, "PUT", fmt.Sprintf("%s?partNumber=%d&uploadId=%s", key, n, u.id), content)
		if err != nil {
			return
		}
		u.parts = append(u.parts, header.Get("Etag"))
		if n == 1 {
			u.content = content
		}
	}
}

// verify compares everything with what the server has after a restart. An upload
// is completed with the first of its parts, which may be of any size alone.
func (c *crashed) verify(ctx context.Context, halves int) {
	for key, want := range c.objects {
		if _, content, err := c.sendAll(ctx, "GET", key, nil); err != nil || !bytes.Equal(content, want) {
			c.t.Errorf("acknowledged %s: %d bytes of %d, %v", key, len(content), len(want), err)
		}
	}
	for key, want := range c.tried {
		status, _, content, err := c.send(ctx, "GET", key, nil, 0)
		if err != nil || status != http.StatusNotFound && !bytes.Equal(content, want) {
			c.t.Errorf("unacknowledged %s: %d, %d bytes, %v", key, status, len(content), err)
		}
	}
	for n := range halves {
		if status, _, content, err := c.send(ctx, "GET", fmt.Sprint("half-", n), nil, 0); err != nil || status != http.StatusNotFound {
			c.t.Errorf("the half of an object: %d, %d bytes, %v", status, len(content), err)
		}
	}
	for _, u := range c.uploads {
		if u.over || len(u.parts) == 0 {
			continue
		}
		_, body, err := c.sendAll(ctx, "GET", u.key+"?uploadId="+u.id, nil)
		var doc partsAnswer
		if err == nil {
			err = xml.Unmarshal(body, &doc)
		}
		if err != nil || len(doc.Parts) < len(u.parts) {
			c.t.Errorf("%d of %d acknowledged parts of %s, %v", len(doc.Parts), len(u.parts), u.key, err)
		}
		for n, etag := range u.parts[:min(len(u.parts), len(doc.Parts))] {
			if doc.Parts[n].ETag != etag {
				c.t.Errorf("part %d of %s is another", n+1, u.key)
			}
		}
		end := fmt.Sprintf("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part></CompleteMultipartUpload>", u.parts[0])
		if _, _, err := c.sendAll(ctx, "POST", u.key+"?uploadId="+u.id, []byte(end)); err != nil {
			c.t.Error(err)
		}
		u.over = true
		c.objects[u.key] = u.content
	}
}

// TestKilled kills a server with kill -9 while clients send: an object that was
// acknowledged is whole, one that was not is whole or absent, half an object is
// absent, the parts of uploads stay, and a sweep finds what was left.
func TestKilled(t *testing.T) {
	t.Parallel()
	kills := 6
	if testing.Short() {
		kills = 2
	}
	dbtest.EachURL(t, func(t *testing.T, url string) {
		c := &crashed{t: t, url: url, dir: t.TempDir(), objects: map[string][]byte{}, tried: map[string][]byte{}}
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		rng := rand.New(rand.NewPCG(seed, 0))
		for life := range kills {
			kill := c.spawn()
			c.verify(t.Context(), life)
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			for n := range 4 {
				own := rand.New(rand.NewPCG(seed, uint64(life*10+n+1)))
				wg.Go(func() { c.put(ctx, fmt.Sprintf("put-%d-%d", life, n), own) })
			}
			wg.Go(func() { c.half(ctx, fmt.Sprint("half-", life)) })
			wg.Go(func() { c.upload(ctx, fmt.Sprint("upload-", life)) })
			<-time.NewTimer(time.Duration(100+rng.IntN(200)) * time.Millisecond).C
			kill()
			cancel()
			wg.Wait()
		}
		kill := c.spawn()
		c.verify(t.Context(), kills)
		kill()
		c.afterwards(t)
	})
}

// afterwards sweeps, and finds everything that was acknowledged and no blob more
// than rows name.
func (c *crashed) afterwards(t *testing.T) {
	t.Helper()
	f := openFixture(t, dbtest.Open(t, c.url, nil), c.dir)
	before := f.countBlobs()
	f.must2(f.sweepOrphans(c.t.Context(), -time.Hour))
	var named int
	f.must(f.db.Read(c.t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(`
			select (select count(*) from s3_versions where blob_key like 's3/%') + (select count(*) from s3_parts)`).Scan(&named)
	}))
	f.wantBlobs(named)
	for key, want := range c.objects {
		f.wantContent(key, "", string(want))
	}
	c.t.Logf("%d objects acknowledged, %d uploads, %d sent and not acknowledged, %d orphans", len(c.objects), len(c.uploads), len(c.tried), before-named)
	if len(c.objects) < 10 {
		c.t.Error("the kills missed what they were for")
	}
}
