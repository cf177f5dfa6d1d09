package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
)

// RuleExecution is one evaluation of a rule of a stage condition. Action is the
// name of the rule.
type RuleExecution struct {
	ActionExecution
	// Gate is the gate of the stage that the rule belongs to.
	Gate string
}

// The statements of rule executions, whose rows are those of action executions
// with a gate.
const (
	sqlInsertRule = `
		insert into rule_executions (id, pipeline_id, execution_id, ord, version, stage, action, status,
			start_time, last_update, started, gate)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11)`
	sqlEndRule = `
		update rule_executions set status = $2, last_update = $3, updated_by = $4, outcome = $5 where id = $1`
	sqlResolveRule = `update rule_executions set resolved = $2 where id = $1`
	sqlRuleColumns = `
		select id, execution_id, ord, version, stage, action, status, start_time, last_update, updated_by,
			started, resolved, outcome, gate from rule_executions `
	sqlSelectRule         = sqlRuleColumns + `where id = $1 and pipeline_id = $2`
	sqlListRules          = sqlRuleColumns + `where pipeline_id = $1 and ord < $2 order by ord desc limit $3`
	sqlListExecutionRules = sqlRuleColumns + `where execution_id = $1 and ord < $2 order by ord desc limit $3`
	sqlListStageRules     = sqlRuleColumns + `where execution_id = $1 and stage = $2 order by ord`
	sqlRuleIDs            = `select id from rule_executions where execution_id = $1`
	sqlDeleteRules        = `delete from rule_executions where execution_id = $1`
)

func scanRule(row scanner) (RuleExecution, error) {
	var r RuleExecution
	var err error
	r.ActionExecution, err = scanAttempt(row, &r.Gate)
	return r, err
}

func (w *writes) insertRule(tx *db.Tx, c engine.Change, ord int64) error {
	text, err := json.Marshal(actionStarted{Inputs: c.Inputs, Deadline: c.Deadline})
	if err != nil {
		return err
	}
	_, err = tx.Exec(sqlInsertRule, c.ActionID, w.line.id, c.Execution, ord, w.execution(c.Execution).Version, c.Stage,
		c.Action, string(c.Status), c.At, pack(string(text)), c.Gate)
	if err != nil {
		return fmt.Errorf("writing rule execution %s: %w", c.ActionID, err)
	}
	return nil
}

func (d *Dispatcher) ruleExecution(ctx context.Context, pipelineID, id string) (RuleExecution, error) {
	var r RuleExecution
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		var err error
		r, err = scanRule(tx.QueryRow(sqlSelectRule, id, pipelineID))
		return err
	})
	if errors.Is(err, db.ErrNoRows) {
		return r, ErrActionNotFound
	}
	if err != nil {
		return r, fmt.Errorf("reading rule execution %s: %w", id, err)
	}
	return r, nil
}

// RuleExecutions lists rule executions that started before the one ordered below,
// newest first, at most limit; below 0 starts at the newest. With an execution id
// only its own are listed.
func (d *Dispatcher) RuleExecutions(ctx context.Context, p Pipeline, execution string, below int64, limit int) ([]RuleExecution, error) {
	if below == 0 {
		below = math.MaxInt64
	}
	query, of := sqlListRules, p.ID
	if execution != "" {
		query, of = sqlListExecutionRules, execution
	}
	var list []RuleExecution
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		return each(tx, func(row scanner) error {
			r, err := scanRule(row)
			list = append(list, r)
			return err
		}, query, of, below, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("listing rule executions of pipeline %s: %w", p.Name, err)
	}
	return list, nil
}
