package dispatch

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
)

// stateFormat numbers the JSON form of the stored state. A node leaves alone
// what a newer one has written.
const stateFormat = 1

// stored wraps a part of the state with its format number.
type stored[T any] struct {
	Format int `json:"format"`
	Part   T   `json:"part"`
}

func encodePart[T any](part T) (string, error) {
	b, err := json.Marshal(stored[T]{Format: stateFormat, Part: part})
	return string(b), err
}

func decodePart[T any](text string, part *T) error {
	var s stored[T]
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	if s.Format > stateFormat {
		return fmt.Errorf("stored state has format %d, this release reads up to %d", s.Format, stateFormat)
	}
	*part = s.Part
	return nil
}

// pipelineRow is what a pipeline's row holds beside the state.
type pipelineRow struct {
	account, region  string
	created, updated int64
}

// load reads a pipeline's state and its live executions. suffix locks the row.
func (d *Dispatcher) load(tx *db.Tx, l *line, suffix string) error {
	var text string
	var row pipelineRow
	var version int64
	err := tx.QueryRow(sqlSelectState+suffix, l.id).
		Scan(&row.account, &row.region, &version, &text, &row.created, &row.updated)
	if errors.Is(err, db.ErrNoRows) {
		return ErrPipelineNotFound
	}
	if err != nil {
		return fmt.Errorf("loading pipeline %s: %w", l.id, err)
	}
	s := &engine.State{}
	if err := decodePart(text, &s.Pipeline); err != nil {
		return fmt.Errorf("loading pipeline %s: %w", l.id, err)
	}
	rows, err := tx.Query(sqlSelectLive, l.id)
	if err != nil {
		return fmt.Errorf("loading executions of pipeline %s: %w", l.id, err)
	}
	defer rows.Close()
	for rows.Next() {
		e, err := scanExecution(rows)
		if err != nil {
			return fmt.Errorf("loading executions of pipeline %s: %w", l.id, err)
		}
		s.Executions = append(s.Executions, e)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("loading executions of pipeline %s: %w", l.id, err)
	}
	l.state, l.version, l.row = s, version, row
	return nil
}

// scanner is a row or the current one of rows.
type scanner interface{ Scan(dest ...any) error }

func scanExecution(row scanner) (*engine.Execution, error) {
	var text string
	if err := row.Scan(&text); err != nil {
		return nil, err
	}
	e := &engine.Execution{}
	return e, decodePart(text, e)
}

func scanChanges(row scanner) ([]engine.Change, error) {
	var text string
	if err := row.Scan(&text); err != nil {
		return nil, err
	}
	var changes []engine.Change
	return changes, decodePart(text, &changes)
}
