package simtest

import (
	"cmp"

	"github.com/penstock-cd/penstock/internal/engine"
)

// write is the transaction: all of it or, when somebody was first, nothing.
func (w *world) write(n *node, l *line, x *writes) bool {
	row := w.store.pipeline(l.pipeline)
	if o := x.ops[0]; o.name != "" {
		if row != nil || w.store.named(o.name) != nil {
			return false
		}
		row = &pipelineRow{id: l.pipeline, name: o.name, plans: versions{}, history: newHistory(cmp.Or(w.limit, engine.DefaultConcurrentExecutions))}
		w.store.pipelines = append(w.store.pipelines, row)
		w.tables.note(1, `insert into pipelines (id, name, version, state, deleted) values ($1, $2, 0, '', 0)`, row.id, row.name)
	}
	version := x.base + int64(len(x.ops))
	deleted := int64(0)
	if x.deleted {
		deleted = 1
	}
	first := int64(1)
	if row.version != x.base {
		first = 0
	}
	w.tables.note(first, `update pipelines set version = $2, state = $3, deleted = $4 where id = $1 and version = $5`,
		row.id, version, x.state, deleted, x.base)
	if first == 0 && !w.bugs.ignoresVersion {
		return false
	}
	row.version, row.state, row.deleted = version, x.state, x.deleted
	w.writeExecutions(row, x)
	for _, o := range x.ops {
		if o.plan != nil {
			row.plans[o.plan.Version] = o.plan
		}
		row.changes = append(row.changes, changesRow{event: o.ev.ID, changes: o.decision.Changes})
		if w.tables != nil {
			w.tables.note(1, `insert into changes (pipeline, event, content) values ($1, $2, $3)`, row.id, o.ev.ID, encode(o.decision.Changes))
		}
		if o.token != "" {
			w.keepToken(l.pipeline, o)
		}
		w.logf("%s %s v%d: %s%s", n.id, short(l.pipeline), row.version, describe(o.ev), describeChanges(o.decision.Changes))
		wasRunning := o.job != nil && running(row.history.actions[o.job.action()])
		if o.job != nil {
			w.commitAlso(o)
		}
		row.history.apply(w, row, o)
		if wasRunning {
			w.book.heard(w, o)
		}
	}
	w.writeEffects(n, l, x)
	return true
}

// writeExecutions stores the executions that a batch touched.
func (w *world) writeExecutions(row *pipelineRow, x *writes) {
	for _, e := range x.executions {
		live := int64(0)
		if e.live {
			live = 1
		}
		old := row.execution(e.id)
		if old != nil {
			*old = e
			w.tables.note(1, `update executions set live = $2, content = $3 where id = $1`, e.id, live, e.text)
			continue
		}
		row.executions = append(row.executions, &e)
		w.tables.note(1, `insert into executions (id, pipeline, ord, live, content) values ($1, $2, $3, $4, $5)`,
			e.id, row.id, len(row.executions), live, e.text)
	}
}

// writeEffects makes void what is over and stores what must be done, claimed by
// this node. A stop is claimed for whoever runs the action, which finds it when
// it looks for claims that it does not carry out yet.
func (w *world) writeEffects(n *node, l *line, x *writes) {
	runners := map[string]effectRow{}
	for _, action := range x.void {
		if row := w.store.effect(action); row != nil {
			runners[action] = *row
		}
		if !w.bugs.keepsVoid {
			w.deleteEffect(action)
		}
	}
	for _, e := range x.effects {
		row := &effectRow{Effect: e, id: e.Action, pipeline: l.pipeline, due: w.now, node: n.id}
		if e.Kind == engine.StopAction {
			runner := runners[e.Action]
			if runner.node == "" && runner.begun == "" {
				continue // nothing was begun anywhere
			}
			row.id, row.node, row.runner = "stop/"+e.Action, runner.node, runner.node
			if w.bugs.stopsHere {
				row.node = n.id
			}
		}
		w.insertEffect(row)
	}
}

func (w *world) keepToken(pipeline string, o *op) {
	if w.bugs.forgetsTokens {
		return
	}
	w.tables.note(1, `insert into tokens (pipeline, token, execution, used) values ($1, $2, $3, $4)
		on conflict (pipeline, token) do update set execution = excluded.execution, used = excluded.used`,
		pipeline, o.token, o.decision.ExecutionID, w.now)
	if t := w.store.token(pipeline, o.token); t != nil {
		t.execution, t.at = o.decision.ExecutionID, w.now
		return
	}
	w.store.tokens = append(w.store.tokens, &tokenRow{pipeline, o.token, o.decision.ExecutionID, w.now})
}
