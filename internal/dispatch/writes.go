package dispatch

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
)

// ordStride is how many attempts one event may start: ord is the state's version
// times it, plus the action's place in the event.
const ordStride = 1 << 20

// writes is what one commit holds: the parts that changed, the history, and the
// effects of every event of a batch.
type writes struct {
	d       *Dispatcher
	line    *line
	units   []*unit
	base    int64 // the version that was stepped from
	version int64 // the version after the commit
	at      int64
	updated int64
	newest  string // the execution that was started last

	state      string
	executions []executionWrite
	changes    []changesWrite
	effects    []engine.Effect
	claimed    []effect
}

// changesWrite is what became true by one event. What a request for an execution
// has to say is kept in the row of that execution, which is written anyway, and
// any other event's in a row of its own.
type changesWrite struct {
	text   string
	starts string // the execution in whose row it is kept, if any
}

type executionWrite struct {
	e    *engine.Execution
	text string
	// first is the version at which this commit starts the execution, 0 if an
	// earlier one did.
	first int64
	// previous is the execution that was started before it.
	previous string
}

// add takes a stepped unit in. Every event raises the version by one.
func (w *writes) add(u *unit) {
	w.units = append(w.units, u)
	w.version++
	switch u.ev.Body.(type) {
	case engine.UpdatePipeline:
		w.updated = w.at
	}
}

// prepare encodes everything before the transaction, which others wait for.
func (w *writes) prepare() error {
	var err error
	if w.state, err = encodePipeline(w.line.state); err != nil {
		return fmt.Errorf("encoding pipeline %s: %w", w.line.id, err)
	}
	var touched []*engine.Execution
	var void []string
	for _, u := range w.units {
		for _, e := range u.decision.Touched {
			// One that came back after its end is another copy: the later counts.
			same := func(t *engine.Execution) bool { return t.ID == e.ID }
			if i := slices.IndexFunc(touched, same); i >= 0 {
				touched[i] = e
			} else {
				touched = append(touched, e)
			}
		}
		void = append(void, u.decision.Void...)
		starts := requested(u)
		text, err := packPart(remembered(u.decision.Changes, starts))
		if err != nil {
			return fmt.Errorf("encoding changes of pipeline %s: %w", w.line.id, err)
		}
		w.changes = append(w.changes, changesWrite{text: text, starts: starts})
	}
	for _, e := range touched {
		text, err := packPart(e)
		if err != nil {
			return fmt.Errorf("encoding execution %s: %w", e.ID, err)
		}
		w.executions = append(w.executions, executionWrite{e: e, text: text, first: w.started(e.ID)})
	}
	w.chain()
	for _, u := range w.units {
		for _, ef := range u.decision.Effects {
			// An action that a later event of the batch ended is never run.
			if ef.Kind != engine.RunAction || !slices.Contains(void, ef.Action) {
				w.effects = append(w.effects, ef)
			}
		}
	}
	return nil
}

// chain gives every execution that was started the one before it.
func (w *writes) chain() {
	var started []*executionWrite
	for i := range w.executions {
		if w.executions[i].first != 0 {
			started = append(started, &w.executions[i])
		}
	}
	slices.SortFunc(started, func(a, b *executionWrite) int { return cmp.Compare(a.e.Seq, b.e.Seq) })
	for _, x := range started {
		x.previous, w.newest = w.newest, x.e.ID
	}
}

// commit writes everything in one transaction.
func (w *writes) commit(tx *db.Tx) error {
	w.claimed = w.claimed[:0]
	p := &w.line.state.Pipeline
	n, err := tx.Exec(sqlUpdatePipeline, w.line.id, w.version, w.state, p.Version, w.updated, w.base, w.newest)
	if err != nil {
		return fmt.Errorf("writing pipeline %s: %w", w.line.id, err)
	}
	if n == 0 {
		return db.ErrConflict
	}
	if p.Deleted {
		if _, err := tx.Exec(sqlMarkDeleted, w.line.id, w.at); err != nil {
			return fmt.Errorf("deleting pipeline %s: %w", w.line.id, err)
		}
	}
	for i, u := range w.units {
		if err := w.commitUnit(tx, u, w.base+int64(i)+1, w.changes[i]); err != nil {
			return err
		}
	}
	return w.commitParts(tx)
}

// commitParts writes what a batch has once: executions and effects.
func (w *writes) commitParts(tx *db.Tx) error {
	for _, x := range w.executions {
		if err := w.commitExecution(tx, x); err != nil {
			return fmt.Errorf("writing execution %s: %w", x.e.ID, err)
		}
	}
	voided := map[string]voidedEffect{}
	for _, u := range w.units {
		for _, action := range u.decision.Void {
			var v voidedEffect
			err := tx.QueryRow(sqlVoidEffects, action).Scan(&v.node, &v.begunNode, &v.state)
			if err != nil && !errors.Is(err, db.ErrNoRows) {
				return fmt.Errorf("voiding effects of action execution %s: %w", action, err)
			}
			voided[action] = v
		}
	}
	for _, ef := range w.effects {
		if err := w.insertEffect(tx, ef, voided[ef.Action]); err != nil {
			return err
		}
	}
	return nil
}

// voidedEffect is what was known of an attempt whose effect became void.
type voidedEffect struct {
	node, begunNode string
	state           *string
}

// immediately is the due time of an effect to carry out at once, before every
// clock.
const immediately = 1

func (w *writes) commitExecution(tx *db.Tx, x executionWrite) error {
	live := 1
	if x.e.Ended() {
		live = 0
	}
	if x.first != 0 {
		changes := ""
		if c := w.changes[x.first-w.base-1]; c.starts == x.e.ID {
			changes = c.text
		}
		_, err := tx.Exec(sqlInsertExecution, x.e.ID, w.line.id, x.e.Seq, live, x.e.StartTime, x.first, w.version, x.text, changes,
			x.previous)
		if err == nil && x.e.Type == engine.Rollback {
			err = w.insertRollback(tx, x.e)
		}
		return err
	}
	n, err := tx.Exec(sqlUpdateExecution, x.e.ID, live, w.version, x.text)
	if err == nil && n == 0 {
		return db.ErrConflict // its history was pruned since it was read
	}
	return err
}

// started returns the version at which the commit starts an execution, 0 if it
// does not. An event may start several, each by the failure of another.
func (w *writes) started(id string) int64 {
	for i, u := range w.units {
		for _, c := range u.decision.Changes {
			if c.Kind == engine.ExecutionStarted && c.Execution == id {
				return w.base + int64(i) + 1
			}
		}
	}
	return 0
}

// insertEffect stores an effect. To run an action is claimed at once by this
// node, so that carrying it out needs no second look at the table. To stop one
// belongs to the node that runs it, or to anybody if what was begun is remote.
func (w *writes) insertEffect(tx *db.Tx, ef engine.Effect, v voidedEffect) error {
	x := effect{
		ID: ef.Action, Kind: ef.Kind, PipelineID: w.line.id, ExecutionID: ef.Execution, ActionID: ef.Action,
		Version: ef.Version, Stage: ef.Stage, Gate: ef.Gate, Name: ef.Name, Deadline: ef.Deadline,
	}
	node := w.d.node
	if ef.Kind == engine.StopAction {
		if v.node == "" && v.begunNode == "" {
			return nil // nothing was begun anywhere, or it is over
		}
		x.ID, x.ProviderState, node = "stop/"+ef.Action, v.state, v.node
	}
	_, err := tx.Exec(sqlInsertEffect, x.ID, string(x.Kind), x.PipelineID, x.ExecutionID, x.ActionID, x.Version,
		x.Stage, x.Name, x.Deadline, immediately, node, x.ProviderState, x.Gate)
	if err != nil {
		return fmt.Errorf("writing effect %s: %w", x.ID, err)
	}
	if node == w.d.node {
		w.claimed = append(w.claimed, x)
	} else {
		tx.Notify(topicEffects)
	}
	return nil
}

// commitUnit writes what belongs to one event.
func (w *writes) commitUnit(tx *db.Tx, u *unit, version int64, changes changesWrite) error {
	if u.token != "" {
		if err := w.commitToken(tx, u); err != nil {
			return err
		}
	}
	if changes.starts == "" {
		if _, err := tx.Exec(sqlInsertChange, w.line.id, version, u.ev.ID, w.at, changes.text); err != nil {
			return fmt.Errorf("writing changes of pipeline %s: %w", w.line.id, err)
		}
	}
	ord := version * ordStride
	for _, c := range u.decision.Changes {
		var err error
		switch c.Kind {
		case engine.ActionStarted:
			err = w.insertAction(tx, c, ord)
			ord++
		case engine.ActionEnded:
			err = endAttempt(tx, sqlEndAction, c)
		case engine.RuleStarted:
			err = w.insertRule(tx, c, ord)
			ord++
		case engine.RuleEnded:
			err = endAttempt(tx, sqlEndRule, c)
		}
		if err != nil {
			return err
		}
	}
	if err := u.commitAlso(tx); err != nil {
		return err
	}
	if u.definition != nil {
		_, err := tx.Exec(sqlInsertVersion, w.line.id, u.definition.version, u.definition.text, w.at)
		if err != nil {
			return fmt.Errorf("writing version %d of pipeline %s: %w", u.definition.version, w.line.id, err)
		}
	}
	return nil
}

// commitToken claims a client request token. A token used in the last 24 hours
// makes the whole unit a replay.
func (w *writes) commitToken(tx *db.Tx, u *unit) error {
	n, err := tx.Exec(sqlInsertToken, w.line.id, u.token, u.decision.ExecutionID, w.at, w.at-tokenLife)
	if err != nil {
		return fmt.Errorf("writing client request token: %w", err)
	}
	if n > 0 {
		return nil
	}
	replayed := &replayedError{unit: u}
	if err := tx.QueryRow(sqlSelectToken, w.line.id, u.token).Scan(&replayed.execution); err != nil {
		return fmt.Errorf("reading client request token: %w", err)
	}
	return replayed
}

func (w *writes) insertAction(tx *db.Tx, c engine.Change, ord int64) error {
	e := w.execution(c.Execution)
	text, err := json.Marshal(actionStarted{Inputs: c.Inputs, Outputs: c.Outputs, Deadline: c.Deadline})
	if err != nil {
		return err
	}
	_, err = tx.Exec(sqlInsertAction, c.ActionID, w.line.id, c.Execution, ord, e.Version, c.Stage, c.Action,
		string(c.Status), c.At, pack(string(text)))
	if err != nil {
		return fmt.Errorf("writing action execution %s: %w", c.ActionID, err)
	}
	return nil
}

func (w *writes) execution(id string) *engine.Execution {
	for _, x := range w.executions {
		if x.e.ID == id {
			return x.e
		}
	}
	return w.line.state.Execution(id)
}

// endAttempt closes an action or a rule execution by the statement given.
func endAttempt(tx *db.Tx, statement string, c engine.Change) error {
	text, err := json.Marshal(actionOutcome{Outcome: c.Outcome, Outputs: c.Outputs})
	if err != nil {
		return err
	}
	_, err = tx.Exec(statement, c.ActionID, string(c.Status), c.At, c.By, pack(string(text)))
	if err != nil {
		return fmt.Errorf("writing action execution %s: %w", c.ActionID, err)
	}
	return nil
}

// follow starts, after the commit, what this node claimed in it.
func (w *writes) follow() {
	for _, x := range w.claimed {
		w.d.carryOut(x)
	}
}
