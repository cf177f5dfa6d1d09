package dispatch

import "sync"

// asked remembers what this process asked of the providers of attempts that are
// not over. Only the process itself can know it: after a restart everything that
// was begun may have been started.
type asked struct {
	mu     sync.Mutex
	states map[string]askedState
}

type askedState int

const (
	// neverAsked: the provider was not asked to start the attempt.
	neverAsked askedState = iota
	// askedToStart: it was, and may be asked again.
	askedToStart
	// dropped: it was, but this node was taken for dead and cut the work off.
	dropped
)

func (a *asked) state(action string) askedState {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.states[action]
}

func (a *asked) set(action string, state askedState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.states == nil {
		a.states = map[string]askedState{}
	}
	a.states[action] = state
}

func (a *asked) forget(action string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.states, action)
}
