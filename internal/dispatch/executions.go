package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
)

// Executions lists the executions of a pipeline started before another, newest
// first, at most limit; before "" starts at the newest. With succeededIn only those
// are listed that succeeded in the stage under the current definition and are no
// rollbacks: what a stage can go back to.
func (d *Dispatcher) Executions(ctx context.Context, p Pipeline, before string, limit int, succeededIn string) ([]engine.Execution, error) {
	batch := limit
	if succeededIn != "" {
		batch = max(batch, 100)
	}
	var list []engine.Execution
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		next, err := executionBefore(tx, p.ID, before)
		for next != "" && err == nil && len(list) < limit {
			next, err = eachExecution(tx, p.ID, next, batch, func(e *engine.Execution) bool {
				if succeededIn == "" || e.Version == p.Version && e.Type != engine.Rollback && e.SucceededIn(succeededIn) {
					list = append(list, *e)
				}
				// An older version never comes after a newer one: no match is left.
				return succeededIn == "" || e.Version >= p.Version
			})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing executions of pipeline %s: %w", p.Name, err)
	}
	return list[:min(len(list), limit)], nil
}

// executionBefore returns the execution that was started before another, or the
// newest if that is empty; empty if there is none. Where history is over there are
// those that the state still names.
func executionBefore(tx *db.Tx, pipelineID, id string) (before string, err error) {
	if id == "" {
		err = tx.QueryRow(sqlNewestExecution, pipelineID).Scan(&before)
	} else {
		err = tx.QueryRow(sqlPreviousExecution, id, pipelineID).Scan(&before)
	}
	if !errors.Is(err, db.ErrNoRows) {
		return before, err
	}
	named, err := namedExecutions(tx, pipelineID)
	if err != nil {
		return "", err
	}
	for _, n := range named {
		if id == "" || n < id {
			if _, err := readExecution(tx, n); !errors.Is(err, ErrExecutionNotFound) {
				return n, err
			}
		}
	}
	return "", nil
}

// namedExecutions returns the ids of the executions that a pipeline's state names,
// which pruning spares, newest first.
func namedExecutions(tx *db.Tx, pipelineID string) ([]string, error) {
	var text string
	err := tx.QueryRow(sqlNamedByState, pipelineID).Scan(&text)
	if errors.Is(err, db.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var state storedPipeline
	if err := json.Unmarshal([]byte(text), &state); err != nil {
		return nil, fmt.Errorf("reading pipeline %s: %w", pipelineID, err)
	}
	ids := state.Live
	for i := range state.Part.Stages {
		st := &state.Part.Stages[i]
		ids = append(ids, st.Latest, st.LastInbound, st.Succeeded)
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	return slices.Compact(ids), nil
}

// eachExecution hands an execution of a pipeline and those before it to do, at most
// limit, until do returns false, and returns the one before the last of them, empty
// if there is none or do wants no more.
func eachExecution(tx *db.Tx, pipelineID, from string, limit int, do func(*engine.Execution) bool) (next string, err error) {
	more, last := true, ""
	err = each(tx, func(row scanner) error {
		e, err := scanExecution(row)
		if err != nil {
			return err
		}
		last = e.ID
		more = more && do(e)
		return nil
	}, sqlListExecutions, from, limit)
	if err != nil || !more || last == "" {
		return "", err
	}
	return executionBefore(tx, pipelineID, last)
}
