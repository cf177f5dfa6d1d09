package trigger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
)

// Change is a new version of an object.
type Change struct {
	Account     string
	Bucket, Key string
	VersionID   string
	// Sequence orders the versions of the object.
	Sequence int64
}

// topicChanges wakes who starts executions of changed sources.
const topicChanges = "source-changes"

// RecordChange notes a new version in the transaction that makes it visible, so
// that the executions which it starts are started whatever happens next.
func RecordChange(tx *db.Tx, c Change) error {
	now, err := tx.Now()
	if err != nil {
		return err
	}
	id := hash(strings.Join([]string{c.Bucket, c.Key, c.VersionID}, "\x00"))
	if _, err := tx.Exec(sqlInsertChange, id, c.Account, c.Bucket, c.Key, c.VersionID, c.Sequence, now); err != nil {
		return fmt.Errorf("recording the change of %s/%s: %w", c.Bucket, c.Key, err)
	}
	tx.Notify(topicChanges)
	return nil
}

// claimLife is how long a claim counts, in milliseconds: a node that died leaves
// its claims. An execution is started at most once all the same.
const claimLife = int64(30 * time.Second / time.Millisecond)

// changeBatch bounds the changes of one round.
const changeBatch = 100

// change is a recorded Change.
type change struct {
	Change
	id string
	at int64
}

// StartChanged starts the executions of all changes that were recorded, until none
// is left that another node has not taken.
func (s *Store) StartChanged(ctx context.Context) error {
	for ctx.Err() == nil {
		claimed, now, err := s.claim(ctx)
		if err != nil || len(claimed) == 0 {
			return err
		}
		done, err := s.startEach(ctx, claimed, now)
		if dropErr := s.drop(ctx, done); err == nil {
			err = dropErr
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// claim takes changes: of each object the oldest, so that its versions start
// executions in their order.
func (s *Store) claim(ctx context.Context) (claimed []change, now int64, err error) {
	query := fmt.Sprintf(sqlClaimChanges, s.DB.Dialect().ClaimSuffix)
	any := false
	err = s.DB.Read(ctx, func(tx *db.Tx) error { // an idle server writes nothing
		n := 0
		if err := tx.QueryRow(sqlAnyChange).Scan(&n); err != nil {
			return err
		}
		any = n > 0
		return nil
	})
	if err != nil || !any {
		return nil, 0, err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		claimed = nil
		if now, err = tx.Now(); err != nil {
			return err
		}
		return each(tx, func(row scanner) error {
			var c change
			err := row.Scan(&c.id, &c.Account, &c.Bucket, &c.Key, &c.VersionID, &c.Sequence, &c.at)
			claimed = append(claimed, c)
			return err
		}, query, s.Node, now, now-claimLife, changeBatch)
	})
	if err != nil {
		return nil, 0, fmt.Errorf("claiming changes of sources: %w", err)
	}
	return claimed, now, nil
}

// startEach starts the executions of changes and returns those that are done with.
func (s *Store) startEach(ctx context.Context, claimed []change, now int64) (done []change, err error) {
	watched := map[string][]*sourcePage{} // as it is now, for all of them
	var errs []error
next:
	for _, c := range claimed {
		pages, ok := watched[c.Account]
		if !ok {
			if pages, err = s.sourcePages(ctx, c.Account); err != nil {
				return done, err
			}
			watched[c.Account] = pages
		}
		for src := range ofObject(pages, object{c.Bucket, c.Key}) {
			if src.pipeline.Created > c.at {
				continue // its own first execution fetches the version, or its first poll saw it
			}
			if err := s.startOnce(ctx, src, c, now); err != nil {
				errs = append(errs, err)
				continue next // others may be started; this one is tried again
			}
		}
		done = append(done, c)
	}
	return done, errors.Join(errs...)
}

// oldChange is the age, in milliseconds, from which the token of a start is no
// longer relied upon: it is remembered for a day.
const oldChange = int64(20 * time.Hour / time.Millisecond)

// startOnce starts an execution for a change. One whose row was left behind long
// ago may have started it already.
func (s *Store) startOnce(ctx context.Context, src source, c change, now int64) error {
	if now-c.at > oldChange {
		known, _, err := s.fetched(ctx, src, c.VersionID)
		if err != nil || known {
			return err
		}
	}
	if err := s.start(ctx, src, c.VersionID); err != nil {
		return err
	}
	return s.found(ctx, src)
}

// drop forgets changes that are done with.
func (s *Store) drop(ctx context.Context, done []change) error {
	if len(done) == 0 {
		return nil
	}
	err := s.DB.Write(ctx, func(tx *db.Tx) error {
		for _, c := range done {
			if _, err := tx.Exec(sqlDeleteChange, c.id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forgetting changes of sources: %w", err)
	}
	return nil
}

// lookEvery is how often changes are looked for that nobody told of: wake-ups may
// be lost, and claims run out.
const lookEvery = 10 * time.Second

// Run starts the executions of changed sources until ctx ends.
func (s *Store) Run(ctx context.Context) {
	wake, stop := s.DB.Listen(topicChanges)
	defer stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for release := true; ; {
		select {
		case <-wake:
		case <-s.wake:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		timer.Reset(lookEvery)
		err := s.look(ctx, release)
		if err != nil && ctx.Err() == nil {
			s.Logger.Error("starting executions of changed sources", "error", err)
		}
		release = err != nil
	}
}

// look does what there is to do. With release it first gives back what this node
// had claimed, before it was started again or when something went wrong.
func (s *Store) look(ctx context.Context, release bool) error {
	if release {
		err := s.DB.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(sqlReleaseChanges, s.Node)
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := s.StartChanged(ctx); err != nil {
		return err
	}
	if err := s.watchFresh(ctx); err != nil {
		return err
	}
	here := s.Here != nil && (release || time.Since(s.lookedHere) > lookHereEvery)
	if s.Versions == nil && !here {
		return nil
	}
	err := s.poll(ctx)
	if err == nil {
		s.lookedHere = time.Now()
	}
	return err
}
