package engine_test

import (
	"encoding/json"
	"errors"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/engine"
)

// fataler is testing.TB as far as rapid.T has it too.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// stepThrice applies one event to a state and to two stored copies of it, and
// fails unless all three come out the same: replay mints the same ids, nothing
// lives outside what is stored, and a rejection changes nothing.
func stepThrice(t fataler, plans engine.Plans, s *engine.State, past engine.Past, ev engine.Event) (*engine.State, engine.Decision, error) {
	t.Helper()
	before, history := stored(t, s), encode(t, past)
	first, second := loaded(t, before), loaded(t, before)
	state, decision, err := engine.Step(plans, s, past, ev)
	for _, again := range []*engine.State{first, second} {
		againState, againDecision, againErr := engine.Step(plans, again, past, ev)
		if (err == nil) != (againErr == nil) || err != nil && err.Error() != againErr.Error() {
			t.Fatalf("event %#v gave %v, and again %v", ev, err, againErr)
		}
		if diff := cmp.Diff(stored(t, state), stored(t, againState)); diff != "" {
			t.Fatalf("event %#v again gave another state: %s", ev, diff)
		}
		if diff := cmp.Diff(encode(t, decision), encode(t, againDecision)); diff != "" {
			t.Fatalf("event %#v again gave another decision: %s", ev, diff)
		}
	}
	if diff := cmp.Diff(history, encode(t, past)); diff != "" {
		t.Fatalf("event %#v changed the past: %s", ev, diff)
	}
	var rejection *engine.Rejection
	if errors.As(err, &rejection) && s != nil {
		if diff := cmp.Diff(before, stored(t, s)); diff != "" {
			t.Fatalf("a rejected %#v changed the state: %s", ev, diff)
		}
	}
	if err == nil && s != nil && len(decision.Changes) == 0 && len(decision.Touched) == 0 {
		// Such an event is not even stored: only the clock may have moved.
		kept := loaded(t, before)
		kept.Pipeline.LastAt = state.Pipeline.LastAt
		if diff := cmp.Diff(stored(t, kept), stored(t, state)); diff != "" {
			t.Fatalf("%#v decided nothing but changed the state: %s", ev, diff)
		}
	}
	return state, decision, err
}

// stored is a state in the form in which dispatch keeps it: a text for each part.
func stored(t fataler, s *engine.State) []string {
	if s == nil {
		return nil
	}
	parts := []string{encode(t, s.Pipeline)}
	for _, e := range s.Executions {
		parts = append(parts, encode(t, e))
	}
	return parts
}

func loaded(t fataler, parts []string) *engine.State {
	if parts == nil {
		return nil
	}
	s := &engine.State{}
	decode(t, parts[0], &s.Pipeline)
	for _, text := range parts[1:] {
		e := &engine.Execution{}
		decode(t, text, e)
		s.Executions = append(s.Executions, e)
	}
	return s
}

func encode(t fataler, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("encoding: %v", err)
	}
	return string(b)
}

func decode(t fataler, text string, v any) {
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("decoding %s: %v", text, err)
	}
}
