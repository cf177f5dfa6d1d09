package simtest

import (
	"fmt"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// someExecution draws one of the last executions, as a rule one that match
// holds for, and the stage that it was in last.
func (w *world) someExecution(row *pipelineRow, match func(*execution) bool) (id, stage string) {
	list := row.history.executions
	list = list[max(0, len(list)-12):]
	var fit []*execution
	for _, e := range list {
		if len(e.records) > 0 && match(e) {
			fit = append(fit, e)
		}
	}
	switch {
	case len(fit) > 0 && w.rng.IntN(6) > 0:
		e := fit[w.rng.IntN(len(fit))]
		return e.id, e.record().name
	case len(list) > 0 && w.rng.IntN(8) > 0:
		e := list[w.rng.IntN(len(list))]
		if len(e.records) > 0 {
			return e.id, e.records[w.rng.IntN(len(e.records))].name
		}
		return e.id, stageName(w.rng.IntN(stagePool))
	}
	return "no-such-execution", stageName(w.rng.IntN(stagePool))
}

// retryStage retries a stage that failed or was stopped, as a rule.
func (w *world) retryStage(n *node, row *pipelineRow) {
	id, stage := w.someExecution(row, func(e *execution) bool {
		return e.status == engine.Failed || e.status == engine.Stopped || e.failed()
	})
	w.call(n, row, &op{ev: w.event(n, engine.RetryStage{Stage: stage, Execution: id, AllActions: w.rng.IntN(2) == 0})})
}

// rollBack goes back to an execution that succeeded in the stage, as a rule.
func (w *world) rollBack(n *node, row *pipelineRow) {
	w.clients.requests++
	stage := stageName(w.rng.IntN(stagePool))
	switch w.rng.IntN(8) {
	case 0:
	case 1, 2, 3:
		// Where others wait a rollback meets most.
		for _, e := range row.history.alive {
			if e.waits() && row.history.inside[e.next()] == nil {
				stage = e.next()
			}
		}
	default:
		stage = row.history.plan.Stages[w.rng.IntN(len(row.history.plan.Stages))].Name
	}
	id, _ := w.someExecution(row, func(e *execution) bool { return e.succeededIn(stage) })
	o := &op{ev: w.event(n, engine.RollBack{Stage: stage, Target: id, Trigger: engine.Trigger{
		Type: engine.TriggerManualRollback, Detail: fmt.Sprintf("request-%d", w.clients.requests),
	}})}
	o.done = func(o *op) { w.started(row, o) }
	w.call(n, row, o)
}

// overrideCondition passes a condition that is evaluated or ended its execution,
// as a rule.
func (w *world) overrideCondition(n *node, row *pipelineRow) {
	gate := pick(w.rng, pipeline.GateBeforeEntry, pipeline.GateOnSuccess)
	id, stage := w.someExecution(row, func(e *execution) bool {
		return e.gate != nil && e.gate.name == gate || e.ended() && e.held(gate)
	})
	w.call(n, row, &op{ev: w.event(n, engine.OverrideCondition{Stage: stage, Execution: id, Gate: gate, By: "arn:carol"})})
}
