package server_test

import (
	"sync/atomic"
	"testing"
	"time"

	cpwire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/awsjson"
)

// BenchmarkStartPipelineExecution measures accepted starts a second: 64
// connections, each with its own pipeline, over HTTP with signatures, every
// start durable before its answer. It compares them with the echo of the same
// body in the same run, in turns, so that whatever else the machine does slows
// both: "ratio" is starts a second by echoes a second.
func BenchmarkStartPipelineExecution(b *testing.B) {
	const connections, warm, round = 64, 4096, 2048
	s := benchServer(b, pulse{}, newGate())
	starts, echoes := benchClient(b, s, pipelineTarget), benchClient(b, s, echoTarget)
	names := benchPipelines(b, starts, connections, true)
	benchRound(b, starts, startOperation, names, warm)
	benchRound(b, echoes, echoOperation, names, warm)
	var started, echoed time.Duration
	b.ResetTimer()
	for left := b.N; left > 0; left -= round {
		n := min(left, round)
		echoed += benchRound(b, echoes, echoOperation, names, n)
		started += benchRound(b, starts, startOperation, names, n)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/started.Seconds(), "starts/s")
	b.ReportMetric(float64(b.N)/echoed.Seconds(), "echoes/s")
	b.ReportMetric(echoed.Seconds()/started.Seconds(), "ratio")
}

// benchRound makes n calls over as many connections as there are names, and
// returns how long they took together.
func benchRound(b *testing.B, c *awsjson.Client, operation string, names []string, n int) time.Duration {
	b.Helper()
	var count atomic.Int64
	done := make(chan error, len(names))
	begin := time.Now()
	for i := range names {
		go func() {
			in := &cpwire.StartPipelineExecutionInput{Name: &names[i]}
			for count.Add(1) <= int64(n) {
				var out cpwire.StartPipelineExecutionOutput
				if err := c.Call(b.Context(), operation, in, &out); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range names {
		if err := <-done; err != nil {
			b.Fatalf("%s: %v", operation, err)
		}
	}
	return time.Since(begin)
}
