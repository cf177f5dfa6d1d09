package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/server"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// benchProgram builds the command as it is shipped.
func benchProgram(b *testing.B) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), "penstock")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("building the command: %v\n%s", err, out)
	}
	return program
}

// serving is a running penstock serve.
type serving struct {
	cmd      *exec.Cmd
	data     string
	endpoint string
	took     time.Duration // from the start of the process to /readyz
}

// benchServe starts penstock serve and waits until it is ready.
func benchServe(b *testing.B, program, data string) *serving {
	b.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	s := &serving{data: data, endpoint: "http://" + address, cmd: exec.Command(program, "serve", "--listen", address, "--data", data)}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	for time.Since(began) < time.Minute {
		if response, err := client.Get(s.endpoint + "/readyz"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				s.took = time.Since(began)
				return s
			}
		}
		<-time.NewTimer(time.Millisecond).C
	}
	b.Fatal("penstock serve does not become ready")
	return nil
}

func (s *serving) stop(b *testing.B) {
	b.Helper()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		b.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		b.Fatalf("penstock serve ended: %v", err)
	}
}

// resident is the memory that a process holds, in MiB.
func (s *serving) resident(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return float64(kib) / 1024
}

// BenchmarkReady measures penstock serve from the start of its process until it
// is ready: on a fresh data directory ("first-ms") and on one that it has served
// before ("again-ms"), medians both. "idle-MiB" is what it holds after two quiet
// seconds, "used-MiB" the same after 1000 requests.
func BenchmarkReady(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("resident memory is read from /proc")
	}
	program := benchProgram(b)
	var first, again []time.Duration
	for b.Loop() {
		data := b.TempDir()
		for _, list := range []*[]time.Duration{&first, &again} {
			s := benchServe(b, program, data)
			*list = append(*list, s.took)
			s.stop(b)
		}
	}
	b.ReportMetric(median(first), "first-ms")
	b.ReportMetric(median(again), "again-ms")
	s := benchServe(b, program, b.TempDir())
	defer s.stop(b)
	<-time.NewTimer(2 * time.Second).C
	b.ReportMetric(s.resident(b), "idle-MiB")
	env, err := server.ReadEnvironment(s.data, sigv4.Credentials{})
	if err != nil {
		b.Fatal(err)
	}
	c := newClient(s.endpoint, env.Region, env.Credentials)
	for range 1000 {
		if err := c.codepipeline.Call(b.Context(), "ListPipelines", map[string]any{}, nil); err != nil {
			b.Fatal(err)
		}
	}
	<-time.NewTimer(2 * time.Second).C
	b.ReportMetric(s.resident(b), "used-MiB")
}

// BenchmarkHello compares penstock run examples/hello with its commands typed by
// hand: "over-ms" is what the pipeline costs beside them, the median.
func BenchmarkHello(b *testing.B) {
	program := benchProgram(b)
	example, err := filepath.Abs("../../examples/hello")
	if err != nil {
		b.Fatal(err)
	}
	scratch := b.TempDir()
	if err := os.CopyFS(scratch, os.DirFS(example)); err != nil {
		b.Fatal(err)
	}
	timed := func(name string, args ...string) time.Duration {
		cmd := exec.Command(name, args...)
		cmd.Dir = scratch
		began := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return time.Since(began)
	}
	var over []time.Duration
	for b.Loop() {
		run := timed(program, "run", example)
		hand := timed("sh", "-c", `read name < name.txt && echo "Hello, $name!" | tee greeting.txt`)
		over = append(over, run-hand)
	}
	b.ReportMetric(median(over), "over-ms")
}

// median is in milliseconds.
func median(list []time.Duration) float64 {
	slices.Sort(list)
	return float64(list[len(list)/2].Microseconds()) / 1000
}
