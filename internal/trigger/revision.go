package trigger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
)

// Push is a revision that somebody tells a source action of.
type Push struct {
	Stage, Action, Revision string
	// By is the ARN of the caller.
	By string
}

// PushRevision starts an execution of a pipeline if the revision is new: nobody
// pushed it to the action before, and it is not the one that the newest execution
// fetched there. It returns that execution, or the newest one if the revision is
// known.
//
// The pipeline, the action and the revision are the key: pushing twice, also at
// the same time or after a crash, starts one execution.
func (s *Store) PushRevision(ctx context.Context, p dispatch.Pipeline, push Push) (execution string, isNew bool, err error) {
	id := hash(strings.Join([]string{p.ID, push.Stage, push.Action, push.Revision}, "\x00"))
	latest, known, err := s.known(ctx, p, push, id)
	if err != nil || known {
		return latest, false, err
	}
	// A colon keeps the token apart from all that clients can send.
	execution, err = s.Dispatch.StartExecution(ctx, p.Key, dispatch.StartRequest{
		Trigger: engine.Trigger{Type: engine.TriggerPutActionRevision, Detail: push.By},
		Token:   "revision:" + id,
	})
	if err != nil {
		return "", false, err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		n, err := tx.Exec(sqlInsertRevision, id, p.ID, push.Stage+"/"+push.Action, push.Revision, execution, now)
		isNew = n == 1
		return err
	})
	if err != nil {
		return "", false, fmt.Errorf("remembering a revision of %s/%s: %w", push.Stage, push.Action, err)
	}
	return execution, isNew, nil
}

// known tells whether a revision was seen before, and which execution is the
// newest.
func (s *Store) known(ctx context.Context, p dispatch.Pipeline, push Push, id string) (latest string, known bool, err error) {
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		err := tx.QueryRow(sqlSelectRevision, id).Scan(&latest)
		known = err == nil
		if errors.Is(err, db.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return "", false, fmt.Errorf("looking up a revision of %s/%s: %w", push.Stage, push.Action, err)
	}
	newest, err := s.Dispatch.Executions(ctx, p, dispatch.Place{}, 1)
	if err != nil {
		return "", false, err
	}
	for _, x := range newest {
		latest = x.ID
		for _, r := range x.Revisions {
			known = known || r.Action == push.Action && r.Revision.ID == push.Revision
		}
	}
	return latest, known, nil
}

// pruneBatch bounds what one transaction deletes, so that nobody waits for it.
const pruneBatch = 200

// Prune forgets revisions that were pushed, and objects that were polled last,
// before a time (milliseconds), one small batch; more says that there may be
// others. The newest revision of each action stays: who pushes it every hour must
// not start an execution every year.
func (s *Store) Prune(ctx context.Context, before int64) (more bool, err error) {
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(sqlPruneRevisions, before, pruneBatch)
		if err != nil {
			return err
		}
		polls, err := tx.Exec(sqlPrunePolls, before, pruneBatch)
		more = n == pruneBatch || polls == pruneBatch
		return err
	})
	if err != nil {
		return false, fmt.Errorf("pruning pushed revisions: %w", err)
	}
	return more, nil
}
