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
)

// Place is a place in the list of a pipeline's executions: that of one of them, which
// may be forgotten by now. The zero value is before the newest.
type Place struct {
	ID  string
	Seq int64
}

// PlaceOf is the place of an execution.
func PlaceOf(e *engine.Execution) Place { return Place{ID: e.ID, Seq: e.Seq} }

// Executions lists the executions of a pipeline started before the one at a place,
// newest first, at most limit.
func (d *Dispatcher) Executions(ctx context.Context, p Pipeline, at Place, limit int) ([]engine.Execution, error) {
	var list []engine.Execution
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		list = nil
		next, err := executionBefore(tx, p.ID, at)
		for next != "" && err == nil && len(list) < limit {
			next, err = eachExecution(tx, p.ID, next, limit-len(list), func(e *engine.Execution) bool {
				list = append(list, *e)
				return true
			})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing executions of pipeline %s: %w", p.Name, err)
	}
	return list, nil
}

// maxSearched bounds the executions that are looked at for one page of those that
// succeeded in a stage: one that none reached would have all of them read.
const maxSearched = 1000

// SucceededIn lists, like Executions, those that a stage can go back to: that
// succeeded in it under the current definition and are no rollbacks. next is where
// to go on, the zero value at the end: a page may hold less than limit, or nothing,
// and not be the last.
func (d *Dispatcher) SucceededIn(ctx context.Context, p Pipeline, stage string, at Place, limit int) (list []engine.Execution, next Place, err error) {
	err = d.DB.Read(ctx, func(tx *db.Tx) error {
		list, next = nil, Place{}
		from, err := executionBefore(tx, p.ID, at)
		searched := 0
		for from != "" && err == nil {
			if searched == maxSearched {
				return nil // at the place of the last
			}
			from, err = eachExecution(tx, p.ID, from, min(historyPage, maxSearched-searched), func(e *engine.Execution) bool {
				searched, next = searched+1, PlaceOf(e)
				if e.Version == p.Version && e.Type != engine.Rollback && e.SucceededIn(stage) {
					list = append(list, *e)
				}
				// An older version never comes after a newer one: no match is left.
				return e.Version >= p.Version && len(list) <= limit
			})
		}
		next = Place{}
		if len(list) > limit {
			list, next = list[:limit], PlaceOf(&list[limit-1])
		}
		return err
	})
	if err != nil {
		return nil, Place{}, fmt.Errorf("listing executions of pipeline %s that succeeded in stage %s: %w", p.Name, stage, err)
	}
	return list, next, nil
}

// executionBefore returns the execution that was started before that at a place, the
// newest for the zero place; empty if there is none. Where history is over there are
// those that the state still names.
func executionBefore(tx *db.Tx, pipelineID string, at Place) (before string, err error) {
	var there *string
	if at.ID == "" {
		at.Seq = math.MaxInt64
		err = tx.QueryRow(sqlNewestExecution, pipelineID).Scan(&before, &there)
	} else {
		err = tx.QueryRow(sqlPreviousExecution, at.ID, pipelineID).Scan(&before, &there)
	}
	switch {
	case errors.Is(err, db.ErrNoRows):
	case err != nil:
		return "", err
	case before == "" || there != nil:
		return before, nil
	}
	return namedBefore(tx, pipelineID, at.Seq)
}

// namedBefore returns, of the executions that a pipeline's state names, which pruning
// spares, the newest that was started before the one of a number. Ids tell nothing of
// it: clocks differ, and go back.
func namedBefore(tx *db.Tx, pipelineID string, seq int64) (before string, err error) {
	named, err := namedExecutions(tx, pipelineID)
	if err != nil {
		return "", err
	}
	newest := int64(-1)
	for _, id := range named {
		x, err := readExecution(tx, id)
		switch {
		case errors.Is(err, ErrExecutionNotFound):
		case err != nil:
			return "", err
		case x.Seq < seq && x.Seq > newest:
			before, newest = id, x.Seq
		}
	}
	return before, nil
}

// namedExecutions returns the ids of the executions that a pipeline's state names.
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
	return slices.Compact(ids), nil
}

// eachExecution hands an execution of a pipeline and those before it to do, at most
// limit, until do returns false, and returns the one before the last of them, empty
// if there is none or do wants no more.
func eachExecution(tx *db.Tx, pipelineID, from string, limit int, do func(*engine.Execution) bool) (next string, err error) {
	var last Place
	more := true
	err = each(tx, func(row scanner) error {
		if !more {
			return nil
		}
		e, err := scanExecution(row)
		if err != nil {
			return err
		}
		last, more = PlaceOf(e), do(e)
		return nil
	}, sqlListExecutions, from, limit)
	if err != nil || !more || last.ID == "" {
		return "", err
	}
	return executionBefore(tx, pipelineID, last)
}
