package server

import (
	"context"
	"time"
)

// sweepEvery is how often content that nothing refers to is looked for, and
// sweepGrace how old it must be: a put writes its content before its row.
const (
	sweepEvery = time.Hour
	sweepGrace = time.Hour
)

// maintain does what nobody asks for, until ctx ends.
func (s *Server) maintain(ctx context.Context) {
	// Soon after the start, for servers that are started often, then every hour.
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(sweepEvery)
		s.tidy(ctx, time.Now().AddDate(0, 0, -s.cfg.HistoryDays).UnixMilli(), sweepGrace)
	}
}

// tidy removes what is no longer needed: history from before a time, the logs and
// artifacts that went with it, and content that nothing refers to. It may run on
// any number of nodes at once, and be cut off anywhere: the next one goes on.
func (s *Server) tidy(ctx context.Context, before int64, grace time.Duration) {
	s.prune(ctx, before)
	s.expire(ctx)
	removed, err := s.buckets.Sweep(ctx, grace)
	if err != nil && ctx.Err() == nil {
		s.log.Error("sweeping content without an object", "error", err)
	}
	if removed > 0 {
		s.log.Info("swept content without an object", "removed", removed)
	}
}

// prune forgets history from before a time.
func (s *Server) prune(ctx context.Context, before int64) {
	for from := ""; ctx.Err() == nil; {
		next, err := s.dispatch.Prune(ctx, from, before)
		if err != nil {
			s.log.Error("pruning history", "error", err)
			return
		}
		if next == "" {
			break
		}
		from = next
	}
	for more := true; more && ctx.Err() == nil; {
		var err error
		if more, err = s.triggers.Prune(ctx, before); err != nil {
			s.log.Error("pruning pushed revisions", "error", err)
			return
		}
	}
}
