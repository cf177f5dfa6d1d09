package dispatch

import (
	"context"
	"fmt"
	"strings"

	"github.com/penstock-cd/penstock/internal/db"
)

// pruneBatch bounds what one transaction deletes, so that nobody waits for it.
const pruneBatch = 200

// Prune forgets executions that started before a time (milliseconds) and have
// ended, with their actions and their part of the history: one small batch, of
// those that started at from or later. It returns the action executions that are
// gone, whose logs may go too, and where the next batch begins, 0 when this was
// the last. An execution that a stage still shows as its latest stays.
func (d *Dispatcher) Prune(ctx context.Context, from, before int64) (gone []string, next int64, err error) {
	err = d.DB.Write(ctx, func(tx *db.Tx) error {
		gone, next = nil, 0
		old, err := d.oldExecutions(tx, from, before)
		if err != nil {
			return err
		}
		for _, x := range old {
			kept, err := namedByState(tx, x)
			if err != nil {
				return err
			}
			if kept {
				continue
			}
			if gone, err = forgetExecution(tx, x.id, gone); err != nil {
				return err
			}
		}
		changes, err := tx.Exec(sqlOldChanges, before, pruneBatch)
		if err != nil {
			return err
		}
		switch {
		case len(old) == pruneBatch:
			next = max(old[pruneBatch-1].start, from+1)
		case changes == pruneBatch:
			next = max(from, 1)
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("pruning history: %w", err)
	}
	return gone, next, nil
}

type oldExecution struct {
	id, pipeline string
	start        int64
}

func (d *Dispatcher) oldExecutions(tx *db.Tx, from, before int64) ([]oldExecution, error) {
	var old []oldExecution
	err := each(tx, func(row scanner) error {
		var x oldExecution
		err := row.Scan(&x.id, &x.pipeline, &x.start)
		old = append(old, x)
		return err
	}, sqlOldExecutions, from, before, pruneBatch)
	return old, err
}

// namedByState reports whether a live pipeline's state names an execution. Ids
// are random, so finding one in the text is proof enough.
func namedByState(tx *db.Tx, x oldExecution) (bool, error) {
	named := false
	err := each(tx, func(row scanner) error {
		var state string
		err := row.Scan(&state)
		named = strings.Contains(state, x.id)
		return err
	}, sqlNamedByState, x.pipeline)
	return named, err
}

func forgetExecution(tx *db.Tx, id string, gone []string) ([]string, error) {
	err := each(tx, func(row scanner) error {
		var action string
		err := row.Scan(&action)
		gone = append(gone, action)
		return err
	}, sqlActionIDs, id)
	if err != nil {
		return gone, err
	}
	if _, err := tx.Exec(sqlDeleteActions, id); err != nil {
		return gone, err
	}
	_, err = tx.Exec(sqlDeleteExecution, id)
	return gone, err
}
