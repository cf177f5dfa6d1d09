package codepipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// CreateCustomActionType defines an action type for the caller's account and
// region. Its version is for ever that of the first definition: the same one
// again changes nothing, or brings a deleted type back; another one is refused.
func (s *Service) CreateCustomActionType(ctx context.Context, c api.Caller, in *wire.CreateCustomActionTypeInput) (*wire.CreateCustomActionTypeOutput, error) {
	id := customType(in.Category, in.Provider, in.Version)
	if err := s.allowActionType(c, "CreateCustomActionType", id, tagsToSet(in.Tags)); err != nil {
		return nil, err
	}
	if id.Category == pipeline.CategoryApproval || id.Category == pipeline.CategoryCompute {
		return nil, invalid("Custom action types cannot have the category '%s'", id.Category)
	}
	def, err := recast[dispatch.ActionTypeDefinition](in)
	if err != nil {
		return nil, err
	}
	t := pipeline.ActionType{ID: id, Settings: def.Settings, Properties: def.Properties, Inputs: def.Inputs, Outputs: def.Outputs}
	if err := checkActionType(t); err != nil {
		return nil, err
	}
	arn := pipeline.ActionTypeARN(c.Partition, c.Region, c.Account, id)
	tags, err := tagMap(in.Tags, arn)
	if err != nil {
		return nil, err
	}
	switch err := s.dispatch.CreateCustomActionType(ctx, c.Account, c.Region, id, def, tags); {
	case errors.Is(err, dispatch.ErrActionTypeExists):
		return nil, &wire.ActionTypeAlreadyExistsException{Message: fmt.Sprintf(
			"An action type %s exists, or existed, with another definition. Use a version that was never used, or the same definition", describeType(id))}
	case errors.Is(err, dispatch.ErrTooManyActionTypes):
		return nil, &wire.LimitExceededException{Message: fmt.Sprintf(
			"The account with id '%s' already has the maximum number of custom action types (%d) in region '%s'",
			c.Account, s.dispatch.Quotas.CustomActionTypes, c.Region)}
	case errors.Is(err, dispatch.ErrTooManyTags):
		return nil, tooManyTags(arn)
	case errors.Is(err, db.ErrConflict):
		return nil, concurrent(id)
	case err != nil:
		return nil, err
	}
	view := actionTypeView(t)
	return &wire.CreateCustomActionTypeOutput{ActionType: &view, Tags: tagList(tags)}, nil
}

func concurrent(id pipeline.ActionTypeID) error {
	return &wire.ConcurrentModificationException{Message: fmt.Sprintf("Another request is changing the action type %s", describeType(id))}
}
