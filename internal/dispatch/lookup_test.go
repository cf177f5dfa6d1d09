package dispatch_test

import (
	"errors"
	"testing"

	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// TestPipelineOfAction finds the pipeline of an action execution, for its own
// account and region and as long as it is there.
func TestPipelineOfAction(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		b.create(declaration())
		at, _ := b.source.next(t)
		if name, err := b.PipelineOfAction(t.Context(), key.Account, key.Region, at.ID); err != nil || name != key.Name {
			t.Errorf("%s, %v", name, err)
		}
		for _, of := range [][3]string{
			{key.Account, key.Region, "none"}, {"999999999999", key.Region, at.ID}, {key.Account, "us-east-1", at.ID},
		} {
			if name, err := b.PipelineOfAction(t.Context(), of[0], of[1], of[2]); !errors.Is(err, dispatch.ErrActionNotFound) {
				t.Errorf("%v: %s, %v", of, name, err)
			}
		}
		if err := b.DeletePipeline(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if name, err := b.PipelineOfAction(t.Context(), key.Account, key.Region, at.ID); !errors.Is(err, dispatch.ErrActionNotFound) {
			t.Errorf("deleted: %s, %v", name, err)
		}
	})
}

// TestActionType finds built-in types and those of an account that are not
// deleted.
func TestActionType(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		own := pipeline.ActionTypeID{Category: "Deploy", Owner: "Custom", Provider: "Ship", Version: "1"}
		find := func(region string, id pipeline.ActionTypeID) error {
			kind, err := b.ActionType(t.Context(), key.Account, region, id)
			if err == nil && kind.ID != id {
				t.Errorf("found %s, want %s", kind.ID, id)
			}
			return err
		}
		if err := find(key.Region, pipeline.ActionTypeID{Category: "Build", Owner: "AWS", Provider: "CodeBuild", Version: "1"}); err != nil {
			t.Errorf("built in: %v", err)
		}
		if err := find(key.Region, own); !errors.Is(err, dispatch.ErrActionTypeNotFound) {
			t.Errorf("not created yet: %v", err)
		}
		if err := b.CreateCustomActionType(t.Context(), key.Account, key.Region, own, dispatch.ActionTypeDefinition{}, nil); err != nil {
			t.Fatal(err)
		}
		if err := find(key.Region, own); err != nil {
			t.Errorf("created: %v", err)
		}
		if err := find("us-east-1", own); !errors.Is(err, dispatch.ErrActionTypeNotFound) {
			t.Errorf("in another region: %v", err)
		}
		if err := b.DeleteCustomActionType(t.Context(), key.Account, key.Region, own); err != nil {
			t.Fatal(err)
		}
		if err := find(key.Region, own); !errors.Is(err, dispatch.ErrActionTypeNotFound) {
			t.Errorf("deleted: %v", err)
		}
	})
}
