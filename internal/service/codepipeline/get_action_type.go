package codepipeline

import (
	"context"
	"errors"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// GetActionType returns an action type that UpdateActionType declared. The
// built-in types have no executor to tell of, and are not found; neither are
// custom ones, whose owner the input does not admit.
func (s *Service) GetActionType(ctx context.Context, c api.Caller, in *wire.GetActionTypeInput) (*wire.GetActionTypeOutput, error) {
	if err := s.allowAll(c, "GetActionType"); err != nil {
		return nil, err
	}
	id := pipeline.ActionTypeID{
		Category: string(in.Category), Owner: text(in.Owner), Provider: text(in.Provider), Version: text(in.Version),
	}
	decl, err := s.dispatch.DeclaredActionType(ctx, c.Account, c.Region, id)
	if errors.Is(err, dispatch.ErrActionTypeNotFound) {
		return nil, actionTypeNotFound(id)
	}
	if err != nil {
		return nil, err
	}
	view, err := recast[*wire.ActionTypeDeclaration](decl)
	if err != nil {
		return nil, err
	}
	return &wire.GetActionTypeOutput{ActionType: view}, nil
}

func actionTypeNotFound(id pipeline.ActionTypeID) error {
	return &wire.ActionTypeNotFoundException{Message: "There is no action type " + describeType(id)}
}
