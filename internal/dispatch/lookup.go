package dispatch

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/pipeline"
)

const sqlPipelineOfAction = `
	select name from pipelines where account = $2 and region = $3 and deleted = 0 and id in (
		select pipeline_id from action_executions where id = $1
		union all select pipeline_id from rule_executions where id = $1)`

// PipelineOfAction returns the name of the pipeline of an account and region that
// an action or rule execution belongs to, or ErrActionNotFound.
func (d *Dispatcher) PipelineOfAction(ctx context.Context, account, region, id string) (string, error) {
	var name string
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(sqlPipelineOfAction, id, account, region).Scan(&name)
	})
	if errors.Is(err, db.ErrNoRows) {
		return "", ErrActionNotFound
	}
	if err != nil {
		return "", fmt.Errorf("looking up action execution %s: %w", id, err)
	}
	return name, nil
}

// ActionType returns an action type that new pipelines of an account and region
// may use, built in or not, or ErrActionTypeNotFound.
func (d *Dispatcher) ActionType(ctx context.Context, account, region string, id pipeline.ActionTypeID) (pipeline.ActionType, error) {
	if t, ok := d.Catalogue.ActionType(id); ok {
		return t, nil
	}
	var t pipeline.ActionType
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		types, err := d.typesOf(tx, account, region, []pipeline.ActionTypeID{id}, false)
		if err != nil {
			return err
		}
		var ok bool
		if t, ok = types.ActionType(id); !ok {
			return ErrActionTypeNotFound
		}
		return nil
	})
	if err != nil {
		return t, fmt.Errorf("looking up action type %s: %w", id, err)
	}
	return t, nil
}
