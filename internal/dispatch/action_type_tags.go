package dispatch

import (
	"context"
	"fmt"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

// tagTable is where the tags of one kind of resource are.
type tagTable struct{ list, upsert, remove string }

func pipelineTags() tagTable { return tagTable{sqlSelectTags, sqlUpsertTag, sqlDeleteTag} }

func actionTypeTags() tagTable {
	return tagTable{sqlSelectActionTypeTags, sqlUpsertActionTypeTag, sqlDeleteActionTypeTag}
}

// ActionTypeTags returns the tags of a custom action type, or
// ErrActionTypeNotFound.
func (d *Dispatcher) ActionTypeTags(ctx context.Context, account, region string, id pipeline.ActionTypeID) (map[string]string, error) {
	var tags map[string]string
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		row, err := liveCustomType(tx, account, region, id)
		if err != nil {
			return err
		}
		tags, err = readTags(tx, actionTypeTags(), row)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the tags of action type %s: %w", id, err)
	}
	return tags, nil
}

// SetActionTypeTags adds tags to a custom action type, replacing those with the
// same keys. Errors are ErrActionTypeNotFound and ErrTooManyTags.
func (d *Dispatcher) SetActionTypeTags(ctx context.Context, account, region string, id pipeline.ActionTypeID, tags map[string]string) error {
	return d.DB.Write(ctx, func(tx *db.Tx) error {
		row, err := liveCustomType(tx, account, region, id)
		if err != nil {
			return err
		}
		return setTags(tx, actionTypeTags(), row, tags)
	})
}

// RemoveActionTypeTags removes tags from a custom action type; absent ones are
// ignored. The error is ErrActionTypeNotFound.
func (d *Dispatcher) RemoveActionTypeTags(ctx context.Context, account, region string, id pipeline.ActionTypeID, keys []string) error {
	return d.DB.Write(ctx, func(tx *db.Tx) error {
		row, err := liveCustomType(tx, account, region, id)
		if err != nil {
			return err
		}
		return removeTags(tx, actionTypeTags(), row, keys)
	})
}

// liveCustomType returns the id of the row of a custom action type.
func liveCustomType(tx *db.Tx, account, region string, id pipeline.ActionTypeID) (string, error) {
	if id.Owner != pipeline.OwnerCustom {
		return "", ErrActionTypeNotFound
	}
	row, err := selectActionType(tx, account, region, id)
	if err == nil && row.deleted {
		err = ErrActionTypeNotFound
	}
	return row.id, err
}
