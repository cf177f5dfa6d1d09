package server_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
	cpwire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/awsjson"
	"github.com/penstock-cd/penstock/internal/server"
)

// readOperation is one of the operations that BenchmarkRead measures.
type readOperation struct {
	name   string
	input  func() any
	output func() any
	// of is the input that asks for a pipeline.
	of func(name *string) any
}

func readOperations() []readOperation {
	return []readOperation{
		{
			name: "GetPipeline", input: func() any { return &cpwire.GetPipelineInput{} },
			output: func() any { return &cpwire.GetPipelineOutput{} },
			of:     func(name *string) any { return &cpwire.GetPipelineInput{Name: name} },
		},
		{
			name: "GetPipelineState", input: func() any { return &cpwire.GetPipelineStateInput{} },
			output: func() any { return &cpwire.GetPipelineStateOutput{} },
			of:     func(name *string) any { return &cpwire.GetPipelineStateInput{Name: name} },
		},
		{
			name: "ListPipelines", input: func() any { return &cpwire.ListPipelinesInput{} },
			output: func() any { return &cpwire.ListPipelinesOutput{} },
			of:     func(*string) any { return &cpwire.ListPipelinesInput{} },
		},
	}
}

// readEcho is what the reads are compared with: an operation of the same input
// that answers with what the real one answered once. So it has the same HTTP, the
// same signature to check, the same JSON to decode and the same structure to
// encode, and nothing behind them.
type readEcho struct{ answer atomic.Value }

func readEchoes() (api.Service, map[string]*readEcho) {
	service := api.Service{
		TargetPrefix: echoTarget, SigningName: "codepipeline", JSONVersion: "1.1", Operations: map[string]api.Operation{},
	}
	echoes := map[string]*readEcho{}
	for _, op := range readOperations() {
		echo := &readEcho{}
		echoes[op.name] = echo
		service.Operations[op.name] = api.Operation{
			Name: op.name, NewInput: op.input,
			Call: func(context.Context, api.Caller, any) (any, error) { return echo.answer.Load(), nil },
		}
	}
	return service, echoes
}

// BenchmarkRead measures reads a second, over HTTP with signatures at 64
// connections, on a server with 100 pipelines of three actions whose executions
// have ended, and compares them in turns with the echo of the same answer:
// "ratio" is reads a second by echoes a second. The client reads the answers and
// does not decode them, which would only make both sides alike.
func BenchmarkRead(b *testing.B) {
	const connections, pipelines = 64, 100
	service, echoes := readEchoes()
	s := readServer(b, service)
	c, e := benchClient(b, s, pipelineTarget), benchClient(b, s, echoTarget)
	names := steadyPipelines(b, c, pipelines)
	for _, op := range readOperations() {
		answer := op.output()
		steadyCall(b, c, op.name, op.of(&names[0]), answer)
		echoes[op.name].answer.Store(answer)
		b.Run(op.name, func(b *testing.B) { benchRead(b, c, e, op, names[:connections]) })
	}
}

// readServer is a server with the echo beside it.
func readServer(b *testing.B, echo api.Service) *server.Server {
	b.Helper()
	s, err := server.Start(b.Context(), server.Config{
		Listen: "127.0.0.1:0", Data: filepath.Join(b.TempDir(), "data"), Account: account, Region: region,
	}, steadyOptions(echo))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	return s
}

func benchRead(b *testing.B, c, e *awsjson.Client, op readOperation, names []string) {
	benchReads(b, c, op, names, 4*len(names))
	benchReads(b, e, op, names, 4*len(names))
	var read, echoed time.Duration
	b.ResetTimer()
	for left := b.N; left > 0; left -= 2048 {
		n := min(left, 2048)
		echoed += benchReads(b, e, op, names, n)
		read += benchReads(b, c, op, names, n)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/read.Seconds(), "reads/s")
	b.ReportMetric(float64(b.N)/echoed.Seconds(), "echoes/s")
	b.ReportMetric(echoed.Seconds()/read.Seconds(), "ratio")
}

// benchReads makes n calls over as many connections as there are names, and
// returns how long they took together.
func benchReads(b *testing.B, c *awsjson.Client, op readOperation, names []string, n int) time.Duration {
	b.Helper()
	var count atomic.Int64
	done := make(chan error, len(names))
	begin := time.Now()
	for i := range names {
		go func() {
			in := op.of(&names[i])
			for count.Add(1) <= int64(n) {
				if err := c.Call(b.Context(), op.name, in, nil); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range names {
		if err := <-done; err != nil {
			b.Fatalf("%s: %v", op.name, err)
		}
	}
	return time.Since(begin)
}
