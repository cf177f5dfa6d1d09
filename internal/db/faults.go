package db

import (
	"fmt"
	"sync"
)

// Fault is a failure that [Faults] makes of a Write whose function succeeded.
type Fault int

// The faults. Together they are all that a database may do to a commit.
const (
	FaultNone     Fault = iota
	FaultBefore         // rolled back, and known to be: a plain error
	FaultConflict       // rolled back with ErrConflict
	FaultLost           // rolled back, but reported as ErrUnknownOutcome
	FaultAfter          // committed, but reported as ErrUnknownOutcome
)

// Faults makes writes fail where a test wants it. The zero value does nothing.
// It may be armed at any time and from any goroutine, and is asked once for each
// unit whose function returned nil, just before its commit. Every error it makes
// is an [ErrInjected].
type Faults struct {
	mu    sync.Mutex
	kind  Fault
	left  int
	after int
	by    func() Fault
}

// FailBefore has the next n writes rolled back with a plain error.
func (f *Faults) FailBefore(n int) { f.Arm(FaultBefore, 0, n) }

// FailAfter has the next n writes committed but reported as ErrUnknownOutcome.
func (f *Faults) FailAfter(n int) { f.Arm(FaultAfter, 0, n) }

// Arm lets skip writes pass and gives the n writes after them the fault. It
// replaces what was armed before.
func (f *Faults) Arm(kind Fault, skip, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kind, f.after, f.left, f.by = kind, skip, n, nil
}

// Decide has by choose the fault of every write from now on, until Arm or
// Decide is called again; nil turns faults off. by is never called by two writes
// at once.
func (f *Faults) Decide(by func() Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.by = 0, by
}

// next returns the fault of one write.
func (f *Faults) next() Fault {
	if f == nil {
		return FaultNone
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.by != nil:
		return f.by()
	case f.left == 0:
		return FaultNone
	case f.after > 0:
		f.after--
		return FaultNone
	}
	f.left--
	return f.kind
}

// split turns a fault into what a database does: the error to roll back with, or
// the error to report after a commit that worked.
func (k Fault) split() (before, after error) {
	switch k {
	case FaultBefore:
		return fmt.Errorf("commit: %w", ErrInjected), nil
	case FaultConflict:
		return fmt.Errorf("%w: %w", ErrConflict, ErrInjected), nil
	case FaultLost:
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, ErrInjected), nil
	case FaultAfter:
		return nil, fmt.Errorf("%w: %w", ErrUnknownOutcome, ErrInjected)
	}
	return nil, nil
}
