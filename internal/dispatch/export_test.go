package dispatch

import (
	"context"
	"time"

	"github.com/penstock-cd/penstock/internal/engine"
)

// ApplyTogether applies events to a pipeline in one batch, as those are that wait
// while another commit is under way, and returns what became of each.
func (d *Dispatcher) ApplyTogether(ctx context.Context, key Key, bodies ...engine.Body) ([]engine.Decision, []error) {
	id, err := d.findID(ctx, key)
	if err != nil {
		return nil, []error{err}
	}
	l := &line{id: id}
	batch := make([]*unit, len(bodies))
	for i, body := range bodies {
		batch[i] = &unit{ev: d.event(body)}
	}
	d.applyBatch(l, batch)
	decisions, errs := make([]engine.Decision, len(batch)), make([]error, len(batch))
	for i, u := range batch {
		decisions[i], errs[i] = u.decision, u.err
	}
	// What this node remembers of the pipeline is behind now.
	d.mu.Lock()
	delete(d.lines, id)
	d.mu.Unlock()
	return decisions, errs
}

// TellTrouble is what decides whether a trouble is told.
func TellTrouble() func(error, time.Time) bool { return new(trouble).news }
