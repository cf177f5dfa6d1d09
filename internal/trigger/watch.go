package trigger

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// Polls reports whether polls start the executions of a pipeline, the first one
// included.
func (s *Store) Polls(account string, d pipeline.Declaration) bool {
	return s.watches(account) && len(sourcesOf(dispatch.Pipeline{Declaration: d})) > 0
}

// watches reports whether the sources of an account are polled at all.
func (s *Store) watches(account string) bool {
	return s.polled() != nil && (s.Versions == nil || account == s.Account)
}

// Watch looks at the objects that a pipeline has come to name, after it was made or
// changed: those of this server at once, those elsewhere soon. What it cannot do
// now is done by Run, on this node or after its next start.
func (s *Store) Watch(ctx context.Context, p dispatch.Pipeline) {
	if !s.Polls(p.Account, p.Declaration) {
		return
	}
	if s.Versions == nil {
		err := s.watch(ctx, p)
		if err == nil {
			s.mu.Lock()
			delete(s.fresh, p.ID)
			s.mu.Unlock()
			return
		}
		if !errors.Is(err, errUnsure) {
			s.Logger.Error("looking at the sources of a pipeline", "pipeline", p.Name, "error", err)
		}
	}
	s.mu.Lock()
	s.fresh[p.ID] = p.Key
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // Run is woken already
	}
}

func (s *Store) watch(ctx context.Context, p dispatch.Pipeline) error {
	var now int64
	err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		now, err = tx.Now()
		return err
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, src := range sourcesOf(p) {
		if err := s.pollSource(ctx, src, now, true); err != nil {
			errs = append(errs, fmt.Errorf("looking at %s/%s for pipeline %s: %w", src.bucket, src.key, p.Name, err))
		}
	}
	return errors.Join(errs...)
}

// watchFresh looks at the objects of pipelines that could not be looked at before.
func (s *Store) watchFresh(ctx context.Context) error {
	s.mu.Lock()
	fresh := s.fresh
	s.fresh = map[string]dispatch.Key{}
	s.mu.Unlock()
	var errs []error
	for id, key := range fresh { //floors:ordered pipelines are independent
		// What was to be looked at may have been changed since.
		now, err := s.Dispatch.Pipeline(ctx, key, 0)
		if errors.Is(err, dispatch.ErrPipelineNotFound) || err == nil && now.ID != id {
			continue
		}
		if err == nil {
			err = s.watch(ctx, now)
		}
		if err == nil {
			continue
		}
		s.mu.Lock()
		s.fresh[id] = key
		s.mu.Unlock()
		if !errors.Is(err, errUnsure) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// PollFailure is why an object cannot be had, in the words of CodePipeline.
type PollFailure struct {
	Code, Message string
	// At is since when, in milliseconds.
	At int64
}

func (f *PollFailure) Error() string { return f.Message }

// missing is the failure of an object that is not there (observed.md 15).
func missing(at object) *PollFailure {
	return &PollFailure{Code: provider.CodeConfigurationError, Message: fmt.Sprintf(
		`Could not access the Amazon S3 object: "%s/%s". Make sure that the names of the bucket and object are both correct.`, at.bucket, at.key)}
}

// notePoll keeps how a poll went, if that has changed.
func (s *Store) notePoll(ctx context.Context, id string, before pollRow, f *PollFailure, now int64) error {
	if before.failure.Code == f.Code && before.failure.Message == f.Message {
		return nil
	}
	at := now
	if f.Code == "" {
		at = 0
	}
	err := s.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(sqlPollFailed, id, f.Code, f.Message, at)
		return err
	})
	if err != nil {
		return fmt.Errorf("keeping how a poll went: %w", err)
	}
	return nil
}

// found notes that an object which could not be polled is there now.
func (s *Store) found(ctx context.Context, src source) error {
	var row pollRow
	id := src.pollID()
	err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		row, _, err = selectPoll(tx, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading how %s/%s was polled: %w", src.bucket, src.key, err)
	}
	return s.notePoll(ctx, id, row, &PollFailure{}, 0)
}

// PollFailures tells which source actions of a pipeline, that has a plan, could not
// be polled when they were polled last.
func (s *Store) PollFailures(ctx context.Context, p dispatch.Pipeline, plan *pipeline.Plan) (map[string]PollFailure, error) {
	if !s.watches(p.Account) {
		return nil, nil
	}
	list := sourcesIn(p, plan)
	if len(list) == 0 {
		return nil, nil
	}
	failures := map[string]PollFailure{}
	err := s.DB.Read(ctx, func(tx *db.Tx) error {
		clear(failures)
		for _, src := range list {
			row, _, err := selectPoll(tx, src.pollID())
			if err != nil {
				return err
			}
			if row.failure.Code != "" {
				failures[src.action] = row.failure
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading how the sources of pipeline %s were polled: %w", p.Name, err)
	}
	return failures, nil
}
