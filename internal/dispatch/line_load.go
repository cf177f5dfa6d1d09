package dispatch

import (
	"slices"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/engine"
)

// loadFor loads the state with what the events of a batch need beside it. suffix
// locks the row.
func (d *Dispatcher) loadFor(tx *db.Tx, l *line, batch []*unit, suffix string) error {
	if err := d.load(tx, l, suffix); err != nil {
		return err
	}
	for _, u := range batch {
		// All at once: a Step asks for one of them only.
		if l.lacks(u) {
			u.missing = append(u.missing, namedBy(u.ev.Body))
		}
	}
	if err := d.loadMissing(tx, l, batch); err != nil {
		return err
	}
	return d.findApplied(tx, l, batch)
}

// lacks reports whether an event names an execution that neither is live nor was
// loaded for it.
func (l *line) lacks(u *unit) bool {
	id := namedBy(u.ev.Body)
	return id != "" && !slices.Contains(u.missing, id) && l.state.Execution(id) == nil
}

// namedBy is the execution of a request that may be about one that is over.
func namedBy(body engine.Body) string {
	switch b := body.(type) {
	case engine.RetryStage:
		return b.Execution
	case engine.RollBack:
		return b.Target
	case engine.OverrideCondition:
		return b.Execution
	}
	return ""
}
