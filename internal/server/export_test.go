package server

import (
	"context"
	"time"
)

// Tidy does now what the server does every hour, as if it were much later: all
// history that may go is too old. With blobs that are younger than grace nothing
// happens.
func (s *Server) Tidy(ctx context.Context, grace time.Duration) {
	s.tidy(ctx, time.Now().AddDate(1, 0, 0).UnixMilli(), grace)
}

// PruneOnly is Tidy that dies before it deletes anything but history.
func (s *Server) PruneOnly(ctx context.Context) {
	s.prune(ctx, time.Now().AddDate(1, 0, 0).UnixMilli())
}

// Placed is the configuration of a server that starts here.
func (c Config) Placed() (Config, error) { return c.placed() }
