package simtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/penstock-cd/penstock/internal/engine"
)

// bugs are mistakes planted on purpose, in the world and in the engine.
type bugs struct {
	// forgetsUnknown: after a commit of unknown outcome the event is applied
	// again without a look.
	forgetsUnknown bool
	// ignoresVersion: a commit does not notice that somebody else was first.
	ignoresVersion bool
	// believesCache: what seems to change nothing is answered from memory.
	believesCache bool
	// answersEarly: success is answered although the commit failed.
	answersEarly bool
	// keepsVoid: the effect of an action that is over stays.
	keepsVoid bool
	// forgetsTokens: a client request token is not kept.
	forgetsTokens bool
	// neverAdopts: a node does not look for claims that it does not carry out.
	neverAdopts bool
	// orphansClaims: only the claims of expired leases are freed, not those
	// without any.
	orphansClaims bool
	// beginsAnyway: who loses the race to begin an attempt starts it too.
	beginsAnyway bool
	// mutate stands in for engine.Step.
	mutate func(stepper) (*engine.State, engine.Decision, error)
}

// stepper is a call of engine.Step.
type stepper struct {
	plans engine.Plans
	state *engine.State
	past  engine.Past
	ev    engine.Event
}

func (c stepper) step() (*engine.State, engine.Decision, error) {
	return engine.Step(c.plans, c.state, c.past, c.ev)
}

func (b *bugs) step(plans engine.Plans, s *engine.State, past engine.Past, ev engine.Event) (*engine.State, engine.Decision, error) {
	c := stepper{plans, s, past, ev}
	if b.mutate != nil {
		return b.mutate(c)
	}
	return c.step()
}

// TestSimulationCatches plants each bug of the list; some seed must find it.
// Whoever fixes a bug of engine or dispatch adds it here.
func TestSimulationCatches(t *testing.T) {
	t.Parallel()
	for name, planted := range map[string]bugs{
		"unknown outcome applied twice":      {forgetsUnknown: true},
		"lost update":                        {ignoresVersion: true},
		"answer from a stale state":          {believesCache: true},
		"answer before the commit":           {answersEarly: true},
		"void effect kept":                   {keepsVoid: true},
		"token forgotten":                    {forgetsTokens: true},
		"claim forgotten":                    {neverAdopts: true},
		"claim without a lease":              {orphansClaims: true},
		"begun twice":                        {beginsAnyway: true},
		"lock not released":                  {mutate: keepLock},
		"late report applied":                {mutate: applyLate},
		"not superseded":                     {mutate: notSuperseded},
		"wake-up lost when enabled":          {mutate: loseWakeUp},
		"update lets go on":                  {mutate: updateLetsGoOn},
		"stop-and-wait forgotten":            {mutate: forgetStop},
		"early deadline believed":            {mutate: believeDeadline},
		"effect not asked for":               {mutate: loseEffect},
		"disabled outbound transition leaks": {mutate: ignoreOutbound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const enough = 3000
			for seed := range uint64(enough) {
				// A crash of the planted code itself proves nothing.
				if _, err := simulate(seed+1, planted); err != nil && !strings.Contains(err.Error(), "runtime error") {
					t.Logf("caught by seed %d: %.300s", seed+1, err)
					return
				}
			}
			t.Errorf("not caught by %d seeds", enough)
		})
	}
}

func keepLock(c stepper) (*engine.State, engine.Decision, error) {
	s, d, err := c.step()
	for _, change := range d.Changes {
		if st := s.Stage(change.Stage); change.Kind == engine.StageChanged && change.Status == engine.Failed && st != nil && st.Holder == "" {
			st.Holder = change.Execution
		}
	}
	return s, d, err
}

func applyLate(c stepper) (*engine.State, engine.Decision, error) {
	s, d, err := c.step()
	if b, ok := c.ev.Body.(engine.ActionReported); ok && err == nil && len(d.Changes) == 0 {
		d.Changes = append(d.Changes, engine.Change{
			Kind: engine.ActionEnded, At: s.Pipeline.LastAt, Execution: b.Execution, ActionID: b.Action, Status: engine.Succeeded,
		})
	}
	return s, d, err
}

// notSuperseded leaves an overtaken execution at the entrance.
func notSuperseded(c stepper) (*engine.State, engine.Decision, error) {
	s, d, err := c.step()
	i := slices.IndexFunc(d.Changes, func(change engine.Change) bool { return change.Status == engine.Superseded })
	if i < 0 {
		return s, d, err
	}
	at := slices.IndexFunc(d.Touched, func(e *engine.Execution) bool { return e.ID == d.Changes[i].Execution })
	e := d.Touched[at]
	st := s.Stage(c.plans.Plan(e.Version).Stages[e.Stage].Name)
	e.Status, e.Summary = engine.InProgress, ""
	st.Waiting = append([]string{e.ID}, st.Waiting...)
	s.Executions = append(s.Executions, e)
	slices.SortFunc(s.Executions, func(a, b *engine.Execution) int { return int(a.Seq - b.Seq) })
	d.Changes = slices.Delete(d.Changes, i, i+1)
	return s, d, err
}

// loseWakeUp enables a transition and does not look who waits behind it.
func loseWakeUp(c stepper) (*engine.State, engine.Decision, error) {
	b, ok := c.ev.Body.(engine.SetTransition)
	if !ok || b.Disabled || b.Outbound || c.state.Stage(b.Stage) == nil || c.state.Pipeline.Deleted {
		return c.step()
	}
	at := max(c.ev.At, c.state.Pipeline.LastAt)
	c.state.Pipeline.LastAt = at
	c.state.Stage(b.Stage).Inbound = engine.Transition{By: b.By, At: at}
	return c.state, engine.Decision{Changes: []engine.Change{{Kind: engine.TransitionChanged, At: at, Stage: b.Stage}}}, nil
}

func updateLetsGoOn(c stepper) (*engine.State, engine.Decision, error) {
	s, d, err := c.step()
	for _, e := range s.Executions {
		e.Cancel = false
	}
	return s, d, err
}

func forgetStop(c stepper) (*engine.State, engine.Decision, error) {
	s, d, err := c.step()
	for _, e := range s.Executions {
		e.Stop = nil
	}
	return s, d, err
}

func believeDeadline(c stepper) (*engine.State, engine.Decision, error) {
	if b, ok := c.ev.Body.(engine.DeadlineReached); ok {
		if e := c.state.Execution(b.Execution); e != nil {
			for _, a := range e.Actions {
				c.ev.At = max(c.ev.At, a.Deadline)
			}
		}
	}
	return c.step()
}

// loseEffect forgets to ask for the second action of a group.
func loseEffect(c stepper) (*engine.State, engine.Decision, error) {
	s, d, err := c.step()
	if len(d.Effects) > 1 && d.Effects[1].Kind == engine.RunAction {
		d.Effects = d.Effects[:1]
	}
	return s, d, err
}

// ignoreOutbound lets executions out although the stage's outbound side is
// disabled.
func ignoreOutbound(c stepper) (*engine.State, engine.Decision, error) {
	if c.state == nil {
		return c.step()
	}
	if _, ok := c.ev.Body.(engine.SetTransition); ok {
		return c.step()
	}
	disabled := []string{}
	for i := range c.state.Pipeline.Stages {
		if st := &c.state.Pipeline.Stages[i]; st.Outbound.Disabled {
			disabled = append(disabled, st.Name)
			st.Outbound.Disabled = false
		}
	}
	s, d, err := c.step()
	for _, name := range disabled {
		if st := s.Stage(name); st != nil {
			st.Outbound.Disabled = true
		}
	}
	return s, d, err
}
