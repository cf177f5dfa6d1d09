package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// Pipeline is a pipeline with one version of its definition.
type Pipeline struct {
	ID string
	Key
	Version int
	// Created and Updated are in milliseconds.
	Created, Updated int64
	Declaration      pipeline.Declaration
}

// Execution is a pipeline execution, ended or not.
type Execution struct {
	engine.Execution
	PipelineID string
	// FirstChange and LastChange bound its part of the pipeline's history.
	FirstChange, LastChange int64
}

// ActionExecution is one attempt of an action.
type ActionExecution struct {
	ID          string
	ExecutionID string
	// Ord orders the action executions of a pipeline by their starts.
	Ord       int64
	Version   int
	Stage     string
	Action    string
	Status    engine.Status
	StartTime int64
	// LastUpdate is in milliseconds, like StartTime.
	LastUpdate int64
	// UpdatedBy is the ARN of who answered an approval.
	UpdatedBy string
	Deadline  int64
	Inputs    []pipeline.ArtifactLocation
	// Allotted are the places of the outputs, Outputs those really written.
	Allotted []pipeline.ArtifactLocation
	Outputs  []pipeline.ArtifactLocation
	// Resolved is nil when it equals the declared configuration.
	Resolved map[string]string
	// Outcome is zero until the attempt ended.
	Outcome engine.Outcome
}

type actionStarted struct {
	Inputs   []pipeline.ArtifactLocation `json:"inputs,omitempty"`
	Outputs  []pipeline.ArtifactLocation `json:"outputs,omitempty"`
	Deadline int64                       `json:"deadline"`
}

type actionOutcome struct {
	engine.Outcome
	Outputs []pipeline.ArtifactLocation `json:"outputs,omitempty"`
}

func scanAction(row scanner) (ActionExecution, error) { return scanAttempt(row) }

// scanAttempt reads an action execution, or a rule execution and what it has
// beside.
func scanAttempt(row scanner, more ...any) (ActionExecution, error) {
	var a ActionExecution
	var status, started string
	var resolved, outcome *string
	err := row.Scan(append([]any{&a.ID, &a.ExecutionID, &a.Ord, &a.Version, &a.Stage, &a.Action, &status, &a.StartTime,
		&a.LastUpdate, &a.UpdatedBy, &started, &resolved, &outcome}, more...)...)
	if err != nil {
		return a, err
	}
	a.Status = engine.Status(status)
	var s actionStarted
	if err := unpackJSON(started, &s); err != nil {
		return a, fmt.Errorf("decoding action execution %s: %w", a.ID, err)
	}
	a.Inputs, a.Allotted, a.Deadline = s.Inputs, s.Outputs, s.Deadline
	if resolved != nil {
		if err := json.Unmarshal([]byte(*resolved), &a.Resolved); err != nil {
			return a, fmt.Errorf("decoding action execution %s: %w", a.ID, err)
		}
	}
	if outcome != nil {
		var o actionOutcome
		if err := unpackJSON(*outcome, &o); err != nil {
			return a, fmt.Errorf("decoding action execution %s: %w", a.ID, err)
		}
		a.Outcome, a.Outputs = o.Outcome, o.Outputs
	}
	return a, nil
}

// Pipeline returns a pipeline with a version of its definition; 0 is the current
// one. The definition is shared: nobody may change what hangs on it. Errors are ErrPipelineNotFound and ErrVersionNotFound.
func (d *Dispatcher) Pipeline(ctx context.Context, key Key, version int) (Pipeline, error) {
	p := Pipeline{Key: key}
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		err := tx.QueryRow(sqlFindPipeline, key.Account, key.Region, key.Name).
			Scan(&p.ID, &p.Version, &p.Created, &p.Updated)
		if errors.Is(err, db.ErrNoRows) {
			return ErrPipelineNotFound
		}
		if err != nil {
			return fmt.Errorf("looking up pipeline %s: %w", key.Name, err)
		}
		if version != 0 {
			p.Version = version
		}
		p.Declaration, err = d.readDeclaration(tx, p.ID, p.Version)
		return err
	})
	return p, err
}

// Plan returns the compiled definition of a version of a pipeline.
func (d *Dispatcher) Plan(p Pipeline, version int) (*pipeline.Plan, error) {
	return d.plan(nil, p.ID, p.Region, p.Account, version)
}

// Pipelines lists the pipelines of an account and region whose name is above
// after, by name, at most limit. The list is shared: nobody may change it.
func (d *Dispatcher) Pipelines(ctx context.Context, account, region, after string, limit int) ([]Pipeline, error) {
	var list []Pipeline
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		var err error
		list, err = d.readPipelines(tx, listKey{account, region, after, limit})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing pipelines: %w", err)
	}
	return list, nil
}

// Execution returns an execution of a pipeline; ErrExecutionNotFound covers the
// executions of other pipelines too.
func (d *Dispatcher) Execution(ctx context.Context, p Pipeline, id string) (Execution, error) {
	var x Execution
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		var err error
		x, err = readExecution(tx, id)
		return err
	})
	if err == nil && x.PipelineID != p.ID {
		err = ErrExecutionNotFound
	}
	return x, err
}

func readExecution(tx *db.Tx, id string) (Execution, error) {
	var x Execution
	var text string
	err := tx.QueryRow(sqlSelectExecution, id).Scan(&x.PipelineID, &x.FirstChange, &x.LastChange, &text)
	if errors.Is(err, db.ErrNoRows) {
		return x, ErrExecutionNotFound
	}
	if err != nil {
		return x, fmt.Errorf("reading execution %s: %w", id, err)
	}
	if err := decodePart(text, &x.Execution); err != nil {
		return x, fmt.Errorf("reading execution %s: %w", id, err)
	}
	return x, nil
}

// ActionExecutions lists action executions that started before the one ordered
// below, newest first, at most limit; below 0 starts at the newest. With an
// execution id only its own are listed.
func (d *Dispatcher) ActionExecutions(ctx context.Context, p Pipeline, execution string, below int64, limit int) ([]ActionExecution, error) {
	if below == 0 {
		below = math.MaxInt64
	}
	query, of := sqlListActions, p.ID
	if execution != "" {
		query, of = sqlListExecutionActions, execution
	}
	var list []ActionExecution
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		return each(tx, func(row scanner) error {
			a, err := scanAction(row)
			list = append(list, a)
			return err
		}, query, of, below, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("listing action executions of pipeline %s: %w", p.Name, err)
	}
	return list, nil
}

// ActionExecution returns an action execution of a pipeline, or a rule execution,
// or ErrActionNotFound.
func (d *Dispatcher) ActionExecution(ctx context.Context, p Pipeline, id string) (ActionExecution, error) {
	a, err := d.actionExecution(ctx, p.ID, id)
	if !errors.Is(err, ErrActionNotFound) {
		return a, err
	}
	r, err := d.ruleExecution(ctx, p.ID, id)
	return r.ActionExecution, err
}

func (d *Dispatcher) actionExecution(ctx context.Context, pipelineID, id string) (ActionExecution, error) {
	var a ActionExecution
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		var err error
		a, err = scanAction(tx.QueryRow(sqlSelectAction, id, pipelineID))
		return err
	})
	if errors.Is(err, db.ErrNoRows) {
		return a, ErrActionNotFound
	}
	if err != nil {
		return a, fmt.Errorf("reading action execution %s: %w", id, err)
	}
	return a, nil
}

// State is a pipeline's live state with what its stages last did. It is shared:
// nobody may change what hangs on it.
type State struct {
	// Version is raised by every event that changes anything.
	Version int64
	// Settled says that all that is ever read of this version is the same. If it
	// is not set, a configuration is still to be resolved.
	Settled  bool
	Pipeline engine.Pipeline
	// Executions are those that the stages name: the latest of each, the one that is
	// shown at its entrance, and those that wait there.
	Executions map[string]engine.Execution
	// Actions are the attempts of the latest execution of each stage, by stage,
	// oldest first.
	Actions map[string][]ActionExecution
	// Rules are its rule executions, in the same way.
	Rules map[string][]RuleExecution
	// Progress is what JobProgress returns, for those who put it here: it changes
	// without the version.
	Progress map[string]engine.JobProgress
}

func (s *State) readStage(tx *db.Tx, st engine.Stage) error {
	for _, id := range append([]string{st.Latest, st.LastInbound}, st.Waiting...) {
		if _, known := s.Executions[id]; known || id == "" {
			continue
		}
		x, err := readExecution(tx, id)
		if err != nil {
			return err
		}
		s.Executions[id] = x.Execution
	}
	if st.Latest == "" {
		return nil
	}
	err := each(tx, func(row scanner) error {
		a, err := scanAction(row)
		s.Actions[st.Name] = append(s.Actions[st.Name], a)
		return err
	}, sqlListStageActions, st.Latest, st.Name)
	if err != nil || !s.evaluated(st) {
		return err
	}
	return each(tx, func(row scanner) error {
		r, err := scanRule(row)
		s.Rules[st.Name] = append(s.Rules[st.Name], r)
		return err
	}, sqlListStageRules, st.Latest, st.Name)
}

// evaluated reports whether the latest execution of a stage evaluated a
// condition there.
func (s *State) evaluated(st engine.Stage) bool {
	for _, r := range s.Executions[st.Latest].Stages {
		if r.Name == st.Name && len(r.Gates) > 0 {
			return true
		}
	}
	return false
}

// History returns what became true of an execution, in order: the execution's
// own log.
func (d *Dispatcher) History(ctx context.Context, x Execution) ([]engine.Change, error) {
	var list []engine.Change
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		return each(tx, func(row scanner) error {
			var version int64
			var text string
			if err := row.Scan(&version, &text); err != nil {
				return err
			}
			var changes []engine.Change
			if err := decodePart(text, &changes); err != nil {
				return err
			}
			for _, c := range named(changes, x.ID) {
				if c.Execution == x.ID {
					list = append(list, c)
				}
			}
			return nil
		}, sqlListChanges, x.PipelineID, x.FirstChange, x.LastChange, x.ID)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the history of execution %s: %w", x.ID, err)
	}
	if x.Status == engine.Superseded && !slices.ContainsFunc(list, superseded) {
		list = append(list, engine.Change{Kind: engine.ExecutionChanged, At: x.LastUpdate, Execution: x.ID, Status: x.Status})
	}
	return list, nil
}

// each runs a query and calls do for every row.
func each(tx *db.Tx, do func(scanner) error, query string, args ...any) error {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := do(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
