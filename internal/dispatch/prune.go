package dispatch

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// pruneBatch bounds what one transaction deletes, so that nobody waits for it.
const pruneBatch = 200

// Prune forgets executions that started before a time (milliseconds) and have
// ended, with their actions and their part of the history: one small batch. It
// returns where the next batch begins, empty when this was the last; the first
// begins at "". An execution that a stage still shows stays. Logs and artifacts that
// nobody needs any more become Leftovers.
//
// It goes by the keys that are there anyway: ids of executions begin with the time.
// An index by time would have to be written by every start.
func (d *Dispatcher) Prune(ctx context.Context, from string, before int64) (next string, err error) {
	of, changes := strings.CutPrefix(from, pruneChangesOf)
	if from != "" && !changes && uuid.Validate(from) != nil {
		return "", fmt.Errorf("pruning history: %q is no place to begin", from)
	}
	err = d.DB.Write(ctx, func(tx *db.Tx) error {
		var err error
		if changes {
			next, err = pruneChanges(tx, of, before)
			return err
		}
		if next, err = d.pruneExecutions(tx, from, before); next == "" {
			next = pruneChangesOf
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("pruning history: %w", err)
	}
	return next, nil
}

// pruneChangesOf begins the places of a walk that is past the executions; behind it
// stands the pipeline whose changes come next. No id begins with it.
const pruneChangesOf = "changes/"

// pruneLock is held by who forgets executions. Of two that share artifacts, forgotten
// by two nodes at once, each would be seen as still there by who forgets the other, and
// nobody would record the artifacts as left.
const pruneLock = "dispatch/prune"

// pruneExecutions forgets those of one batch of old executions that are not needed,
// and returns the last of the batch, empty if there are no more.
func (d *Dispatcher) pruneExecutions(tx *db.Tx, after string, before int64) (last string, err error) {
	// Before any row is locked: who waited for it with a row in hand could be waited for.
	if err := tx.Lock(pruneLock); err != nil {
		return "", err
	}
	var old []oldExecution
	err = each(tx, func(row scanner) error {
		var x oldExecution
		err := row.Scan(&x.id, &x.pipeline, &x.start)
		old = append(old, x)
		return err
	}, sqlOldExecutions, after, idsFrom(before), pruneBatch)
	if err != nil {
		return "", err
	}
	spared := map[string]*spare{}
	for _, x := range old {
		s := spared[x.pipeline]
		if s == nil {
			if s, err = readSpare(tx, x.pipeline); err != nil {
				return "", err
			}
			spared[x.pipeline] = s
		}
		if x.start >= before || s.executions[x.id] {
			continue
		}
		if err := d.forgetExecution(tx, x.id, s.artifacts); err != nil {
			return "", err
		}
	}
	if len(old) < pruneBatch {
		return "", nil
	}
	return old[len(old)-1].id, nil
}

type oldExecution struct {
	id, pipeline string
	start        int64
}

// spare is what pruning a pipeline's history spares: the executions that its state
// names, and the artifacts that rollbacks among them share with their targets.
type spare struct {
	executions map[string]bool
	artifacts  map[pipeline.ArtifactLocation]bool
}

func readSpare(tx *db.Tx, pipelineID string) (*spare, error) {
	s := &spare{executions: map[string]bool{}, artifacts: map[pipeline.ArtifactLocation]bool{}}
	named, err := namedExecutions(tx, pipelineID)
	if err != nil {
		return nil, err
	}
	for _, id := range named {
		s.executions[id] = true
		x, err := readExecution(tx, id)
		switch {
		case errors.Is(err, ErrExecutionNotFound):
		case err != nil:
			return nil, err
		case x.Type == engine.Rollback:
			for _, artifact := range x.Artifacts {
				s.artifacts[artifact.ArtifactLocation] = true
			}
		}
	}
	return s, nil
}

// idsFrom is below every id that is made at a time in milliseconds, or later, and
// above those from before.
func idsFrom(at int64) string { return fmt.Sprintf("%08x-%04x", at>>16, at&0xffff) }

// pruneChanges deletes a batch of the oldest changes of the first pipeline from one
// on that has any that are old, and returns where the next batch begins, empty if
// there is no such pipeline.
func pruneChanges(tx *db.Tx, from string, before int64) (next string, err error) {
	var id string
	err = tx.QueryRow(sqlNextOldChanges, from, before).Scan(&id)
	if errors.Is(err, db.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	read, young, last := 0, false, int64(0)
	err = each(tx, func(row scanner) error {
		var version, at int64
		if err := row.Scan(&version, &at); err != nil {
			return err
		}
		if young = young || at >= before; !young {
			read, last = read+1, version
		}
		return nil
	}, sqlOldChanges, id, pruneBatch)
	if err != nil {
		return "", err
	}
	_, err = tx.Exec(sqlDeleteChanges, id, last)
	if read < pruneBatch {
		id += "~" // just behind it
	}
	return pruneChangesOf + id, err
}

// forgetExecution deletes an execution that has ended, if it still has. Its row is
// locked first: a retry or a rollback that comes at the same time either is seen
// here, or sees that there is nothing left. needed artifacts are not left.
func (d *Dispatcher) forgetExecution(tx *db.Tx, id string, needed map[pipeline.ArtifactLocation]bool) error {
	var live int64
	var state string
	err := tx.QueryRow(sqlLockExecution+d.DB.Dialect().LockSuffix, id).Scan(&live, &state)
	if errors.Is(err, db.ErrNoRows) || err == nil && live != 0 {
		return nil
	}
	if err != nil {
		return err
	}
	var e engine.Execution
	if err := decodePart(state, &e); err != nil {
		// A newer release wrote it, and it is for that to forget.
		d.Logger.Error("an execution is too old to be kept, but cannot be read", "execution", id, "error", err)
		return nil
	}
	var attempts []string
	for _, query := range []string{sqlActionIDs, sqlRuleIDs} {
		err := each(tx, func(row scanner) error {
			var attempt string
			err := row.Scan(&attempt)
			attempts = append(attempts, attempt)
			return err
		}, query, id)
		if err != nil {
			return err
		}
	}
	if err := leave(tx, &e, attempts, needed); err != nil {
		return fmt.Errorf("what execution %s leaves: %w", id, err)
	}
	for _, statement := range []string{sqlDeleteActions, sqlDeleteRules, sqlDeleteJobs, sqlDeleteExecution} {
		if _, err := tx.Exec(statement, id); err != nil {
			return err
		}
	}
	return nil
}
