package s3

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"testing"

	"github.com/penstock-cd/penstock/internal/db/dbtest"
)

// peak is the most memory that a process ever had resident, in bytes.
func peak(t testing.TB, process int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	n, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.SplitN(rest, []byte("\n"), 2)[0], []byte("kB")))), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// TestMemory has an object pass through a server both ways: it holds no more of
// a large one than of a small one.
func TestMemory(t *testing.T) {
	t.Parallel()
	c := &crashed{t: t, url: dbtest.SQLiteURL(t), dir: t.TempDir(), discard: true}
	testMemory(t, c)
}

// TestForwardMemory is TestMemory for a server that forwards to another.
func TestForwardMemory(t *testing.T) {
	t.Parallel()
	back := &crashed{t: t, url: dbtest.SQLiteURL(t), dir: t.TempDir(), discard: true}
	kill := back.spawn()
	defer kill()
	testMemory(t, &crashed{t: t, url: dbtest.SQLiteURL(t), dir: t.TempDir(), discard: true, forward: back.endpoint})
}

func testMemory(t *testing.T, c *crashed) {
	t.Helper()
	size := int64(256 << 20)
	if testing.Short() {
		size = 96 << 20
	}
	kill, process := c.spawnProcess()
	defer kill()
	c.pass("small", 1<<20)
	before := peak(t, process)
	c.pass("large", size)
	if more := peak(t, process) - before; more > 64<<20 {
		t.Errorf("%d MiB more resident while %d MiB passed", more>>20, size>>20)
	} else {
		t.Logf("%d KiB more resident while %d MiB passed", more>>10, size>>20)
	}
}

// BenchmarkMemory has 1 GiB pass through a server of its own both ways, and
// reports by how much that raises its peak of resident memory.
func BenchmarkMemory(b *testing.B) {
	c := &crashed{t: b, url: dbtest.SQLiteURL(b), dir: b.TempDir(), discard: true}
	kill, process := c.spawnProcess()
	defer kill()
	c.pass("small", 1<<20)
	before := peak(b, process)
	b.SetBytes(2 << 30)
	for b.Loop() {
		c.pass("large", 1<<30)
	}
	b.ReportMetric(float64(peak(b, process)-before)/(1<<20), "MiB-more")
}

// pass puts an object of zeros and gets it.
func (c *crashed) pass(key string, size int64) {
	c.t.Helper()
	status, _, body, err := c.send(c.t.Context(), "PUT", key, io.LimitReader(zeros{}, size), size)
	if err != nil || status != http.StatusOK {
		c.t.Fatalf("%d %s %v", status, body, err)
	}
	if status, _, got, err := c.send(c.t.Context(), "GET", key, nil, 0); err != nil || status != http.StatusOK || string(got) != fmt.Sprint(size) {
		c.t.Fatalf("%d, %s bytes, %v", status, got, err)
	}
}

// zeros is content without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
