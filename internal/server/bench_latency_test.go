package server_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	cpwire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// BenchmarkLatency measures what the engine adds to the work of actions, one
// execution at a time: "start" is from a start request being sent to its first
// action being begun, so it includes the request; "next" is from the end of one
// action to the begin of the next. Every step between is durable first.
func BenchmarkLatency(b *testing.B) {
	m := &metronome{beats: make(chan beat, 16)}
	s := benchServer(b, metronomeSource{m}, m)
	c := benchClient(b, s, pipelineTarget)
	var work []raw
	for _, name := range []string{"One", "Two", "Three"} {
		work = append(work, rawStage(name, rawAction(name, "Test", "Custom", "Beat", raw{"inputArtifacts": []raw{{"name": "App"}}})))
	}
	benchCall(b, c, "CreatePipeline", rawPipeline("latency", append([]raw{
		rawStage("Source", rawAction("Source", "Source", "Custom", "Beat", raw{"outputArtifacts": []raw{{"name": "App"}}})),
	}, work...)...))
	name := "latency"
	run := func() (begun time.Duration, next []time.Duration) {
		var last time.Time
		for range 1 + len(work) {
			at := <-m.beats
			if !last.IsZero() {
				next = append(next, at.begun.Sub(last))
			} else {
				begun = time.Duration(at.begun.UnixNano())
			}
			last = at.ended
		}
		return begun, next
	}
	run() // creating the pipeline started it
	var starts, nexts []time.Duration
	for b.Loop() {
		sent := time.Now()
		benchCall(b, c, startOperation, &cpwire.StartPipelineExecutionInput{Name: &name})
		begun, next := run()
		starts = append(starts, begun-time.Duration(sent.UnixNano()))
		nexts = append(nexts, next...)
	}
	benchPercentiles(b, "start", starts)
	benchPercentiles(b, "next", nexts)
}

// benchPercentiles reports the median and the 99th percentile in milliseconds.
func benchPercentiles(b *testing.B, name string, list []time.Duration) {
	slices.Sort(list)
	for percentile, label := range map[int]string{50: "p50", 99: "p99"} {
		d := list[min(len(list)-1, len(list)*percentile/100)]
		b.ReportMetric(float64(d.Microseconds())/1000, name+"-"+label+"-ms")
	}
}

// metronome is an action that takes no time and tells when it was begun and
// ended.
type metronome struct{ beats chan beat }

type beat struct{ begun, ended time.Time }

func (*metronome) Type() pipeline.ActionType {
	return pipeline.ActionType{
		ID:     pipeline.ActionTypeID{Category: "Test", Owner: "Custom", Provider: "Beat", Version: "1"},
		Inputs: pipeline.ArtifactBounds{Max: 1}, WhenLost: pipeline.LostFail,
	}
}

func (m *metronome) Start(context.Context, provider.Attempt) (provider.Report, error) {
	m.tell(time.Now())
	return provider.Report{Status: provider.Succeeded}, nil
}

func (m *metronome) tell(begun time.Time) { m.beats <- beat{begun, time.Now()} }

func (m *metronome) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return m.Start(ctx, a)
}

func (*metronome) Stop(context.Context, provider.Attempt) error { return nil }

// metronomeSource is the same as a source, with an empty artifact.
type metronomeSource struct{ *metronome }

func (metronomeSource) Type() pipeline.ActionType {
	return pipeline.ActionType{
		ID:      pipeline.ActionTypeID{Category: "Source", Owner: "Custom", Provider: "Beat", Version: "1"},
		Outputs: pipeline.ArtifactBounds{Min: 1, Max: 1}, WhenLost: pipeline.LostAgain,
	}
}

func (m metronomeSource) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	begun := time.Now()
	if err := a.Artifacts.Put(ctx, a.Outputs[0].Location, strings.NewReader("PK\x05\x06"+strings.Repeat("\x00", 18))); err != nil {
		return provider.Report{}, err
	}
	m.tell(begun)
	return provider.Report{
		Status: provider.Succeeded, Produced: []string{a.Outputs[0].Name}, Revision: &pipeline.Revision{ID: "r1"},
	}, nil
}
