package trigger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
)

// Versions tells of the objects of an S3 elsewhere, which tells of no changes by
// itself.
type Versions interface {
	// Newest returns the id of the newest version of an object; empty if there is
	// no object, or no version.
	Newest(ctx context.Context, bucket, key string) (string, error)
}

// pollEvery is how often each object of an S3 elsewhere is looked at, in
// milliseconds (observed.md 15).
const pollEvery = int64(120 * time.Second / time.Millisecond)

// poll looks at the objects that are due by the clock of the database.
func (s *Store) poll(ctx context.Context) error {
	var now int64
	err := s.DB.Read(ctx, func(tx *db.Tx) error {
		var err error
		now, err = tx.Now()
		return err
	})
	if err != nil {
		return err
	}
	return s.PollSources(ctx, now)
}

// PollSources looks at the objects elsewhere that were not looked at in the two
// minutes before now, and starts the executions of those that have changed. One
// that cannot be looked at is tried again when it is due again.
func (s *Store) PollSources(ctx context.Context, now int64) error {
	list, err := s.sources(ctx, s.Account)
	if err != nil {
		return err
	}
	var errs []error
	for _, src := range list {
		if err := s.pollSource(ctx, src, now); err != nil {
			errs = append(errs, fmt.Errorf("polling %s/%s for pipeline %s: %w", src.bucket, src.key, src.pipeline.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Store) pollSource(ctx context.Context, src source, now int64) error {
	id := hash(strings.Join([]string{src.pipeline.ID, src.bucket, src.key, strconv.Itoa(src.number)}, "\x00"))
	seen, due, err := s.takePoll(ctx, id, now)
	if err != nil || !due {
		return err
	}
	version, err := s.Versions.Newest(ctx, src.bucket, src.key)
	if err != nil || version == "" || version == seen {
		return err
	}
	if seen == "" {
		// The execution that came with the pipeline, or somebody's, may be for it.
		known, unsure, err := s.fetched(ctx, src, version)
		switch {
		case err != nil:
			return err
		case known:
			return s.saw(ctx, id, version)
		case unsure:
			return nil
		}
	}
	if err := s.start(ctx, src, version); err != nil {
		return err
	}
	return s.saw(ctx, id, version)
}

// takePoll takes the turn to look at an object, which one node gets.
func (s *Store) takePoll(ctx context.Context, id string, now int64) (seen string, due bool, err error) {
	checked, found := int64(0), false
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		err := tx.QueryRow(sqlSelectPoll, id).Scan(&seen, &checked)
		found = err == nil
		if errors.Is(err, db.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil || found && now-checked < pollEvery {
		return "", false, err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(sqlTakePoll, id, now, checked)
		due = n == 1
		return err
	})
	return seen, due, err
}

func (s *Store) saw(ctx context.Context, id, version string) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(sqlSawVersion, id, version)
		return err
	})
}
