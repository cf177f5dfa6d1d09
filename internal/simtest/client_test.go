package simtest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// clients make requests of random nodes and remember what they were promised.
type clients struct {
	requests int
	used     []usedToken
	promised []promise
}

// usedToken is a client request token with the start that it first made.
type usedToken struct {
	pipeline  string
	token     string
	execution string // empty when the answer was lost
	at        int64
}

// promise is a start that was accepted.
type promise struct{ pipeline, execution string }

// request makes one random call on a node.
func (w *world) request(n *node) {
	name := w.names[w.rng.IntN(len(w.names))]
	row := w.store.named(name)
	if row == nil {
		w.create(n, name)
		return
	}
	sum := 0
	for _, weight := range w.temper.weights {
		sum += weight
	}
	k := w.rng.IntN(sum)
	for kind, weight := range w.temper.weights {
		if k -= weight; k < 0 {
			w.make(n, row, requestKind(kind))
			return
		}
	}
}

// requestKind is what a client may ask for.
type requestKind int

const (
	requestStart requestKind = iota
	requestBurst
	requestStop
	requestAnswer
	requestTransition
	requestRetry
	requestRollback
	requestOverride
	requestUpdate
	requestDelete
	requestKinds
)

// usualWeights say how often clients ask for what.
var usualWeights = [requestKinds]int{
	requestStart: 25, requestBurst: 2, requestStop: 5, requestAnswer: 20, requestTransition: 9,
	requestRetry: 16, requestRollback: 9, requestOverride: 9, requestUpdate: 2, requestDelete: 1,
}

func (w *world) make(n *node, row *pipelineRow, kind requestKind) {
	switch kind {
	case requestStart:
		w.startExecution(n, row)
	case requestBurst:
		w.burst(row)
	case requestStop:
		w.stopExecution(n, row)
	case requestAnswer:
		w.answerApproval(n, row)
	case requestTransition:
		w.setTransition(n, row)
	case requestRetry:
		w.retryStage(n, row)
	case requestRollback:
		w.rollBack(n, row)
	case requestOverride:
		w.overrideCondition(n, row)
	case requestUpdate:
		w.call(n, row, &op{ev: w.event(n, engine.UpdatePipeline{}), plan: shape(w.rng, row.name, &w.temper)})
	case requestDelete:
		w.call(n, row, &op{ev: w.event(n, engine.DeletePipeline{})})
	}
}

// call submits a request; when it is accepted, it must be durable.
func (w *world) call(n *node, row *pipelineRow, o *op) {
	then := o.done
	o.done = func(o *op) {
		_, applied := row.applied(o.ev.ID)
		var rejection *engine.Rejection
		switch {
		case errors.As(o.err, &rejection), errors.Is(o.err, errFailed):
			if applied {
				w.fatalf("%s was refused (%v) but applied", describe(o.ev), o.err)
			}
			if rejection != nil && rejection.Reason == engine.ReasonLimit {
				w.refusedStart(row, o)
			}
			w.logf("%s: %s: %v", n.id, describe(o.ev), o.err)
		case o.err != nil:
			w.fatalf("%s: %v", describe(o.ev), o.err)
		default:
			_, deletes := o.ev.Body.(engine.DeletePipeline)
			if !applied && o.token == "" && !deletes {
				w.fatalf("%s was accepted and forgotten", describe(o.ev))
			}
			if then != nil {
				then(o)
			}
		}
	}
	w.submit(n, row.id, o)
}

// lost is told of a request whose node died: its outcome is unknown.
func (c *clients) lost(o *op) {
	if o.token != "" {
		c.used = append(c.used, usedToken{token: o.token, at: o.ev.At})
	}
}

func (w *world) create(n *node, name string) {
	w.clients.requests++
	ev := w.event(n, nil)
	id := pipeline.DeriveID([]byte(ev.ID), "pipeline")
	ev.Body = engine.CreatePipeline{ID: id, Name: name, Start: engine.StartExecution{
		Trigger: engine.Trigger{Type: engine.TriggerCreatePipeline, Detail: fmt.Sprintf("request-%d", w.clients.requests)},
	}}
	w.submit(n, id, &op{ev: ev, name: name, plan: shape(w.rng, name, &w.temper), done: func(o *op) {
		if o.err == nil && w.store.pipeline(id) == nil {
			w.fatalf("pipeline %s was made and forgotten", name)
		}
		w.logf("%s: create %s as %s: %v", n.id, name, short(id), o.err)
	}})
}

// triggerWebhook starts executions that nobody waits for.
const triggerWebhook = "WebhookV2"

// burst starts more executions at once, through all nodes, than the limit lets be
// under way.
func (w *world) burst(row *pipelineRow) {
	for range 2 + min(w.limit, 6) {
		if n := w.nodes[w.rng.IntN(len(w.nodes))]; !n.down {
			w.startExecution(n, row)
		}
	}
}

// startExecution starts with or without a token, new or used before.
func (w *world) startExecution(n *node, row *pipelineRow) {
	w.clients.requests++
	detail := fmt.Sprintf("request-%d", w.clients.requests)
	o := &op{}
	switch k := w.rng.IntN(6); {
	case k == 0 && len(w.clients.used) > 0:
		o.token = w.clients.used[w.rng.IntN(len(w.clients.used))].token
		detail = o.token
	case k < 3:
		o.token = "token-" + detail
		detail = o.token
	}
	trigger := engine.TriggerStartPipelineExecution
	if w.rng.IntN(4) == 0 {
		trigger = triggerWebhook
	}
	b := engine.StartExecution{Trigger: engine.Trigger{Type: trigger, Detail: detail}}
	for i := range w.rng.IntN(3) {
		b.Variables = append(b.Variables, pipeline.Variable{Name: fmt.Sprintf("V%d", i), Value: "given"})
	}
	o.ev = w.event(n, b)
	o.done = func(o *op) { w.started(row, o) }
	w.call(n, row, o)
}

// started: the execution exists, and a token always gives the same one.
func (w *world) started(row *pipelineRow, o *op) {
	id := o.decision.ExecutionID
	if row.execution(id) == nil {
		w.fatalf("start was answered with execution %q, which does not exist", id)
	}
	w.clients.promised = append(w.clients.promised, promise{row.id, id})
	if o.token == "" {
		return
	}
	for _, u := range w.clients.used {
		if u.pipeline == row.id && u.token == o.token && u.execution != id && w.now-u.at < tokenLife {
			w.fatalf("token %s gave execution %s and then %s", o.token, u.execution, id)
		}
	}
	// A token lives from the commit that first used it; neither a late answer nor
	// a replay makes it live longer.
	if t := w.store.token(row.id, o.token); t != nil && t.execution == id {
		w.clients.used = append(w.clients.used, usedToken{row.id, o.token, id, t.at})
	}
}

// refusedStart: a token that has its execution is never refused for the limit.
func (w *world) refusedStart(row *pipelineRow, o *op) {
	for _, u := range w.clients.used {
		if o.token != "" && u.pipeline == row.id && u.token == o.token && w.now-u.at < tokenLife {
			w.fatalf("token %s gave execution %s and then %v", o.token, u.execution, o.err)
		}
	}
}

// stopExecution stops one that lives, as a rule, and some that never did.
func (w *world) stopExecution(n *node, row *pipelineRow) {
	b := engine.StopExecution{Execution: "no-such-execution", Abandon: w.rng.IntN(2) == 0, Reason: "because"}
	if list := row.history.executions; len(list) > 0 {
		b.Execution = list[len(list)-1-w.rng.IntN(min(len(list), 4))].id
	}
	w.call(n, row, &op{ev: w.event(n, b)})
}

// answerApproval answers one that waits, as a rule, or one that did.
func (w *world) answerApproval(n *node, row *pipelineRow) {
	var candidates []engine.AnswerApproval
	list := row.history.executions
	if w.calm || w.rng.IntN(3) > 0 {
		list = row.history.alive
	}
	for _, e := range list {
		for _, a := range e.actions {
			if a.plan.IsApproval() {
				candidates = append(candidates, engine.AnswerApproval{Stage: e.record().name, Action: a.plan.Name, Token: a.id})
			}
		}
	}
	if len(candidates) == 0 {
		return
	}
	if w.calm {
		candidates = slices.DeleteFunc(candidates, func(b engine.AnswerApproval) bool { return !running(row.history.actions[b.Token]) })
		for _, b := range candidates {
			b.Approved, b.By = true, "arn:bob"
			w.call(n, row, &op{ev: w.event(n, b)})
		}
		return
	}
	b := candidates[w.rng.IntN(len(candidates))]
	b.Approved, b.By = w.rng.IntN(4) > 0, "arn:bob"
	past := engine.Past{}
	if w.rng.IntN(10) == 0 {
		b.Token = "no-such-token"
	} else if row.history.actions[b.Token].answered {
		past.AnsweredTokens = []string{b.Token}
	}
	w.call(n, row, &op{ev: w.event(n, b), past: past})
}

func (w *world) setTransition(n *node, row *pipelineRow) {
	b := engine.SetTransition{
		Stage: stageName(w.rng.IntN(w.temper.pool)), Outbound: w.rng.IntN(3) == 0,
		Disabled: w.rng.IntN(5) < 2, Reason: "because", By: "arn:alice",
	}
	w.call(n, row, &op{ev: w.event(n, b)})
}

// settleDown is what clients do once faults are over: answer, enable, and stop
// what a transition has made stale.
func (w *world) settleDown(n *node) {
	for _, row := range w.store.pipelines {
		if row.deleted {
			continue
		}
		plan := row.plans[len(row.plans)]
		for i := range plan.Stages {
			for side, t := range row.history.sides(plan.Stages[i].Name) {
				if t.disabled {
					w.call(n, row, &op{ev: w.event(n, engine.SetTransition{
						Stage: plan.Stages[i].Name, Outbound: side == 1, By: "arn:alice",
					})})
				}
			}
		}
		for _, e := range row.history.alive {
			if e.stale && !e.stop {
				w.call(n, row, &op{ev: w.event(n, engine.StopExecution{Execution: e.id, Reason: "stale"})})
			}
		}
		w.answerApproval(n, row)
	}
}

// checkPromises: nothing accepted is forgotten, nothing is made twice, and all
// of it came to an end.
func (w *world) checkPromises() {
	for _, p := range w.clients.promised {
		if w.store.pipeline(p.pipeline).execution(p.execution) == nil {
			w.fatalf("execution %s was promised and forgotten", p.execution)
		}
	}
	for _, f := range w.book.jobs {
		if f.end == jobOpen && !f.withdrawn {
			w.fatalf("job %s is open for ever, its action execution %s is over", f.id, f.action)
		}
	}
	for _, k := range w.outside.works {
		if k.live {
			w.fatalf("nobody stopped %s, which is over", k.action)
		}
	}
	for _, row := range w.store.pipelines {
		last := map[string]int64{}
		for _, e := range row.history.executions {
			if e.trigger.Type == engine.TriggerAutomatedRollback {
				continue // each failure has its own: one that was retried may fail again
			}
			if at, twice := last[e.trigger.Detail]; twice && e.started-at < tokenLife {
				w.fatalf("request %s made two executions", e.trigger.Detail)
			}
			last[e.trigger.Detail] = e.started
			if !e.ended() {
				w.fatalf("execution %s is %s for ever", e.id, e.status)
			}
		}
	}
}
