package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// The statements of what outlives the history of an execution.
const (
	sqlInsertRollback = `insert into rollbacks (target_id, execution_id) values ($1, $2)`
	sqlDeleteRollback = `delete from rollbacks where target_id = $1 and execution_id = $2`
	sqlRollbacksTo    = `select execution_id from rollbacks where target_id = $1`
	sqlLockExecution  = `select live, state from pipeline_executions where id = $1`

	sqlInsertLeftovers = `insert into leftovers (execution_id, artifacts, attempts, at) values ($1, $2, $3, $4)`
	sqlListLeftovers   = `
		select execution_id, artifacts, attempts, at from leftovers where execution_id > $1 order by execution_id limit $2`
	sqlDeleteLeftovers = `delete from leftovers where execution_id = $1`
)

// Leftovers are what an execution whose history was pruned has left elsewhere.
// Nobody needs it any more, and nobody can come to need it.
type Leftovers struct {
	Execution string
	Artifacts []pipeline.ArtifactLocation
	// Attempts are its action and rule executions, which have logs.
	Attempts []string
	// At is when it was pruned, in milliseconds.
	At int64
}

// Leftovers lists what pruned executions have left, at most limit of them, in the
// order of executions after one; the first are after "".
func (d *Dispatcher) Leftovers(ctx context.Context, after string, limit int) (list []Leftovers, err error) {
	err = d.DB.Read(ctx, func(tx *db.Tx) error {
		list = nil
		return each(tx, func(row scanner) error {
			var x Leftovers
			var artifacts, attempts string
			if err := row.Scan(&x.Execution, &artifacts, &attempts, &x.At); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(artifacts), &x.Artifacts); err != nil {
				return err
			}
			err := json.Unmarshal([]byte(attempts), &x.Attempts)
			list = append(list, x)
			return err
		}, sqlListLeftovers, after, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("listing what pruned executions have left: %w", err)
	}
	return list, nil
}

// ForgetLeftovers notes that what executions have left is gone. Saying it again is
// harmless.
func (d *Dispatcher) ForgetLeftovers(ctx context.Context, executions []string) error {
	if len(executions) == 0 {
		return nil
	}
	err := d.DB.Write(ctx, func(tx *db.Tx) error {
		for _, id := range executions {
			if _, err := tx.Exec(sqlDeleteLeftovers, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forgetting what pruned executions have left: %w", err)
	}
	return nil
}

// insertRollback notes whose artifacts a rollback shares. The target's row is
// locked, so that its history is not pruned at the same time: one that is gone by
// now is a conflict, and the next try finds no target.
func (w *writes) insertRollback(tx *db.Tx, e *engine.Execution) error {
	var live int64
	var state string
	err := tx.QueryRow(sqlLockExecution+w.d.DB.Dialect().LockSuffix, e.Target).Scan(&live, &state)
	if errors.Is(err, db.ErrNoRows) {
		return db.ErrConflict
	}
	if err == nil {
		_, err = tx.Exec(sqlInsertRollback, e.Target, e.ID)
	}
	return err
}

// leave hands over what an execution that is about to be forgotten leaves, but for
// artifacts that are needed.
func leave(tx *db.Tx, e *engine.Execution, attempts []string, needed map[pipeline.ArtifactLocation]bool) error {
	expired, err := expiredArtifacts(tx, e, needed)
	if err != nil || len(expired) == 0 && len(attempts) == 0 {
		return err
	}
	artifacts, err := json.Marshal(expired)
	if err != nil {
		return err
	}
	logs, err := json.Marshal(attempts)
	if err != nil {
		return err
	}
	now, err := tx.Now()
	if err != nil {
		return err
	}
	_, err = tx.Exec(sqlInsertLeftovers, e.ID, string(artifacts), string(logs), now)
	return err
}

// expiredArtifacts are the artifacts that go with an execution: all but those that
// the state needs, and those of a rollback to it, or of its own target, that is still
// remembered. Rollbacks from before rollbacks were noted are known by the state alone.
func expiredArtifacts(tx *db.Tx, e *engine.Execution, named map[pipeline.ArtifactLocation]bool) (expired []pipeline.ArtifactLocation, err error) {
	sharers, err := sharers(tx, e)
	if err != nil {
		return nil, err
	}
	needed := map[pipeline.ArtifactLocation]bool{}
	for _, id := range sharers {
		other, err := readExecution(tx, id)
		if errors.Is(err, ErrExecutionNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, artifact := range other.Artifacts {
			needed[artifact.ArtifactLocation] = true
		}
	}
	if e.Type == engine.Rollback {
		if _, err := tx.Exec(sqlDeleteRollback, e.Target, e.ID); err != nil {
			return nil, err
		}
	}
	for _, artifact := range e.Artifacts {
		if !needed[artifact.ArtifactLocation] && !named[artifact.ArtifactLocation] {
			expired = append(expired, artifact.ArtifactLocation)
		}
	}
	return expired, nil
}

// sharers are the other executions that may have artifacts of an execution: the
// rollbacks to it, or if it is one, its target and the other rollbacks to that.
func sharers(tx *db.Tx, e *engine.Execution) (ids []string, err error) {
	target := e.ID
	if e.Type == engine.Rollback {
		target = e.Target
		ids = append(ids, target)
	}
	err = each(tx, func(row scanner) error {
		var id string
		err := row.Scan(&id)
		if id != e.ID {
			ids = append(ids, id)
		}
		return err
	}, sqlRollbacksTo, target)
	return ids, err
}
