package dispatch

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

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

// storedPipeline is the part that all executions share, with the ids of those
// that are live: a load finds them by it, and no index of them is kept.
type storedPipeline struct {
	Format int             `json:"format"`
	Part   engine.Pipeline `json:"part"`
	Live   []string        `json:"live,omitempty"`
}

func encodePipeline(s *engine.State) (string, error) {
	stored := storedPipeline{Format: stateFormat, Part: s.Pipeline}
	for _, e := range s.Executions {
		stored.Live = append(stored.Live, e.ID)
	}
	return encode(stored)
}

func encodePart[T any](part T) (string, error) {
	return encode(stored[T]{Format: stateFormat, Part: part})
}

// encode writes the JSON of a value straight into a string.
func encode(value any) (string, error) {
	var b strings.Builder
	err := json.NewEncoder(&b).Encode(value)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// minPacked is the length of the parts that are worth packing. Shorter are those of
// an execution that has entered no stage, and a request waits while it is written,
// perhaps only to be superseded by the next one.
const minPacked = 350

// packPart is encodePart for history.
func packPart[T any](part T) (string, error) {
	text, err := encodePart(part)
	if len(text) >= minPacked {
		text = pack(text)
	}
	return text, err
}

func decodePart[T any](text string, part *T) error {
	text, err := unpack(text)
	if err != nil {
		return err
	}
	var s stored[T]
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	*part = s.Part
	return checkFormat(s.Format)
}

func checkFormat(format int) error {
	if format > stateFormat {
		return fmt.Errorf("stored state has format %d, this release reads up to %d", format, stateFormat)
	}
	return nil
}

// pipelineRow is what a pipeline's row holds beside the state.
type pipelineRow struct {
	account, region  string
	created, updated int64
	newest           string // the execution that was started last
}

// load reads a pipeline's state and its live executions. suffix locks the row.
func (d *Dispatcher) load(tx *db.Tx, l *line, suffix string) error {
	row, version, stored, err := loadPipeline(tx, l.id, suffix)
	if err != nil {
		return err
	}
	s := &engine.State{Pipeline: stored.Part}
	for _, id := range stored.Live {
		x, err := readExecution(tx, id)
		if err != nil {
			return fmt.Errorf("loading pipeline %s: %w", l.id, err)
		}
		s.Executions = append(s.Executions, &x.Execution)
	}
	l.state, l.version, l.row = s, version, row
	return nil
}

// loadPipeline reads what all executions of a pipeline share, and which are live.
func loadPipeline(tx *db.Tx, id, suffix string) (row pipelineRow, version int64, stored storedPipeline, err error) {
	var text string
	err = tx.QueryRow(sqlSelectState+suffix, id).
		Scan(&row.account, &row.region, &version, &text, &row.created, &row.updated, &row.newest)
	if errors.Is(err, db.ErrNoRows) {
		return row, version, stored, ErrPipelineNotFound
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &stored)
	}
	if err == nil {
		err = checkFormat(stored.Format)
	}
	if err != nil {
		err = fmt.Errorf("loading pipeline %s: %w", id, err)
	}
	return row, version, stored, err
}

// loadMissing gives the units the executions that their Steps asked for, as they
// are in the snapshot that the state was loaded from. One that is live is in the
// state by now.
func (d *Dispatcher) loadMissing(tx *db.Tx, l *line, batch []*unit) error {
	for _, u := range batch {
		if len(u.missing) == 0 {
			continue
		}
		u.past.Executions = make(map[string]*engine.Execution, len(u.missing))
		for _, id := range u.missing {
			x, err := readExecution(tx, id)
			switch {
			case errors.Is(err, ErrExecutionNotFound) || err == nil && x.PipelineID != l.id:
				u.past.Executions[id] = nil
			case err != nil:
				return fmt.Errorf("loading pipeline %s: %w", l.id, err)
			default:
				u.past.Executions[id] = &x.Execution
			}
		}
	}
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
