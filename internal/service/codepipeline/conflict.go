package codepipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-cd/penstock/internal/api"
	wire "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/db"
)

// settle makes an operation answer a conflict that outlasted the retries with
// the exception that the model has for it: ConflictException, or else
// ConcurrentModificationException. An operation that declares neither fails, and
// its client tries again: what is not declared, clients cannot handle.
func settle(op api.Operation) api.Operation {
	call := op.Call
	op.Call = func(ctx context.Context, caller api.Caller, in any) (any, error) {
		out, err := call(ctx, caller, in)
		switch {
		case err == nil || !errors.Is(err, db.ErrConflict):
			return out, err
		case slices.Contains(op.Exceptions, "ConflictException"):
			return nil, &wire.ConflictException{
				Message: "The request cannot be handled because the pipeline is busy with other requests. Try again later.",
			}
		case slices.Contains(op.Exceptions, "ConcurrentModificationException"):
			return nil, &wire.ConcurrentModificationException{Message: "Another request is changing the same resource. Try again later."}
		}
		return nil, fmt.Errorf("operation %s: %w", op.Name, err)
	}
	return op
}
