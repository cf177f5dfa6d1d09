package engine

import "slices"

// StageView is who is in a stage, who waits for it, and its transitions.
type StageView struct {
	Name string
	// Gone marks a stage that the current definition does not have.
	Gone bool
	// Inside are the executions in the stage: at most one unless they are
	// PARALLEL. Since is when the first of them entered.
	Inside []string
	Since  int64
	// Waiting are those at its entrance, first come first.
	Waiting           []string
	Inbound, Outbound Transition
}

// ExplainStages shows every stage in the order of the definition, then those
// that are gone and in which executions still are.
func ExplainStages(plans Plans, s *State) []StageView {
	var list []StageView
	view := func(name string, gone bool) *StageView {
		i := slices.IndexFunc(list, func(v StageView) bool { return v.Name == name })
		if i < 0 {
			list = append(list, StageView{Name: name, Gone: gone})
			i = len(list) - 1
		}
		return &list[i]
	}
	for i := range s.Pipeline.Stages {
		st := &s.Pipeline.Stages[i]
		v := view(st.Name, st.Gone)
		v.Inbound, v.Outbound = st.Inbound, st.Outbound
		v.Waiting = slices.Clone(st.Waiting)
	}
	for _, e := range s.Executions {
		v := view(plans.Plan(e.Version).Stages[e.Stage].Name, true)
		switch {
		case e.Inside:
			if v.Since == 0 {
				v.Since = e.record().Entered
			}
			v.Inside = append(v.Inside, e.ID)
		case e.parallel():
			v.Waiting = append(v.Waiting, e.ID)
		}
	}
	return list
}
