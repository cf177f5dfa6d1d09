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

// The statements of artifacts that outlive the history of their execution.
const (
	sqlInsertRollback = `insert into rollbacks (target_id, execution_id) values ($1, $2)`
	sqlDeleteRollback = `delete from rollbacks where target_id = $1 and execution_id = $2`
	sqlRollbacksTo    = `select execution_id from rollbacks where target_id = $1`
	sqlLockExecution  = `select live, state from pipeline_executions where id = $1`

	sqlInsertExpired = `insert into expired_artifacts (execution_id, locations, at) values ($1, $2, $3)`
	sqlListExpired   = `
		select execution_id, locations, at from expired_artifacts where execution_id > $1 order by execution_id limit $2`
	sqlDeleteExpired = `delete from expired_artifacts where execution_id = $1`
)

// ExpiredArtifacts are the artifacts of an execution whose history was pruned.
// Nobody needs them any more, and nobody can come to need them.
type ExpiredArtifacts struct {
	Execution string
	Locations []pipeline.ArtifactLocation
	// At is when they expired, in milliseconds.
	At int64
}

// ExpiredArtifacts lists expired artifacts whose content may still be there, at
// most limit, in the order of executions after one; the first are after "".
func (d *Dispatcher) ExpiredArtifacts(ctx context.Context, after string, limit int) (list []ExpiredArtifacts, err error) {
	err = d.DB.Read(ctx, func(tx *db.Tx) error {
		list = nil
		return each(tx, func(row scanner) error {
			var x ExpiredArtifacts
			var locations string
			if err := row.Scan(&x.Execution, &locations, &x.At); err != nil {
				return err
			}
			list = append(list, x)
			return json.Unmarshal([]byte(locations), &list[len(list)-1].Locations)
		}, sqlListExpired, after, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("listing expired artifacts: %w", err)
	}
	return list, nil
}

// ForgetExpired notes that the content of expired artifacts is gone. Saying it
// again is harmless.
func (d *Dispatcher) ForgetExpired(ctx context.Context, executions []string) error {
	if len(executions) == 0 {
		return nil
	}
	err := d.DB.Write(ctx, func(tx *db.Tx) error {
		for _, id := range executions {
			if _, err := tx.Exec(sqlDeleteExpired, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forgetting expired artifacts: %w", err)
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

// expireArtifacts hands over the artifacts of an execution that is about to be
// forgotten, but for those of a rollback to it, or of its own target, that is
// still remembered.
func expireArtifacts(tx *db.Tx, e *engine.Execution) error {
	expired := map[pipeline.ArtifactLocation]bool{}
	for _, artifact := range e.Artifacts {
		expired[artifact.ArtifactLocation] = true
	}
	sharers, err := sharers(tx, e)
	if err != nil {
		return err
	}
	for _, id := range sharers {
		other, err := readExecution(tx, id)
		if errors.Is(err, ErrExecutionNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		for _, artifact := range other.Artifacts {
			delete(expired, artifact.ArtifactLocation)
		}
	}
	if e.Type == engine.Rollback {
		if _, err := tx.Exec(sqlDeleteRollback, e.Target, e.ID); err != nil {
			return err
		}
	}
	if len(expired) == 0 {
		return nil
	}
	var locations []pipeline.ArtifactLocation
	for _, artifact := range e.Artifacts {
		if expired[artifact.ArtifactLocation] {
			locations = append(locations, artifact.ArtifactLocation)
		}
	}
	text, err := json.Marshal(locations)
	if err != nil {
		return err
	}
	now, err := tx.Now()
	if err != nil {
		return err
	}
	_, err = tx.Exec(sqlInsertExpired, e.ID, string(text), now)
	return err
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
