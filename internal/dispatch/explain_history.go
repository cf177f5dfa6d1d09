package dispatch

import (
	"errors"
	"math"

	"github.com/penstock-cd/penstock/internal/engine"
)

const (
	// maxHistory bounds the executions that are looked at to find the last ones
	// that succeeded in the stages behind an approval.
	maxHistory = 500
	// historyPage is how many are read at a time.
	historyPage = 100
)

// readHistory reads the next older page of executions.
func (x *explaining) readHistory() error {
	next, err := executionBefore(x.tx, x.line.id, x.at)
	if err == nil && next != "" {
		next, err = eachExecution(x.tx, x.line.id, next, historyPage, func(e *engine.Execution) bool {
			x.oldest, x.at = e.Seq, PlaceOf(e)
			x.add(e)
			return true
		})
	}
	if next == "" {
		x.oldest = -1
	}
	return err
}

// loadReleased reads history until it has, for every stage that a pending
// approval opens, what last succeeded there.
func (x *explaining) loadReleased(actors []*engine.Execution) error {
	stages := map[string]bool{}
	for _, e := range actors {
		plan := x.plans.Plan(e.Version)
		for _, a := range e.Actions {
			if e.Inside && a.Status == engine.InProgress && plan.Stages[e.Stage].Actions[a.Index].IsApproval() {
				for i := e.Stage; i < len(plan.Stages); i++ {
					stages[plan.Stages[i].Name] = true
				}
			}
		}
	}
	if len(stages) == 0 {
		return nil
	}
	for read := 0; read < maxHistory && x.oldest >= 0; read += historyPage {
		if x.oldest < math.MaxInt64 {
			complete, err := x.covers(stages)
			if err != nil || complete {
				return err
			}
		}
		if err := x.readHistory(); err != nil {
			return err
		}
	}
	return nil
}

// covers reports whether for every stage an execution is known that succeeded in
// it. A rollback has what its target had, so history must go back to that.
func (x *explaining) covers(stages map[string]bool) (bool, error) {
	covered, reach := map[string]bool{}, int64(math.MaxInt64)
	known := append([]*engine.Execution{}, x.known.Executions...)
	for _, e := range append(known, x.line.state.Executions...) {
		for _, r := range e.Stages {
			switch {
			case !stages[r.Name] || r.Status != engine.Succeeded:
			case e.Type != engine.Rollback:
				covered[r.Name] = true
			default:
				target, err := readExecution(x.tx, e.Target)
				if errors.Is(err, ErrExecutionNotFound) {
					continue
				}
				if err != nil {
					return false, err
				}
				x.add(&target.Execution)
				reach = min(reach, target.Seq)
			}
		}
	}
	return len(covered) == len(stages) && x.oldest <= reach, nil
}

// loadNewer loads the executions that may have superseded one, or the rollback
// that followed it.
func (x *explaining) loadNewer(e *engine.Execution) error {
	if e.Status != engine.Superseded && e.Status != engine.Failed {
		return nil
	}
	next, err := executionBefore(x.tx, x.line.id, Place{})
	for read := 0; err == nil && next != "" && read < maxHistory; read += historyPage {
		next, err = eachExecution(x.tx, x.line.id, next, historyPage, func(newer *engine.Execution) bool {
			if newer.Seq > e.Seq && newer.StartTime <= e.LastUpdate {
				x.add(newer)
			}
			return newer.Seq > e.Seq
		})
	}
	return err
}
