package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// tokenLife is how long a client request token is remembered, in milliseconds.
const tokenLife = int64(24 * time.Hour / time.Millisecond)

// CreateRequest makes a pipeline.
type CreateRequest struct {
	Declaration pipeline.Declaration
	Tags        map[string]string
	// By is the ARN of the caller.
	By string
	// Polled leaves the first execution to a poll of the sources.
	Polled bool
}

// CreatePipeline stores a new pipeline and starts its first execution, unless a
// poll is to do that. A broken rule is a *pipeline.Violation; a name in use is
// ErrNameInUse.
func (d *Dispatcher) CreatePipeline(ctx context.Context, account, region string, r CreateRequest) (Pipeline, error) {
	key := Key{account, region, r.Declaration.Name}
	def, err := d.admit(ctx, key, r.Declaration, pipeline.Declaration{})
	if err != nil {
		return Pipeline{}, err
	}
	def.plan.Version, def.version = 1, 1
	ev := d.event(nil)
	id := pipeline.DeriveID([]byte(ev.ID), "pipeline")
	ev.Body = engine.CreatePipeline{ID: id, Name: key.Name, Polled: r.Polled, Start: engine.StartExecution{
		Trigger: engine.Trigger{Type: engine.TriggerCreatePipeline, Detail: r.By},
	}}
	s, decision, err := engine.Step(planSet{1: {Plan: def.plan}}, nil, engine.Past{}, ev)
	if err != nil {
		return Pipeline{}, err
	}
	l := &line{id: id, state: s, row: pipelineRow{account: account, region: region, created: ev.At, updated: ev.At}}
	w := &writes{d: d, line: l, at: ev.At, updated: ev.At}
	w.add(&unit{ev: ev, decision: decision, definition: def})
	if err := w.prepare(); err != nil {
		return Pipeline{}, err
	}
	err = d.DB.Write(ctx, func(tx *db.Tx) error { return d.insertPipeline(tx, w, key, def, r.Tags) })
	if db.IsUnique(err) {
		return Pipeline{}, ErrNameInUse
	}
	if errors.Is(err, db.ErrUnknownOutcome) {
		d.nudge() // if it did commit, its effects wait for this node
		if p, findErr := d.find(ctx, key); findErr == nil && p.ID == id {
			err = nil
		}
	}
	if err != nil {
		return Pipeline{}, fmt.Errorf("creating pipeline %s: %w", key.Name, err)
	}
	d.plans.put(planKey{id, 1}, def.plan)
	w.follow()
	return Pipeline{ID: id, Key: key, Version: 1, Created: ev.At, Updated: ev.At, Declaration: def.decl}, nil
}

func (d *Dispatcher) insertPipeline(tx *db.Tx, w *writes, key Key, def *definition, tags map[string]string) error {
	_, err := tx.Exec(sqlInsertPipeline, w.line.id, key.Account, key.Region, key.Name, 1, 0, w.state, w.at)
	if err != nil {
		return err
	}
	if err := d.checkPipelines(tx, key); err != nil {
		return err
	}
	if err := setTags(tx, pipelineTags(), w.line.id, tags); err != nil {
		return err
	}
	if err := insertSecrets(tx, w.line.id, def.secrets, w.at); err != nil {
		return err
	}
	return w.commit(tx)
}

// UpdatePipeline installs a new version of a pipeline's definition. A mask keeps
// the secret value of the version that is replaced.
func (d *Dispatcher) UpdatePipeline(ctx context.Context, account, region string, decl pipeline.Declaration) (Pipeline, error) {
	key := Key{account, region, decl.Name}
	p, err := d.Pipeline(ctx, key, 0)
	if err != nil {
		return Pipeline{}, err
	}
	def, err := d.admit(ctx, key, decl, p.Declaration)
	if err != nil {
		return Pipeline{}, err
	}
	def.base = p.Version
	if len(def.secrets) > 0 {
		err := d.DB.Write(ctx, func(tx *db.Tx) error { return insertSecrets(tx, p.ID, def.secrets, d.nowMillis()) })
		if err != nil {
			return Pipeline{}, err
		}
	}
	u := &unit{ev: d.event(engine.UpdatePipeline{}), definition: def}
	if _, err := d.apply(ctx, p.ID, u); err != nil {
		err = d.requestError(key, err)
		if errors.Is(err, ErrPipelineNotFound) {
			d.dropSecrets(ctx, p.ID, def.secrets)
		}
		return Pipeline{}, err
	}
	return Pipeline{ID: p.ID, Key: key, Version: def.version, Created: p.Created, Updated: u.ev.At, Declaration: def.decl}, nil
}

// DeletePipeline deletes a pipeline with its secrets and abandons what runs in
// it. Deleting what is not there is no error.
func (d *Dispatcher) DeletePipeline(ctx context.Context, key Key) error {
	// A remembered id may be that of a predecessor, deleted on another node:
	// deleting that again would succeed and delete nothing.
	d.forget(key)
	id, err := d.findID(ctx, key)
	if err == nil {
		_, err = d.request(ctx, key, engine.DeletePipeline{}, engine.Past{}, "")
	}
	d.forget(key)
	if errors.Is(err, ErrPipelineNotFound) {
		return nil
	}
	if err == nil {
		// Should the process die before it, the next start makes up for it.
		err = d.forgetSecrets(ctx, id)
	}
	return err
}

// StartRequest starts an execution.
type StartRequest struct {
	Trigger   engine.Trigger
	Variables []pipeline.Variable
	Overrides []pipeline.SourceRevisionOverride
	// Token makes the request idempotent for 24 hours; empty: it is not.
	Token string
}

// StartExecution starts an execution of a pipeline and returns its id. The same
// token within 24 hours returns the first id, whatever else the request says;
// but the request must be valid.
func (d *Dispatcher) StartExecution(ctx context.Context, key Key, r StartRequest) (string, error) {
	decision, err := d.request(ctx, key, engine.StartExecution{
		Trigger: r.Trigger, Variables: r.Variables, Overrides: r.Overrides,
	}, engine.Past{}, r.Token)
	var rejection *engine.Rejection
	if r.Token != "" && errors.As(err, &rejection) && rejection.Reason == engine.ReasonLimit {
		// The engine knows no tokens: it has refused what need not be started.
		id, lookErr := d.startedBy(ctx, key, r.Token)
		if id != "" || lookErr != nil {
			return id, lookErr
		}
	}
	return decision.ExecutionID, err
}

// sqlLiveToken is sqlSelectToken for a token that is not too old.
const sqlLiveToken = sqlSelectToken + ` and at >= $3`

// startedBy returns the execution that a client request token started, empty if
// there is none within the token's life.
func (d *Dispatcher) startedBy(ctx context.Context, key Key, token string) (execution string, err error) {
	id, err := d.findID(ctx, key)
	if err != nil {
		return "", err
	}
	err = d.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(sqlLiveToken, id, token, d.nowMillis()-tokenLife).Scan(&execution)
	})
	if errors.Is(err, db.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading client request token: %w", err)
	}
	return execution, nil
}

// StopExecution asks an execution to stop.
func (d *Dispatcher) StopExecution(ctx context.Context, key Key, r engine.StopExecution) error {
	_, err := d.request(ctx, key, r, engine.Past{}, "")
	return err
}

// RetryStage runs a failed or stopped stage of an execution again.
func (d *Dispatcher) RetryStage(ctx context.Context, key Key, r engine.RetryStage) error {
	_, err := d.request(ctx, key, r, engine.Past{}, "")
	return err
}

// RollBack starts an execution that rolls a stage back, and returns its id.
func (d *Dispatcher) RollBack(ctx context.Context, key Key, r engine.RollBack) (string, error) {
	decision, err := d.request(ctx, key, r, engine.Past{}, "")
	return decision.ExecutionID, err
}

// OverrideCondition lets an execution pass a condition of a stage.
func (d *Dispatcher) OverrideCondition(ctx context.Context, key Key, r engine.OverrideCondition) error {
	_, err := d.request(ctx, key, r, engine.Past{}, "")
	return err
}

// SetTransition enables or disables one side of a stage.
func (d *Dispatcher) SetTransition(ctx context.Context, key Key, r engine.SetTransition) error {
	_, err := d.request(ctx, key, r, engine.Past{}, "")
	return err
}

// AnswerApproval approves or rejects a waiting approval and returns when, in
// milliseconds.
func (d *Dispatcher) AnswerApproval(ctx context.Context, key Key, r engine.AnswerApproval) (int64, error) {
	decision, err := d.request(ctx, key, r, engine.Past{}, "")
	var rejection *engine.Rejection
	if errors.As(err, &rejection) && rejection.Reason == engine.ReasonInvalidApprovalToken {
		// Looked up after the rejection: an answer that came in between counts.
		var past engine.Past
		if past, err = d.answered(ctx, key, r.Token); err == nil {
			decision, err = d.request(ctx, key, r, past, "")
		}
	}
	if err != nil {
		return 0, err
	}
	for _, c := range decision.Changes {
		if c.ActionID == r.Token {
			return c.At, nil
		}
	}
	return d.nowMillis(), nil
}

// answered tells the engine whether a token belongs to an approval that was
// answered.
func (d *Dispatcher) answered(ctx context.Context, key Key, token string) (engine.Past, error) {
	id, err := d.findID(ctx, key)
	if err != nil {
		return engine.Past{}, err
	}
	a, err := d.actionExecution(ctx, id, token)
	if errors.Is(err, ErrActionNotFound) {
		return engine.Past{}, nil
	}
	if err != nil {
		return engine.Past{}, err
	}
	if a.UpdatedBy != "" {
		return engine.Past{AnsweredTokens: []string{token}}, nil
	}
	return engine.Past{}, nil
}

// request applies an event to a pipeline found by name. A pipeline that was
// deleted, or deleted and made again on another node, is looked up once more.
func (d *Dispatcher) request(ctx context.Context, key Key, body engine.Body, past engine.Past, token string) (engine.Decision, error) {
	for again := false; ; again = true {
		id, err := d.findID(ctx, key)
		if err != nil {
			return engine.Decision{}, err
		}
		decision, err := d.apply(ctx, id, &unit{ev: d.event(body), past: past, token: token})
		err = d.requestError(key, err)
		if errors.Is(err, ErrPipelineNotFound) && !again {
			continue
		}
		return decision, err
	}
}

// requestError turns the engine's word for a deleted pipeline into ours.
func (d *Dispatcher) requestError(key Key, err error) error {
	var rejection *engine.Rejection
	if errors.As(err, &rejection) {
		switch rejection.Reason {
		case engine.ReasonPipelineNotFound:
			d.forget(key)
			return ErrPipelineNotFound
		case engine.ReasonInvalid:
			return rejection.Violation
		}
	}
	return err
}

func (d *Dispatcher) event(body engine.Body) engine.Event {
	id, err := uuid.NewV7()
	if err != nil {
		panic(err) // the system has no random numbers
	}
	return engine.Event{ID: id.String(), At: d.nowMillis(), Body: body}
}

// findID returns the id of a live pipeline, from memory if it can.
func (d *Dispatcher) findID(ctx context.Context, key Key) (string, error) {
	d.mu.Lock()
	id, gen := d.ids[key], d.idGen
	d.mu.Unlock()
	if id != "" {
		return id, nil
	}
	p, err := d.find(ctx, key)
	if err != nil {
		return "", err
	}
	d.mu.Lock()
	if d.idGen == gen {
		d.ids[key] = p.ID
	}
	d.mu.Unlock()
	return p.ID, nil
}

func (d *Dispatcher) forget(key Key) {
	d.mu.Lock()
	delete(d.ids, key)
	d.idGen++
	d.mu.Unlock()
}

// find reads a live pipeline's row.
func (d *Dispatcher) find(ctx context.Context, key Key) (Pipeline, error) {
	p := Pipeline{Key: key}
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(sqlFindPipeline, key.Account, key.Region, key.Name).
			Scan(&p.ID, &p.Version, &p.Created, &p.Updated)
	})
	if errors.Is(err, db.ErrNoRows) {
		return p, ErrPipelineNotFound
	}
	if err != nil {
		return p, fmt.Errorf("looking up pipeline %s: %w", key.Name, err)
	}
	return p, nil
}
