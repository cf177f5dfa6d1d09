package codepipeline

import (
	"context"
	"fmt"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// actionTypePage is the number of action types of one page.
const actionTypePage = 100

// ListActionTypes lists the built-in action types that this server can run, in
// the catalogue's order, and then the account's own by owner, category, provider
// and version.
//
// A built-in type that cannot be run is absent, so that nobody chooses it. A
// custom type is always listed: its author must find it again.
func (s *Service) ListActionTypes(ctx context.Context, c api.Caller, in *wire.ListActionTypesInput) (*wire.ListActionTypesOutput, error) {
	if err := s.allowAll(c, "ListActionTypes"); err != nil {
		return nil, err
	}
	region := c.Region
	if in.RegionFilter != nil {
		region = *in.RegionFilter
	}
	binding := bind("ListActionTypes", c.Account, region, string(in.ActionOwnerFilter))
	after, err := binding.open(in.NextToken)
	if err != nil {
		return nil, err
	}
	types, err := s.dispatch.ActionTypes(ctx, c.Account, region)
	if err != nil {
		return nil, err
	}
	out := &wire.ListActionTypesOutput{ActionTypes: []wire.ActionType{}}
	place := ""
	for i, t := range types {
		if !t.Available && t.ID.Owner != pipeline.OwnerCustom || in.ActionOwnerFilter != "" && string(in.ActionOwnerFilter) != t.ID.Owner {
			continue
		}
		if len(out.ActionTypes) == actionTypePage {
			out.NextToken = binding.seal(place)
			break
		}
		_, builtin := s.types.ActionType(t.ID)
		if place = actionTypePlace(i, t.ID, builtin); place <= after {
			continue
		}
		if builtin {
			t.Settings = t.Settings.Listed(region)
		}
		out.ActionTypes = append(out.ActionTypes, actionTypeView(t))
	}
	return out, nil
}

// actionTypePlace orders action types as they are listed. That of an account's
// own type does not change when others come and go.
func actionTypePlace(i int, id pipeline.ActionTypeID, builtin bool) string {
	if builtin {
		return fmt.Sprintf("0/%06d", i)
	}
	return "1/" + id.Owner + "\x00" + id.Category + "\x00" + id.Provider + "\x00" + id.Version
}
