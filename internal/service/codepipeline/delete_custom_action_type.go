package codepipeline

import (
	"context"
	"errors"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/db"
)

// DeleteCustomActionType deletes a custom action type. It is idempotent: no
// not-found error is declared.
func (s *Service) DeleteCustomActionType(ctx context.Context, c api.Caller, in *wire.DeleteCustomActionTypeInput) error {
	id := customType(in.Category, in.Provider, in.Version)
	if err := s.allowActionType(c, "DeleteCustomActionType", id, nil); err != nil {
		return err
	}
	err := s.dispatch.DeleteCustomActionType(ctx, c.Account, c.Region, id)
	if errors.Is(err, db.ErrConflict) {
		return concurrent(id)
	}
	return err
}
