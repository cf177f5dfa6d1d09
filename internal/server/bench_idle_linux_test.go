package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/sigv4"
)

// The crowd of BenchmarkIdleWorkers: each polls every idleEvery, and the server is
// watched for idleWindow.
const (
	idleWorkers = 1000
	idleEvery   = 10 * time.Second
	idleWindow  = 20 * time.Second
)

// BenchmarkIdleWorkers is what a server process spends on 1,000 workers that find
// no job, each with a connection of its own: that poll every 10 s, and that wait
// for 20 s in each poll. %core is the processor time of the server alone.
func BenchmarkIdleWorkers(b *testing.B) {
	for name, wait := range map[string]string{"poll": "", "wait": "20"} {
		b.Run(name, func(b *testing.B) { benchIdle(b, wait) })
	}
}

func benchIdle(b *testing.B, wait string) {
	l := spawn(b, filepath.Join(b.TempDir(), "data"), &crashLog{})
	c := newCrashClient(l.ready())
	defer l.kill()
	defer c.close()
	err := c.Call(b.Context(), "CreateCustomActionType", raw{
		"category": "Build", "provider": "Boto", "version": "1",
		"inputArtifactDetails":  raw{"minimumCount": 0, "maximumCount": 5},
		"outputArtifactDetails": raw{"minimumCount": 0, "maximumCount": 5},
	}, nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	var polls, failed atomic.Int64
	var workers sync.WaitGroup
	for i := range idleWorkers {
		workers.Go(func() {
			w := idleWorker{endpoint: c.Endpoint, wait: wait, every: idleEvery, http: &http.Client{Transport: &http.Transport{}}}
			w.run(ctx, idleEvery*time.Duration(i)/idleWorkers, &polls, &failed)
		})
	}
	<-crashTimer(idleEvery) // everybody is there now
	for b.Loop() {
		cpu, begin, before := processTime(b, l.cmd.Process.Pid), time.Now(), polls.Load()
		<-crashTimer(idleWindow)
		spent, passed := processTime(b, l.cmd.Process.Pid)-cpu, time.Since(begin)
		n := polls.Load() - before
		b.ReportMetric(100*spent.Seconds()/passed.Seconds(), "%core")
		b.ReportMetric(float64(n)/passed.Seconds(), "polls/s")
		if n > 0 {
			b.ReportMetric(float64(spent.Microseconds())/float64(n), "cpu-µs/poll")
		}
	}
	b.ReportMetric(residentMiB(b, l.cmd.Process.Pid), "MiB")
	stop()
	workers.Wait()
	if failed.Load() > 0 {
		b.Errorf("%d polls failed", failed.Load())
	}
}

// idleWorker polls for jobs that never come.
type idleWorker struct {
	endpoint, wait string
	every          time.Duration
	http           *http.Client
}

// run polls until ctx ends, at first after a pause. One that waits polls again at
// once.
func (w *idleWorker) run(ctx context.Context, pause time.Duration, polls, failed *atomic.Int64) {
	defer w.http.CloseIdleConnections()
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if w.wait == "" {
			timer.Reset(w.every)
		} else {
			timer.Reset(0)
		}
		if err := w.poll(ctx); err != nil && ctx.Err() == nil {
			failed.Add(1)
		}
		polls.Add(1)
	}
}

func (w *idleWorker) poll(ctx context.Context) error {
	const body = `{"actionTypeId": {"category": "Build", "owner": "Custom", "provider": "Boto", "version": "1"}}`
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.endpoint+"/", strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "CodePipeline_20150709.PollForJobs")
	if w.wait != "" {
		r.Header.Set("X-Penstock-Wait-Seconds", w.wait)
	}
	sigv4.Sign(r, sigv4.Hash([]byte(body)), crashKey, region, "codepipeline", time.Now())
	response, err := w.http.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, answer)
	}
	return err
}

// processTime is the processor time of a process, in user and kernel mode.
func processTime(b testing.TB, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	// The name, in brackets, may hold anything; the times are the 14th and 15th.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ
}

// residentMiB is the memory of a process that is not swapped.
func residentMiB(b testing.TB, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.ParseFloat(strings.Fields(string(text))[1], 64)
	if err != nil {
		b.Fatal(err)
	}
	return pages * float64(os.Getpagesize()) / (1 << 20)
}
