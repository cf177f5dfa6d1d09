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
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		removed, err := s.buckets.Sweep(ctx, sweepGrace)
		if err != nil && ctx.Err() == nil {
			s.log.Error("sweeping content without an object", "error", err)
		}
		if removed > 0 {
			s.log.Info("swept content without an object", "removed", removed)
		}
	}
}
