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

// Versions tells of the objects of an S3.
type Versions interface {
	// Newest returns the id of the newest version of an object; empty if there is
	// no object. A *PollFailure is for people to see; any other error means that it
	// is not known.
	Newest(ctx context.Context, bucket, key string) (string, error)
}

// pollEvery is how often each object of an S3 elsewhere is looked at, in
// milliseconds (observed.md 15).
const pollEvery = int64(120 * time.Second / time.Millisecond)

// lookHereEvery is how often the objects of this server are gone through, and
// keepEvery, in milliseconds, how old what is known of one becomes before it is
// noted that a pipeline names it still. Prune forgets what is a day old or older.
const (
	lookHereEvery = time.Hour
	keepEvery     = int64(12 * time.Hour / time.Millisecond)
)

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
// that cannot be looked at is tried again when it is due again. In this server's
// own S3 only objects that no version was seen of are looked at.
func (s *Store) PollSources(ctx context.Context, now int64) error {
	accounts, err := s.polledAccounts(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, account := range accounts {
		pages, err := s.sourcePages(ctx, account)
		if err != nil {
			return err
		}
		for _, page := range pages {
			for _, src := range page.list {
				if err := s.pollSource(ctx, src, now, false); err != nil && !errors.Is(err, errUnsure) {
					errs = append(errs, fmt.Errorf("polling %s/%s for pipeline %s: %w", src.bucket, src.key, src.pipeline.Name, err))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// polledAccounts are those whose sources are polled.
func (s *Store) polledAccounts(ctx context.Context) ([]string, error) {
	if s.Versions != nil {
		return []string{s.Account}, nil
	}
	return s.Dispatch.Accounts(ctx)
}

// errUnsure says that an execution which runs may be for the version, or not.
var errUnsure = errors.New("the newest execution has not fetched its source yet")

// pollSource looks at an object if it is due, and starts an execution for a version
// that was not seen before. A fresh one, of a pipeline that has come to name the
// object, is due now, and its first version starts an execution whatever was
// fetched before (observed.md 15).
func (s *Store) pollSource(ctx context.Context, src source, now int64, fresh bool) error {
	id := src.pollID()
	row, due, err := s.takePoll(ctx, id, now, fresh)
	if err != nil || !due {
		return err
	}
	version, err := s.polled().Newest(ctx, src.bucket, src.key)
	failure, failed := errors.AsType[*PollFailure](err)
	switch {
	case failed:
		return s.notePoll(ctx, id, row, failure, now)
	case err != nil:
		return err
	case version == "":
		return s.notePoll(ctx, id, row, missing(src.object), now)
	}
	if err := s.notePoll(ctx, id, row, &PollFailure{}, now); err != nil || version == row.seen {
		return err
	}
	// Where a version was seen by something else than this poll, an execution tells.
	if !fresh && row.seen == "" || fresh && row.seen != "" {
		known, unsure, err := s.fetched(ctx, src, version)
		switch {
		case err != nil:
			return err
		case known:
			return s.saw(ctx, id, version)
		case unsure:
			return errUnsure
		}
	}
	if err := s.start(ctx, src, version); err != nil {
		return err
	}
	return s.saw(ctx, id, version)
}

func (s *Store) polled() Versions {
	if s.Versions != nil {
		return s.Versions
	}
	return s.Here
}

// pollID names the poll of a source.
func (src source) pollID() string {
	return hash(strings.Join([]string{src.pipeline.ID, src.bucket, src.key, strconv.Itoa(src.number)}, "\x00"))
}

// pollRow is what is known of an object that is polled.
type pollRow struct {
	seen    string
	checked int64
	failure PollFailure
}

func selectPoll(tx *db.Tx, id string) (row pollRow, found bool, err error) {
	f := &row.failure
	err = tx.QueryRow(sqlSelectPoll, id).Scan(&row.seen, &row.checked, &f.Code, &f.Message, &f.At)
	if errors.Is(err, db.ErrNoRows) {
		return pollRow{}, false, nil
	}
	return row, err == nil, err
}

// takePoll takes the turn to look at an object, which one node gets.
func (s *Store) takePoll(ctx context.Context, id string, now int64, fresh bool) (row pollRow, due bool, err error) {
	found := false
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		row, found, err = selectPoll(tx, id)
		return err
	})
	if err != nil {
		return pollRow{}, false, err
	}
	settled := found && !fresh && s.Versions == nil && row.seen != ""
	if settled && now-row.checked < keepEvery || found && !fresh && now-row.checked < pollEvery {
		return pollRow{}, false, nil
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(sqlTakePoll, id, now, row.checked)
		due = n == 1 && !settled
		return err
	})
	return row, due, err
}

func (s *Store) saw(ctx context.Context, id, version string) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(sqlSawVersion, id, version)
		return err
	})
}
