package iam

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
)

// uses are the notes of when keys were used that are not written yet.
type uses struct {
	mu      sync.Mutex
	pending map[string]use
}

type use struct {
	at      int64
	service string
}

// flushEvery is how often notes of use are written.
const flushEvery = 30 * time.Second

// note remembers that a key signed a request, at most once a minute.
func (s *Service) note(id string, k *knownKey, service string) {
	if k.fixed {
		return
	}
	minute := s.now().Truncate(time.Minute).UnixMilli()
	last := k.usedAt.Load()
	if minute <= last || !k.usedAt.CompareAndSwap(last, minute) {
		return
	}
	s.uses.mu.Lock()
	defer s.uses.mu.Unlock()
	if s.uses.pending == nil {
		s.uses.pending = map[string]use{}
	}
	s.uses.pending[id] = use{minute, service}
}

// Flush writes when keys were used last. What cannot be written is kept for the
// next time.
func (s *Service) Flush(ctx context.Context) error {
	s.uses.mu.Lock()
	pending := s.uses.pending
	s.uses.pending = nil
	s.uses.mu.Unlock()
	if len(pending) == 0 {
		return nil
	}
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		for id, u := range pending {
			if err := useKey(tx, id, u.at, u.service); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.uses.mu.Lock()
		defer s.uses.mu.Unlock()
		for id, u := range s.uses.pending {
			pending[id] = u
		}
		s.uses.pending = pending
	}
	return err
}

// resealEvery is how often secrets are brought under the newest encryption key.
const resealEvery = time.Hour

// Run writes when keys were used, from time to time until ctx ends and once more
// then, and brings secrets under the newest encryption key.
func (s *Service) Run(ctx context.Context, logger *slog.Logger) {
	var resealed time.Time
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		if s.now().Sub(resealed) >= resealEvery && ctx.Err() == nil {
			resealed = s.now()
			s.resealAll(ctx, logger)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
		flushing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		if err := s.Flush(flushing); err != nil {
			logger.Error("writing when access keys were used", "error", err)
		}
		cancel()
		if ctx.Err() != nil {
			return
		}
	}
}

// resealAll is Reseal for a loop.
func (s *Service) resealAll(ctx context.Context, logger *slog.Logger) {
	changed, err := s.Reseal(ctx)
	if err != nil && ctx.Err() == nil {
		logger.Error("bringing secrets of access keys under the newest encryption key", "error", err)
	}
	if changed > 0 {
		logger.Info("brought secrets of access keys under the newest encryption key", "keys", changed)
	}
}
