package engine

import (
	"encoding/json"
	"fmt"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// check panics on a state that no rule may produce. It is cheap enough to run
// after every Step: a broken promise must stop the pipeline, not spread.
func (m *machine) check() {
	for i := range m.s.Pipeline.Stages {
		m.checkStage(&m.s.Pipeline.Stages[i])
	}
	for i, e := range m.s.Executions {
		if i > 0 && m.s.Executions[i-1].Seq >= e.Seq {
			m.broken("executions are out of order")
		}
		m.checkExecution(e)
	}
}

func (m *machine) checkStage(st *Stage) {
	if st.Holder != "" {
		if e := m.s.Execution(st.Holder); e == nil || !e.Inside || e.parallel() || m.stageOf(e) != st {
			m.broken("stage %s is held by %s, which is not inside it", st.Name, st.Holder)
		}
	}
	if len(st.Waiting) > 1 && m.s.Execution(st.Waiting[0]).Mode == pipeline.ModeSuperseded {
		m.broken("%d executions wait at %s", len(st.Waiting), st.Name)
	}
	for _, id := range st.Waiting {
		if e := m.s.Execution(id); e == nil || e.Inside || e.parallel() || m.stageOf(e) != st {
			m.broken("%s does not wait at %s", id, st.Name)
		}
	}
}

func (m *machine) checkExecution(e *Execution) {
	if e.Inside && !m.busy(e) {
		m.broken("execution %s is inside %s and nothing runs", e.ID, m.stagePlan(e).Name)
	}
	if !e.Inside && e.Gate != "" {
		m.broken("execution %s evaluates %s outside a stage", e.ID, e.Gate)
	}
	if e.parallel() {
		if !e.Inside && !e.Stale && m.open(e) {
			m.broken("execution %s waits for nothing", e.ID)
		}
		return
	}
	st := m.stageOf(e)
	if st == nil {
		m.broken("execution %s is nowhere", e.ID)
	}
	if e.Inside {
		if st.Holder != e.ID {
			m.broken("execution %s is inside %s without holding it", e.ID, st.Name)
		}
		return
	}
	for _, id := range st.Waiting {
		if id == e.ID {
			return
		}
	}
	m.broken("execution %s waits for nothing", e.ID)
}

func (m *machine) broken(format string, args ...any) {
	state, _ := json.Marshal(m.s)
	panic(fmt.Sprintf("engine: "+format+"\nevent %#v\nstate %s", append(args, m.ev, state)...))
}
