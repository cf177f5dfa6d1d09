package engine_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// BenchmarkStep drives executions of a four-stage pipeline from start to
// Succeeded; one operation is one event.
func BenchmarkStep(b *testing.B) { benchmarkStep(b, "mode SUPERSEDED\n", 0) }

// BenchmarkStepCrowded is BenchmarkStep with as many other executions under way as
// may be: waiting for an answer, or in line.
func BenchmarkStepCrowded(b *testing.B) {
	for _, mode := range []string{"QUEUED", "PARALLEL"} {
		b.Run(mode, func(b *testing.B) { benchmarkStep(b, "mode "+mode+"\n", engine.DefaultConcurrentExecutions-1) })
	}
}

func benchmarkStep(b *testing.B, mode string, crowd int) {
	d := define(b, mode+`Source/Fetch source out=src
Build/Compile build in=src out=bin
Build/Test build in=src
Gate/Ask approval
Deploy/Ship build in=bin`)
	plan, err := pipeline.Compile(d, environment)
	if err != nil {
		b.Fatal(err)
	}
	plan.Version = 1
	plans := versions{1: &plan}
	n := 0
	next := func(body engine.Body) engine.Event {
		n++
		return engine.Event{ID: "event-" + strconv.Itoa(n), At: int64(n), Body: body}
	}
	start := engine.StartExecution{Trigger: engine.Trigger{Type: engine.TriggerStartPipelineExecution}}
	s, decision, err := engine.Step(plans, nil, engine.Past{}, next(engine.CreatePipeline{ID: "p", Name: "pipe", Start: start}))
	if err != nil {
		b.Fatal(err)
	}
	running := slices.Clone(decision.Effects)
	for range crowd {
		s, decision, err = engine.Step(plans, s, engine.Past{}, next(start))
		if err != nil {
			b.Fatal(err)
		}
		if d.ExecutionMode == pipeline.ModeQueued {
			running = append(running, decision.Effects...)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		// Whoever has succeeded is followed by another one.
		succeeded := func(c engine.Change) bool { return c.Kind == engine.ExecutionChanged && c.Status == engine.Succeeded }
		var body engine.Body = start
		if !slices.ContainsFunc(decision.Changes, succeeded) {
			e := running[0]
			running = running[1:]
			body = engine.ActionReported{Execution: e.Execution, Action: e.Action, Succeeded: true}
			if e.Name == "Ask" {
				body = engine.AnswerApproval{Stage: "Gate", Action: "Ask", Token: e.Action, Approved: true}
			}
		}
		s, decision, err = engine.Step(plans, s, engine.Past{}, next(body))
		if err != nil {
			b.Fatal(err)
		}
		running = append(running, decision.Effects...)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
