package dispatch

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
)

// pruneBatch bounds what one transaction deletes, so that nobody waits for it.
const pruneBatch = 200

// Prune forgets executions that started before a time (milliseconds) and have
// ended, with their actions and their part of the history: one small batch of
// one pipeline. It returns where the next batch begins, empty when this was the
// last; the first begins at "". An execution that a stage still shows as its latest
// stays. Logs and artifacts that nobody needs any more become Leftovers.
//
// It goes from pipeline to pipeline by the keys that are there anyway: an index
// by time would have to be written by every start.
func (d *Dispatcher) Prune(ctx context.Context, from string, before int64) (next string, err error) {
	at, err := parsePrunePoint(from)
	if err != nil {
		return "", err
	}
	err = d.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(sqlNextOld, at.pipeline, before).Scan(&at.next)
	})
	if errors.Is(err, db.ErrNoRows) {
		return "", nil
	}
	if err == nil {
		if at.next != at.pipeline {
			at = prunePoint{pipeline: at.next}
		}
		err = d.DB.Write(ctx, func(tx *db.Tx) error {
			next, err = d.pruneAt(tx, at, before)
			return err
		})
	}
	if err != nil {
		return "", fmt.Errorf("pruning history: %w", err)
	}
	return next, nil
}

// prunePoint is a place in the walk over all history: executions of a pipeline
// from a number on. A finished pipeline is left by a name just behind it.
type prunePoint struct {
	pipeline string
	seq      int64
	next     string
}

func (p prunePoint) String() string { return p.pipeline + "/" + strconv.FormatInt(p.seq, 10) }

func parsePrunePoint(text string) (prunePoint, error) {
	if text == "" {
		return prunePoint{}, nil
	}
	pipeline, number, _ := strings.Cut(text, "/")
	seq, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return prunePoint{}, fmt.Errorf("pruning history: %q is no place to begin", text)
	}
	return prunePoint{pipeline: pipeline, seq: seq}, nil
}

// pruneAt deletes one batch and tells where the next one begins.
func (d *Dispatcher) pruneAt(tx *db.Tx, at prunePoint, before int64) (next string, err error) {
	var state string
	if err := tx.QueryRow(sqlNamedByState, at.pipeline).Scan(&state); err != nil && !errors.Is(err, db.ErrNoRows) {
		return "", err
	}
	old, more, err := oldExecutions(tx, &at, before)
	if err != nil {
		return "", err
	}
	for _, id := range old {
		// Ids are random, so finding one in the text is proof enough.
		if strings.Contains(state, id) {
			continue
		}
		if err := d.forgetExecution(tx, id); err != nil {
			return "", err
		}
	}
	moreChanges, err := pruneChanges(tx, at.pipeline, before)
	if err != nil {
		return "", err
	}
	if !more && !moreChanges {
		at = prunePoint{pipeline: at.pipeline + "~"}
	}
	return at.String(), nil
}

// oldExecutions reads a batch of ended executions and moves at behind it. It
// stops at the first that is young, because those after it are younger still.
func oldExecutions(tx *db.Tx, at *prunePoint, before int64) (old []string, more bool, err error) {
	read, young := 0, false
	err = each(tx, func(row scanner) error {
		var id string
		var seq, start, live int64
		if err := row.Scan(&id, &seq, &start, &live); err != nil {
			return err
		}
		if young = young || start >= before; young {
			return nil
		}
		read, at.seq = read+1, seq+1
		if live == 0 {
			old = append(old, id)
		}
		return nil
	}, sqlOldExecutions, at.pipeline, at.seq, pruneBatch)
	return old, read == pruneBatch, err
}

// pruneChanges deletes the oldest changes of a pipeline and tells whether there
// may be more to delete.
func pruneChanges(tx *db.Tx, pipeline string, before int64) (more bool, err error) {
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
	}, sqlOldChanges, pipeline, pruneBatch)
	if err != nil || read == 0 {
		return false, err
	}
	_, err = tx.Exec(sqlDeleteChanges, pipeline, last)
	return read == pruneBatch, err
}

// forgetExecution deletes an execution that has ended, if it still has. Its row is
// locked first: a retry or a rollback that comes at the same time either is seen
// here, or sees that there is nothing left.
func (d *Dispatcher) forgetExecution(tx *db.Tx, id string) error {
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
	if err := leave(tx, &e, attempts); err != nil {
		return fmt.Errorf("what execution %s leaves: %w", id, err)
	}
	for _, statement := range []string{sqlDeleteActions, sqlDeleteRules, sqlDeleteJobs, sqlDeleteExecution} {
		if _, err := tx.Exec(statement, id); err != nil {
			return err
		}
	}
	return nil
}
