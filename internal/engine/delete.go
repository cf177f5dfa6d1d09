package engine

// deletePipeline ends the pipeline at once: what runs is abandoned, nothing
// waits (observed.md 2: running work does not block deletion).
func (m *machine) deletePipeline() error {
	for _, e := range m.s.Executions {
		if e.Ended() {
			continue
		}
		e.Stop = &Stop{Abandon: true, At: m.at}
		if !e.Inside {
			m.leaveEntrance(m.stageOf(e), e.ID)
			m.setStatus(e, Stopped, "")
			continue
		}
		if e.Gate != "" {
			m.leaveGate(e, Abandoned, "")
		}
		m.abandonActions(e)
	}
	m.settle()
	m.s.Pipeline.Deleted = true
	m.change(Change{Kind: PipelineDeleted})
	return nil
}

// onDeleted answers an event for a pipeline that is gone: a request is
// rejected, a late fact decides nothing, and a second delete is harmless.
func (m *machine) onDeleted() error {
	switch m.ev.Body.(type) {
	case ActionReported, DeadlineReached, DeletePipeline:
		return nil
	}
	return &Rejection{Reason: ReasonPipelineNotFound}
}
